"""`mercato train`: the models that are served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mercato.cli import train_encoder, train_ranker, train_sequence
from mercato.cli.offline import run_training
from mercato.cli.output import Output
from mercato.cli.training_options import (
    CatalogOption,
    EncoderOption,
    JudgementsOption,
    MetricsOption,
    RatingMapOption,
    SearchStateOption,
    SeedOption,
    ThreadsOption,
)
from mercato.progress import Progress

if TYPE_CHECKING:
    from mercato_training.reranker.metrics import RerankerMetrics

train_app = typer.Typer(help="Train the models that are served.", no_args_is_help=True)
train_app.command(epilog=train_ranker.EPILOG)(train_ranker.ranker)
train_app.command(epilog=train_sequence.EPILOG)(train_sequence.sequence)
train_app.command(epilog=train_encoder.EPILOG)(train_encoder.encoder)


@train_app.command(
    epilog="Example: mercato train reranker --catalog catalog --judgements ratings.csv "
    "--out var/models/reranker-training"
)
def reranker(
    catalog: CatalogOption,
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/reranker-training"
    ),
    encoder: EncoderOption = Path("var/models/encoder"),
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the encoder's weights to start from; those installed without.")
    ] = None,
    judgements: JudgementsOption = None,
    column_map: RatingMapOption = None,
    state: SearchStateOption = None,
    ranker: Annotated[
        Path | None, typer.Option(help="Exported ranker that stands before it; the order of retrieval without.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Folds of the rated queries, by a hash of the query.", min=2)] = 5,
    fold: Annotated[int | None, typer.Option(help="Leave this fold out and report it.", min=0)] = None,
    start: Annotated[Path | None, typer.Option(help="Go on from this training instead of the encoder.")] = None,
    layers: Annotated[int, typer.Option(help="Layers to keep: 3 for CPU, 6 for a GPU.")] = 3,
    max_tokens: Annotated[int, typer.Option(help="Tokens of query and product together.")] = 32,
    products: Annotated[
        int, typer.Option(help="Products that synthetic queries are made of; 0 for none.", min=0)
    ] = 600,
    epochs: Annotated[int, typer.Option(help="Most passes over each kind of queries.", min=1)] = 4,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-4,
    weight: Annotated[
        float | None, typer.Option(help="Share of its score in the blend, 0 to 1; chosen by ratings without.")
    ] = None,
    seed: SeedOption = 17,
    threads: ThreadsOption = 1,
    as_json: MetricsOption = False,
) -> None:
    """Train the reranker from the catalogue alone; from ratings and from events too where there are any."""
    if weight is not None and not 0 <= weight <= 1:
        raise typer.BadParameter(f"must be from 0 to 1, got {weight}", param_hint="--weight")
    if fold is not None and fold >= folds:
        raise typer.BadParameter(f"must be below --folds {folds}, got {fold}", param_hint="--fold")

    def work(report: Progress, say: Callable[[str], None]) -> RerankerMetrics:
        from mercato.models.ranker.onnx_ranker import OnnxRanker
        from mercato_export.weights import MINILM, locate_weights
        from mercato_training.common.sources import open_training_catalog, read_ratings, read_state
        from mercato_training.reranker.data import RerankerDataOptions
        from mercato_training.reranker.fit import RerankerFitOptions
        from mercato_training.reranker.metrics import RerankerShape
        from mercato_training.reranker.train import train_reranker

        live, text_encoder = open_training_catalog(catalog, encoder)
        fit_options = RerankerFitOptions(epochs=epochs, learning_rate=learning_rate, seed=seed)
        return train_reranker(
            live,
            text_encoder,
            locate_weights(MINILM, folder=weights, sha256="" if weights is not None else None),
            out,
            shape=RerankerShape(layers=layers, max_tokens=max_tokens, weight=weight),
            data_options=RerankerDataOptions(products=products, folds=folds, fold=fold, seed=seed),
            synthetic_options=replace(fit_options, epochs=min(2, epochs), width=12, teaching=2.0),
            rated_options=replace(fit_options, width=16),
            ratings=None if judgements is None else read_ratings(judgements, column_map or (), say),
            behaviour=None if state is None else read_state(state, live, report),
            ranker=None if ranker is None else OnnxRanker(ranker),
            start=start,
            report=report,
            say=say,
        )

    output = Output(as_json=as_json)
    metrics = run_training(work, output, threads=threads)
    if as_json:
        output.finish(metrics.as_json())
        return
    for queries, orders in metrics.results.items():
        table = Table("order", "nDCG@10", "condensed", title=f"{queries} queries", title_justify="left")
        for order, values in orders.items():
            table.add_row(order, *(f"{value:.3f}" for value in values.values()))
        output.console.print(table)
    output.show(f"weight of the reranker in the blend: {metrics.weight:.2f}")
    output.show(f"wrote {out}; export it: mercato export reranker --weights {out}")
