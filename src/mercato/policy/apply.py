"""The last step before a page is cut: dials, cold-start slots, boosts, near-duplicates, diversity, caps and pins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Int32, Int64
from mercato.index.live import LiveCatalog
from mercato.membership import is_among
from mercato.policy.caps import apply_caps
from mercato.policy.cold_start import show_cold_start
from mercato.policy.collapse import collapse_by_field, collapse_duplicates, find_collapse_field
from mercato.policy.dials import turn_dials
from mercato.policy.diversity import diversify
from mercato.policy.ranked import TAIL_STEP, DialMove, Ranked, reorder_window
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Retrieved, SourceFlags
from mercato.retrieval.ordering import weigh_rows
from mercato.zscore import standardize_scores

BOOST_SPAN = 3.0
"""Standard deviations of the window's scores that a boost of 1 moves a product: an average one passes nearly all
that are not boosted, and a hopeless one does not become the first."""


def apply_policy(
    catalog: LiveCatalog,
    request: PageRequest,
    retrieved: Retrieved,
    ranked: Ranked,
    probabilities: Mapping[int, float] = MappingProxyType({}),
) -> Ranked:
    """Apply what a request and the shop's rules ask for beyond relevance.

    In this order: products whose code the query is come first, novelty, margin and coverage order the window,
    cold-start products get their slots, boosts and what the shopper dislikes move products within the window,
    near-duplicates fold into the best of them, diversity mixes what is left, caps spread it, the products of the code
    come first again, and pinned products are put in their positions. What follows the window stays as it is. All of it
    depends on the window alone, which is the same for every page (caps on the size of the page, too): pages neither
    overlap nor leave gaps.

    Args:
        catalog: the products.
        request: what is asked for. Where it sorts, neither boosts nor dials apply, and nothing is pinned.
        retrieved: its candidates.
        ranked: the same in order.
        probabilities: row to the probability that the shopper buys it; empty where nothing can be said.

    Returns:
        The order to show; the same object where nothing is asked for.
    """
    sorts = request.retrieval.order_by is not None
    boosts = () if sorts else request.retrieval.all_boosts
    diversity = 0.0 if sorts else request.diversity or 0.0
    size = len(retrieved.rows)
    exact = retrieved.exact if not sorts else retrieved.exact[:0]
    ranked = _lead(ranked, size, exact)
    if size and request.weighs and not sorts:
        ranked = turn_dials(catalog, request, ranked, size, probabilities)
    ranked = show_cold_start(catalog, request.retrieval, ranked, size)
    demoted = _take_along(retrieved.demoted, retrieved.rows, ranked.rows[:size]) if not sorts else None
    if size and (boosts or demoted is not None):
        weights = weigh_rows(catalog, boosts, ranked.rows[:size])
        ranked = _boost(ranked, size, weights if demoted is None else np.maximum(weights + demoted, np.float32(-1.0)))
    if size and request.collapse:
        window = ranked.rows[:size]
        if isinstance(request.collapse, str):
            kept, variants = collapse_by_field(catalog, window, find_collapse_field(catalog, request.collapse))
        else:
            kept, variants = collapse_duplicates(catalog, window)
        ranked = _collapse(ranked, size, kept, variants)
        size = len(kept)
    if size and diversity > 0:
        order = diversify(catalog.vectors(ranked.rows[:size]), ranked.scores[:size], diversity)
        moves = _note_diversity(ranked, order) if request.explain else ranked.moves
        ranked = replace(reorder_window(ranked, order, np.sort(ranked.scores[:size])[::-1]), moves=moves)
    if size and request.caps and not sorts:
        ranked = apply_caps(catalog, request.caps, ranked, size, request.page_size)
    ranked = _lead(ranked, size, exact)
    pins = dict(zip(request.pin_positions, retrieved.pinned.tolist(), strict=False))
    return _pin(ranked, {position: row for position, row in pins.items() if row >= 0})


def _note_diversity(ranked: Ranked, order: Int64) -> dict[int, Sequence[DialMove]]:
    """Return what the dials did to each product, with what diversity is about to do."""
    moves = dict(ranked.moves)
    for place, index in enumerate(order.tolist()):
        if place != index:
            row = int(ranked.rows[index])
            moves[row] = (*moves.get(row, ()), DialMove("diversity", index - place))
    return moves


def _take_along(values: Float32, rows: Int32, reordered: Int32) -> Float32 | None:
    """Put values of rows, float32 [n], into another order of the same rows; None where there are no values."""
    if not len(values):
        return None
    order = np.argsort(rows, kind="stable")
    taken: Float32 = values[order[np.searchsorted(rows, reordered, sorter=order)]]
    return taken


def _lead(ranked: Ranked, size: int, exact: Int32) -> Ranked:
    """Put products before all others of the window, in the order that they have; the same object where they are."""
    leads = is_among(ranked.rows[:size], exact)
    count = int(np.count_nonzero(leads))
    if not count or leads[:count].all():
        return ranked
    scores = np.concatenate([np.full(count, ranked.scores[0], np.float32), ranked.scores[:size][~leads]])
    return reorder_window(ranked, np.argsort(~leads, kind="stable"), scores)


def _boost(ranked: Ranked, size: int, weights: Float32) -> Ranked:
    if not weights.any():
        return ranked
    scores = standardize_scores(ranked.scores[:size]) + np.float32(BOOST_SPAN) * weights
    order = np.argsort(-scores, kind="stable")
    return reorder_window(ranked, order, scores[order])


def _collapse(ranked: Ranked, size: int, kept: npt.NDArray[np.int64], variants: Mapping[int, list[int]]) -> Ranked:
    positions = np.concatenate([kept, np.arange(size, len(ranked.rows))])
    return replace(
        ranked,
        rows=ranked.rows[positions],
        scores=ranked.scores[positions],
        sources=ranked.sources[positions],
        variants=variants,
        folded=size - len(kept),
    )


def _pin(ranked: Ranked, pins: Mapping[int, int]) -> Ranked:
    """Put products at positions (from 1), or at the end of a shorter list; the others make room.

    A pinned product gets the score of the one that it pushes down.
    """
    if not pins:
        return ranked
    rows, scores, sources = ranked.rows.tolist(), ranked.scores.tolist(), ranked.sources.tolist()
    for position, row in sorted(pins.items()):
        index = min(position - 1, len(rows))
        lowest = scores[-1] - float(TAIL_STEP) if scores else 0.0
        scores.insert(index, scores[index] if index < len(scores) else lowest)
        rows.insert(index, row)
        sources.insert(index, 0)
    return replace(
        ranked,
        rows=np.array(rows, np.int32),
        scores=np.array(scores, np.float32),
        sources=np.array(sources, SourceFlags),
        pinned=frozenset(pins.values()),
    )
