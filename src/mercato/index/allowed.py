"""What a request may return: marks of products, of their texts and of their variants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.index.layout import TextLayout


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The products that a request may return.

    Attributes:
        rows: bool [snapshot rows]: alive and passing the filter.
        texts: bool [texts]: texts by which some product is found that passes the filter, and maybe products that are
            gone; None without a filter.
        entries: bool [delta entries]: alive and passing the filter.
        rows_missing: whether some snapshot row is not allowed.
        variants: bool [snapshot variants]: passing the filter by themselves; None for all, or where there are none.
        items: bool [delta items]: passing the filter by themselves; None where items are entries.
    """

    rows: Bool
    texts: Bool | None
    entries: Bool
    rows_missing: bool
    variants: Bool | None = None
    items: Bool | None = None

    def holds(self, rows: Int32) -> Bool:
        """Return which of some rows are allowed, bool [n]; -1 never is."""
        allowed = rows >= 0
        changed = rows >= len(self.rows)
        in_snapshot = allowed & ~changed
        allowed[in_snapshot] = self.rows[rows[in_snapshot]]
        allowed[changed] = self.entries[rows[changed] - len(self.rows)]
        return allowed

    def count(self) -> int:
        """Return the number of products."""
        return int(np.count_nonzero(self.rows)) + int(np.count_nonzero(self.entries))


class FilterMasks:
    """What passes a filter in the snapshot, gone products included."""

    def __init__(self, rows: Bool, variants: Bool | None, layout: TextLayout) -> None:
        """Keep what passes.

        Args:
            rows: bool [snapshot rows].
            variants: bool [snapshot variants]; None where there are none.
            layout: which rows each text has.
        """
        self.rows = rows
        self.variants = variants
        self._layout = layout

    @cached_property
    def texts(self) -> Bool:
        """Texts that some passing product has, bool [texts]."""
        return mark_texts(self.rows, self._layout)


def mark_texts(rows: Bool, layout: TextLayout) -> Bool:
    """Return which texts some row of a mask has, bool [texts]."""
    texts: Bool = np.logical_or.reduceat(rows[layout.rows], layout.bounds[:-1])
    return texts
