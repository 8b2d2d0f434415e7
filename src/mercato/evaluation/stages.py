"""Where products of answers come from: the sources that found them, and the order in which each stage had them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mercato.evaluation.asking import Answer
from mercato.evaluation.result import tidy

FIRST, LAST = ("words", "dense"), ("fusion", "ranker", "reranker")
"""Stages in the order of the way of a request; others that a server names are sources, and stand between, by name."""
SHOWN = "shown"
"""What was answered in the end."""


def measure_sources(
    answers: Sequence[Answer], bought: Sequence[Mapping[str, int]], k: int
) -> dict[str, dict[str, Any]]:
    """Count by source what is among the first k products of the answers, and what of it was bought.

    A product that several sources found counts for each of them, so the shares add up to more than 1.

    Args:
        answers: lists.
        bought: for each the products that are right.
        k: products of each that count.

    Returns:
        Source -> ``shown_share`` of the products that were shown, ``right_share`` of those that were right, and
        ``precision``, the share of its products that were right; the source of most right products first. Null where
        there is nothing to share.
    """
    shown: Counter[str] = Counter()
    right: Counter[str] = Counter()
    products = hits = 0
    for answer, wanted in zip(answers, bought, strict=True):
        for found in answer.results[:k]:
            products += 1
            shown.update(found.sources)
            if found.id in wanted:
                hits += 1
                right.update(found.sources)
    return {
        source: {
            "shown_share": tidy(shown[source] / products),
            "right_share": tidy(right[source] / hits) if hits else None,
            "precision": tidy(right[source] / shown[source]),
        }
        for source in sorted(shown, key=lambda name: (-right[name], -shown[name], name))
    }


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
    ranked = [(product.stages[stage], position, product.id) for position, product in enumerate(answer.results)
              if stage in product.stages]  # fmt: skip
    return [product for _, _, product in sorted(ranked)]
