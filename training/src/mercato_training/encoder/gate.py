"""The gate of a trained encoder: both lists with the old vectors and the new, on queries that were held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mercato.arrays import Float32, Float64, Int32
from mercato.errors import DataError, ModelError
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.measures import measure_orders, plan_measures
from mercato.index.live import LiveCatalog
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.retrieval.word_match import match_words
from mercato_training.common.fit_loop import FitHistory
from mercato_training.encoder.taught import EncoderData, Origin, TaughtQuery

Figure = Literal["dense recall@100", "dense condensed nDCG@10", "answer recall@100", "answer condensed nDCG@10"]
GATED: tuple[Figure, Figure] = ("dense recall@100", "answer condensed nDCG@10")
"""What an encoder is refused by: what it is trained for, and the order that shoppers see before any ranker."""
NOISE = 1e-9
SOURCES: Mapping[Origin, str] = {
    "ratings": ", or leave --judgements out",
    "log": ", or leave --state out",
    "catalogue": ", or more --queries",
}
"""Origins, the best to judge on first -> what else can be done where one has too few queries."""


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """When an encoder is refused.

    Attributes:
        margin: most that a figure may have lost at the lower end of its 95 % interval.
        least_queries: fewer queries held back say nothing, and nothing is written.
    """

    margin: float = 0.03
    least_queries: int = 20


@dataclass(frozen=True, kw_only=True)
class Change:
    """A figure before and after, on the same queries.

    Attributes:
        before: mean with the encoder in use.
        after: mean with the trained one.
        difference: after - before.
        low: lower end of the difference's 95 % interval; NaN below two queries.
        high: upper end.
        wins: queries that are better.
        losses: queries that are worse.
        queries: that the figure is over.
    """

    before: float
    after: float
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    queries: int


def choose_held(data: EncoderData, options: GateOptions) -> list[TaughtQuery]:
    """Choose the queries to judge on: rated ones where there are ratings, else those of the log, else the catalogue's.

    What is learned from few ratings is not judged on made queries, which would not notice.

    Args:
        data: what was gathered.
        options: how many are needed.

    Returns:
        Queries that were held back and have a product that recall asks for.

    Raises:
        DataError: they are too few; the message says how many there are and what to give or leave out.
    """
    everything = [*data.train, *data.validation, *data.held_back]
    origin: Origin = next(
        (origin for origin in SOURCES if any(one.origin == origin for one in everything)), "catalogue"
    )
    highest = max((max(one.ratings.values()) for one in everything if one.origin == origin), default=0)
    wanted = max(1, (highest + 1) // 2)  # the rating from which recall asks for a product
    held = [one for one in data.held_back if one.origin == origin and max(one.ratings.values()) >= wanted]
    if len(held) < options.least_queries:
        raise DataError(
            f"training an encoder needs at least {options.least_queries} queries held back to judge it on, each with a "
            f"product that fits, there are {len(held)} of {origin}; give more, or fewer --folds{SOURCES[origin]}"
        )
    return held


class ListJudge:
    """Measures the dense list and the answer of held-back queries for any vectors of them."""

    def __init__(self, catalog: LiveCatalog, held: Sequence[TaughtQuery], rows: Int32) -> None:
        """Ask the word list once.

        Args:
            catalog: the products.
            held: the queries.
            rows: int32 [n] rows to search, ascending; all that are rated for them should be there.
        """
        self._held, self._rows, self._weights = held, rows, catalog.fusion
        analyzer = QueryAnalyzer(catalog)
        allowed = np.zeros(catalog.base, np.bool_)
        allowed[rows] = True
        found = [match_words(analyzer.read(one.query), catalog.snapshot.words, allowed) for one in held]
        self._words = [
            RankedList(rows=best, scores=words.read_scores(best), weight=self._weights.words)
            for words in found
            for best in [words.select_best(SEARCH_CANDIDATES)]
        ]

    def measure(self, queries: Float32, products: Float32) -> Mapping[Figure, Float64]:
        """Measure both lists.

        Args:
            queries: float32 [queries, D].
            products: float32 [rows, D], of the rows that are searched.

        Returns:
            Figure -> float64 [queries]; NaN where a query has no product of the rating that it asks for.
        """
        ratings = [{str(row): rating for row, rating in one.ratings.items()} for one in self._held]
        plan = plan_measures(sorted({level for rated in ratings for level in rated.values()}), cutoffs=(10, 100))
        dense: list[list[str]] = []
        answers: list[list[str]] = []
        for query, one, words in zip(queries, self._held, self._words, strict=True):
            scores = products @ query
            order = np.argsort(-scores, kind="stable")
            rows = self._rows[order]
            # Of the whole list a figure reads the first hundred, and every rated product.
            read = np.isin(rows, list(one.ratings))
            read[: plan.depth] = True
            dense.append([str(row) for row in rows[read].tolist()])
            best = order[:SEARCH_CANDIDATES]
            near = RankedList(rows=self._rows[best], scores=scores[best], weight=self._weights.dense)
            answers.append([str(row) for row in fuse_reciprocal_ranks([words, near]).rows.tolist()])
        of_dense, of_answer = (measure_orders(ratings, orders, plan) for orders in (dense, answers))
        return {
            "dense recall@100": of_dense["recall@100"],
            "dense condensed nDCG@10": of_dense["ndcg@10_condensed"],
            "answer recall@100": of_answer["recall@100"],
            "answer condensed nDCG@10": of_answer["ndcg@10_condensed"],
        }


def compare_figures(before: Mapping[Figure, Float64], after: Mapping[Figure, Float64]) -> dict[Figure, Change]:
    """Compare figures query by query, with paired bootstrap intervals."""
    changes: dict[Figure, Change] = {}
    for name, old in before.items():
        known = np.isfinite(old) & np.isfinite(after[name])
        compared = compare_values(after[name][known], old[known])
        changes[name] = Change(
            before=float(old[known].mean()) if known.any() else float("nan"),
            after=float(after[name][known].mean()) if known.any() else float("nan"),
            difference=compared.difference.mean,
            low=compared.difference.low,
            high=compared.difference.high,
            wins=compared.wins,
            losses=compared.losses,
            queries=int(np.count_nonzero(known)),
        )
    return changes


def require_learned(fits: Mapping[str, FitHistory]) -> None:
    """Refuse an encoder that learned nothing.

    Raises:
        ModelError: no pass of any stage was better than its start on the queries that decide when to stop.
    """
    if all(fit.best_epoch == 0 for fit in fits.values()):
        losses = ", ".join(
            f"{name} {fit.start_loss:.4f} at the start and {min(fit.validation_loss):.4f} at best"
            for name, fit in fits.items()
        )
        raise ModelError(
            "the encoder that was trained is not written: no pass made the loss of other queries less "
            f"({losses}), so the one in use stays; give more to learn from, or try a lower --learning-rate"
        )


def require_no_harm(changes: Mapping[Figure, Change], options: GateOptions) -> None:
    """Refuse an encoder that may be worse.

    Raises:
        ModelError: too few queries have a figure; recall fell on average; or a figure's interval reaches below the
            margin.
    """
    problems = [problem for name in GATED for problem in _judge(name, changes[name], options)]
    if problems:
        raise ModelError(
            f"the encoder that was trained is not written: {'; '.join(problems)}. Give more ratings or a longer log, "
            "or learn less: a lower --learning-rate, a higher --keep, --query-side"
        )


def _judge(name: Figure, change: Change, options: GateOptions) -> list[str]:
    if change.queries < options.least_queries:
        return [f"{name} is known of {change.queries} held-back queries only, and {options.least_queries} are needed"]
    spread = f"{change.difference:+.3f} (95 %: {change.low:+.3f} to {change.high:+.3f}) on {change.queries} queries"
    if name == GATED[0] and change.difference < -NOISE:
        return [f"{name} fell by {spread}"]
    if change.low < -options.margin:
        return [f"{name} changed by {spread}, which may be worse by more than --margin {options.margin:g}"]
    return []
