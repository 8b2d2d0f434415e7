"""`mercato train encoder`: what finds by meaning, trained for a shop and refused where it may do harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

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
    from mercato_training.encoder.train import EncoderMetrics

EPILOG = "Example: mercato train encoder --catalog catalog --query-side --out var/models/encoder-training"


def encoder(
    catalog: CatalogOption,
    out: Annotated[Path, typer.Option(help="Folder for weights, metrics.json and MODEL_CARD.md.")] = Path(
        "var/models/encoder-training"
    ),
    encoder_folder: EncoderOption = Path("var/models/encoder"),
    weights: Annotated[
        Path | None,
        typer.Option(help="Folder of weights to start from; those that --encoder was exported from without."),
    ] = None,
    judgements: JudgementsOption = None,
    column_map: RatingMapOption = None,
    state: SearchStateOption = None,
    reranker: Annotated[
        Path | None, typer.Option(help="Exported reranker whose scores are learned too; none without.")
    ] = None,
    query_side: Annotated[
        bool, typer.Option("--query-side", help="Learn to encode queries alone: products keep their vectors.")
    ] = False,
    folds: Annotated[int, typer.Option(help="Folds of all queries, by a hash of the query.", min=2)] = 5,
    fold: Annotated[
        int, typer.Option(help="The fold that is held back, and that the encoder is judged on.", min=0)
    ] = 0,
    margin: Annotated[
        float, typer.Option(help="Most that a figure may have lost at the lower end of its 95 % interval.", min=0.0)
    ] = 0.03,
    lora_rank: Annotated[int, typer.Option(help="Width of the matrices that are learned; 0 for all weights.")] = 16,
    keep: Annotated[float, typer.Option(help="Weight of staying near the old vectors.", min=0.0)] = 1.0,
    queries: Annotated[
        int, typer.Option(help="Queries of the catalogue's own to learn from, and most of the log; 0 for none.", min=0)
    ] = 5000,
    epochs: Annotated[int, typer.Option(help="Most passes over the queries.", min=1)] = 3,
    batch_size: Annotated[int, typer.Option(help="Queries in a step.", min=2)] = 48,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 5e-4,
    seed: SeedOption = 17,
    threads: ThreadsOption = 1,
    as_json: MetricsOption = False,
) -> None:
    """Train the encoder on the catalogue's own queries, on ratings and on events; write it only if it does no harm."""
    if fold >= folds:
        raise typer.BadParameter(f"must be below --folds {folds}, got {fold}", param_hint="--fold")

    def work(report: Progress, say: Callable[[str], None]) -> EncoderMetrics:
        from mercato.models.reranker import OnnxReranker
        from mercato_export.weights import find_exported_model, locate_weights
        from mercato_training.common.sources import open_training_catalog, read_ratings, read_state
        from mercato_training.encoder.fit import EncoderOptions
        from mercato_training.encoder.gate import GateOptions
        from mercato_training.encoder.taught import EncoderDataOptions
        from mercato_training.encoder.train import train_encoder

        live, text_encoder = open_training_catalog(catalog, encoder_folder)
        model = find_exported_model(encoder_folder)
        return train_encoder(
            live,
            text_encoder,
            locate_weights(model, folder=weights, sha256="" if weights is not None else None),
            out,
            options=EncoderOptions(
                query_side=query_side,
                lora_rank=lora_rank,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                keep=keep,
                seed=seed,
            ),
            data_options=EncoderDataOptions(queries=queries, folds=folds, fold=fold, seed=seed),
            gate=GateOptions(margin=margin),
            ratings=None if judgements is None else read_ratings(judgements, column_map or (), say),
            behaviour=None if state is None else read_state(state, live, report),
            reranker=None if reranker is None else OnnxReranker(reranker),
            report=report,
            say=say,
        )

    output = Output(as_json=as_json)
    metrics = run_training(work, output, threads=threads)
    if as_json:
        output.finish(metrics.as_json())
        return
    title = f"{metrics.queries.held_back} queries held back ({metrics.judged_on})"
    table = Table("figure", "before", "after", "change (95 %)", title=title, title_justify="left")
    for name, one in metrics.results.items():
        spread = f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
        table.add_row(name, f"{one.before:.3f}", f"{one.after:.3f}", spread)
    output.console.print(table)
    side = f" --products {encoder_folder}" if query_side else ""
    output.show(f"wrote {out}; export it: mercato export encoder --weights {out} --sha256 ''{side} --out DIR")
