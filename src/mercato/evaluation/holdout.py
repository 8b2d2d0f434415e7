"""Purchases that a server does not know yet: from somebody's file, split by time or at each user's last one."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float64
from mercato.errors import DataError, InvalidInputError
from mercato.evaluation.table import FieldSpec, parse_column_map, read_fields, read_texts
from mercato.events.event import MAX_FUTURE_S, MAX_ID_BYTES
from mercato.events.event_files import open_event_file
from mercato.events.event_order import has_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.events.raw_columns import find_column_day_order, to_numbers, to_seconds
from mercato.incoming import Rejected, RowReport
from mercato.index.manifest import read_manifest
from mercato.state.store import open_state
from mercato.text.timestamps import format_timestamp

JUST_BEFORE_S = 1e-3
"""How long before its moment a user is asked for: what has the time of an order that is kept back is a part of it."""
UNKNOWN = "unknown"
"""What a row without a value counts as in another column."""
HOLDOUT_FIELDS = (
    FieldSpec(name="user_id", likely=("user", "customer_id", "customerid", "household_id", "visitor_id", "uid")),
    FieldSpec(name="product_id", likely=("product", "item_id", "item", "sku", "stockcode", "asin", "docid")),
    FieldSpec(name="time", likely=("timestamp", "date", "invoicedate", "datetime"), required=False),
    FieldSpec(name="order", likely=("position", "seq", "sequence"), required=False),
    FieldSpec(
        name="order_id",
        likely=("invoice", "invoiceno", "invoice_no", "basket_id", "basket", "transaction_id", "order_number"),
        required=False,
    ),
    FieldSpec(name="rating", likely=("stars", "score"), required=False),
    FieldSpec(name="quantity", likely=("qty", "units", "count"), required=False),
)


@dataclass(kw_only=True)
class Interactions(RowReport):
    """Who bought what, in which order.

    Attributes:
        users: of each row.
        products: of each row.
        position: float64 [rows], what orders the rows of a user: time, the column ``order``, or the row's number.
        time: float64 [rows], seconds since 1970; NaN where the file has none.
        rating: float64 [rows]; NaN where the file has none.
        orders: of each row, empty where it has none.
        columns: other columns that were asked for -> value of each row.
        rejected: rows that are no purchases: no user or product, an id that no event may have, a time that is none or
            in the future, a quantity that is not above 0 (a return).
    """

    users: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    position: Float64 = field(default_factory=lambda: np.zeros(0))
    time: Float64 = field(default_factory=lambda: np.zeros(0))
    rating: Float64 = field(default_factory=lambda: np.zeros(0))
    orders: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def has_time(self) -> bool:
        """Whether every row has a time."""
        return bool(len(self.time)) and not bool(np.isnan(self.time).any())

    def select(self, keep: npt.NDArray[np.bool_]) -> Interactions:
        """Keep some rows."""
        positions = np.flatnonzero(keep).tolist()
        return Interactions(
            users=[self.users[row] for row in positions],
            products=[self.products[row] for row in positions],
            position=self.position[keep],
            time=self.time[keep],
            rating=self.rating[keep],
            orders=[self.orders[row] for row in positions] if self.orders else [],
            columns={name: [values[row] for row in positions] for name, values in self.columns.items()},
            rows=self.rows,
            rejected=self.rejected,
            shown=self.shown,
        )


@dataclass(frozen=True, kw_only=True)
class Split:
    """What is asked for, and what is known before.

    Attributes:
        test: rows that are to be recommended.
        past: rows that came before them; empty where nothing is known of them.
        moment: user -> seconds since 1970: the server is asked `JUST_BEFORE_S` earlier; without it in the present.
    """

    test: Interactions
    past: Interactions
    moment: Mapping[str, float]

    def name_products(self, owners: Mapping[str, str]) -> Split:
        """Put products in place of their variants.

        Args:
            owners: id of a variant -> id of its product.
        """
        test, past = (
            replace(one, products=[owners.get(product, product) for product in one.products])
            for one in (self.test, self.past)
        )
        return replace(self, test=test, past=past)


def parse_holdout_map(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``--map`` of a holdout: ``user_id=...``, ``product_id=...``, ``time=...``, ``order=...`` and so on.

    Raises:
        InvalidInputError: as `parse_column_map`.
    """
    return parse_column_map(pairs, HOLDOUT_FIELDS)


def read_interactions(
    path: Path,
    column_map: Mapping[str, str] | None = None,
    extra_columns: Sequence[str] = (),
    *,
    now: float | None = None,
) -> Interactions:
    """Read purchases, a row each; rows that are none are left out and counted, by the rules of an event.

    Args:
        path: Parquet, CSV or JSON lines.
        column_map: field -> column.
        extra_columns: other columns to read as texts, such as a country.
        now: the present, seconds since 1970; by default the clock's.

    Raises:
        DataError: the file cannot be read, lacks a column, or holds no row that can be used.
    """
    fields = [*HOLDOUT_FIELDS, *(FieldSpec(name=name) for name in extra_columns)]
    is_mapped = "order" in (column_map or {})
    found = Interactions(columns={name: [] for name in extra_columns})
    positions, times, ratings = [], [], []
    latest = (time.time() if now is None else now) + MAX_FUTURE_S
    day_order = find_column_day_order(
        batch.columns.get("time", []) for batch in read_fields(path, fields, column_map or {})
    )
    for batch in read_fields(path, fields, column_map or {}):
        count = len(batch.lines)
        first = found.rows
        found.rows += count + len(batch.rejected)
        users, products = read_texts(batch.columns["user_id"]), read_texts(batch.columns["product_id"])
        moment, given = to_seconds(batch.columns["time"], day_order) if "time" in batch.columns else _nothing(count)
        # Beside times a column of that name is mostly the number of an order, as where events are imported.
        names_orders = "order" in batch.columns and "time" in batch.columns and not is_mapped
        named = "order" if names_orders else "order_id"
        by_order = "order" in batch.columns and not names_orders
        order, _ = to_numbers(batch.columns["order"]) if by_order else (moment, given)
        order = np.where(np.isnan(order), np.arange(first, first + count), order)
        orders = read_texts(batch.columns.get("order_id", batch.columns.get(named, [None] * count)))
        rating, _ = to_numbers(batch.columns["rating"]) if "rating" in batch.columns else _nothing(count)
        quantity, counted = to_numbers(batch.columns["quantity"]) if "quantity" in batch.columns else _nothing(count)
        broken = {
            "must have a user and a product, ids of at most 256 bytes": ~(_are_ids(users) & _are_ids(products)),
            "time: must be a date or a time": given & np.isnan(moment),
            "time: must not be in the future": moment > latest,
            "quantity: must be above 0; what was returned is no purchase": counted & ~(quantity > 0),
        }
        good = ~np.logical_or.reduce(list(broken.values()))
        _reject(found, batch.rejected, batch.lines, broken)
        kept = np.flatnonzero(good).tolist()
        found.users += [str(users[row]) for row in kept]
        found.products += [str(products[row]) for row in kept]
        found.orders += [orders[row] or "" for row in kept]
        for name in extra_columns:
            values = read_texts(batch.columns[name])
            found.columns[name] += [values[row] or UNKNOWN for row in kept]
        positions.append(order[good])
        times.append(moment[good])
        ratings.append(rating[good])
    if not found.users:
        raise DataError(
            f"{path.name} holds no purchase ({found.rows:,} rows, {found.rejected:,} of them bad); each row needs a"
            " user and a product"
        )
    found.position, found.time = np.concatenate(positions), np.concatenate(times)
    found.rating = np.concatenate(ratings)
    return found


def divide(
    path: Path,
    column_map: Mapping[str, str],
    moment: float | None,
    last_out: bool,
    events: Path | None,
    extra_columns: Sequence[str] = (),
) -> Split:
    """Read a holdout and what came before it.

    Args:
        path: the holdout.
        column_map: field -> column, of both files; one that the events lack is not mapped there.
        moment: where to split; None at the first row.
        last_out: split at each user's last row instead.
        events: what the server knows; without it the earlier rows of the holdout.
        extra_columns: columns of users to measure by.

    Raises:
        DataError: a file cannot be read, or the events overlap the holdout (with the dates).
        InvalidInputError: two ways to split.
    """
    if last_out and moment is not None:
        raise InvalidInputError("--leave-last-out", "must not be given together with --split", "choose one")
    holdout = read_interactions(path, column_map, extra_columns)
    split = leave_last_out(holdout) if last_out else split_at(holdout, moment, path.name)
    if not split.test.users:
        raise DataError(
            f"--leave-last-out: no user of {path.name} has two orders (rows of one order, or of one moment, are one);"
            " use --split, or a longer history"
        )
    if events is None:
        return split
    there = set(open_event_file(events).columns)
    known = read_interactions(events, {name: column for name, column in column_map.items() if column in there})
    refuse_overlap(split, known, events.name)
    return replace(split, past=known)


def refuse_late_state(split: Split, state: str) -> None:
    """Refuse a server's state that holds purchases from the time of the holdout.

    Where only the order of purchases is known, it must not hold one that is to be recommended more often than the
    user's past does.

    Args:
        split: what is to be recommended.
        state: ``sqlite:PATH``.

    Raises:
        DataError: it does; the message has the dates, or how many.
        StateError: the state cannot be read.
    """
    store = open_state(state)
    try:
        table = store.event_columns()
    finally:
        store.close()
    users = list(table.users)
    if not split.moment:
        bought = (table.event_type == EVENT_TYPE_CODES["purchase-complete"]) & (table.user >= 0) & (table.product >= 0)
        pairs = zip(table.user[bought].tolist(), table.product[bought].tolist(), strict=True)
        there = Counter((users[user], table.products[product]) for user, product in pairs)
        before = Counter(zip(split.past.users, split.past.products, strict=True))
        late = sum(there[pair] > before[pair] for pair in zip(split.test.users, split.test.products, strict=True))
        if late and len(split.past.users):
            raise DataError(
                f"the server's state ({state}) holds {late:,} of the {len(split.test.users):,} purchases that are to be"
                " recommended; import what came before them alone"
            )
        return
    timed = has_time(table.time)
    user, when = table.user[timed], table.time[timed]
    known = Interactions(
        users=[users[code] if code >= 0 else "" for code in user.tolist()],
        products=[""] * len(user),
        position=when,
        time=when,
        rating=np.full(len(when), np.nan),
    )
    refuse_overlap(split, known, f"the server's state ({state})")


def refuse_late_catalog(split: Split, catalog: Path) -> None:
    """Refuse a catalogue that was indexed with events from the time of the holdout.

    Where each user has a moment of their own, others' events may be later than it, but not later than all moments.

    Args:
        split: what is to be recommended.
        catalog: the snapshot that is served.

    Raises:
        DataError: it was, with the dates; or it does not say what it was indexed with.
        SnapshotError: it is no snapshot.
    """
    manifest = read_manifest(catalog)
    if "last_event_time" not in manifest.model_fields_set:
        raise DataError(
            f"--catalog {catalog.name} was indexed by a version that does not write how late its events are; index it"
            " again"
        )
    if manifest.last_event_time is None or not split.moment:
        return
    start = max(split.moment.values())
    if manifest.last_event_time >= start:
        raise DataError(
            f"--catalog {catalog.name} has learned from events up to {format_timestamp(manifest.last_event_time)}, the"
            f" holdout starts at {format_timestamp(start)}; index what came before it alone:"
            f" `mercato index --until {format_timestamp(start)}`"
        )


def split_at(holdout: Interactions, moment: float | None, name: str) -> Split:
    """Split by time: what is bought from the moment on is to be recommended at that moment.

    Args:
        holdout: the purchases.
        moment: seconds since 1970; by default that of the first purchase.
        name: of the file, for messages.

    Raises:
        DataError: a moment is given and rows have no time, or nothing was bought from then on.
    """
    if moment is None:
        test, past = holdout, holdout.select(np.zeros(len(holdout.users), bool))
        start = float(holdout.time.min()) if holdout.has_time else None
    else:
        if not holdout.has_time:
            raise DataError(f"--split needs a time in every row of {name}; name its column with --map time=COLUMN")
        later = holdout.time >= moment
        if not later.any():
            raise DataError(
                f"{name} holds nothing from {format_timestamp(moment)} on; its purchases are from"
                f" {describe_span(holdout.time)}"
            )
        test, past, start = holdout.select(later), holdout.select(~later), moment
    return Split(test=test, past=past, moment={} if start is None else dict.fromkeys(test.users, start))


def leave_last_out(holdout: Interactions) -> Split:
    """Split at each user's last order: it is to be recommended, whole, and all before it is the past.

    The last row is the one of the highest ``order``, else of the latest time, else the lowest row of the file. To its
    order belong the user's rows of the same ``order_id``; where it has none, those of the same time. A part of an order
    would foretell the rest of it. Users with one order have no past and are left out.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, user in enumerate(holdout.users):
        rows_of[user].append(row)
    chosen = np.zeros(len(holdout.users), bool)
    for rows in rows_of.values():
        order = _find_order(holdout, rows, max(rows, key=lambda row: (holdout.position[row], row)))
        if len(order) < len(rows):
            chosen[order] = True
    test = holdout.select(chosen)
    moment: dict[str, float] = {}
    if test.has_time:
        for user, time_ in zip(test.users, test.time.tolist(), strict=True):
            moment[user] = min(time_, moment.get(user, np.inf))
    return Split(test=test, past=holdout.select(~chosen), moment=moment)


def _find_order(holdout: Interactions, rows: Sequence[int], last: int) -> list[int]:
    """Return those of a user's rows that are of one order with the last one."""
    order = holdout.orders[last] if holdout.orders else ""
    if order:
        return [row for row in rows if holdout.orders[row] == order]
    if holdout.time[last] == holdout.time[last]:
        return [row for row in rows if holdout.time[row] == holdout.time[last]]
    return [last]


def refuse_overlap(split: Split, known: Interactions, name: str) -> None:
    """Refuse a past that knows the future.

    Args:
        split: what is to be recommended.
        known: purchases that the server has learned from.
        name: where they are from, for the message.

    Raises:
        DataError: one of them is as late as what is to be recommended (by user, where each has a moment of their own).
    """
    if not (known.has_time and split.moment):
        return
    moments = set(split.moment.values())
    if len(moments) == 1:
        (start,) = moments
        late = known.time >= start
    else:
        start = min(moments)
        limits = np.array([split.moment.get(user, np.inf) for user in known.users])
        late = known.time >= limits
    if late.any() and len(moments) > 1 and (known.time[late] == limits[late]).all():
        raise DataError(
            f"{name} holds {int(late.sum()):,} purchases of the very moment at which their users are asked for, in"
            " orders that are kept back whole; leave the whole order out of what the server learns from"
        )
    if late.any():
        raise DataError(
            f"{name} holds purchases from {describe_span(known.time)}, the holdout starts at {format_timestamp(start)}:"
            f" {int(late.sum()):,} of them are not before it; leave them out of what the server learns from"
        )


def describe_span(time: Float64) -> str:
    """Write the first and the last of several times."""
    return f"{format_timestamp(float(np.nanmin(time)))} to {format_timestamp(float(np.nanmax(time)))}"


def count_by_user(known: Interactions) -> Counter[str]:
    """Count each user's rows."""
    return Counter(known.users)


def _nothing(count: int) -> tuple[Float64, npt.NDArray[np.bool_]]:
    return np.full(count, np.nan), np.zeros(count, bool)


def _are_ids(values: Sequence[str | None]) -> npt.NDArray[np.bool_]:
    return np.array([value is not None and len(value.encode()) <= MAX_ID_BYTES for value in values], dtype=bool)


def _reject(
    found: Interactions,
    unread: Sequence[Rejected],
    lines: npt.NDArray[np.int64],
    broken: Mapping[str, npt.NDArray[np.bool_]],
) -> None:
    """Count rows that could not be read, and rows that break a rule; the first rule that a row breaks is its reason."""
    first: dict[int, str] = {}
    for reason, rows in broken.items():
        for row in np.flatnonzero(rows).tolist():
            first.setdefault(row, reason)
    for rejected in [*unread, *(Rejected(int(lines[row]), first[row]) for row in sorted(first))]:
        found.reject(rejected)
