"""`mercato train sequence`: what a shopper takes next, from events in their order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mercato.cli.offline import run_training
from mercato.cli.output import Output
from mercato.cli.training_options import MetricsOption, SeedOption, ThreadsOption
from mercato.progress import Progress

if TYPE_CHECKING:
    from mercato_training.sequence.metrics import SequenceMetrics, WeightMetrics

EPILOG = (
    "Example: mercato train sequence --events purchases.csv --map user_id=customer --out var/models/sequence-training"
)


def sequence(
    events: Annotated[
        Path | None, typer.Option(help="Events with user_id and product_id, in order: parquet, csv or jsonl.")
    ] = None,
    column_map: Annotated[
        list[str] | None, typer.Option("--map", help="Columns of --events, as user_id=customer; repeatable.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Where the events are instead: sqlite:PATH.")] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="Snapshot whose texts help with products of few events; ids alone without.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/sequence-training"
    ),
    max_length: Annotated[int, typer.Option(help="Last products of a history that it reads.", min=2, max=50)] = 50,
    layers: Annotated[int, typer.Option(help="Layers of attention.", min=1)] = 2,
    min_events: Annotated[int, typer.Option(help="Products with fewer events are left out.", min=1)] = 2,
    epochs: Annotated[
        int, typer.Option(help="Most passes over the histories; it stops when they do not help.", min=1)
    ] = (40),
    patience: Annotated[int, typer.Option(help="Passes in a row that do not help before it stops.", min=1)] = 3,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 5e-3,
    device: Annotated[str, typer.Option(help="cpu, or cuda for a GPU, in bfloat16.")] = "cpu",
    seed: SeedOption = 17,
    threads: ThreadsOption = 1,
    as_json: MetricsOption = False,
) -> None:
    """Train the sequence model: what a shopper takes next, from the order of what they took before.

    A file needs no texts and no times: without a column `time` or `order` the rows are in order.
    """
    if (events is None) == (state is None):
        raise typer.BadParameter("give --events FILE or --state URL, one of them: that is what it learns from")

    def work(report: Progress, say: Callable[[str], None]) -> SequenceMetrics:
        from mercato.evaluation.holdout import parse_holdout_map
        from mercato.index.snapshot import Snapshot
        from mercato_training.sequence.events import read_file, read_state_events
        from mercato_training.sequence.fit import SequenceFitOptions
        from mercato_training.sequence.metrics import SequenceOptions
        from mercato_training.sequence.train import train_sequence

        report("reading events", 0, 1)
        if events is not None:
            learned = read_file(events, parse_holdout_map(column_map or ()), say)
        else:
            learned = read_state_events(str(state))
        _, _, metrics = train_sequence(
            learned,
            out,
            options=SequenceOptions(max_length=max_length, layers=layers, min_events=min_events),
            fit_options=SequenceFitOptions(
                epochs=epochs, patience=patience, learning_rate=learning_rate, seed=seed, device=device
            ),
            catalog=None if catalog is None else Snapshot(catalog),
            source=events.name if events is not None else "a state store",
            report=report,
            say=say,
        )
        return metrics

    output = Output(as_json=as_json)
    metrics = run_training(work, output, threads=threads)
    if as_json:
        output.finish(metrics.as_json())
        return
    table = Table("order", "recall@10", "nDCG@10", title="Last events that were kept back", title_justify="left")
    for order, values in metrics.results.items():
        table.add_row(order, *(f"{value:.3f}" for value in values.values()))
    output.console.print(table)
    if metrics.weight is not None:
        output.show(describe_weight(metrics.weight))
        output.show(metrics.weight.verdict)
    output.show(f"wrote {out}; export it: mercato export sequence --weights {out}")


def describe_weight(weight: WeightMetrics) -> str:
    """Say in one line which weight was chosen, and what each reached."""
    tried = ", ".join(f"{value} {recall:.3f}" for value, recall in weight.recall.items())
    return f"weight among the other sources: {weight.chosen:g} (recall@10 by weight: {tried})"
