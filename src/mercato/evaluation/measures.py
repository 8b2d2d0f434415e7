"""Metrics of ranked lists against ratings, all computed by ir_measures (MacAvaney et al. 2022) with trec_eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mercato.arrays import Float64
from mercato.errors import InvalidInputError, MercatoError

CUTOFFS = (5, 10, 100)
MAX_CUTOFF = 1_000
FAMILIES = ("ndcg", "mrr", "map", "recall", "precision", "f1", "success", "judged")
"""In the order in which metrics are shown."""
_SHOWN_LEVELS = 5  # more distinct ratings than these get no recall of their own


@dataclass(frozen=True, kw_only=True)
class MeasurePlan:
    """What is measured.

    Attributes:
        cutoffs: depths k, ascending.
        relevant: rating from which a product is relevant to precision, F1, MRR, MAP and success.
        recall_relevant: rating from which a product is to be found, for recall.
        levels: the distinct ratings above 0, ascending; recall is measured from each of them too.
    """

    cutoffs: tuple[int, ...] = CUTOFFS
    relevant: int = 1
    recall_relevant: int = 1
    levels: tuple[int, ...] = (1,)

    @property
    def depth(self) -> int:
        """The deepest cutoff."""
        return max(self.cutoffs)


def plan_measures(
    levels: Sequence[int], *, cutoffs: Sequence[int] = CUTOFFS, relevant: int = 1, recall_relevant: int | None = None
) -> MeasurePlan:
    """Plan what to measure on a scale of ratings.

    Args:
        levels: the distinct ratings there are, 0 included or not.
        cutoffs: depths k.
        relevant: rating from which a product is relevant.
        recall_relevant: rating from which recall asks for a product; by default half of the highest, rounded up: 1
            of a yes or no, 2 of 0 to 3, 2 of 0 to 4.

    Raises:
        InvalidInputError: no cutoff, or one out of range.
    """
    if not cutoffs or not all(1 <= cutoff <= MAX_CUTOFF for cutoff in cutoffs):
        raise InvalidInputError("--k", f"must be numbers from 1 to {MAX_CUTOFF:,}, got {list(cutoffs)}")
    if relevant < 1:
        raise InvalidInputError("--relevant", f"must be at least 1, got {relevant}", "0 is a product that does not fit")
    above = tuple(sorted({level for level in levels if level > 0}))
    highest = max(above, default=1)
    return MeasurePlan(
        cutoffs=tuple(sorted(set(cutoffs))),
        relevant=relevant,
        recall_relevant=(highest + 1) // 2 if recall_relevant is None else recall_relevant,
        levels=above if len(above) <= _SHOWN_LEVELS else (),
    )


def measure_orders(
    ratings: Sequence[Mapping[str, int]], orders: Sequence[Sequence[str]], plan: MeasurePlan
) -> dict[str, Float64]:
    """Measure one ranked list for each query.

    * ``ndcg@k``: gain 2 ** rating - 1, discount 1 / log2(rank + 1), what is not rated gains 0.
    * ``ndcg@k_condensed``: the same after all that is not rated was taken out of the list (Sakai 2007).
    * ``mrr``, ``map``, ``precision@k``, ``f1@k``, ``success@k``: relevant is a rating of at least ``plan.relevant``.
    * ``recall@k``: of the products rated at least ``plan.recall_relevant``; ``recall@k_ratedR`` of those rated
      R or more.
    * ``judged@k``: share of the first k that have a rating.

    Args:
        ratings: for each query product id -> rating.
        orders: for each query product ids, best first, none twice.
        plan: what to measure.

    Returns:
        Name -> float64 [queries]; NaN where a query has no product of the rating that the metric asks for, and for
        ``judged@k`` where nothing was returned.
    """
    measures = _load_measures()
    tables = _number_products(ratings, orders)
    highest = [max(rated.values(), default=0) for rated in ratings]
    values: dict[str, Float64] = {}
    for name, (measure, threshold) in _plain_measures(measures, plan).items():
        values[name] = _mask(_calculate(measures, {name: measure}, *tables)[name], highest, threshold)
    qrels, run = tables
    for cutoff in plan.cutoffs:
        cut = {query: dict(list(scored.items())[:cutoff]) for query, scored in run.items()}
        measure = {"f1": measures.SetF(rel=plan.relevant)}
        values[f"f1@{cutoff}"] = _mask(_calculate(measures, measure, qrels, cut)["f1"], highest, plan.relevant)
        judged = _calculate(measures, {"judged": measures.Judged @ cutoff}, qrels, run)["judged"]
        values[f"judged@{cutoff}"] = np.where([len(order) > 0 for order in orders], judged, np.nan)
    return {name: values[name] for name in sorted(values, key=_family)}


def _family(name: str) -> int:
    family = name.partition("@")[0]
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)


def _load_measures() -> Any:
    try:
        import ir_measures
    except ImportError as exc:
        raise MercatoError(
            "evaluation needs ir_measures, which is not installed; pip install 'mercato[evaluation]' brings it"
        ) from exc
    return ir_measures


def _plain_measures(measures: Any, plan: MeasurePlan) -> dict[str, tuple[Any, int]]:
    """Give name -> measure and the rating that a query must have for it to mean something."""
    # trec_eval's gain is the rating itself: as 2 ** rating - 1 its nDCG is that of Burges et al. 2005.
    gains = {level: 2**level - 1 for level in range(max((*plan.levels, plan.relevant, 20)) + 1)}
    relevant = plan.relevant
    chosen: dict[str, tuple[Any, int]] = {
        "mrr": (measures.RR(rel=relevant), relevant),
        "map": (measures.AP(rel=relevant), relevant),
    }
    for k in plan.cutoffs:
        chosen[f"ndcg@{k}"] = (measures.nDCG(gains=gains) @ k, 1)
        chosen[f"ndcg@{k}_condensed"] = (measures.nDCG(gains=gains, judged_only=True) @ k, 1)
        chosen[f"precision@{k}"] = (measures.P(rel=relevant) @ k, relevant)
        chosen[f"success@{k}"] = (measures.Success(rel=relevant) @ k, relevant)
        chosen[f"recall@{k}"] = (measures.R(rel=plan.recall_relevant) @ k, plan.recall_relevant)
        for level in plan.levels if len(plan.levels) > 1 else ():
            chosen[f"recall@{k}_rated{level}"] = (measures.R(rel=level) @ k, level)
    return chosen


def _number_products(
    ratings: Sequence[Mapping[str, int]], orders: Sequence[Sequence[str]]
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Give ratings and lists as trec_eval takes them; numbers in place of ids, which may hold anything."""
    numbers: dict[str, str] = {}

    def number(product: str) -> str:
        return numbers.setdefault(product, str(len(numbers)))

    qrels = {
        str(position): {number(product): r for product, r in rated.items()} for position, rated in enumerate(ratings)
    }
    run = {
        str(position): {number(product): float(len(order) - rank) for rank, product in enumerate(order)}
        for position, order in enumerate(orders)
    }
    return qrels, run


def _calculate(
    measures: Any,
    chosen: Mapping[str, Any],
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
) -> dict[str, Float64]:
    names = {measure: name for name, measure in chosen.items()}
    values = {name: np.zeros(len(qrels)) for name in chosen}
    rated = {query: dict(products) for query, products in qrels.items() if products}
    if rated:
        # The share of judged products divides by what was returned: queries that found nothing are left out, and get 0.
        answered = {query: dict(scored) for query, scored in run.items() if scored and query in rated}
        for result in measures.iter_calc(list(chosen.values()), rated, answered):
            values[names[result.measure]][int(result.query_id)] = result.value
    return values


def _mask(values: Float64, highest: Sequence[int], threshold: int) -> Float64:
    masked: Float64 = np.where(np.asarray(highest) >= threshold, values, np.nan)
    return masked
