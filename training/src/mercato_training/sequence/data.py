"""Histories as the sequence model reads them: the products of each user in order, as codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mercato.arrays import Int64
from mercato.errors import DataError
from mercato_training.sequence.events import UserEvents

SHORTEST_HISTORY = 2
DRAWN_FROM = 3
"""Those whose last visit is kept back are drawn among so many times as many who came last."""


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """What a user did, oldest first.

    Attributes:
        codes: int64 [n], products.
        visits: int64 [n], the number of the visit that each event belongs to, not falling.
        indices: int64 [n], which event each is.
    """

    codes: Int64
    visits: Int64
    indices: Int64

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.codes)

    @property
    def last_visit(self) -> int:
        """Where the last visit begins."""
        return int(np.searchsorted(self.visits, self.visits[-1]))

    def before_last(self) -> History:
        """Return the history without its last visit."""
        stop = self.last_visit
        return History(codes=self.codes[:stop], visits=self.visits[:stop], indices=self.indices[:stop])


@dataclass(frozen=True, kw_only=True)
class Histories:
    """What users did, in order.

    Attributes:
        product_ids: of the codes 1, 2, ...
        users: the histories of users with at least two events of products that have a code.
        event_codes: int64 [events], the code of each event's product; 0 for one that is too rare to have one.
        counts: int64 [products + 1], events of each code.
    """

    product_ids: list[str]
    users: list[History]
    event_codes: Int64
    counts: Int64


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Pieces of histories: what is read, and what comes next at each position.

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
        if numbers[event]:  # what has no code is no position in a history either
            held.append(event)
    indices = [np.array(held, np.int64) for held in rows.values() if len(held) >= SHORTEST_HISTORY]
    if len(indices) < 2:
        raise DataError(
            f"events: at least 2 users with {SHORTEST_HISTORY} events of products that occur {min_events} times "
            f"are needed, found {len(indices)} among {len(events):,} events of {len(rows):,} users and {len(seen):,} "
            "products"
        )
    users = [History(codes=numbers[held], visits=events.number_visits(held), indices=held) for held in indices]
    counts = np.bincount(numbers[np.concatenate(indices)], minlength=len(product_ids) + 1)
    return Histories(product_ids=product_ids, users=users, event_codes=numbers, counts=counts)


def hold_out(
    histories: Histories, events: UserEvents, *, share: float, most: int, seed: int
) -> tuple[list[History], list[History]]:
    """Keep back the last visit of some users, drawn; where there are times, among those who came last.

    Args:
        histories: of all users.
        events: what they were made of.
        share: of the users who have two events before their last visit.
        most: users at most.
        seed: of the draw.

    Returns:
        What is learned from, a history each; and the whole histories of those whose last visit was kept back.
    """
    users = histories.users
    long = [user for user, history in enumerate(users) if history.last_visit >= SHORTEST_HISTORY]
    count = min(most, max(1, round(share * len(long)))) if long else 0
    if events.timed:
        last = np.array([events.time[users[user].indices[-1]] for user in long])
        long = [long[index] for index in np.sort(np.argsort(-last, kind="stable")[: DRAWN_FROM * count]).tolist()]
    chosen = set(np.random.default_rng(seed).permutation(long)[:count].tolist())
    learned = [history.before_last() if user in chosen else history for user, history in enumerate(users)]
    return learned, [users[user] for user in sorted(chosen)]


def draw_following(history: History, random: np.random.Generator) -> Int64:
    """Say what comes next after each event: a product of the next visit.

    What stands beside a product in its own basket is not what comes next: the products of a basket have no order, or
    one that says what lies side by side in a shop. Of a visit of several products each is named once, in an order that
    is drawn, and again where the visit before it had more events.

    Args:
        history: of one user.
        random: of the draws; nothing is drawn where each event is a visit.

    Returns:
        int64 [events before the last visit].
    """
    bounds = np.concatenate(([0], 1 + np.flatnonzero(np.diff(history.visits)), [len(history)]))
    following = np.zeros(history.last_visit, np.int64)
    for begin, middle, end in zip(bounds[:-2].tolist(), bounds[1:-1].tolist(), bounds[2:].tolist(), strict=True):
        offered = history.codes[middle:end]
        following[begin:middle] = np.resize(
            offered if end - middle == 1 else random.permutation(offered), middle - begin
        )
    return following


def cut_windows(histories: Sequence[History], length: int, random: np.random.Generator) -> Windows:
    """Cut histories into windows that each end where the one after begins, from their ends on.

    Args:
        histories: those of one visit alone give nothing.
        length: products that are read at once.
        random: of `draw_following`.
    """
    pieces = []
    for history in histories:
        following = draw_following(history, random)
        for stop in range(len(following), 0, -length):
            piece = slice(max(0, stop - length), stop)
            pieces.append((history.codes[piece], following[piece]))
    read = np.zeros((len(pieces), length), np.int64)
    wanted = np.zeros_like(read)
    for row, (codes, following) in enumerate(pieces):
        read[row, : len(codes)], wanted[row, : len(codes)] = codes, following
    return Windows(read=read, following=wanted)


def last_windows(kept: Sequence[History], length: int) -> Windows:
    """Make one window of each history, of which the first event of the last visit alone is to be predicted."""
    read = np.zeros((len(kept), length), np.int64)
    following = np.zeros_like(read)
    for row, history in enumerate(kept):
        start = history.last_visit
        before = history.codes[max(0, start - length) : start]
        read[row, : len(before)] = before
        following[row, len(before) - 1] = history.codes[start]
    return Windows(read=read, following=following)
