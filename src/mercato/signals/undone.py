"""Events that were taken back: what was sent back, cancelled, or put out of the cart again says nothing of anybody.

A refund takes back pieces of the same actor's purchases of the same product: first of the order that it names, then
of the latest purchases before it; one of a whole order all that the order held. Where neither has a time, or both have
the same, their order in the log does not count. What is left over was never bought, as far as the log goes, and takes
back nothing, so that a later purchase stays. Once nothing is left of what an actor bought of a product, the actor's
views and carts of it before then go too. A removal from the cart takes back what was put into it, and no view. What
shoppers say themselves takes back too, and counts where it speaks for a product (`mercato.signals.said`).

All that learns from events, or reads a history, asks here what of it still stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mercato.arrays import Bool, Float64, Int32, UInt8
from mercato.events.event_order import has_time
from mercato.events.event_type import EVENT_TYPE_CODES, UNDONE_BY
from mercato.signals.said import IS_SAID, NEVER, find_said
from mercato.state.values import EventTable

_UNDOES = {EVENT_TYPE_CODES[undo]: EVENT_TYPE_CODES[done] for done, undo in UNDONE_BY.items()}
_REFUND = EVENT_TYPE_CODES["refund"]
_PURCHASE = EVENT_TYPE_CODES["purchase-complete"]
_TAKES_BACK = IS_SAID.copy()
_TAKES_BACK[list(_UNDOES)] = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """What still stands of some events.

    Attributes:
        pieces: int32 [n], pieces that were not taken back; 0 of refunds and removals, 1 of what shoppers say.
        undone_at: float64 [n], the moment from which an event counts no more; -inf for refunds and removals, and for
            what is said and speaks for no product, which never count; `NEVER` for what stands.
        against_until: float64 [n], the moment from which an opinion against a product holds no more; -inf for all
            else. None where there is none.
    """

    pieces: Int32
    undone_at: Float64
    against_until: Float64 | None = None

    def counts(self, until: float = NEVER) -> Bool:
        """Return which events count as far as is known before a moment, bool [n]."""
        return self.undone_at >= until


@dataclass(slots=True)
class _Done:
    """An event that may be taken back, and how much of it is left."""

    event: int
    left: int


@dataclass(slots=True)
class _Ledger:
    """What one actor did with one product so far."""

    open: dict[int, list[_Done]] = field(default_factory=dict)
    """By type, in the order of time."""
    owed: list[tuple[int, int]] = field(default_factory=list)
    """Refunds, and how many pieces of each found no purchase."""
    before: list[int] = field(default_factory=list)
    """Events that go once nothing is left of what was bought."""


def find_standing(
    actor: Int32,
    product: Int32,
    order: Int32,
    time: Float64,
    event_type: UInt8,
    quantity: Int32,
    whole: Bool | None = None,
) -> Standing | None:
    """Find what still stands of some events.

    Args:
        actor: int32 [n], who did it; of one person all are alike.
        product: int32 [n], any number of the product; -1 for none.
        order: int32 [n], the order, -1 for none.
        time: float64 [n], seconds since 1970, or what stands for the order of events without times.
        event_type: uint8 [n], codes of `mercato.events.event_type.EVENT_TYPE_CODES`.
        quantity: int32 [n], pieces, above 0.
        whole: bool [n], events about no single product: a refund among them takes back its order. None for none.

    Returns:
        It; None where nothing was taken back, as in most logs.
    """
    if not takes_back(event_type):
        return None
    standing = _find_returned(actor, product, order, time, event_type, quantity, whole)
    said = find_said(actor, product, time, event_type, quantity)
    if said is None:
        return standing
    return Standing(
        pieces=np.where(IS_SAID[event_type], 1, standing.pieces).astype(np.int32),
        undone_at=np.minimum(standing.undone_at, np.where(said.silent, -np.inf, said.until)),
        against_until=np.where(said.against, said.until, -np.inf) if said.against.any() else None,
    )


def _find_returned(
    actor: Int32,
    product: Int32,
    order: Int32,
    time: Float64,
    event_type: UInt8,
    quantity: Int32,
    whole: Bool | None,
) -> Standing:
    """Find what was sent back, cancelled, or put out of the cart; see `find_standing`."""
    undoing = np.isin(event_type, list(_UNDOES))
    pieces = np.where(undoing, 0, quantity).astype(np.int32)
    undone_at = np.where(undoing, -np.inf, NEVER)
    standing = Standing(pieces=pieces, undone_at=undone_at)
    if not undoing.any():
        return standing
    if whole is not None:
        _cancel_orders(standing, actor, order, time, event_type, undoing & whole)
    known = product >= 0
    key = actor.astype(np.int64) * (int(product.max(initial=0)) + 1) + product
    affected = np.flatnonzero(known & np.isin(key, np.unique(key[undoing & known])))
    affected = affected[np.lexsort((affected, time[affected], key[affected]))]
    bounds = np.flatnonzero(np.diff(key[affected], prepend=-1, append=-1))
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        _settle(standing, affected[start:stop].tolist(), order, time, event_type, quantity)
    return standing


def _cancel_orders(
    standing: Standing, actor: Int32, order: Int32, time: Float64, event_type: UInt8, whole: Bool
) -> None:
    """Take back all that whole orders held."""
    cancelled = np.flatnonzero(whole & (event_type == _REFUND) & (order >= 0))
    if not len(cancelled):
        return
    bought = np.flatnonzero((event_type == _PURCHASE) & np.isin(order, order[cancelled]))
    when = {(actor[event], order[event]): time[event] for event in cancelled.tolist()}
    for event in bought.tolist():
        moment = when.get((actor[event], order[event]))
        if moment is not None:
            standing.pieces[event], standing.undone_at[event] = 0, moment


def _settle(
    standing: Standing, events: list[int], order: Int32, time: Float64, event_type: UInt8, quantity: Int32
) -> None:
    """Settle what one actor did with one product, in the order of time."""
    ledger = _Ledger()
    for event in events:
        kind = int(event_type[event])
        if kind in _UNDOES:
            done = ledger.open.get(_UNDOES[kind], [])
            named = [one for one in reversed(done) if order[one.event] == order[event] >= 0]
            others = [one for one in reversed(done) if not order[one.event] == order[event] >= 0]
            left = _take(standing, [*named, *others], int(quantity[event]), float(time[event]))
            if kind == _REFUND:
                if left:
                    ledger.owed.append((event, left))
                if left < quantity[event] and not any(one.left for one in done):
                    _void(standing, ledger, float(time[event]))
        elif standing.undone_at[event] == NEVER:
            ledger.open.setdefault(kind, []).append(_Done(event, int(quantity[event])))
            if kind != _PURCHASE:
                ledger.before.append(event)
    for refund, left in ledger.owed:  # an order, or a moment, that it shares with what is written behind it
        bought = [
            one
            for one in reversed(ledger.open.get(_PURCHASE, []))
            if (order[one.event] == order[refund] >= 0)
            or time[one.event] == time[refund]
            or not (has_time(time[one.event]) or has_time(time[refund]))
        ]
        if bought and _take(standing, bought, left, float(time[refund])) < left:
            if not any(one.left for one in ledger.open[_PURCHASE]):
                _void(standing, ledger, float(time[refund]))


def _take(standing: Standing, done: list[_Done], pieces: int, moment: float) -> int:
    """Take pieces back of some events in turn; returns how many found none."""
    for one in done:
        taken = min(one.left, pieces)
        one.left -= taken
        pieces -= taken
        standing.pieces[one.event] -= taken
        if taken and not one.left:
            standing.undone_at[one.event] = moment
    return pieces


def _void(standing: Standing, ledger: _Ledger, moment: float) -> None:
    """Let views and carts go with what they led to."""
    for event in ledger.before:
        if standing.undone_at[event] == NEVER:
            standing.undone_at[event], standing.pieces[event] = moment, 0
    ledger.before.clear()


def takes_back(event_type: UInt8) -> bool:
    """Return whether any of some events takes another back, or is said by its shopper."""
    return bool(_TAKES_BACK[event_type].any())


def find_table_standing(table: EventTable, products: Int32) -> Standing | None:
    """Find what still stands of a log; see `find_standing`.

    Args:
        table: the events.
        products: int32 [n], the product of each event, such as its row; -1 for none.
    """
    actor = np.where(table.user >= 0, table.user, len(table.users) + table.visitor).astype(np.int32)
    columns = actor, products, table.order, table.time, table.event_type, table.quantity
    return find_standing(*columns, whole=table.product < 0)


def drop_undone(table: EventTable, products: Int32, *, until: float = NEVER) -> EventTable:
    """Return a log without what was taken back before a moment, each event with the pieces that are left of it.

    Args:
        table: the events.
        products: as for `find_table_standing`.
        until: seconds since 1970; what is taken back at or after it still stands.

    Returns:
        The events that count; the same object where nothing was taken back.
    """
    standing = find_table_standing(table, products)
    if standing is None:
        return table
    kept = standing.counts(until)
    pieces = np.where(standing.pieces > 0, standing.pieces, table.quantity).astype(np.int32)
    columns = {
        name: column[kept]
        for name in ("sequence", "time", "event_type", "user", "visitor", "product", "order", "price")
        for column in (getattr(table, name),)
    }
    for name in ("device_region", "query", "rank"):
        column = getattr(table, name)
        columns[name] = None if column is None else column[kept]
    return replace(table, quantity=pieces[kept], **columns)
