"""Histories as the sequence model reads them: the products of each user in order, as codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mercato.errors import DataError
from mercato.evaluation.holdout import read_interactions
from mercato.ranker.history import TYPE_WEIGHTS
from mercato.state.store import open_state

Int64 = npt.NDArray[np.int64]
Report = Callable[[str, int, int], None]

SHORTEST_HISTORY = 2


@dataclass(frozen=True, kw_only=True)
class Histories:
    """What users did, in order.

    Attributes:
        product_ids: of the codes 1, 2, ...
        codes: for each user with at least two events its products, int64 [n], oldest first; 0 is a product that is
            too rare to have a code.
        events: how many events were read.
        counts: int64 [products + 1], events of each code.
    """

    product_ids: list[str]
    codes: list[Int64]
    events: int
    counts: Int64


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


def read_file(path: Path, column_map: Mapping[str, str], say: Callable[[str], None]) -> tuple[list[str], list[str]]:
    """Read a file of events: user, product, and an order, a time, or neither (the order of the rows).

    Args:
        path: Parquet, CSV or JSON lines.
        column_map: field -> column, as `mercato.evaluation.holdout.parse_holdout_map` gives it.
        say: told how much was left out.

    Returns:
        User and product of each event, those of a user in order.

    Raises:
        DataError: the file cannot be used, or has no row that can.
    """
    found = read_interactions(path, column_map)
    if found.rejected:
        first = found.shown[0]
        say(
            f"{path.name}: {found.rejected:,} of {found.rows:,} rows left out; the first: line {first.line}: "
            f"{first.reason}"
        )
    order = np.argsort(found.place, kind="stable").tolist()
    return [found.users[row] for row in order], [found.products[row] for row in order]


def read_state_events(url: str) -> tuple[list[str], list[str]]:
    """Read the events of a state store that say what somebody wants; visitors count as users.

    Returns:
        User and product of each event, in order of time.

    Raises:
        StateError: the store cannot be read.
    """
    store = open_state(url)
    try:
        table = store.event_columns()
    finally:
        store.close()
    telling = (table.product >= 0) & (TYPE_WEIGHTS[table.event_type] > 0) & ((table.user >= 0) | (table.visitor >= 0))
    rows = np.flatnonzero(telling)
    rows = rows[np.lexsort((table.sequence[rows], table.time[rows]))]
    users = [
        f"user {table.users[user]}" if user >= 0 else f"visitor {table.visitors[visitor]}"
        for user, visitor in zip(table.user[rows].tolist(), table.visitor[rows].tolist(), strict=True)
    ]
    return users, [table.products[product] for product in table.product[rows].tolist()]


def collect_histories(users: Sequence[str], products: Sequence[str], *, min_events: int = 2) -> Histories:
    """Put events into histories.

    Args:
        users: of each event.
        products: of each event; those of a user in order.
        min_events: products with fewer events get no code.

    Raises:
        DataError: there are not two users with two events, or no product is frequent enough.
    """
    seen = Counter(products)
    product_ids = sorted(product for product, count in seen.items() if count >= min_events)
    code = {product: number for number, product in enumerate(product_ids, 1)}
    rows: dict[str, list[int]] = {}
    for user, product in zip(users, products, strict=True):
        rows.setdefault(user, []).append(code.get(product, 0))
    # what has no code is no place in a history either
    known = [[number for number in numbers if number] for numbers in rows.values()]
    codes = [np.array(numbers, np.int64) for numbers in known if len(numbers) >= SHORTEST_HISTORY]
    if len(codes) < 2:
        raise DataError(
            f"events: at least 2 users with {SHORTEST_HISTORY} events of products that occur {min_events} times are "
            f"needed, found {len(codes)} among {len(users):,} events of {len(rows):,} users and {len(seen):,} products"
        )
    counts = np.bincount(np.concatenate(codes), minlength=len(product_ids) + 1)
    return Histories(product_ids=product_ids, codes=codes, events=len(users), counts=counts)


def hold_out(histories: Histories, *, share: float, most: int, seed: int) -> tuple[list[Int64], list[Int64]]:
    """Keep back the last event of some users, drawn.

    Args:
        histories: of all users.
        share: of the users with three events or more.
        most: users at most.
        seed: of the draw.

    Returns:
        What is learned from, a history each; and the whole histories of those whose last event was kept back.
    """
    long = [place for place, codes in enumerate(histories.codes) if len(codes) > SHORTEST_HISTORY]
    count = min(most, max(1, round(share * len(long)))) if long else 0
    chosen = set(np.random.default_rng(seed).permutation(long)[:count].tolist())
    learned = [codes[:-1] if place in chosen else codes for place, codes in enumerate(histories.codes)]
    return learned, [histories.codes[place] for place in sorted(chosen)]


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


def last_windows(histories: Sequence[Int64], length: int) -> Windows:
    """Make one window of each history, of which the last event alone is to be foretold."""
    read = np.zeros((len(histories), length), np.int64)
    following = np.zeros_like(read)
    for row, codes in enumerate(histories):
        before = codes[max(0, len(codes) - 1 - length) : -1]
        read[row, : len(before)] = before
        following[row, len(before) - 1] = codes[-1]
    return Windows(read=read, following=following)
