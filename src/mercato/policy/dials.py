"""Dials: an order that weighs, beside how likely each product is, how known it is, what it brings, and who asks."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Bool, Float64, Int64, UInt64
from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.policy.field_values import find_field, read_numbers
from mercato.policy.ranked import DialMove, Ranked, reorder_window
from mercato.requests.dials import Dials
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import RetrievalRequest

LEAST_PROBABILITY = 1e-6
"""A calibrated probability below this counts as this, so that its logarithm is finite."""
ROUNDING = 1e-9
"""Logarithms that are nearer than this are equal."""
LEAST_MOVE = 0.05
"""A summand of a product's logarithm that is nearer to the window's mean than this moved nothing."""


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What the dials make of a window.

    Attributes:
        relevance: float64 [n], logarithm of the probability of each product.
        parts: by dial float64 [n], what it adds to it; 0 for what it leaves as it is.
        unvalued: bool [n], products of which neither margin nor price is known; none where nobody asked.
    """

    relevance: Float64
    parts: Mapping[str, Float64]
    unvalued: Bool

    def order(self, floor: float) -> Int64:
        """Return the order of the sums, int64 [n]; what is below the floor of relevance follows as it was.

        Args:
            floor: share of the highest probability.
        """
        sums = self.relevance + np.sum(list(self.parts.values()), axis=0)
        least = float(self.relevance.max()) + (math.log(floor) if floor > 0 else -math.inf)
        below = self.relevance < least - ROUNDING
        order: Int64 = np.lexsort((np.where(below, 0.0, -sums), below))
        return order


def turn_dials(
    catalog: LiveCatalog, request: PageRequest, ranked: Ranked, size: int, probabilities: Mapping[int, float]
) -> Ranked:
    """Order the window by probability and what the dials weigh beside it.

    By the sum of ``log p + margin * log v - novelty * log(1 + b) + coverage * g``, where p is the probability of the
    product (`estimate_probabilities`), v what its sale brings (`value_products`), b how much it was bought of late
    (people, decayed) and g a draw from the standard Gumbel distribution that the shopper and the product decide. So
    margin 1 is the expected value p * v; novelty 1 is p / (1 + b), how much likelier the product is than it is popular
    (Steck, RecSys 2011); and coverage 1 is a draw without replacement of probability p (Plackett and Luce, by the
    Gumbel trick: Yellott 1977), the same for each page and each request of a shopper. Products whose p is below the
    floor of relevance follow in their order.

    Args:
        catalog: the products.
        request: its dials.
        ranked: its candidates in order.
        size: how many of them are the window.
        probabilities: row to a calibrated probability; empty where there is none.

    Returns:
        The order to show; the scores of the window stay where they are.
    """
    weighed = weigh_window(catalog, request, ranked, size, probabilities)
    order = weighed.order(request.floor)
    moves = dict(_note_moves(weighed, order, ranked.rows[:size].tolist())) if request.explain else {}
    return replace(reorder_window(ranked, order, ranked.scores[:size]), moves=moves)


def check_fields(catalog: LiveCatalog, dials: Dials) -> None:
    """Refuse dials of a request that name a field which the catalogue does not have.

    Raises:
        InvalidInputError: names the dial and the fields there are.
    """
    if dials.margin_field is not None:
        find_field(catalog, dials.margin_field, "OPTIONS.margin_field")
    for number, cap in enumerate(dials.caps or ()):
        find_field(catalog, cap.field, f"OPTIONS.caps[{number}].field")


def weigh_window(
    catalog: LiveCatalog, request: PageRequest, ranked: Ranked, size: int, probabilities: Mapping[int, float]
) -> Weighed:
    """Weigh the products of a window; arguments as of `turn_dials`."""
    rows = ranked.rows[:size]
    relevance = np.log(estimate_probabilities(rows.tolist(), probabilities))
    parts: dict[str, Float64] = {}
    unvalued = np.zeros(size, np.bool_)
    if request.novelty:
        originals = catalog.original_rows(rows)  # of variants that a feed groups one has what is learned of all
        learned = np.where(originals >= 0, originals, rows)
        parts["novelty"] = -request.novelty * catalog.features().log_popularity[learned].astype(np.float64)
    if request.margin:
        values = value_products(catalog, request, ranked, size)
        unvalued = np.isnan(values)
        parts["margin"] = request.margin * _centre_logarithms(values)
    if request.coverage and name_shopper(request.retrieval):
        marks = [catalog.identity_of(row) for row in rows.tolist()]
        parts["coverage"] = request.coverage * draw_gumbel(name_shopper(request.retrieval), marks)
    return Weighed(relevance=relevance, parts=parts, unvalued=unvalued)


def estimate_probabilities(rows: list[int], probabilities: Mapping[int, float]) -> Float64:
    """Return how likely each product of a window is to be bought, float64 [n]; a common factor means nothing.

    Its calibrated probability where the ranker gave one; where any product has none, ``1 / sqrt(rank)``, by the order
    that they have: what is shown lower is bought less, about so.

    Args:
        rows: in order.
        probabilities: row to probability, 0 to 1.
    """
    if probabilities and all(row in probabilities for row in rows):
        known = np.array([probabilities[row] for row in rows], np.float64)
        return np.maximum(known, LEAST_PROBABILITY)
    ranks: Float64 = 1.0 / np.sqrt(np.arange(1, len(rows) + 1, dtype=np.float64))
    return ranks


def value_products(catalog: LiveCatalog, dials: Dials, ranked: Ranked, size: int) -> Float64:
    """Return what the sale of each product of a window brings, float64 [n]; NaN where nobody knows.

    The number of the margin field. Of a product without, its price, times the median of margin / price over the
    products of the window that have both, so that margins and prices compare; without a field the price.
    """
    rows = ranked.rows[:size]
    prices: Float64 = catalog.features().price[rows].astype(np.float64)
    if dials.margin_field is None:
        return prices
    with suppress(InvalidInputError):  # a rule's field that no product has yet
        margins = read_numbers(catalog, rows, find_field(catalog, dials.margin_field, "OPTIONS.margin_field"))
        both = (margins > 0) & (prices > 0)
        rate = float(np.median(margins[both] / prices[both])) if both.any() else 1.0
        values: Float64 = np.where(np.isnan(margins), prices * rate, margins)
        return values
    return prices


def _centre_logarithms(values: Float64) -> Float64:
    """Return the logarithm of each value less the median of all, 0 for NaN: what has no value is left as it is.

    A value of 0 and below, which a sale loses by, counts as a hundredth of the lowest above.
    """
    known = values[values > 0]
    if not len(known):
        return np.zeros(len(values))
    logarithms = np.log(np.where(values > 0, values, known.min() / 100))
    centred: Float64 = np.where(np.isnan(values), 0.0, logarithms - np.median(np.log(known)))
    return centred


def name_shopper(request: RetrievalRequest) -> str:
    """Return what a draw goes by: the user, else the visitor; empty for nobody, for whom nothing is drawn."""
    return request.user_id or request.visitor_id


def draw_gumbel(shopper: str, products: list[str]) -> Float64:
    """Draw a number for each product from the standard Gumbel distribution, float64 [n]: always the same for a shopper.

    ``-log(-log(u))``, u from a hash of both, so that answers repeat and pages fit together.
    """
    start = zlib.crc32(shopper.encode("utf-8", "surrogatepass"))
    marks = np.array([zlib.crc32(one.encode("utf-8", "surrogatepass"), start) for one in products], np.uint64)
    uniform = (_mix(marks) + 0.5) / 2.0**32
    drawn: Float64 = -np.log(-np.log(uniform))
    return drawn


def _mix(marks: UInt64) -> Float64:
    """Spread checksums over 32 bits (the finaliser of MurmurHash3, Appleby 2008): near ids have near checksums."""
    mask = np.uint64(0xFFFFFFFF)
    mixed = marks
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        mixed = ((mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)) & mask
    return mixed.astype(np.float64)


def _note_moves(weighed: Weighed, order: Int64, rows: list[int]) -> list[tuple[int, tuple[DialMove, ...]]]:
    """Note for each product that moved the dials that moved it there, the strongest first, and what has no value."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    shifts = np.arange(len(order)) - places
    sides = {dial: part - part.mean() for dial, part in weighed.parts.items()}
    noted = []
    for position, row in enumerate(rows):
        shift = int(shifts[position])
        agreeing = sorted(
            (-abs(side[position]), dial)
            for dial, side in sides.items()
            if shift * side[position] > 0 and abs(side[position]) >= LEAST_MOVE
        )
        moves = [DialMove(dial=dial, ranks=shift) for _, dial in agreeing]
        if weighed.unvalued[position]:
            moves.append(DialMove(dial="margin", ranks=0))
        if moves:
            noted.append((row, tuple(moves)))
    return noted
