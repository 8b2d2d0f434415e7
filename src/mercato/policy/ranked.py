"""The candidates of a request in the order in which they would be shown; policies change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Int64
from mercato.features.features import COLUMN
from mercato.requests.retrieval import Retrieved, SourceFlags

TAIL_STEP = np.float32(1e-3)
"""By how much the score falls from one product to the next where there is no other."""


CHOSEN_SPAN = np.float32(1.0)
"""Standard deviations of the window's scores that a product moves which all people chose after the same query."""
_CHOSEN = COLUMN["chosen"]


CAPS = "caps"
"""The dial of caps, in what is said of moves."""


@dataclass(frozen=True, slots=True)
class DialMove:
    """What a dial did to a product.

    Attributes:
        dial: its name; `CAPS` for a cap.
        ranks: by how many it was raised, below 0 lowered, by all dials together; 0 where the dial knows nothing of it.
        value: of a cap, the value that had its share of the page.
    """

    dial: str
    ranks: int
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """All that can be shown of a request, in order.

    Attributes:
        rows: int32 [n].
        scores: float32 [n], descending.
        sources: uint32 [n], as of `Retrieved`.
        variants: for a row the rows of its near-duplicates, which are not shown.
        folded: how many near-duplicates are not shown.
        pinned: rows whose positions the shop decided.
        seated: cold-start products that were moved up to a slot of their own.
        moves: for a row what the dials did to it.
    """

    rows: npt.NDArray[np.int32]
    scores: Float32
    sources: npt.NDArray[SourceFlags]
    variants: Mapping[int, Sequence[int]] = field(default_factory=dict)
    folded: int = 0
    pinned: frozenset[int] = frozenset()
    seated: frozenset[int] = frozenset()
    moves: Mapping[int, Sequence[DialMove]] = field(default_factory=dict)


def order_candidates(retrieved: Retrieved, scores: Float32 | None) -> Ranked:
    """Order a request's candidates by the ranker's scores; without them the order of retrieval stays.

    A ranker learns from ratings or purchases, and rarely from many queries of a shop: what people chose after this one
    moves its order as it moves that of retrieval.

    What follows the window keeps its order and scores just below it. Equal scores keep the order of retrieval.

    Args:
        retrieved: the candidates.
        scores: float32 [w]; None if they were not ranked.
    """
    window = retrieved.fused if scores is None else lift_chosen(scores, retrieved.features)
    order = np.argsort(-window, kind="stable")
    ordered = window[order]
    floor = ordered[-1] if len(ordered) else np.float32(0.0)
    after = floor - TAIL_STEP * np.arange(1, len(retrieved.tail) + 1, dtype=np.float32)
    return Ranked(
        rows=np.concatenate([retrieved.rows[order], retrieved.tail]),
        scores=np.concatenate([ordered, after]).astype(np.float32),
        sources=np.concatenate([retrieved.sources[order], retrieved.sources[len(order) :]]),
    )


def lift_chosen(scores: Float32, features: Float32) -> Float32:
    """Raise the products that people chose after the same query: score + `CHOSEN_SPAN` * deviation * strength.

    Args:
        scores: float32 [w], of the window.
        features: float32 [w, F], as `mercato.features.features.compute_features` gives them.

    Returns:
        The scores, the same array where nobody chose any of them.
    """
    chosen = features[:, _CHOSEN]
    return scores + CHOSEN_SPAN * scores.std() * chosen if chosen.any() else scores


def reorder_window(ranked: Ranked, order: Int64, scores: Float32) -> Ranked:
    """Put the window into another order with other scores; what follows it gets scores just below.

    Args:
        ranked: the candidates.
        order: int64 [w], indices of the window's products in their new order.
        scores: float32 [w], descending, in that order.
    """
    size = len(order)
    after = scores[-1] - TAIL_STEP * np.arange(1, len(ranked.rows) - size + 1, dtype=np.float32)
    return replace(
        ranked,
        rows=np.concatenate([ranked.rows[:size][order], ranked.rows[size:]]),
        scores=np.concatenate([scores, after]).astype(np.float32),
        sources=np.concatenate([ranked.sources[:size][order], ranked.sources[size:]]),
    )
