"""Queries with a product that answers each and one that does not, for the encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mercato.arrays import Float32
from mercato.catalog.product import TEXT_FIELDS, parse_product
from mercato.evaluation.measures import measure_orders, plan_measures
from mercato.index.live import LiveCatalog
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress, no_progress
from mercato.text import TextRole
from mercato_training.reranker.data import (
    RatedQuery,
    Ratings,
    RerankerDataOptions,
    draw_synthetic_queries,
    prepare_rated,
)
from mercato_training.reranker.events import Behaviour
from mercato_training.reranker.groups import Candidates, ProductTexts

VALIDATION_EVERY = 6
PAIRS_OF_A_QUERY = 8
"""Most products of one rated query: a few queries with many ratings must not be all that is learned."""


@dataclass(frozen=True, kw_only=True)
class TextPair:
    """A query and its answer.

    Attributes:
        query: its text.
        product: text of a product that answers it.
        counterexample: text of one that retrieval takes for an answer and is none; empty where there is none.
    """

    query: str
    product: str
    counterexample: str = ""


@dataclass(frozen=True, kw_only=True)
class RatedTexts:
    """A rated query with the texts of what was rated.

    Attributes:
        query: its text.
        texts: of the products.
        ratings: of each.
    """

    query: str
    texts: list[str]
    ratings: list[int]


@dataclass(frozen=True, kw_only=True)
class EncoderData:
    """Everything a training of the encoder needs.

    Attributes:
        train: pairs to fit to.
        validation: pairs of other queries, that decide when to stop.
        test: rated queries of the fold that is left out, or else of those that decide when to stop.
        counts: what was read and what was left out.
    """

    train: list[TextPair]
    validation: list[TextPair]
    test: list[RatedTexts]
    counts: dict[str, int] = field(default_factory=dict)


def prepare_pairs(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    options: RerankerDataOptions,
    *,
    ratings: Ratings | None = None,
    behaviour: Behaviour | None = None,
    report: Progress = no_progress,
) -> EncoderData:
    """Make pairs of the catalogue's own queries, of ratings and of what shoppers did.

    Args:
        catalog: the products.
        encoder: that of the catalogue.
        options: what to make them of.
        ratings: query -> product id -> rating.
        behaviour: what shoppers did.
        report: told of progress.
    """
    rng = np.random.default_rng(options.seed)
    write = _Writer(catalog)
    texts = ProductTexts(catalog)
    interest = behaviour.interest if behaviour is not None else None
    synthetic = draw_synthetic_queries(catalog, encoder, texts, options.products, interest, rng, report)
    pairs = [
        [write.pair(found.query, row, [other for other in found.rows.tolist() if other != row], rng)]
        for row, found in synthetic
    ]
    rated = prepare_rated(catalog, encoder, options, ratings=ratings, behaviour=behaviour, report=report)
    learned = [_make_pairs(write, one, rng) for one in rated.learned]
    held = [position for position in range(len(learned)) if position % VALIDATION_EVERY == 0 and len(learned) > 1]
    cut = max(1, len(pairs) // 10) if len(pairs) > 1 else 0
    tests = rated.test or [rated.learned[position] for position in held]
    return EncoderData(
        train=_join([*pairs[cut:], *(one for position, one in enumerate(learned) if position not in held)]),
        validation=_join([*pairs[:cut], *(learned[position] for position in held)]),
        test=[write.rated(one) for one in tests if len(set(one.ratings.values())) > 1],
        counts=rated.counts | {"synthetic_queries": len(synthetic)},
    )


def order_rated(
    encode: Callable[[Sequence[str], TextRole], Float32], queries: Sequence[RatedTexts]
) -> dict[str, float]:
    """Measure the encoder's order of rated products alone.

    Args:
        encode: texts of a role to float32 [texts, D], unit length.
        queries: what to order.

    Returns:
        ``ndcg@10`` over the queries with a relevant product; NaN without any.
    """
    orders: list[list[str]] = []
    for one in queries:
        scores = encode(one.texts, "product") @ encode([one.query], "query")[0]
        orders.append([str(position) for position in np.argsort(-scores, kind="stable").tolist()])
    ratings = [{str(position): rating for position, rating in enumerate(one.ratings)} for one in queries]
    if not ratings:
        return {"ndcg@10": float("nan")}
    levels = sorted({rating for rated in ratings for rating in rated.values()})
    values = measure_orders(ratings, orders, plan_measures(levels, cutoffs=(10,)))["ndcg@10"]
    known = values[np.isfinite(values)]
    return {"ndcg@10": float(known.mean()) if len(known) else float("nan")}


class _Writer:
    """Writes products as the encoder of a snapshot reads them."""

    def __init__(self, catalog: LiveCatalog) -> None:
        self._catalog = catalog
        self._texts = ProductTexts(catalog)
        self._fields: Sequence[str] = catalog.snapshot.settings.get("text_fields", TEXT_FIELDS)

    def text(self, row: int) -> str:
        document: dict[str, Any] = dict(self._texts.document(row))
        return parse_product(document).text(self._fields)

    def pair(self, query: str, row: int, others: Sequence[int], rng: np.random.Generator) -> TextPair:
        other = self.text(others[int(rng.integers(len(others)))]) if others else ""
        text = self.text(row)
        return TextPair(query=query, product=text, counterexample=other if other != text else "")

    def rated(self, one: RatedQuery) -> RatedTexts:
        rows = list(one.ratings)
        return RatedTexts(
            query=one.candidates.query, texts=[self.text(row) for row in rows], ratings=list(one.ratings.values())
        )


def _make_pairs(write: _Writer, one: RatedQuery, rng: np.random.Generator) -> list[TextPair]:
    """Pair a query with its better products, each with one that is rated lower, or not rated and found."""
    highest = max(one.ratings.values(), default=0)
    good = [row for row, rating in one.ratings.items() if 2 * rating >= highest > 0]
    bad = [row for row, rating in one.ratings.items() if rating == 0] or _list_unrated(one.candidates, one)
    drawn = rng.permutation(len(good))[:PAIRS_OF_A_QUERY]
    return [write.pair(one.candidates.query, good[position], bad, rng) for position in drawn]


def _list_unrated(candidates: Candidates, one: RatedQuery) -> list[int]:
    return [row for row in candidates.rows.tolist() if row not in one.ratings]


def _join(groups: Sequence[Sequence[TextPair]]) -> list[TextPair]:
    return [pair for group in groups for pair in group]
