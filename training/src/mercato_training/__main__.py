"""The command line: ``python -m training MODEL --catalog SNAPSHOT --state URL --out DIR``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from mercato_training.command import Report, run_training
from mercato_training.sequence_command import EXAMPLE, sequence

app = typer.Typer(help="Train the models that are served.", no_args_is_help=True, add_completion=False)


@app.callback()
def main() -> None:
    """Train the models that are served."""


@app.command(
    epilog="Examples: python -m training ranker --catalog var/demo/catalog --state sqlite:var/demo/state.db ; "
    "python -m training ranker --catalog catalog --events purchases.csv --event-map user_id=customer "
    "--event-type purchase-complete --horizon-days 35 ; "
    "python -m training ranker --catalog var/icecat/catalog "
    "--judgements ../shared/data/icecat_chorus/judgements.parquet --out var/models/icecat-ranker-training"
)
def ranker(
    catalog: Annotated[Path, typer.Option(help="Snapshot, as mercato index wrote it.")],
    state: Annotated[str | None, typer.Option(help="Where the purchases are: sqlite:PATH.")] = None,
    events: Annotated[
        Path | None, typer.Option(help="A file of events instead, as mercato events import takes it.")
    ] = None,
    event_map: Annotated[
        list[str] | None, typer.Option(help="Columns of --events, as user_id=customer; repeatable.")
    ] = None,
    event_type: Annotated[
        str | None, typer.Option(help="Type of the rows of --events that have none, as purchase-complete.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/ranker-training"
    ),
    encoder: Annotated[Path, typer.Option(help="Exported encoder that the snapshot was built with.")] = Path(
        "var/models/encoder"
    ),
    judgements: Annotated[Path | None, typer.Option(help="Ratings for searches: parquet, csv or jsonl.")] = None,
    column_map: Annotated[
        list[str] | None, typer.Option("--map", help="Columns of --judgements, as rating=grade; repeatable.")
    ] = None,
    folds: Annotated[
        int, typer.Option(help="Folds of the rated queries, by a hash of the query; 0 measures none.")
    ] = 5,
    fold: Annotated[
        int | None, typer.Option(help="Leave this fold out and report it; all are, in turn, without.")
    ] = None,
    searches: Annotated[
        int, typer.Option(help="Training searches; more is slower and a little better.", min=0)
    ] = 8_000,
    recommendations: Annotated[int, typer.Option(help="Training recommendations.", min=0)] = 4_000,
    epochs: Annotated[
        int | None,
        typer.Option(help="Most passes over the training lists of purchases; 6 on orders, 8 at moments.", min=1),
    ] = None,
    rating_epochs: Annotated[int, typer.Option(help="Most passes over the rated queries.", min=1)] = 30,
    unrated_weight: Annotated[
        float, typer.Option(help="What an unrated product counts as one of rating 0, beside 1.", min=0, max=1)
    ] = 0.05,
    train_days: Annotated[float, typer.Option(help="Days of orders to learn from.")] = 28.0,
    validation_days: Annotated[float, typer.Option(help="Days after them that decide when to stop.")] = 14.0,
    test_days: Annotated[float, typer.Option(help="Last days, that are reported.")] = 21.0,
    horizon_days: Annotated[
        float | None,
        typer.Option(help="Learn what is bought in so many days after several moments, not single orders.", min=1),
    ] = None,
    cuts: Annotated[int, typer.Option(help="Moments of --horizon-days, two weeks apart.", min=1)] = 4,
    members: Annotated[
        int | None,
        typer.Option(help="Networks that learn side by side and answer together; 1, and 4 with --horizon-days.", min=1),
    ] = None,
    task_losses: Annotated[
        str,
        typer.Option(help="What carts and clicks count in the loss, beside 1 for purchases; where the log has them."),
    ] = "cart=1,click=0.3",
    task_weights: Annotated[
        str, typer.Option(help="What each counts in the score that is served, as purchase=1,cart=0.2,click=0.05.")
    ] = "purchase=1",
    seed: Annotated[int, typer.Option(help="Of every draw; the same seed gives the same network.", min=0)] = 17,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, the metrics, only.")] = False,
) -> None:
    """Train the ranker: from ratings, from purchases, or from ratings first and purchases after them.

    From purchases it is compared with the order before it on the last weeks, from ratings by cross-validation.
    """
    if state is not None and events is not None:
        raise typer.BadParameter("give --events FILE or --state URL, not both: one log is learned from")
    if state is None and events is None and judgements is None:
        raise typer.BadParameter(
            "give --state or --events, --judgements, or both: without there is nothing to learn, and the order of "
            "retrieval, which needs no ranker, is the best there is"
        )
    if events is None and (event_map or event_type):
        raise typer.BadParameter("--event-map and --event-type say how to read --events FILE, which is not given")
    if judgements is None and column_map:
        raise typer.BadParameter(
            "--map names columns of --judgements, which is not given; those of --events are named by --event-map"
        )
    learns_purchases = state is not None or events is not None

    def work(report: Report, say: Callable[[str], None]) -> dict[str, Any]:
        from mercato.catalog.snapshot import Snapshot
        from mercato.encoder.onnx_encoder import OnnxEncoder
        from mercato_training.fit import FitOptions
        from mercato_training.fit_ratings import RatingFitOptions
        from mercato_training.horizon import HorizonOptions
        from mercato_training.horizon_data import HORIZON_FIT, HORIZON_SHAPE
        from mercato_training.model import RankerNetwork
        from mercato_training.outcomes import read_weights
        from mercato_training.prepare import DataOptions
        from mercato_training.ranker import train_ranker
        from mercato_training.rated_ranker import FoldOptions, train_from_ratings
        from mercato_training.sources import read_event_file, read_events, read_ratings
        from mercato_training.timeline import FURTHER

        fold_options = FoldOptions(folds=folds, fold=fold)
        losses = read_weights(task_losses, option="--task-losses", names=tuple(FURTHER))
        blend = read_weights(task_weights, option="--task-weights")
        shape = {} if horizon_days is None else HORIZON_SHAPE
        fit_options = FitOptions() if horizon_days is None else HORIZON_FIT
        text_encoder = OnnxEncoder(encoder)
        snapshot = Snapshot(catalog, encoder=text_encoder.identity)
        rated: RankerNetwork | None = None
        metrics: dict[str, Any] = {}
        if judgements is not None:
            rated, metrics = train_from_ratings(
                snapshot,
                read_ratings(judgements, column_map or (), say),
                text_encoder,
                out / "ratings" if learns_purchases else out,
                fold_options=fold_options,
                fit_options=RatingFitOptions(epochs=rating_epochs, unrated_weight=unrated_weight, seed=seed),
                report=report,
                say=say,
            )
        if not learns_purchases:
            return metrics
        return train_ranker(
            snapshot,
            read_event_file(events, event_map or (), event_type, report, say)
            if events is not None
            else read_events(str(state), report),
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
            fit_options=replace(fit_options, epochs=epochs or fit_options.epochs, outcome_losses=losses, seed=seed),
            report=report,
            say=say,
            rated=rated,
            horizon=None
            if horizon_days is None
            else HorizonOptions(days=horizon_days, cuts=cuts, shoppers=recommendations, seed=seed),
            shape=shape if members is None else {**shape, "members": members},
            blend=blend,
        )

    # The network is so small that two threads take longer than one, on a busy machine ten times as long.
    metrics = run_training(work, threads=1)
    if as_json:
        typer.echo(orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
    elif "ratings" in metrics:
        _print_rated_results(metrics, out)
    else:
        _print_results(metrics, out)


@app.command(
    epilog="Example: python -m training reranker --catalog var/icecat/catalog "
    "--judgements ../shared/data/icecat_chorus/judgements.parquet --out var/models/reranker-training"
)
def reranker(
    catalog: Annotated[Path, typer.Option(help="Snapshot, as mercato index wrote it.")],
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/reranker-training"
    ),
    encoder: Annotated[Path, typer.Option(help="Exported encoder that the snapshot was built with.")] = Path(
        "var/models/encoder"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the encoder's weights to start from; those installed without.")
    ] = None,
    judgements: Annotated[Path | None, typer.Option(help="Ratings: parquet, csv or jsonl.")] = None,
    column_map: Annotated[
        list[str] | None, typer.Option("--map", help="Columns of --judgements, as rating=grade; repeatable.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Where searches, clicks and purchases are: sqlite:PATH.")] = None,
    ranker: Annotated[
        Path | None, typer.Option(help="Exported ranker that stands before it; the order of retrieval without.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Folds of the rated queries, by a hash of the query.", min=2)] = 5,
    fold: Annotated[int | None, typer.Option(help="Leave this fold out and report it.", min=0)] = None,
    start: Annotated[Path | None, typer.Option(help="Go on from this training instead of the encoder.")] = None,
    layers: Annotated[int, typer.Option(help="Layers to keep: 3 for CPU, 6 for a GPU.")] = 3,
    max_tokens: Annotated[int, typer.Option(help="Tokens of query and product together.")] = 32,
    products: Annotated[int, typer.Option(help="Products whose own queries are learned; 0 for none.", min=0)] = 600,
    epochs: Annotated[int, typer.Option(help="Most passes over each kind of queries.", min=1)] = 4,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-4,
    weight: Annotated[
        float | None, typer.Option(help="Share of its score in the blend, 0 to 1; chosen by ratings without.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every draw; the same seed gives the same network.", min=0)] = 17,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, the metrics, only.")] = False,
) -> None:
    """Train the reranker from the catalogue alone; from ratings and from events too where there are any."""
    if weight is not None and not 0 <= weight <= 1:
        raise typer.BadParameter(f"must be from 0 to 1, got {weight}", param_hint="--weight")
    if fold is not None and fold >= folds:
        raise typer.BadParameter(f"must be below --folds {folds}, got {fold}", param_hint="--fold")

    def work(report: Report, say: Callable[[str], None]) -> dict[str, Any]:
        from mercato.ranker.onnx_ranker import OnnxRanker
        from mercato_export.weights import MINILM, locate_weights
        from mercato_training.reranker import RerankerShape, train_reranker
        from mercato_training.reranker_data import RerankerDataOptions
        from mercato_training.reranker_fit import RerankerFitOptions
        from mercato_training.sources import open_training_catalog, read_ratings, read_state

        live, text_encoder = open_training_catalog(catalog, encoder)
        fit_options = RerankerFitOptions(epochs=epochs, learning_rate=learning_rate, seed=seed)
        return train_reranker(
            live,
            text_encoder,
            locate_weights(MINILM, folder=weights, sha256="" if weights is not None else None),
            out,
            shape=RerankerShape(layers=layers, max_tokens=max_tokens, weight=weight),
            data_options=RerankerDataOptions(products=products, folds=folds, fold=fold, seed=seed),
            own_options=replace(fit_options, epochs=min(2, epochs), width=12, teaching=2.0),
            told_options=replace(fit_options, width=16),
            ratings=None if judgements is None else read_ratings(judgements, column_map or (), say),
            behaviour=None if state is None else read_state(state, live, report),
            ranker=None if ranker is None else OnnxRanker(ranker),
            start=start,
            report=report,
            say=say,
        )

    metrics = run_training(work, threads=threads)
    if as_json:
        typer.echo(orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        return
    console = Console()
    for queries, orders in metrics["results"].items():
        table = Table("order", "nDCG@10", "condensed", title=f"{queries} queries", title_justify="left")
        for order, values in orders.items():
            table.add_row(order, *(f"{value:.3f}" for value in values.values()))
        console.print(table)
    console.print(f"weight of the reranker in the blend: {metrics['weight']:.2f}", highlight=False)
    console.print(f"wrote {out}; export it: python -m export reranker --weights {out}", highlight=False, markup=False)


@app.command(
    epilog="Example: python -m training encoder --catalog var/icecat/catalog "
    "--judgements ../shared/data/icecat_chorus/judgements.parquet --out var/models/encoder-training"
)
def encoder(
    catalog: Annotated[Path, typer.Option(help="Snapshot, as mercato index wrote it.")],
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/encoder-training"
    ),
    encoder_folder: Annotated[
        Path, typer.Option("--encoder", help="Exported encoder that the snapshot was built with.")
    ] = Path("var/models/encoder"),
    weights: Annotated[
        Path | None, typer.Option(help="Folder of weights to start from; those installed without.")
    ] = None,
    judgements: Annotated[Path | None, typer.Option(help="Ratings: parquet, csv or jsonl.")] = None,
    column_map: Annotated[
        list[str] | None, typer.Option("--map", help="Columns of --judgements, as rating=grade; repeatable.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Where searches, clicks and purchases are: sqlite:PATH.")] = None,
    folds: Annotated[int, typer.Option(help="Folds of the rated queries, by a hash of the query.", min=2)] = 5,
    fold: Annotated[int | None, typer.Option(help="Leave this fold out and report it.", min=0)] = None,
    lora_rank: Annotated[int, typer.Option(help="Width of the matrices that are learned.", min=1)] = 8,
    products: Annotated[int, typer.Option(help="Products whose own queries are learned; 0 for none.", min=0)] = 600,
    epochs: Annotated[int, typer.Option(help="Most passes over the pairs.", min=1)] = 2,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 2e-4,
    seed: Annotated[int, typer.Option(help="Of every draw; the same seed gives the same network.", min=0)] = 17,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, the metrics, only.")] = False,
) -> None:
    """Fine-tune the encoder with LoRA on the catalogue's own queries, on ratings and on events."""
    if fold is not None and fold >= folds:
        raise typer.BadParameter(f"must be below --folds {folds}, got {fold}", param_hint="--fold")

    def work(report: Report, say: Callable[[str], None]) -> dict[str, Any]:
        from mercato_export.weights import MINILM, locate_weights
        from mercato_training.encoder import EncoderOptions, train_encoder
        from mercato_training.reranker_data import RerankerDataOptions
        from mercato_training.sources import open_training_catalog, read_ratings, read_state

        live, text_encoder = open_training_catalog(catalog, encoder_folder)
        return train_encoder(
            live,
            text_encoder,
            locate_weights(MINILM, folder=weights, sha256="" if weights is not None else None),
            out,
            options=EncoderOptions(lora_rank=lora_rank, epochs=epochs, learning_rate=learning_rate, seed=seed),
            data_options=RerankerDataOptions(products=products, folds=folds, fold=fold, seed=seed),
            ratings=None if judgements is None else read_ratings(judgements, column_map or (), say),
            behaviour=None if state is None else read_state(state, live, report),
            report=report,
            say=say,
        )

    metrics = run_training(work, threads=threads)
    if as_json:
        typer.echo(orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
        return
    before, after = (metrics["results"][name]["ndcg@10"] for name in ("before", "after"))
    console = Console()
    console.print(f"nDCG@10 of rated products alone: {after:.3f}, before {before:.3f}", highlight=False)
    remedy = f"python -m export encoder --weights {out} --sha256 '' --out DIR"
    console.print(f"wrote {out}; export it: {remedy}", highlight=False, markup=False, soft_wrap=True)


app.command(epilog=EXAMPLE)(sequence)


def _print_rated_results(metrics: dict[str, Any], out: Path) -> None:
    console = Console()
    if metrics["results"]:
        console.print(_make_table("Rated queries that were left out", metrics["results"]))
    console.print(f"wrote {out}; export it: python -m export ranker --weights {out}", highlight=False, markup=False)


def _make_table(title: str, systems: dict[str, Any]) -> Table:
    names = list(next(iter(systems.values())))
    table = Table(title=title, title_justify="left")
    table.add_column("order", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for system, values in systems.items():
        sign = "+" if " - " in system else ""
        cells = (f"{values[n]['mean']:{sign}.3f} ±{(values[n]['high'] - values[n]['low']) / 2:.3f}" for n in names)
        table.add_row(system, *cells)
    return table


def _print_results(metrics: dict[str, Any], out: Path) -> None:
    from mercato_training.card import TASK_TITLES
    from mercato_training.card_probability import summarize_probability

    console = Console()
    for task, systems in metrics["results"].items():
        console.print(_make_table(TASK_TITLES[task], systems))
    console.print("retrieval: the order before the ranker. most bought: by this shopper, then popular products.")
    console.print(summarize_probability(metrics["calibration"]), highlight=False, markup=False)
    console.print(f"wrote {out}; export it: python -m export ranker --weights {out}", highlight=False, markup=False)


if __name__ == "__main__":
    app()
