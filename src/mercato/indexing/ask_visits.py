"""Asking the sources for visits that were held back, as a server would have that did not know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mercato.arrays import Bool, Int32
from mercato.features.inputs import Context, History
from mercato.index.live import LiveCatalog
from mercato.indexing.held_visits import HeldVisit
from mercato.requests.retrieval import WINDOW, Placement, RetrievalRequest
from mercato.retrieval.context import prepare_context
from mercato.retrieval.fusion import RankedList, rank_in_order
from mercato.retrieval.recommend import ask_for, ask_sources, keep_allowed
from mercato.retrieval.source_weights import WEIGHTS
from mercato.retrieval.sources.base import CANDIDATES
from mercato.retrieval.sources.popular import POPULAR
from mercato.retrieval.sources.sequence import SEQUENCE

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """A moment of a visit at which a server would have been asked, and what would have been right.

    Attributes:
        placement: where.
        time: when, seconds since 1970 UTC.
        history: what the shopper did before, newest first; nothing of a stranger.
        seeds: int32 [s], rows of what the page or cart is about.
        bought: int32 [n], distinct rows of what was bought from then on, ascending.
    """

    placement: Placement
    time: float
    history: History
    bought: Int32
    seeds: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))


def begin_visits(visits: Sequence[HeldVisit], *, strangers: bool = False) -> list[Occasion]:
    """Return the home page at the beginning of each visit.

    Args:
        visits: the visits.
        strangers: leave the histories out.
    """
    return [
        Occasion(
            placement=Placement.HOME_PAGE,
            time=visit.time,
            history=History.empty() if strangers else visit.history,
            bought=visit.bought,
        )
        for visit in visits
    ]


def open_first_pages(visits: Sequence[HeldVisit]) -> list[Occasion]:
    """Return the page of the first product of each visit in which something else was bought."""
    return _go_on(visits, Placement.PRODUCT_PAGE, [visit.seen[:1] for visit in visits])


def fill_carts(visits: Sequence[HeldVisit]) -> list[Occasion]:
    """Return the cart of each visit when half of what was bought lay in it; of visits with two products at least."""
    carts = []
    for visit in visits:
        bought = visit.seen[np.isin(visit.seen, visit.bought)]
        carts.append(bought[: (len(bought) + 1) // 2])
    return _go_on(visits, Placement.CART, carts)


def _go_on(visits: Sequence[HeldVisit], placement: Placement, seeds: Sequence[Int32]) -> list[Occasion]:
    """Return the visits in which something was bought besides the seeds."""
    found = []
    for visit, start in zip(visits, seeds, strict=True):
        others = visit.bought[~np.isin(visit.bought, start)]
        if len(others):
            found.append(
                Occasion(placement=placement, time=visit.time, history=visit.history, seeds=start, bought=others)
            )
    return found


def list_labels(placement: Placement) -> list[str]:
    """Return the sources that can be weighed on a placement: no network among them."""
    return [label for label in WEIGHTS[placement] if label != SEQUENCE.label]


def ask_sources_for(
    catalog: LiveCatalog, occasions: Sequence[Occasion], labels: Sequence[str], popular: Int32
) -> list[dict[str, RankedList]]:
    """Ask sources for each occasion.

    Args:
        catalog: products of which the visits were not learned; without changes.
        occasions: the occasions.
        labels: the sources.
        popular: int32 [products], rows by popularity without the visits; the catalogue's own order knows them.

    Returns:
        For each occasion the allowed candidates of each source that has something to say.
    """
    weights = dict.fromkeys(labels, 1.0)
    ids = catalog.snapshot.documents.ids()
    found: list[dict[str, RankedList]] = []
    for start in range(0, len(occasions), BATCH):
        contexts = [
            prepare_context(
                catalog,
                RetrievalRequest(
                    placement=one.placement,
                    context=Context(time=one.time),
                    depth=WINDOW,
                    seed_ids=tuple(ids[row] for row in one.seeds.tolist()),
                ),
                one.history,
                None,
            )
            for one in occasions[start : start + BATCH]
        ]
        asked = [ask_for(catalog, context, weights) for context in contexts]
        for context, request, own in zip(contexts, asked, ask_sources(asked), strict=True):
            allowed = dict(zip(own, keep_allowed(catalog, context, list(own.values())), strict=True))
            if POPULAR.label in weights:
                head = popular[: 4 * CANDIDATES]
                rows = head[context.allowed.holds(head)]
                if len(rows) < CANDIDATES:
                    rows = popular[context.allowed.holds(popular)]
                allowed[POPULAR.label] = rank_in_order(rows[:CANDIDATES], 1.0)
            kept = {label: _keep(item, ~np.isin(item.rows, request.excluded)) for label, item in allowed.items()}
            found.append({label: item for label, item in kept.items() if len(item.rows)})
    return found


def leave_known(
    lists: Sequence[dict[str, RankedList]], occasions: Sequence[Occasion], known: Sequence[Int32]
) -> tuple[list[dict[str, RankedList]], list[Int32]]:
    """Leave what each shopper had bought before out of lists and of what is right; where nothing is left, all of it.

    Args:
        lists: of each occasion.
        occasions: the occasions.
        known: for each int32 [k], rows of what was bought before.
    """
    kept, bought = [], []
    for own, one, before in zip(lists, occasions, known, strict=True):
        fresh = one.bought[~np.isin(one.bought, before)]
        if len(fresh):
            left = {label: _keep(item, ~np.isin(item.rows, before)) for label, item in own.items()}
            kept.append({label: item for label, item in left.items() if len(item.rows)})
            bought.append(fresh)
    return kept, bought


def _keep(item: RankedList, keep: Bool) -> RankedList:
    return RankedList(rows=item.rows[keep], scores=item.scores[keep])


def rank_popular(counts: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Int32:
    """Return rows by popularity, the most popular first, equal ones by row: int32 [products]."""
    order: Int32 = np.argsort(-counts, kind="stable").astype(np.int32)
    return order
