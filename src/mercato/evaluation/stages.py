"""The order in which each stage of an answer had the products, read from what explanations say of its rank."""

from __future__ import annotations

from collections.abc import Sequence

from mercato.evaluation.asking import Answer

FIRST, LAST = ("words", "dense"), ("fusion", "ranker", "reranker")
"""Stages in the order of the way of a request; others that a server names are sources, and stand between, by name."""
SHOWN = "shown"
"""What was answered in the end."""


def order_by_stage(explained: Sequence[Answer], answers: Sequence[Answer]) -> dict[str, list[list[str]]]:
    """Order each answer's products by their rank in each stage.

    A product that a stage did not see is not in its order. Only what was returned is known, so an order is whole where
    the answer was asked for as deep as its candidates reach.

    Args:
        explained: answers with explanations; without any the result is empty.
        answers: the same questions' answers, for what was shown in the end.

    Returns:
        Stage -> for each answer product ids, best first; ``shown`` is last.
    """
    named = {name for answer in explained for product in answer.results for name in product.stages}
    if not named:
        return {}
    sources = sorted(named - {*FIRST, *LAST})
    chosen = [name for name in (*FIRST, *sources, *LAST) if name in named]
    orders = {name: [_order(answer, name) for answer in explained] for name in chosen}
    orders[SHOWN] = [answer.ids for answer in answers]
    return orders


def _order(answer: Answer, stage: str) -> list[str]:
    ranked = [(product.stages[stage], place, product.id) for place, product in enumerate(answer.results)
              if stage in product.stages]  # fmt: skip
    return [product for _, _, product in sorted(ranked)]
