"""What sells in each region: shoppers of the last weeks, shrunk towards the whole shop where they are few."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mercato.signals.events import SECONDS_PER_DAY, EventColumns
from mercato.signals.momentum import FRESH_DAYS, RECENT_DAYS

PRIOR_BUYERS = 20.0
"""Shoppers, of the whole shop's behaviour, that every region is taken to have had besides its own."""
MIN_BUYERS = 3
"""Fewest shoppers of a region who bought a product that is said to be popular there."""
MIN_REGION_BUYERS = 10
"""Fewest shoppers of a region of which anything is said."""
REGION_PRODUCTS = 200
"""Products kept of a region, the best ones."""
MAX_REGIONS = 1_000
"""Regions kept, those with the most shoppers: at 16 bytes a product at most 3.2 MB in all."""


@dataclass(frozen=True, kw_only=True)
class Regional:
    """The products that sell best in each region at one moment.

    Attributes:
        names: uint8 [bytes], the regions' names in UTF-8, one after the other, as `fold_region` writes them.
        name_bounds: int64 [regions + 1]; the name of region ``i`` lies at ``name_bounds[i]:name_bounds[i + 1]``.
        bounds: int64 [regions + 1]; the products of region ``i`` lie at ``bounds[i]:bounds[i + 1]``, best first.
        rows: int32 [kept], product rows.
        scores: float32 [kept], the share of the region's shoppers who buy the product, shrunk; above 0.
        fresh_buyers: float32 [kept], the region's distinct actors of the last 7 days.
        recent_buyers: float32 [kept], the same of the last 28 days.
    """

    names: NDArray[np.uint8]
    name_bounds: NDArray[np.int64]
    bounds: NDArray[np.int64]
    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    fresh_buyers: NDArray[np.float32]
    recent_buyers: NDArray[np.float32]

    @classmethod
    def empty(cls) -> "Regional":
        """Return what is known where no event says a region."""
        none, no_numbers = np.zeros(1, np.int64), np.zeros(0, np.float32)
        return cls(
            names=np.zeros(0, np.uint8),
            name_bounds=none,
            bounds=none,
            rows=np.zeros(0, np.int32),
            scores=no_numbers,
            fresh_buyers=no_numbers,
            recent_buyers=no_numbers,
        )

    def rank(self, region: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return what sells best in a region: rows int32 [k] and scores float32 [k], best first, equal ones by row.

        Args:
            region: its name, however spaced at the ends and in whichever case; one that is not known has nothing.
        """
        kept = self._find(region)
        return self.rows[kept], self.scores[kept]

    def count_buyers(self, region: str, row: int) -> tuple[int, int]:
        """Return how many shoppers of a region bought a product in the last 7 and in the last 28 days.

        Both are 0 where the product is not among the region's best.
        """
        kept = self._find(region)
        found = np.flatnonzero(self.rows[kept] == row)
        if not len(found):
            return 0, 0
        index = kept.start + int(found[0])
        return int(self.fresh_buyers[index]), int(self.recent_buyers[index])

    def _find(self, region: str) -> slice:
        number = self._numbers.get(fold_region(region))
        return slice(0, 0) if number is None else slice(int(self.bounds[number]), int(self.bounds[number + 1]))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        text, bounds = self.names.tobytes(), self.name_bounds.tolist()
        names = [text[start:stop].decode() for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
        return {name: number for number, name in enumerate(names)}


def fold_region(name: str) -> str:
    """Return a region's name as it is compared: without space at the ends, in one case."""
    return name.strip().casefold()


def compute_regional(
    events: EventColumns, region_names: Sequence[str], product_count: int, *, until: float
) -> Regional:
    """Count who bought what in each region in the last 28 days before a moment.

    With ``b`` of a region's ``B`` shoppers and a share ``s`` of the whole shop's who bought a product, and ``k`` =
    :data:`PRIOR_BUYERS`, its score is the posterior mean ``(b + k s) / (B + k)``: the shop's share where a region has
    few shoppers, the region's own where it has many. What fewer than :data:`MIN_BUYERS` bought there is left out, and
    a region of fewer than :data:`MIN_REGION_BUYERS` shoppers altogether.

    Args:
        events: the events with weight > 0 count; rows outside 0..product_count-1 are ignored.
        region_names: the name of each code of ``events.region``; empty ones are no region, equal ones are one.
        product_count: number of products.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    known = (events.product >= 0) & (events.product < product_count) & (events.weight > 0)
    known &= (events.time < until) & (until - events.time <= RECENT_DAYS * SECONDS_PER_DAY)
    past = events.select(known)
    if past.region is None or not len(past):
        return Regional.empty()
    actors, product = int(past.actor.max()) + 1, past.product.astype(np.int64)
    shop = np.unique(product * actors + past.actor)
    shop_share = np.bincount(shop // actors, minlength=product_count) / len(np.unique(past.actor))

    names, region, shoppers = _choose_regions(past.region, past.actor, region_names)
    told = region >= 0
    pair = region[told] * product_count + product[told]
    fresh = (until - past.time[told]) <= FRESH_DAYS * SECONDS_PER_DAY
    pairs, recent_buyers = _count_actors(pair, past.actor[told])
    fresh_pairs, fresh_counts = _count_actors(pair[fresh], past.actor[told][fresh])
    fresh_buyers = np.zeros(len(pairs), np.float32)
    fresh_buyers[np.searchsorted(pairs, fresh_pairs)] = fresh_counts

    number, row = pairs // product_count, pairs % product_count
    score = (recent_buyers + PRIOR_BUYERS * shop_share[row]) / (shoppers[number] + PRIOR_BUYERS)
    order = np.lexsort((row, -score, number))
    order = order[recent_buyers[order] >= MIN_BUYERS]
    order = order[np.arange(len(order)) - np.searchsorted(number[order], number[order]) < REGION_PRODUCTS]
    encoded = [name.encode() for name in names]
    return Regional(
        names=np.frombuffer(b"".join(encoded), np.uint8),
        name_bounds=np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        bounds=np.searchsorted(number[order], np.arange(len(names) + 1)).astype(np.int64),
        rows=row[order].astype(np.int32),
        scores=score[order].astype(np.float32),
        fresh_buyers=fresh_buyers[order],
        recent_buyers=recent_buyers[order].astype(np.float32),
    )


def _choose_regions(
    codes: NDArray[np.int32], actor: NDArray[np.int32], region_names: Sequence[str]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return the names of the regions kept, each event's number among them (-1 for none), and each one's shoppers."""
    numbers: dict[str, int] = {}
    folded = [fold_region(name) for name in region_names]
    of_code = [numbers.setdefault(name, len(numbers)) if name else -1 for name in folded]
    region = np.append(np.array(of_code, np.int64), -1)[codes]  # a code of -1 is the one put behind
    told = region >= 0
    visited, shoppers = _count_actors(region[told], actor[told])
    best = np.argsort(-shoppers, kind="stable")[:MAX_REGIONS]
    best = best[shoppers[best] >= MIN_REGION_BUYERS]
    names = list(numbers)
    index = np.full(len(names) + 1, -1, np.int64)
    index[visited[best]] = np.arange(len(best))
    return [names[number] for number in visited[best].tolist()], index[region], shoppers[best]


def _count_actors(groups: NDArray[np.int64], actor: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct groups, ascending, and the number of distinct actors of each."""
    span = int(actor.max(initial=0)) + 1
    pairs = np.unique(groups * span + actor)
    distinct, counts = np.unique(pairs // span, return_counts=True)
    return distinct, counts
