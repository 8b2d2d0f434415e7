"""An evaluation that no server made: four queries whose figures can be worked out by hand."""

from __future__ import annotations

from typing import Any

from mercato.evaluation.asking import Answer, ReturnedProduct
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.evaluation.result import Evaluation, summarize_answers
from mercato.evaluation.stages import order_by_stage

RATINGS = [{"a": 3, "b": 1}, {"a": 1, "c": 0}, {"d": 2}, {}]
PLAN = MeasurePlan(cutoffs=(2, 10), relevant=1, recall_relevant=2, levels=(1, 2, 3))


def answer(*ids: str, **fields: Any) -> Answer:
    """An answer in which words found everything, and dense in the opposite order."""
    results = tuple(
        ReturnedProduct(
            id=name, title=f"<{name}> & co", sources=("words",), stages={"words": rank, "dense": len(ids) + 1 - rank}
        )
        for rank, name in enumerate(ids, 1)
    )
    return Answer(results=results, total=len(ids), **fields)


def make_evaluation(*answers: Answer, **fields: Any) -> Evaluation:
    """The evaluation of four answers; by default perfect, second, not found, not rated."""
    given = list(answers) or [answer("a", "b", "x"), answer("c", "a"), answer(), answer("x")]
    values = measure_orders(RATINGS, [one.ids for one in given], PLAN)
    stages = order_by_stage(given, given)
    return Evaluation(
        **{
            "kind": "search",
            "labels": ["tea", "cup", "<b>mug</b>", "jug"],
            "answers": given,
            "ratings": RATINGS,
            "values": values,
            "stages": {name: measure_orders(RATINGS, orders, PLAN) for name, orders in stages.items()},
            "depth": 10,
            "cutoffs": PLAN.cutoffs,
            "catalogue": 8,
            "totals": summarize_answers(given, PLAN.cutoffs, 8),
            "counts": {"ratings": 5},
            "settings": {"relevant": 1},
            **fields,
        }
    )
