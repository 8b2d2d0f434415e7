"""What shoppers did after a query: searches, and the views, carts and purchases that followed from them.

An event that names its query itself is of that query, and says where in the answer the product stood if it can. Any
other follows what its shopper did before: a cart or a purchase the last event of a query with the same product, within
a day; else, as a view, the shopper's last search, within half an hour and unless a home or category page was looked at
since. What follows from no query is none of this log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mercato.arrays import Bool, Float64, Int32, Int64, UInt8, UInt64
from mercato.events.event_order import has_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.state.values import EventTable
from mercato.text.query_key import hash_query
from mercato.text.words import WordAnalyzer

SESSION_S = 1_800.0
"""How long after a search an event still follows from it: the length of a session in web analytics (Google Analytics'
default of 30 minutes)."""
SAME_PRODUCT_S = 86_400.0
"""How long after an event of a query one with the same product still follows from it: a cart is paid the same day."""

SEARCH = EVENT_TYPE_CODES["search"]
VIEW = EVENT_TYPE_CODES["detail-page-view"]
CART = EVENT_TYPE_CODES["add-to-cart"]
PURCHASE = EVENT_TYPE_CODES["purchase-complete"]
_ENDS = [EVENT_TYPE_CODES["home-page-view"], EVENT_TYPE_CODES["category-page-view"]]
_DEEDS = [VIEW, CART, PURCHASE]

NO_PRODUCT = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryLog:
    """Searches, and what followed from them, as columns of one length in any order.

    Attributes:
        actor: int32 [n], code of the user or visitor.
        query: int32 [n], position in ``keys`` and ``texts``.
        product: int32 [n], row of the product; `NO_PRODUCT` for the search itself.
        type: uint8 [n], a code of `mercato.events.event_type.EVENT_TYPE_CODES`.
        rank: int32 [n], from 1, where the product stood in the answer; 0 where nobody says.
        time: float64 [n], seconds since 1970 UTC.
        keys: uint64 [queries], `mercato.text.query_key.hash_query` of each text; texts of one key are one query.
        texts: the queries as they were typed.
        category: int32 [rows], the most specific category of each product row, -1 for none; empty where not known.
    """

    actor: Int32
    query: Int32
    product: Int32
    type: UInt8
    rank: Int32
    time: Float64
    keys: UInt64
    texts: Sequence[str] = ()
    category: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))

    @classmethod
    def empty(cls) -> QueryLog:
        """Return the log of a shop that nobody searched."""
        codes = np.zeros(0, np.int32)
        return cls(
            actor=codes,
            query=codes,
            product=codes,
            type=np.zeros(0, np.uint8),
            rank=codes,
            time=np.zeros(0),
            keys=np.zeros(0, np.uint64),
        )

    def __len__(self) -> int:
        """Count the searches and what followed."""
        return len(self.time)

    def select(self, keep: Bool) -> QueryLog:
        """Return the rows of a mask (bool [n]), in their order."""
        return QueryLog(
            actor=self.actor[keep],
            query=self.query[keep],
            product=self.product[keep],
            type=self.type[keep],
            rank=self.rank[keep],
            time=self.time[keep],
            keys=self.keys,
            texts=self.texts,
            category=self.category,
        )


def read_query_log(table: EventTable, rows: Int32, analyzer: WordAnalyzer, category: Int32 | None = None) -> QueryLog:
    """Find the searches of a history and what followed from them.

    Events without times are left out: nobody can say what followed what within half an hour.

    Args:
        table: the events, visitors who signed in being users.
        rows: int32 [n], the product row of each event; -1 for none, or one that the catalogue does not have.
        analyzer: of the catalogue.
        category: int32 [rows], see `QueryLog`.
    """
    if table.query is None:
        return QueryLog.empty()
    actor = np.where(table.user >= 0, table.user, len(table.users) + table.visitor).astype(np.int32)
    deed = np.isin(table.event_type, _DEEDS) & (rows >= 0)
    search = (table.event_type == SEARCH) & (table.query >= 0)
    wanted = (deed | search | np.isin(table.event_type, _ENDS)) & has_time(table.time) & (actor >= 0)
    order = np.flatnonzero(wanted)
    order = order[np.lexsort((table.sequence[order], table.time[order], actor[order]))]
    actor, time, search, deed = actor[order], table.time[order], search[order], deed[order]
    product = np.where(deed, rows[order], NO_PRODUCT).astype(np.int32)
    kind = table.event_type[order]
    query = np.where(search | deed, table.query[order], -1).astype(np.int32)
    follows = _last_search(actor, time, query, search, ends=~(search | deed))
    query = np.where((query < 0) & (kind == VIEW) & deed, follows, query)
    for later in (CART, PURCHASE):
        open_ = (query < 0) & (kind == later) & deed
        before = _last_of_product(actor, product, time, query)
        query = np.where(open_, np.where(before >= 0, before, follows), query)
    keys = np.array([hash_query(text, analyzer) for text in table.queries], np.uint64)
    kept = (query >= 0) & (keys[np.maximum(query, 0)] != 0)
    rank = np.zeros(len(order), np.int32) if table.rank is None else table.rank[order]
    return QueryLog(
        actor=actor[kept],
        query=query[kept].astype(np.int32),
        product=product[kept],
        type=kind[kept],
        rank=rank[kept],
        time=time[kept],
        keys=keys,
        texts=table.queries,
        category=np.zeros(0, np.int32) if category is None else category,
    )


def _last_search(actor: Int32, time: Float64, query: Int32, search: Bool, *, ends: Bool) -> Int32:
    """Return the query of each shopper's last search, -1 where there is none in the session.

    Args:
        actor: int32 [n], ascending.
        time: float64 [n], ascending within an actor.
        query: int32 [n], of searches.
        search: bool [n].
        ends: bool [n], what leads away from a search.
    """
    last = _last_marked(search | ends)
    return _take_recent(actor, time, np.where(search, query, -1), last, SESSION_S)


def _last_of_product(actor: Int32, product: Int32, time: Float64, query: Int32) -> Int32:
    """Return the query that the shopper's last event with the same product followed from, -1 for none of that day."""
    order = np.lexsort((np.arange(len(actor)), product, actor))
    own = product[order]
    last = _last_marked((query[order] >= 0) & (own >= 0))
    known = np.maximum(last, 0)
    last = np.where(own[known] == own, last, -1)
    found = np.empty(len(actor), np.int32)
    found[order] = _take_recent(actor[order], time[order], query[order], last, SAME_PRODUCT_S)
    return found


def _last_marked(marked: Bool) -> Int64:
    """Return for each place the last marked one before or at it, -1 for none."""
    places: Int64 = np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))
    return places


def _take_recent(actor: Int32, time: Float64, query: Int32, last: Int64, within_s: float) -> Int32:
    """Return the query at the last places of the same actor that are recent enough, -1 elsewhere."""
    known = np.maximum(last, 0)
    recent = (last >= 0) & (actor[known] == actor) & (time - time[known] <= within_s)
    return np.where(recent, query[known], -1).astype(np.int32)
