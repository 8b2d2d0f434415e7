"""A request with what was read for it: its history, its seeds, and the products that it may have."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.errors import InvalidInputError
from mercato.features.inputs import History
from mercato.filters import Filter
from mercato.index.allowed import Allowed
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import LearnedNow
from mercato.requests.retrieval import RetrievalRequest
from mercato.retrieval.bought_again import list_bought_once
from mercato.retrieval.histories import drop_unknown, drop_unwanted
from mercato.retrieval.nearness import LearnedNearness
from mercato.retrieval.restricted import without_restricted
from mercato.retrieval.taste import NO_TASTE, Taste
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.history import PURCHASE, history_vector

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RetrievalContext:
    """A request, the products it may have, and its shopper's history.

    Attributes:
        request: the request.
        allowed: the products that pass its filter.
        relaxed: the filter was dropped because it left nothing.
        history: the shopper's events, newest first, of known products only, without those that the shopper does not
            want, where dislikes count.
        known_history: the same with those that the shopper does not want: what was bought stays bought.
        taste: what the shopper does not want; nothing where dislikes do not count.
        seeds: int32 [s], rows of the known seed products.
        listed: int32 [l], rows of the products to order, in the order given; None where none were given to be ordered.
        missing: seed ids that are not in the catalogue.
        probe: float32 [D], what dense retrieval looks for; None for nothing.
        history_vector: float32 [D], unit length; zeros without history.
        near: how near products are to the seeds, else to the history.
        learned: what is learned from events by the moment of the request.
        pinned: int32 [p], rows of the pinned products, which are not among the allowed ones; -1 for those not shown.
        shown_groups: int32 [g] ascending, the groups of variants of which one member is allowed; none for a search.
        shown_members: int32 [g], that member of each.
    """

    request: RetrievalRequest
    allowed: Allowed
    relaxed: bool
    history: History
    known_history: History
    seeds: Int32
    missing: list[str]
    probe: Float32 | None
    history_vector: Float32
    near: LearnedNearness
    learned: LearnedNow
    listed: Int32 | None = None
    pinned: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    shown_groups: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    shown_members: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    taste: Taste = NO_TASTE

    @property
    def language(self) -> str:
        """The language of the query, as the request names it; empty for the shop's."""
        return self.request.context.language


def prepare_context(
    catalog: LiveCatalog,
    request: RetrievalRequest,
    history: History,
    query_vector: Float32 | None,
    learned: LearnedNow | None = None,
    taste: Taste = NO_TASTE,
) -> RetrievalContext:
    """Read what a request needs from the catalogue.

    Args:
        catalog: the products.
        request: the request.
        history: the shopper's events; rows of -1 are dropped here.
        query_vector: float32 [D], for a search; None if there is no encoder.
        learned: what is learned from events by the moment of the request; None for what the snapshot learned.
        taste: what the shopper does not want.

    Raises:
        InvalidInputError: the filter does not fit the catalogue.
    """
    learned = learned or LearnedNow(catalog.snapshot.learned)
    seed_rows = catalog.rows_of(request.seed_ids)
    seeds = seed_rows[seed_rows >= 0]
    missing = [seed for seed, row in zip(request.seed_ids, seed_rows, strict=True) if row < 0]
    listed = None
    if request.orders_list:
        listed, seeds = seeds, seeds[:0]
        hidden = set(request.hidden_ids)
        missing = [seed for seed in missing if seed not in hidden]
    known = drop_unknown(history)
    taste = taste if request.follows_dislikes else NO_TASTE
    allowed, pinned = allow_for(catalog, request, request.condition, known, taste)
    relaxed = False
    if request.condition is not None and not request.strict_filtering:
        relaxed = not (allowed.count() if listed is None else allowed.holds(listed).any())
        if relaxed:
            allowed, pinned = allow_for(catalog, request, None, known, taste)
    allowed = without_purchased(catalog, allowed, known, request)
    wanted = drop_unwanted(known, taste)
    none = np.zeros(0, np.int32)
    groups, members = none, none
    if catalog.groups and not (request.is_search or request.orders_list):
        if request.excludes_seeds:
            allowed = without_rows(allowed, catalog.groups.list_mates(seeds))
        groups, members, others = _choose_variants(catalog, allowed, np.concatenate([seeds, wanted.rows]))
        allowed = without_rows(allowed, others)
    products, index = wanted.distinct
    summary = history_vector(catalog.vectors(products), wanted.time, wanted.type, now=request.context.time, index=index)
    probe = query_vector
    if not request.is_search:
        probe = _unit_mean(catalog.vectors(seeds)) if len(seeds) else summary
        probe = probe if probe.any() else None
    return RetrievalContext(
        request=request,
        allowed=allowed,
        relaxed=relaxed,
        history=wanted,
        known_history=known,
        seeds=seeds,
        listed=listed,
        missing=missing,
        probe=probe,
        history_vector=summary,
        near=LearnedNearness(catalog, wanted, seeds, request.context.time, learned),
        learned=learned,
        pinned=pinned,
        shown_groups=groups,
        shown_members=members,
        taste=taste,
    )


def _choose_variants(catalog: LiveCatalog, allowed: Allowed, preferred: Int32) -> tuple[Int32, Int32, Int32]:
    """Choose of each group of variants the one that a list shows; see `VariantGroups.choose`."""
    mask = np.concatenate([allowed.rows, allowed.entries])
    chosen = np.array(list(dict.fromkeys(preferred.tolist())), np.int32)  # the newest first
    return catalog.groups.choose(mask, catalog.features().in_stock, chosen)


def without_purchased(catalog: LiveCatalog, allowed: Allowed, history: History, request: RetrievalRequest) -> Allowed:
    """Return what is allowed of a recommendation but what its shopper has and does not need again.

    That is what was bought so recently that the request does not want it, and what is bought once
    (`mercato.retrieval.bought_again`). A search finds what is asked for, and a list that is to be ordered is ordered
    whole: there the request alone decides.
    """
    if not (request.is_search or request.orders_list):
        once = list_bought_once(catalog, history)
        allowed = without_rows(allowed, once) if len(once) else allowed
    if not request.exclude_purchased_days > 0:
        return allowed
    since = request.context.time - request.exclude_purchased_days * SECONDS_PER_DAY
    # What has no time may have been at any: it is left out only where everything ever bought is.
    recent = (history.time >= since) | (since <= 0)
    bought = history.rows[(history.type == PURCHASE) & recent]
    return without_rows(allowed, catalog.groups.list_mates(bought) if catalog.groups else bought)


def _unit_mean(vectors: Float32) -> Float32:
    """Return the direction of the mean of vectors, zeros where they cancel out."""
    mean = vectors.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    return (mean / norm).astype(np.float32) if norm > 0 else np.zeros_like(mean)


def allow_for(
    catalog: LiveCatalog,
    request: RetrievalRequest,
    condition: Filter | None,
    history: History,
    taste: Taste = NO_TASTE,
) -> tuple[Allowed, Int32]:
    """Return the products that a request's candidates may be.

    Args:
        catalog: the products.
        request: says what is narrowed, restricted, hidden and pinned.
        condition: the request's filter; None for all products.
        history: of the shopper, known products only, which says what restricted products may be shown.
        taste: what the shopper does not want.

    Returns:
        The products, without hidden, unwanted and pinned ones; and of each pinned product the row, -1 where it is
        unknown, hidden, unwanted, or fails a condition.

    Raises:
        InvalidInputError: the filter does not fit the catalogue.
    """
    allowed = catalog.allow(condition)
    if request.as_of:
        allowed = keep_known(catalog, allowed, request.context.time)
    for narrowing in request.narrowing:
        try:
            allowed = catalog.allow_both(allowed, catalog.allow(narrowing))
        except InvalidInputError as exc:  # a rule's mistake is no shopper's fault
            logger.warning("a rule's filter is left out: %s", exc)
    if request.restrictions:
        allowed = without_restricted(catalog, allowed, history, request)
    if request.hidden_ids:
        allowed = without_rows(allowed, catalog.rows_of(request.hidden_ids))
    if taste and request.leaves_out_disliked:
        allowed = without_rows(allowed, taste.unwanted)
    pinned = catalog.rows_of(request.pinned_ids)
    if len(pinned):
        pinned = np.where(allowed.holds(pinned), pinned, -1).astype(np.int32)
        allowed = without_rows(allowed, pinned)
    return allowed, pinned


def keep_known(catalog: LiveCatalog, allowed: Allowed, moment: float) -> Allowed:
    """Return what is allowed without the products that were first written after a moment, seconds since 1970.

    A product that changed since is as it is now, and one that was deleted since stays away.
    """
    later = catalog.delta.came > moment
    return replace(allowed, entries=allowed.entries & ~later) if later.any() else allowed


def without_rows(allowed: Allowed, gone: Int32) -> Allowed:
    """Return what is allowed but some rows: int32 [n], -1 stands for none."""
    gone = gone[gone >= 0]
    rows, entries = allowed.rows.copy(), allowed.entries.copy()
    changed = gone >= len(rows)
    rows[gone[~changed]] = False
    entries[gone[changed] - len(rows)] = False
    return replace(allowed, rows=rows, entries=entries, rows_missing=True)
