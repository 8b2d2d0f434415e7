"""Visitors who log in: whose the events are that they left before, in histories and in the table of all events."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.errors import InvalidInputError
from mercato.events.event import Event
from mercato.state import Actor, StateStore, open_state
from mercato.state.visitors import MAX_SHARING_USERS

VERSION_BEFORE = 2  # there were no visitors who log in

Entry = tuple[float, int, str, str, str]  # time, sequence, product, user, visitor


def event(product: str, user: str = "", visitor: str = "", time: float = 1.0) -> Event:
    return Event(
        event_type="detail-page-view", product_id=product, user_id=user, visitor_id=visitor, time=time, quantity=1
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    yield store
    store.close()


def products(store: StateStore, user: str = "", visitor: str = "", limit: int = 20) -> list[str]:
    return store.recent_events([Actor(user, visitor)], limit)[0].product_id


def actors(store: StateStore, **limits: float) -> list[str]:
    table = store.event_columns(**limits)  # type: ignore[arg-type]
    return [
        table.users[user] if user >= 0 else table.visitors[visitor]
        for user, visitor in zip(table.user.tolist(), table.visitor.tolist(), strict=True)
    ]


def test_one_login_joins_what_came_before_and_after_on_every_device(store: StateStore) -> None:
    store.append_events([event("tent", visitor="v1", time=1)])
    assert products(store, user="u") == []
    assert products(store, visitor="v1") == ["tent"]
    store.append_events([event("towel", "u", "v1", 2), event("rope", visitor="v1", time=3), event("mug", "u", time=4)])
    history = ["mug", "rope", "towel", "tent"]
    assert products(store, "u") == products(store, visitor="v1") == products(store, "u", "v1") == history
    assert products(store, "u", "phone") == history  # a device that nobody signed in on yet
    assert products(store, "other") == products(store, "other", "v1") == []
    assert actors(store) == ["u"] * 4


def test_two_devices_of_one_user_know_each_other(store: StateStore) -> None:
    store.append_events([event("a", visitor="v1", time=1), event("b", visitor="v2", time=2)])
    store.append_events([event("c", "u", "v1", 3)])
    assert products(store, visitor="v1") == ["c", "a"]
    store.append_events([event("d", "u", "v2", 4)])
    assert products(store, visitor="v1") == products(store, visitor="v2") == ["d", "c", "b", "a"]


def test_a_shared_device_keeps_its_users_apart(store: StateStore) -> None:
    store.append_events(
        [
            event("before", visitor="v", time=1),
            event("of-u", "u", "v", 2),
            event("after-u", visitor="v", time=3),
            event("of-w", "w", "v", 4),
            event("after-w", visitor="v", time=5),
            event("of-w-elsewhere", "w", time=6),
        ]
    )
    assert products(store, "u") == products(store, "u", "v") == ["after-u", "of-u", "before"]
    assert products(store, "w") == products(store, "w", "v") == ["of-w-elsewhere", "after-w", "of-w"]
    # Who sits there now is not known: what was left since the last login, and nothing of any account.
    assert products(store, visitor="v") == ["after-w"]
    assert products(store, "new", "v") == []
    assert actors(store) == ["u", "u", "u", "w", "w", "w"]


def test_what_everybody_signs_in_as_joins_nobody(store: StateStore) -> None:
    users = [f"u{n}" for n in range(MAX_SHARING_USERS + 1)]
    store.append_events([event("before", visitor="till", time=0)])
    store.append_events([event(f"of-{user}", user, "till", n + 1.0) for n, user in enumerate(users)])
    store.append_events([event("now", visitor="till", time=99)])
    assert products(store, "u0") == products(store, "u0", "till") == ["of-u0"]
    assert products(store, visitor="till") == ["now"]
    assert actors(store) == ["till", *users, "till"]


def test_learning_up_to_a_moment_knows_the_logins_before_it_alone(store: StateStore) -> None:
    store.append_events([event("a", visitor="v", time=1), event("b", "u", "v", 5), event("c", visitor="v", time=6)])
    assert actors(store, until=5) == ["v"]
    assert actors(store, until=6) == ["u", "u"]
    assert actors(store, since=6) == ["u"]
    assert actors(store, after_sequence=2) == ["u"]


def test_a_kept_answer_is_renewed_by_what_a_joined_device_does(store: StateStore) -> None:
    store.append_events([event("a", visitor="v", time=1), event("b", "u", "v", 2), event("x", "w", time=2)])
    kept = store.recent_events([Actor("u"), Actor("", "v"), Actor("w")], 5)
    store.append_events([event("c", visitor="v", time=3)])
    renewed = store.recent_events([Actor("u"), Actor("", "v"), Actor("w")], 5)
    assert [columns.product_id for columns in renewed] == [["c", "b", "a"], ["c", "b", "a"], ["x"]]
    assert renewed[2] is kept[2]
    store.append_events([event("d", "u", "phone", 4)])  # a new device, and with it what it did before
    assert products(store, visitor="v") == ["d", "c", "b", "a"]


def test_export_keeps_what_was_written(store: StateStore, tmp_path: Path) -> None:
    store.append_events([event("a", visitor="v", time=1), event("b", "u", "v", 2)])
    [batch] = store.export_events()
    assert batch.user_id.to_pylist() == [None, "u"]
    copy = open_state(f"sqlite:{tmp_path / 'copy.db'}")
    copy.import_events([batch])
    assert products(copy, "u") == ["b", "a"]
    copy.close()


def test_a_state_file_of_the_version_before_learns_its_logins(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = open_state(f"sqlite:{path}")
    store.append_events([event("a", visitor="v", time=1), event("b", "u", "v", 2), event("c", visitor="other")])
    store.close()
    with sqlite3.connect(path) as connection:
        for statement in (
            "DROP INDEX said_by_user",
            "DROP INDEX said_by_visitor",
            "DROP TABLE visitor_users",
            "DROP TABLE erasures",
            f"PRAGMA user_version = {VERSION_BEFORE}",
        ):
            connection.execute(statement)
    connection.close()
    store = open_state(f"sqlite:{path}")
    assert products(store, "u") == ["b", "a"]
    assert products(store, visitor="other") == ["c"]
    store.close()


def owner_of(entry: Entry, log: list[Entry]) -> str:
    """Return the user of an event, as a list of all events tells it."""
    if entry[3]:
        return entry[3]
    logins = sorted(other for other in log if other[4] == entry[4] and other[3])
    before = [other for other in logins if other[:2] < entry[:2]]
    return (before[-1] if before else logins[0])[3] if logins else ""


def belonging_to(actor: Actor, log: list[Entry]) -> list[Entry]:
    users = {entry[3] for entry in log if entry[4] == actor.visitor_id and entry[3]} if actor.visitor_id else set()
    anonymous = [entry for entry in log if entry[4] == actor.visitor_id and not entry[3]] if actor.visitor_id else []
    if not actor.user_id:
        if len(users) == 1:
            return belonging_to(Actor(users.pop(), actor.visitor_id), log)
        last = max((entry[:2] for entry in log if entry[4] == actor.visitor_id and entry[3]), default=(0.0, -1))
        return [entry for entry in anonymous if entry[:2] > last]
    own = [entry for entry in log if owner_of(entry, log) == actor.user_id]
    return own + ([] if users else anonymous)


ACTORS = st.tuples(st.sampled_from(["", "u", "w"]), st.sampled_from(["", "v", "x"])).filter(any)
WRITES = st.lists(
    st.lists(st.tuples(ACTORS, st.sampled_from("abc"), st.sampled_from([1.0, 2.0, 3.0])), max_size=6), max_size=5
)


@settings(max_examples=60, deadline=None)
@given(writes=WRITES, limit=st.integers(min_value=0, max_value=8))
def test_history_is_what_a_plain_list_would_give(
    tmp_path_factory: pytest.TempPathFactory, writes: list[list[tuple[tuple[str, str], str, float]]], limit: int
) -> None:
    store = open_state(f"sqlite:{tmp_path_factory.mktemp('state') / 'state.db'}")
    log: list[Entry] = []
    asked = [Actor(user, visitor) for user in ("", "u", "w", "new") for visitor in ("", "v", "x", "new")]
    for write in writes:
        store.append_events([event(product, user, visitor, time) for (user, visitor), product, time in write])
        log += [(time, len(log) + i, product, u, v) for i, ((u, v), product, time) in enumerate(write)]
        for actor, columns in zip(asked, store.recent_events(asked, limit), strict=True):
            own = sorted(belonging_to(actor, log), reverse=True)[:limit]
            assert columns.product_id == [entry[2] for entry in own]
    assert actors(store) == [owner_of(entry, log) or entry[4] for entry in log]
    store.close()


def test_forgetting_a_user_takes_the_joined_part_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = open_state(f"sqlite:{path}")
    beside = open_state(f"sqlite:{path}")  # as a running server has it open
    store.append_events(
        [
            event("before", visitor="shared-device", time=1),
            event("own", "alice-0815", "shared-device", 2),
            event("own-too", "alice-0815", "alices-phone", 3),
            event("of-bob", "bob", "shared-device", 4),
            event("after-bob", visitor="shared-device", time=5),
        ]
    )
    for _ in range(2):
        assert products(beside, "alice-0815") == ["own-too", "own", "before"]
    assert store.erase_events(Actor("alice-0815")) == 3
    assert products(store, "alice-0815") == products(beside, "alice-0815") == []
    assert products(beside, visitor="alices-phone") == []
    assert products(beside, "bob") == ["after-bob", "of-bob"]
    assert actors(store) == ["bob", "bob"]
    assert store.erase_events(Actor("alice-0815")) == 0
    assert store.append_events([event("new", "alice-0815", time=6)]).sequence > 5  # no number is given twice
    assert products(beside, "alice-0815") == ["new"]
    assert store.erase_events(Actor("alice-0815")) == 1
    beside.close()
    store.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"shared-device" in kept
    assert b"alice" not in kept  # neither in a row nor in the pages that rows were in


def test_forgetting_a_visitor_takes_all_events_with_its_id(store: StateStore) -> None:
    store.append_events([event("a", visitor="v", time=1), event("b", "u", "v", 2), event("c", "u", time=3)])
    assert store.erase_events(Actor("", "v")) == 2
    assert products(store, "u") == ["c"]
    assert products(store, visitor="v") == []
    with pytest.raises(InvalidInputError, match="must have a user_id or a visitor_id"):
        store.erase_events(Actor())


def test_what_was_forgotten_can_be_imported_again(store: StateStore, tmp_path: Path) -> None:
    store.append_events([event("a", "u", time=1), event("b", "w", time=1)])
    batches = list(store.export_events())
    store.erase_events(Actor("u"))
    result = store.import_events(batches)
    assert (result.accepted, result.duplicates) == (1, 1)
    assert products(store, "u") == ["a"]
