"""Going on with a list that somebody has begun to page through: what was shown stays where it was shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mercato.arrays import UInt32
from mercato.index.live import LiveCatalog
from mercato.policy.ranked import Ranked
from mercato.requests.page import PageRequest
from mercato.requests.page_token import ShownPages, mark_product


def resume_list(catalog: LiveCatalog, page: PageRequest, ranked: Ranked) -> tuple[PageRequest, Ranked]:
    """Put what was shown of a list where it was shown, and everything else, in its order, before and behind it.

    Args:
        catalog: the products.
        page: what is asked for, with what was shown.
        ranked: all that can be shown now, in order.

    Returns:
        The page, its offset counting what is left of what was shown, and the order; the same objects where nothing was
        shown.
    """
    shown = page.page_token
    if not len(shown):
        return page, ranked
    marks = mark_rows(catalog, ranked.rows.tolist())
    place_of = {mark: place for place, mark in reversed(list(enumerate(marks.tolist())))}
    places = [place_of.get(mark, -1) for mark in shown.marks.tolist()]
    left = [place for place in places if place >= 0]
    unseen = np.flatnonzero(~np.isin(marks, shown.marks))
    order = np.concatenate([unseen[: shown.first], np.array(left, np.int64), unseen[shown.first :]])
    # What is gone of what was shown leaves no gap: positions behind it are counted without.
    gone = sum(place < 0 for place in places[: max(page.offset - shown.first, 0)])
    return (
        replace(page, offset=page.offset - gone),
        replace(
            ranked,
            rows=ranked.rows[order],
            scores=np.minimum.accumulate(ranked.scores[order]),
            sources=ranked.sources[order],
        ),
    )


def list_shown(catalog: LiveCatalog, page: PageRequest, rows: list[int]) -> ShownPages:
    """Return what was shown of a list, a page included.

    Args:
        catalog: the products.
        page: what was asked for, as it was asked.
        rows: what the page shows.
    """
    return page.page_token.add(page.offset, mark_rows(catalog, rows))


def mark_rows(catalog: LiveCatalog, rows: list[int]) -> UInt32:
    """Return the marks of products, uint32 [n]; variants that a feed groups have one."""
    name = catalog.identity_of if catalog.groups else catalog.id_of
    return np.array([mark_product(name(row)) for row in rows], np.uint32)
