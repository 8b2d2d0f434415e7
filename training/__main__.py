"""The command line: ``python -m training MODEL --catalog SNAPSHOT --state URL --out DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from mercato.errors import MercatoError

app = typer.Typer(help="Train the models that are served.", no_args_is_help=True, add_completion=False)


@app.callback()
def main() -> None:
    """Train the models that are served."""


@app.command(
    epilog="Example: python -m training ranker --catalog var/demo/catalog --state sqlite:var/demo/state.db "
    "--out var/models/ranker-training"
)
def ranker(
    catalog: Annotated[Path, typer.Option(help="Snapshot, as mercato index wrote it.")],
    state: Annotated[str, typer.Option(help="Where the purchases are: sqlite:PATH.")],
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/ranker-training"
    ),
    encoder: Annotated[Path, typer.Option(help="Exported encoder that the snapshot was built with.")] = Path(
        "var/models/encoder"
    ),
    searches: Annotated[int, typer.Option(help="Training searches; more is slower and a little better.")] = 8_000,
    recommendations: Annotated[int, typer.Option(help="Training recommendations.")] = 4_000,
    epochs: Annotated[int, typer.Option(help="Most passes over the training lists.")] = 6,
    train_days: Annotated[float, typer.Option(help="Days of orders to learn from.")] = 28.0,
    validation_days: Annotated[float, typer.Option(help="Days after them that decide when to stop.")] = 14.0,
    test_days: Annotated[float, typer.Option(help="Last days, that are reported.")] = 21.0,
    seed: Annotated[int, typer.Option(help="Of every draw; the same seed gives the same network.")] = 17,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, the metrics, only.")] = False,
) -> None:
    """Train the ranker from purchases and compare it with the order before it on the last weeks."""
    progress = Console(stderr=True)
    try:
        with progress.status("loading PyTorch") as status:
            import torch

            from mercato.catalog.snapshot import Snapshot
            from mercato.encoder.onnx_encoder import OnnxEncoder
            from mercato.state.store import open_state
            from training.fit import FitOptions
            from training.prepare import DataOptions
            from training.ranker import train_ranker

            # The network is so small that two threads take longer than one, on a busy machine ten times as long.
            torch.set_num_threads(1)

            def report(what: str, done: int, total: int) -> None:
                status.update(f"{what} ({done:,} of {total:,})" if total > 1 else what)

            def say(line: str) -> None:
                progress.print(line, highlight=False, markup=False)

            text_encoder = OnnxEncoder(encoder)
            snapshot = Snapshot(catalog, encoder=text_encoder.identity)
            report("reading events", 0, 1)
            store = open_state(state)
            try:
                events = store.event_columns()
            finally:
                store.close()
            metrics = train_ranker(
                snapshot,
                events,
                text_encoder,
                out,
                data_options=DataOptions(
                    searches=searches,
                    recommendations=recommendations,
                    train_days=train_days,
                    validation_days=validation_days,
                    test_days=test_days,
                    seed=seed,
                ),
                fit_options=FitOptions(epochs=epochs, seed=seed),
                report=report,
                say=say,
            )
    except MercatoError as exc:
        progress.print(f"training failed: {exc}", style="red", highlight=False, markup=False)
        raise typer.Exit(1) from exc
    if as_json:
        typer.echo(orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
    else:
        _print_results(metrics, out)


def _print_results(metrics: dict[str, Any], out: Path) -> None:
    from training.card import TASK_TITLES

    console = Console()
    for task, systems in metrics["results"].items():
        names = list(next(iter(systems.values())))
        table = Table(title=TASK_TITLES[task], title_justify="left")
        table.add_column("order", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        for system, values in systems.items():
            sign = "+" if " - " in system else ""
            cells = (f"{values[n]['mean']:{sign}.3f} ±{(values[n]['high'] - values[n]['low']) / 2:.3f}" for n in names)
            table.add_row(system, *cells)
        console.print(table)
    console.print("retrieval: the order before the ranker. most bought: by this shopper, then popular products.")
    console.print(f"wrote {out}; export it: python -m export ranker --weights {out}", highlight=False, markup=False)


if __name__ == "__main__":
    app()
