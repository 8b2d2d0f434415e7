"""Bundles that an answer offers: sets bought together that complete what is on the page or in the cart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mercato.arrays import Bool, Float64, Int32, Int64
from mercato.index.bundles import MOST_MEMBERS, Bundles
from mercato.index.live import LiveCatalog
from mercato.index.variant_groups import substitute
from mercato.requests.retrieval import Bundle
from mercato.retrieval.context import RetrievalContext

SHRINKAGE = 10.0
"""People at which what a bundle promises is halved."""
_PLACES = 1 << np.arange(MOST_MEMBERS)
_WHOLE = np.array([0, *np.cumsum(_PLACES)])
"""By how many members a bundle has, the part that is all of it."""


@dataclass(frozen=True, kw_only=True)
class _Offers:
    """Bundles that have something of a request's products, and something to add.

    Attributes:
        bundle: int64 [n], their numbers.
        held: bool [n, MOST_MEMBERS], members that the request has.
        added: bool [n, MOST_MEMBERS], the other members.
        share: float64 [n], see `mercato.requests.retrieval.Bundle`.
    """

    bundle: Int64
    held: Bool
    added: Bool
    share: Float64


def find_bundles(catalog: LiveCatalog, context: RetrievalContext) -> tuple[Bundle, ...]:
    """Find the bundles of a product page or cart, as many as its request wants, the best first.

    A bundle holds the product of the page, or something of the cart, and adds what is not there. It is offered whole or
    not at all: all that it adds must be in stock, and may be shown (filter, rules, what the shopper has). Smaller sets
    are bundles of their own and take its place. Of two that add the same product the better one is offered; of equal
    ones that with more of the cart.

    The best promises to sell most: the share of shoppers who had the one and bought the other with it, times the
    products that it adds, times ``n / (n + SHRINKAGE)`` of ``n`` people who bought all of it.

    Args:
        catalog: the products.
        context: the request.
    """
    wanted, bundles = context.request.bundles, catalog.snapshot.bundles
    if not wanted or not len(bundles) or not len(context.seeds):
        return ()
    originals = catalog.original_rows(context.seeds)
    seed_of = dict(zip(originals.tolist(), context.seeds.tolist(), strict=True))
    offers = _list_offers(bundles, originals)
    if not len(offers.bundle):
        return ()
    members = bundles.members[offers.bundle]
    rows = _find_rows(catalog, context, members)
    usable = context.allowed.holds(rows.ravel()) & catalog.features().in_stock[np.maximum(rows, 0).ravel()]
    whole = (usable.reshape(rows.shape) | ~offers.added).all(axis=1)
    people = bundles.people[offers.bundle].astype(np.float64)
    promise = offers.share * offers.added.sum(axis=1) * people / (people + SHRINKAGE)
    chosen: list[Bundle] = []
    taken: set[int] = set()
    for at in np.lexsort((offers.bundle, -offers.held.sum(axis=1), -promise)).tolist():
        if not whole[at]:
            continue
        added = rows[at][offers.added[at]].tolist()
        if taken.intersection(added):
            continue
        taken.update(added)
        held = [seed_of[row] for row in members[at][offers.held[at]].tolist()]
        chosen.append(
            Bundle(
                rows=(*held, *added), held=len(held), people=int(people[at]), share=round(float(offers.share[at]), 4)
            )
        )
        if len(chosen) == wanted:
            break
    return tuple(chosen)


def _list_offers(bundles: Bundles, originals: Int32) -> _Offers:
    """List the bundles that hold any of some snapshot rows and something else, where it is known what share adds it."""
    found = bundles.find(originals)
    members = bundles.members[found]
    present = members >= 0
    held = np.isin(members, originals[originals >= 0])
    part = held @ _PLACES
    whole = _WHOLE[present.sum(axis=1)]
    counted, bought = bundles.support[found, part], bundles.support[found, whole]
    kept = (part != whole) & (counted > 0)
    return _Offers(
        bundle=found[kept],
        held=held[kept],
        added=(present & ~held)[kept],
        share=np.minimum(bought[kept].astype(np.float64) / counted[kept], 1.0),
    )


def _find_rows(catalog: LiveCatalog, context: RetrievalContext, members: Int32) -> Int32:
    """Find where members are now: of a group of variants the one that the answer shows; -1 for what is gone."""
    rows = members.ravel()
    if len(context.shown_groups):
        rows = substitute(rows, catalog.groups.of_rows(rows), context.shown_groups, context.shown_members)
    known = (rows >= 0) & (rows < catalog.base)
    rows = np.where(known, catalog.current_row[np.where(known, rows, 0)], rows)
    return rows.reshape(members.shape).astype(np.int32)
