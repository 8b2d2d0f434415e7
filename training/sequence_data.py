"""Histories as the sequence model reads them: the products of each user in order, as codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mercato.errors import DataError
from training.sequence_events import UserEvents

Int64 = npt.NDArray[np.int64]
Report = Callable[[str, int, int], None]

SHORTEST_HISTORY = 2
DRAWN_FROM = 3
"""Those whose last visit is kept back are drawn among so many times as many who came last."""


@dataclass(frozen=True, kw_only=True)
class Histories:
    """What users did, in order.

    Attributes:
        product_ids: of the codes 1, 2, ...
        codes: of each user with at least two events of products that have a code: int64 [n], oldest first.
        places: for each of them int64 [n], which event each is.
        event_codes: int64 [events], the code of each event's product; 0 for one that is too rare to have one.
        counts: int64 [products + 1], events of each code.
    """

    product_ids: list[str]
    codes: list[Int64]
    places: list[Int64]
    event_codes: Int64
    counts: Int64


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """A history whose last visit is kept back.

    Attributes:
        codes: int64 [n], the whole history, oldest first.
        places: int64 [n], which event each is.
        start: where the last visit begins.
    """

    codes: Int64
    places: Int64
    start: int


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Pieces of histories: what is read, and what comes next at each place.

    Attributes:
        read: int64 [windows, length], padded on the right with 0.
        following: int64 [windows, length], 0 where nothing is to be learned.
    """

    read: Int64
    following: Int64

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.read)


def collect_histories(events: UserEvents, *, min_events: int = 2) -> Histories:
    """Put events into histories.

    Args:
        events: the events.
        min_events: products with fewer events get no code.

    Raises:
        DataError: there are not two users with two events, or no product is frequent enough.
    """
    seen = Counter(events.products)
    product_ids = sorted(product for product, count in seen.items() if count >= min_events)
    code = {product: number for number, product in enumerate(product_ids, 1)}
    numbers = np.array([code.get(product, 0) for product in events.products], np.int64)
    rows: dict[str, list[int]] = {}
    for event, user in enumerate(events.users):
        held = rows.setdefault(user, [])
        if numbers[event]:  # what has no code is no place in a history either
            held.append(event)
    places = [np.array(held, np.int64) for held in rows.values() if len(held) >= SHORTEST_HISTORY]
    if len(places) < 2:
        raise DataError(
            f"events: at least 2 users with {SHORTEST_HISTORY} events of products that occur {min_events} times "
            f"are needed, found {len(places)} among {len(events):,} events of {len(rows):,} users and {len(seen):,} "
            "products"
        )
    codes = [numbers[held] for held in places]
    counts = np.bincount(np.concatenate(codes), minlength=len(product_ids) + 1)
    return Histories(product_ids=product_ids, codes=codes, places=places, event_codes=numbers, counts=counts)


def hold_out(
    histories: Histories, events: UserEvents, *, share: float, most: int, seed: int
) -> tuple[list[Int64], list[Kept]]:
    """Keep back the last visit of some users, drawn; where there are times, among those who came last.

    Args:
        histories: of all users.
        events: what they were made of.
        share: of the users who have two events before their last visit.
        most: users at most.
        seed: of the draw.

    Returns:
        What is learned from, a history each; and those whose last visit was kept back.
    """
    starts = [events.last_visit(places) for places in histories.places]
    long = [user for user, start in enumerate(starts) if start >= SHORTEST_HISTORY]
    count = min(most, max(1, round(share * len(long)))) if long else 0
    if events.timed:
        last = np.array([events.time[histories.places[user][-1]] for user in long])
        long = [long[place] for place in np.sort(np.argsort(-last, kind="stable")[: DRAWN_FROM * count]).tolist()]
    chosen = set(np.random.default_rng(seed).permutation(long)[:count].tolist())
    learned = [codes[: starts[user]] if user in chosen else codes for user, codes in enumerate(histories.codes)]
    return learned, [
        Kept(codes=histories.codes[user], places=histories.places[user], start=starts[user]) for user in sorted(chosen)
    ]


def cut_windows(histories: Sequence[Int64], length: int) -> Windows:
    """Cut histories into windows that each end where the one after begins, from their ends on.

    Args:
        histories: int64 [n] each, n at least 2.
        length: products that are read at once.
    """
    pieces = [codes[max(0, stop - length - 1) : stop] for codes in histories for stop in range(len(codes), 1, -length)]
    read = np.zeros((len(pieces), length), np.int64)
    following = np.zeros_like(read)
    for row, piece in enumerate(pieces):
        read[row, : len(piece) - 1] = piece[:-1]
        following[row, : len(piece) - 1] = piece[1:]
    return Windows(read=read, following=following)


def last_windows(kept: Sequence[Kept], length: int) -> Windows:
    """Make one window of each history, of which the first event of the last visit alone is to be foretold."""
    read = np.zeros((len(kept), length), np.int64)
    following = np.zeros_like(read)
    for row, one in enumerate(kept):
        before = one.codes[max(0, one.start - length) : one.start]
        read[row, : len(before)] = before
        following[row, len(before) - 1] = one.codes[one.start]
    return Windows(read=read, following=following)
