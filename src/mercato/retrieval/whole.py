"""What a search asks of the whole catalogue, where it sees only a part of it: a shard among several.

A product matches by what it holds and by how that compares with all others: whether *some* product holds enough words,
how near the *nearest* one is, how *many* hold a word. A search says such things of its own products, as `Figures`, and
goes on with those of the whole: it is a generator of figures. In one process the part is the whole, and what it says
comes straight back (`run_alone`). Of shards a router joins what all say (`join_figures`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from mercato.arrays import Float32, Float64, Int32, Int64
from mercato.retrieval.dense_search import choose_spread
from mercato.retrieval.fusion import select_top

T = TypeVar("T")

_NO_NUMBERS = np.zeros(0, np.float64)
_NO_ROWS = np.zeros(0, np.int64)


@dataclass(slots=True, kw_only=True)  # not frozen: some are made in every search
class NearTexts:
    """Products near to a query, nearest first; those of one text side by side.

    Attributes:
        rows: int32 [n], rows of the whole catalogue.
        scores: float32 [n], descending.
        texts: int32 [n], the first row that has the product's text; all of them are in one part.
        limit: how many are wanted.
    """

    rows: Int32
    scores: Float32
    texts: Int32
    limit: int


@dataclass(slots=True, kw_only=True)  # not frozen: some are made in every search
class BestRows:
    """The products of the highest scores, highest first, equal ones by row.

    Attributes:
        rows: int32 [n], rows of the whole catalogue.
        scores: float32 [n], above 0.
        limit: how many are wanted.
    """

    rows: Int32
    scores: Float32
    limit: int


@dataclass(slots=True, kw_only=True)  # not frozen: some are made in every search
class Figures:
    """What is said of a part of the catalogue, or of all of it. Parts say the same things in the same order.

    Attributes:
        highest: float64 [a], each the highest of the products.
        lowest: float64 [b], each the lowest.
        sums: float64 [c], each a number of products.
        near: the products near to a query.
        best: the products of the highest scores.
        numbers: float64 [d], numbers of products, those of lower rows first.
        owners: int64 [d], the row of each.
    """

    highest: Float64 = field(default_factory=lambda: _NO_NUMBERS)
    lowest: Float64 = field(default_factory=lambda: _NO_NUMBERS)
    sums: Float64 = field(default_factory=lambda: _NO_NUMBERS)
    near: NearTexts | None = None
    best: BestRows | None = None
    numbers: Float64 = field(default_factory=lambda: _NO_NUMBERS)
    owners: Int64 = field(default_factory=lambda: _NO_ROWS)


Steps = Generator[Figures, Figures, T]
"""Work on a part that asks of the whole, and what comes of it."""


def run_alone(steps: Steps[T]) -> T:
    """Do work on a part that is the whole."""
    try:
        said = next(steps)
        while True:
            said = steps.send(said)
    except StopIteration as done:
        result: T = done.value
        return result


def join_figures(parts: Sequence[Figures]) -> Figures:
    """Return what holds of the whole, from what its parts say, in whatever order these come.

    Args:
        parts: at least one.
    """
    order = np.argsort(np.concatenate([part.owners for part in parts]), kind="stable")
    return Figures(
        highest=np.max([part.highest for part in parts], axis=0),
        lowest=np.min([part.lowest for part in parts], axis=0),
        sums=np.sum([part.sums for part in parts], axis=0),
        near=_join_near([part.near for part in parts if part.near is not None]),
        best=_join_best([part.best for part in parts if part.best is not None]),
        numbers=np.concatenate([part.numbers for part in parts])[order],
        owners=np.concatenate([part.owners for part in parts])[order],
    )


def _join_near(parts: Sequence[NearTexts]) -> NearTexts | None:
    """Choose the nearest of all, so that no text fills the list, as `search_nearest` does of one part."""
    if not parts:
        return None
    rows = np.concatenate([part.rows for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    texts = np.concatenate([part.texts for part in parts])
    order = np.lexsort((rows, texts, -scores))
    rows, scores, texts = rows[order], scores[order], texts[order]
    starts = np.diff(texts, prepend=-1) != 0
    chosen = choose_spread(np.cumsum(starts) - 1, parts[0].limit)
    return NearTexts(rows=rows[chosen], scores=scores[chosen], texts=texts[chosen], limit=parts[0].limit)


def _join_best(parts: Sequence[BestRows]) -> BestRows | None:
    if not parts:
        return None
    rows = np.concatenate([part.rows for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    by_row = np.argsort(rows)
    best = by_row[select_top(scores[by_row], parts[0].limit)]
    return BestRows(rows=rows[best], scores=scores[best], limit=parts[0].limit)
