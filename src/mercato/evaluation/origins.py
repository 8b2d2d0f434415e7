"""Which sources the products of answers are from, and which of them were right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mercato.evaluation.asking import Answer
from mercato.evaluation.result import tidy


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
