"""What training the encoder gives on rated queries: of the catalogue alone, and of ratings, cross-validated by query.

.venv/bin/python -m benchmarks encoder_training
.venv/bin/python -m benchmarks encoder_training --seeds 3
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import ENCODER
from benchmarks.search.icecat import DATA, WORK, build_catalog
from mercato.arrays import Float32, Float64
from mercato.evaluation.folds import FOLDS, fold_of
from mercato.evaluation.judgements import read_judgements
from mercato.index.live import LiveCatalog
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato_export.weights import find_exported_model, locate_weights
from mercato_training.common.sources import open_training_catalog
from mercato_training.encoder.fit import EncoderOptions
from mercato_training.encoder.gate import Change, Figure, ListJudge, compare_figures
from mercato_training.encoder.stages import TrainableEncoder, fit_stage, open_trainable, plan_stages
from mercato_training.encoder.taught import EncoderData, EncoderDataOptions, prepare_taught

NEEDS = "the evaluation data"

NONE_HELD = 1_000_003
"""Folds of which one holds next to nothing: what is rated is held back by name."""


class Lists:
    """The rated queries, and both lists of the encoder in use."""

    def __init__(self, catalog: LiveCatalog, encoder: OnnxEncoder, ratings: Mapping[str, Mapping[str, int]]) -> None:
        """Ask both lists."""
        nothing = EncoderDataOptions(queries=0, folds=NONE_HELD)
        data = prepare_taught(catalog, encoder, nothing, ratings=ratings)
        self.rated = sorted([*data.train, *data.validation, *data.held_back], key=lambda one: one.query)
        self.folds = np.array([fold_of(one.query, FOLDS) for one in self.rated])
        self._vectors = catalog.vectors(np.arange(catalog.base))
        self._judge = ListJudge(catalog, self.rated, np.arange(catalog.base, dtype=np.int32))
        self._before = self.measure(np.stack([one.vector for one in self.rated]))

    @property
    def queries(self) -> list[str]:
        """Texts of the rated queries."""
        return [one.query for one in self.rated]

    def measure(self, vectors: Float32) -> Mapping[Figure, Float64]:
        """Measure both lists with other vectors of the queries."""
        return self._judge.measure(vectors, self._vectors)

    def compare(self, runs: Sequence[Mapping[Figure, Float64]]) -> dict[Figure, Change]:
        """Compare the mean of runs with the encoder in use, query by query."""
        return compare_figures(self._before, {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]})


def teach_catalog(lists: Lists, catalog: LiveCatalog, encoder: OnnxEncoder, queries: int, seed: int) -> EncoderData:
    """Make the catalogue's own queries, without any that is rated."""
    data = prepare_taught(catalog, encoder, EncoderDataOptions(queries=queries, folds=NONE_HELD, seed=seed))
    rated = set(lists.queries)
    return replace(
        data,
        train=[one for one in data.train if one.query not in rated],
        validation=[one for one in data.validation if one.query not in rated],
    )


def teach_ratings(lists: Lists, own: EncoderData, fold: int) -> EncoderData:
    """Add the rated queries of the other folds, every sixth to stop by."""
    rated = [
        one
        for one, its_fold in zip(lists.rated, lists.folds.tolist(), strict=True)
        if its_fold != fold and any(one.ratings.values())
    ]
    stopping = {one.query for one in rated[::6]}
    return replace(
        own,
        train=[*(one for one in rated if one.query not in stopping), *own.train],
        validation=[*(one for one in rated if one.query in stopping), *own.validation],
    )


def main(
    data: Annotated[Path, typer.Option(help="folder with products.parquet and judgements.parquet")] = DATA,
    work: Annotated[Path, typer.Option(help="folder of the snapshot")] = WORK,
    encoder: Annotated[Path, typer.Option(help="folder of the exported encoder")] = ENCODER,
    queries: Annotated[int, typer.Option(help="the catalogue's own queries", min=10)] = 5000,
    epochs: Annotated[int, typer.Option(help="passes over them", min=1)] = 3,
    with_ratings: Annotated[bool, typer.Option(help="learn from ratings too, by fold")] = True,
    seeds: Annotated[int, typer.Option(help="trainings, each with its own seed", min=1)] = 1,
    first_seed: Annotated[int, typer.Option(help="the first of them", min=0)] = 17,
    threads: Annotated[int, typer.Option(help="of PyTorch", min=1)] = 1,
) -> None:
    """Train the query side on icecat and measure both lists on rated queries that taught nothing."""
    console = Console()
    torch.set_num_threads(threads)
    live, text_encoder = open_training_catalog(build_catalog(data, work, encoder, rebuild=False), encoder)
    lists = Lists(live, text_encoder, read_judgements(data / "judgements.parquet").ratings)
    weights = locate_weights(find_exported_model(encoder))
    alone: list[Mapping[Figure, Float64]] = []
    rated: list[Mapping[Figure, Float64]] = []
    for seed in range(first_seed, first_seed + seeds):
        options = EncoderOptions(query_side=True, epochs=epochs, seed=seed)
        own = teach_catalog(lists, live, text_encoder, queries, seed)
        trained = open_trainable(weights, options)
        [stage] = plan_stages(own, options)
        fit_stage(live, trained, stage, say=console.print)
        alone.append(lists.measure(trained.encode.vectors(lists.queries, "query")))
        _show(console, f"catalogue alone, seed {seed}", lists.compare(alone[-1:]))
        if with_ratings:
            rated.append(_cross_validate(lists, live, trained, own, console))
            _show(console, f"with ratings, seed {seed}", lists.compare(rated[-1:]))
    arms = {"catalogue alone": alone, **({"with ratings, cross-validated": rated} if rated else {})}
    record: dict[str, Any] = {
        "rated_queries": len(lists.queries),
        "products": live.base,
        "options": asdict(EncoderOptions(query_side=True, epochs=epochs)),
        "queries": queries,
        "seeds": list(range(first_seed, first_seed + seeds)),
        "results": {name: _describe(lists.compare(runs)) for name, runs in arms.items()},
        "of_each_seed": {name: [_describe(lists.compare([run])) for run in runs] for name, runs in arms.items()},
    }
    console.print(f"written: {write_record('encoder_training', record).name}")


def _cross_validate(
    lists: Lists, catalog: LiveCatalog, start: TrainableEncoder, own: EncoderData, console: Console
) -> Mapping[Figure, Float64]:
    """Learn from ratings without each fold, and measure each query with the encoder that did not see it."""
    vectors = np.stack([one.vector for one in lists.rated])
    for fold in range(FOLDS):
        trained = copy.deepcopy(start)
        *_, stage = plan_stages(teach_ratings(lists, own, fold), start.options)
        fit_stage(catalog, trained, stage, say=console.print)
        vectors[lists.folds == fold] = trained.encode.vectors(lists.queries, "query")[lists.folds == fold]
    return lists.measure(vectors)


def _describe(changes: Mapping[Figure, Change]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in changes.items()}


def _show(console: Console, title: str, changes: Mapping[Figure, Change]) -> None:
    console.print(title)
    for name, one in changes.items():
        spread = f"{one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f})"
        console.print(f"  {name}: {one.before:.4f} -> {one.after:.4f}  {spread}", highlight=False)


if __name__ == "__main__":
    run_command(main)
