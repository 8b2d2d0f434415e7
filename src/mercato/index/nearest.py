"""What finds the texts nearest to queries: the snapshot's own index, or a vector database filled from it.

Both number texts as the snapshot does, so that what follows (which rows have a text, which of them are gone, what the
delta has in their place) is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mercato.arrays import Bool, Float32, Int64
from mercato.filters import Filter


@dataclass(frozen=True, kw_only=True)
class FilteredQuery:
    """A query of which some texts are allowed.

    Attributes:
        query: float32 [dimension].
        allowed: bool [texts]: what may be found.
        condition: a filter which every product of the snapshot passes that has an allowed text, but for the moved
            texts; None where there is none.
        find_moved: returns the moved texts, int64 [m]: those that may be found whose products changed since the
            snapshot was built, so that what a database knows of them is old. Called by what needs them alone.
    """

    query: Float32
    allowed: Bool
    condition: Filter | None
    find_moved: Callable[[], Int64]


class TextIndex(Protocol):
    """Finds the texts nearest to queries, by inner product.

    Both methods may find less than there is; who asks makes up for that by comparing with every text that is left.
    Both raise `DenseError` where it is a database that cannot be asked.
    """

    def search(self, queries: Float32, k: int, *, ef_search: int) -> tuple[Float32, Int64]:
        """Find the texts nearest to each of some queries, in one call.

        Args:
            queries: float32 [batch, dimension].
            k: how many.
            ef_search: breadth of the walk through the graph.

        Returns:
            Scores float32 [batch, m], descending, and text numbers int64 [batch, m], -1 for none; m <= k.
        """

    def search_filtered(self, asked: Sequence[FilteredQuery], k: int) -> list[tuple[Float32, Int64]]:
        """Find the allowed texts nearest to each of some queries.

        Args:
            asked: the queries.
            k: how many of each.

        Returns:
            For each scores float32 [m], descending, and text numbers int64 [m]; m <= k.
        """
