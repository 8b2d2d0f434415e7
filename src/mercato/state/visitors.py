"""Visitors who log in: whose the events are that a visitor left while nobody was signed in.

An event that names both a visitor and a user says who the visitor is from then on, as customer data platforms resolve
identities. What a visitor did anonymously belongs to the user who was signed in there last before it; what was done
before anybody signed in belongs to the first who did. Events of an account stay the account's: what one user did signed
in is never another's, however many share a device. A visitor whom no event joins with a user is nobody's but its own,
and so is one as whom more than ``MAX_SHARING_USERS`` signed in: a till, a kiosk, or one id given to everybody.
"""

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mercato.events.event_type import EVENT_TYPE_CODES, SAID_TYPES
from mercato.state.schema import (
    PRODUCT_POSITION,
    RECORD,
    TYPE_POSITION,
    USER_POSITION,
    Records,
    join_records,
)
from mercato.state.statements import insert_columns

MAX_JOINED_VISITORS = 100
"""Visitors of one user whose events are read, the newest: an account that a till or a robot uses has thousands."""

MAX_SHARING_USERS = 10
"""Users of one visitor; where there are more, nobody can say whose its anonymous events are."""

NOT_GIVEN = "x'00000000'"
_NEWEST_FIRST = " ORDER BY time DESC, sequence DESC"
_ABOUT_NO_SINGLE_PRODUCT = tuple(EVENT_TYPE_CODES[name] for name in ("refund", "reset"))
_THEIR_CODES = ", ".join(f"x'{code:02x}'" for code in _ABOUT_NO_SINGLE_PRODUCT)
_FIRST_SAID = EVENT_TYPE_CODES[SAID_TYPES[0]]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which events of an actor are read.

    Attributes:
        clause: what a query asks for besides; empty for all.
        products: events about a product, or about all of an order or a taste.
        said: what shoppers say themselves.
    """

    clause: str = ""
    products: bool = False
    said: bool = False

    def select(self, records: Records) -> Records:
        """Return those of some records that are wanted."""
        if self.products:
            wanted = (records["product"] != 0) | np.isin(records["event_type"], _ABOUT_NO_SINGLE_PRODUCT)
        else:
            wanted = records["event_type"] >= (_FIRST_SAID if self.said else 0)
        selected: Records = records[wanted]
        return selected


EVERYTHING = Selection()
ABOUT_PRODUCTS = Selection(
    clause=f" AND (substr(body, {PRODUCT_POSITION}, 4) <> {NOT_GIVEN} OR substr(body, {TYPE_POSITION}, 1) IN "
    f"({_THEIR_CODES}))",
    products=True,
)
SAID = Selection(clause=f" AND substr(body, {TYPE_POSITION}, 1) >= x'{_FIRST_SAID:02x}'", said=True)
"""In the words of the indexes of it (`mercato.state.schema`), or they are not used."""


def join_visitors(records: Records) -> npt.NDArray[np.uint32]:
    """Say who did each event of a log: the user who was signed in, or the one whom the visitor belongs to.

    Args:
        records: RECORD [n], all events of the visitors among them.

    Returns:
        uint32 [n], codes of users; 0 where nobody ever signed in there.
    """
    joined: npt.NDArray[np.uint32] = records["user"].copy()
    signed_in = (records["user"] != 0) & (records["visitor"] != 0)
    if not signed_in.any():
        return joined
    pairs = np.unique(np.stack([records["visitor"][signed_in], records["user"][signed_in]], axis=1), axis=0)
    sharing = np.bincount(pairs[:, 0], minlength=int(records["visitor"].max()) + 1)
    known = (sharing > 0) & (sharing <= MAX_SHARING_USERS)
    rows = np.flatnonzero(known[records["visitor"]])  # visitor 0, not given, is never known
    rows = rows[np.lexsort((records["sequence"][rows], records["time"][rows], records["visitor"][rows]))]
    users, visitors = records["user"][rows], records["visitor"][rows]
    places = np.arange(len(rows))
    starts = np.concatenate(([True], visitors[1:] != visitors[:-1]))
    start = np.maximum.accumulate(np.where(starts, places, 0))
    last = np.maximum.accumulate(np.where(users != 0, places, -1))
    after = np.minimum.accumulate(np.where(users != 0, places, len(rows))[::-1])[::-1]
    owner = users[np.where(last >= start, last, np.minimum(after, len(rows) - 1))]
    joined[rows] = np.where(users != 0, users, owner)
    return joined


def remember_logins(connection: sqlite3.Connection, records: Records) -> None:
    """Enter the pairs of visitor and user that new events name, inside a write transaction."""
    both = records[(records["user"] != 0) & (records["visitor"] != 0)]
    if not len(both):
        return
    pairs = np.unique(np.stack([both["visitor"], both["user"]], axis=1), axis=0)
    columns = {"visitor": pairs[:, 0].tolist(), "user": pairs[:, 1].tolist()}
    insert_columns(connection, "visitor_users", columns, verb="INSERT OR IGNORE")


def find_code(connection: sqlite3.Connection, table: str, name: str) -> int:
    """Return the code of an id; 0 where it is unknown or empty."""
    row = connection.execute(f"SELECT code FROM {table} WHERE name = ?", (name,)).fetchone() if name else None
    return int(row[0]) if row else 0


def find_users(connection: sqlite3.Connection, visitor: int) -> list[int]:
    """Return the codes of the users who ever signed in as a visitor, ``MAX_SHARING_USERS`` + 1 at most."""
    query = "SELECT user FROM visitor_users WHERE visitor = ? LIMIT ?"
    return [user for (user,) in connection.execute(query, (visitor, MAX_SHARING_USERS + 1))]


def find_visitors(connection: sqlite3.Connection, user: int, *, limit: int = MAX_JOINED_VISITORS) -> list[int]:
    """Return the codes of the visitors that a user ever signed in as, the newest visitors first; -1 is no limit."""
    query = "SELECT visitor FROM visitor_users WHERE user = ? ORDER BY visitor DESC LIMIT ?"
    return [visitor for (visitor,) in connection.execute(query, (user, limit))]


def read_unclaimed(
    connection: sqlite3.Connection, visitor: int, limit: int, *, selection: Selection = EVERYTHING
) -> Records:
    """Read the last events of a visitor since somebody signed in there last.

    Args:
        connection: to the state file.
        visitor: code of the visitor.
        limit: how many at most.
        selection: which of them, before counting.

    Returns:
        RECORD [n], newest first.
    """
    last = connection.execute(
        f"SELECT time, sequence FROM events WHERE visitor = ? AND substr(body, {USER_POSITION}, 4) <> {NOT_GIVEN}"
        f"{_NEWEST_FIRST} LIMIT 1",
        (visitor,),
    ).fetchone()
    query = (
        f"SELECT body FROM events WHERE visitor = ? AND (time, sequence) > (?, ?){selection.clause}"
        f"{_NEWEST_FIRST} LIMIT ?"
    )
    return join_records(connection.execute(query, (visitor, *(last or (-math.inf, 0)), limit)).fetchall())


def read_anonymous(
    connection: sqlite3.Connection, visitor: int, owner: int, limit: int, *, selection: Selection = EVERYTHING
) -> Records:
    """Read the last events of a visitor, while nobody was signed in, that belong to a user.

    Args:
        connection: to the state file.
        visitor: code of the visitor.
        owner: code of the user; 0 for those of a visitor as whom nobody ever signed in.
        limit: how many at most; -1 for all.
        selection: which of them, before counting.

    Returns:
        RECORD [n], newest first.
    """
    users = find_users(connection, visitor)
    if users in ([], [owner]):
        if not users and owner:
            return np.empty(0, dtype=RECORD)
        query = (
            f"SELECT body FROM events WHERE visitor = ? AND substr(body, {USER_POSITION}, 4) = {NOT_GIVEN}"
            f"{selection.clause}{_NEWEST_FIRST} LIMIT ?"
        )
        return join_records(connection.execute(query, (visitor, limit)).fetchall())
    if owner not in users or len(users) > MAX_SHARING_USERS:
        return np.empty(0, dtype=RECORD)
    # Several users share the visitor, which is rare: whose each event is follows from all of them.
    records = join_records(connection.execute("SELECT body FROM events WHERE visitor = ?", (visitor,)).fetchall())
    records = selection.select(records[(records["user"] == 0) & (join_visitors(records) == owner)])
    records = records[np.lexsort((-records["sequence"], -records["time"]))]
    newest: Records = records if limit < 0 else records[:limit]
    return newest


def name_all(connection: sqlite3.Connection, table: str, codes: Iterable[int]) -> list[str]:
    """Return the ids of codes."""
    find = f"SELECT name FROM {table} WHERE code = ?"
    return [row[0] for code in codes for row in connection.execute(find, (code,))]
