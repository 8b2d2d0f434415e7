"""Training the text encoder for a shop: its query side alone or the whole, by adapters or in all its weights.

A query side keeps the products' vectors, and the catalogue with them; vectors of another whole encoder cannot be
compared, so the catalogue has to be indexed again. What may be worse than the encoder in use is not written (`gate`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mercato.arrays import Int32
from mercato.errors import DataError
from mercato.index.live import LiveCatalog
from mercato.indexing.encode import TextEncoder
from mercato.models.stages import RerankerStage
from mercato.progress import Progress, no_progress
from mercato_export.query_side import note_products
from mercato_export.weights import LocatedWeights
from mercato_training.common.cards import render_card
from mercato_training.common.fit_loop import FitHistory
from mercato_training.common.metrics import Metrics, Source, Tools, write_results
from mercato_training.encoder.fit import EncoderOptions
from mercato_training.encoder.gate import (
    Change,
    Figure,
    GateOptions,
    ListJudge,
    choose_held,
    compare_figures,
    require_learned,
    require_no_harm,
)
from mercato_training.encoder.stages import ProductWriter, fit_stage, open_trainable, plan_stages, write_weights
from mercato_training.encoder.taught import EncoderData, EncoderDataOptions, Ratings, TaughtQuery, prepare_taught
from mercato_training.reranker.events import Behaviour

LEAST_QUERIES = 2
OTHERS_SEARCHED = 4000
"""Products that a whole encoder is judged among, beside those that are rated or listed for the held-back queries."""


@dataclass(frozen=True, kw_only=True)
class QueryCounts:
    """Queries that were fitted to, that decided when to stop, and that the encoder was judged on."""

    train: int
    validation: int
    held_back: int


@dataclass(frozen=True, kw_only=True)
class EncoderTrainingOptions:
    """What the training was asked for."""

    encoder: EncoderOptions
    data: EncoderDataOptions
    gate: GateOptions


@dataclass(frozen=True, kw_only=True)
class EncoderMetrics(Metrics):
    """A training of the encoder.

    Attributes:
        queries: that were taught and held back.
        judged_on: origin of the queries that it was judged on: ``ratings``, ``log`` or ``catalogue``.
        products_searched: among which it was judged.
        counts: what was read and what was left out.
        trainable_weights: what was learned.
        kept: mean cosine of held-back queries to their old vectors.
        fits: how each stage went.
        results: figure -> before, after and difference.
        options: what was asked for.
        source: the weights it started from.
        seconds: all in all.
        tools: it was trained with.
    """

    queries: QueryCounts
    judged_on: str
    products_searched: int
    counts: Mapping[str, int]
    trainable_weights: int
    kept: float
    fits: Mapping[str, FitHistory]
    results: Mapping[Figure, Change]
    options: EncoderTrainingOptions
    source: Source
    seconds: float
    tools: Tools


def train_encoder(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    weights: LocatedWeights,
    out: Path,
    *,
    options: EncoderOptions,
    data_options: EncoderDataOptions,
    gate: GateOptions,
    ratings: Ratings | None = None,
    behaviour: Behaviour | None = None,
    reranker: RerankerStage | None = None,
    report: Progress = no_progress,
    say: Callable[[str], None] = lambda line: None,
) -> EncoderMetrics:
    """Train the encoder and write weights that ``mercato export encoder --weights`` takes, if they do no harm.

    Args:
        catalog: the products.
        encoder: that of the catalogue, to be better than.
        weights: where to start.
        out: folder to write to; made where it is missing, left as it is where the encoder is refused.
        options: how to fit.
        data_options: what is learned from, and what is held back.
        gate: what is refused.
        ratings: query -> product id -> rating.
        behaviour: what shoppers did.
        reranker: a teacher; None for none.
        report: told of progress.
        say: told a sentence now and then.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        DataError: too few queries to learn from or to judge on, or a rank below 0.
        ModelError: a loss is not finite, or the trained encoder is refused.
    """
    if options.lora_rank < 0:
        raise DataError(f"--lora-rank: must be at least 1, or 0 to train all weights, got {options.lora_rank}")
    started = time.monotonic()
    data = prepare_taught(
        catalog, encoder, data_options, ratings=ratings, behaviour=behaviour, reranker=reranker, report=report
    )
    held = choose_held(data, gate)
    if len(data.train) < LEAST_QUERIES or not data.validation:
        raise DataError(
            f"training needs at least {LEAST_QUERIES} queries to learn from and one to stop by, there are "
            f"{len(data.train)} and {len(data.validation)}; give more ratings, or more of the "
            "catalogue's own (--queries)"
        )
    trained = open_trainable(weights, options)
    fits = {
        stage.name: fit_stage(catalog, trained, stage, say=say, report=report) for stage in plan_stages(data, options)
    }
    require_learned(fits)
    encode, write = trained.encode, ProductWriter(catalog)
    vectors = catalog.vectors(np.arange(catalog.base))
    rows = _choose_rows(catalog, held, options, data_options)
    judge = ListJudge(catalog, held, rows)
    before_queries = np.stack([one.vector for one in held])
    after_queries = encode.vectors([one.query for one in held], "query")
    before = vectors[rows]
    report("encoding products to judge on", 0, 1)
    after = before if options.query_side else encode.vectors([write.text(row) for row in rows.tolist()], "product")
    changes = compare_figures(judge.measure(before_queries, before), judge.measure(after_queries, after))
    for name, change in changes.items():
        say(f"{name}: {change.before:.3f} -> {change.after:.3f} ({change.low:+.3f} to {change.high:+.3f})")
    require_no_harm(changes, gate)
    learned_weights = trained.learned_weights  # merged, there are none left
    write_weights(trained, weights, out)
    note_products(out, encoder.identity if options.query_side else None)
    metrics = EncoderMetrics(
        queries=_count(data, held),
        judged_on=held[0].origin,
        products_searched=len(rows),
        counts=data.counts,
        trainable_weights=learned_weights,
        kept=float((before_queries * after_queries).sum(1).mean()),
        fits=fits,
        results=changes,
        options=EncoderTrainingOptions(encoder=options, data=data_options, gate=gate),
        source=Source.of(weights),
        seconds=round(time.monotonic() - started, 1),
        tools=Tools.of_this_process(),
    )
    write_results(out, metrics, render_card("encoder/card.md.jinja", {"m": metrics}))
    return metrics


def _count(data: EncoderData, held: Sequence[TaughtQuery]) -> QueryCounts:
    return QueryCounts(train=len(data.train), validation=len(data.validation), held_back=len(held))


def _choose_rows(
    catalog: LiveCatalog, held: Sequence[TaughtQuery], options: EncoderOptions, data_options: EncoderDataOptions
) -> Int32:
    """Choose the products to judge among: all, where none is encoded again; else those at stake and some others."""
    if options.query_side or catalog.base <= OTHERS_SEARCHED:
        return np.arange(catalog.base, dtype=np.int32)
    others = np.random.default_rng(data_options.seed).choice(catalog.base, size=OTHERS_SEARCHED, replace=False)
    at_stake = [np.array([*one.ratings, *one.rivals.tolist()], np.int32) for one in held]
    rows: Int32 = np.unique(np.concatenate([*at_stake, others])).astype(np.int32)
    return rows
