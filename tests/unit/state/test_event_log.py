"""Events in the state store: what is read is what was written, by whom and in which order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import InvalidInputError, StateError
from mercato.events.event import Event
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.state import Actor, StateStore, open_state


def event(
    product_id: str = "p", *, user_id: str = "u", visitor_id: str = "", time: float = 1.0, **fields: object
) -> Event:
    return Event(  # type: ignore[arg-type]
        **{"event_type": "purchase-complete", **fields},
        product_id=product_id,
        user_id=user_id,
        visitor_id=visitor_id,
        time=time,
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'state.db'}"


@pytest.fixture
def store(url: str) -> Iterator[StateStore]:
    store = open_state(url)
    yield store
    store.close()


def products(store: StateStore, actor: Actor, limit: int = 100, **options: bool) -> list[str]:
    (columns,) = store.recent_events([actor], limit, **options)
    return columns.product_id


def test_columns_hold_what_was_written(store: StateStore) -> None:
    store.append_events(
        [
            event("a", time=1.5, quantity=2, price=0.25, order_id="o"),
            event("b", time=2.5, event_type="add-to-cart"),
        ]
    )
    (columns,) = store.recent_events([Actor("u")], 10)
    assert columns.product_id == ["b", "a"]
    assert columns.event_type.tolist() == [EVENT_TYPE_CODES["add-to-cart"], EVENT_TYPE_CODES["purchase-complete"]]
    assert columns.time.tolist() == [2.5, 1.5]
    assert columns.quantity.tolist() == [1, 2]
    assert np.array_equal(columns.price, np.array([np.nan, 0.25], dtype=np.float32), equal_nan=True)
    assert columns.sequence.tolist() == [2, 1]
    assert [getattr(columns, name).dtype for name in ("event_type", "time", "quantity", "price", "sequence")] == [
        np.uint8,
        np.float64,
        np.int32,
        np.float32,
        np.int64,
    ]
    assert len(columns) == 2


def test_newest_first_and_equal_times_last_written_first(store: StateStore) -> None:
    store.append_events([event("late", time=9), event("a", time=5), event("b", time=5)])
    store.append_events([event("c", time=5), event("early", time=1)])
    assert products(store, Actor("u")) == ["late", "c", "b", "a", "early"]
    assert products(store, Actor("u"), limit=2) == ["late", "c"]
    assert products(store, Actor("u"), limit=0) == []


def test_actor_with_both_ids_gets_both_histories_merged(store: StateStore) -> None:
    store.append_events(
        [
            event("1-user", time=1),
            event("2-visitor", user_id="", visitor_id="v", time=2),
            event("3-both", visitor_id="v", time=3),
            event("4-visitor", user_id="", visitor_id="v", time=3),
            event("5-other-user-same-device", user_id="w", visitor_id="v", time=4),
        ]
    )
    history = ["4-visitor", "3-both", "2-visitor", "1-user"]
    assert products(store, Actor("u", "v")) == history
    assert products(store, Actor("u", "v"), limit=2) == history[:2]
    assert products(store, Actor("u")) == products(store, Actor("u", "new")) == history  # on every device from now on
    assert products(store, Actor("w")) == products(store, Actor("w", "v")) == ["5-other-user-same-device"]
    assert products(store, Actor("new", "v")) == products(store, Actor("", "v")) == []  # who it is now is not known


def test_unknown_actors_have_no_events(store: StateStore) -> None:
    store.append_events([event()])
    answers = store.recent_events([Actor("x"), Actor(), Actor("", "x"), Actor("p"), Actor("u")], 5)
    assert [len(columns) for columns in answers] == [0, 0, 0, 0, 1]
    assert answers[0].time.dtype == np.float64
    assert store.recent_events([], 5) == []
    with pytest.raises(InvalidInputError, match="limit: must not be negative, got -1"):
        store.recent_events([Actor("u")], -1)


def test_events_about_no_product_are_left_out_before_counting(store: StateStore) -> None:
    views = [event("", event_type="home-page-view", time=time) for time in range(2, 10)]
    store.append_events([event("a", time=1), *views])
    assert products(store, Actor("u"), limit=3) == ["a"]
    assert products(store, Actor("u"), limit=3, products_only=False) == ["", "", ""]


def test_known_event_id_is_accepted_once(store: StateStore) -> None:
    first = store.append_events([event("a", event_id="e"), event("b", event_id="e"), event("c")])
    assert (first.accepted, first.duplicates) == (2, 1)
    again = store.append_events([event("d", event_id="e", time=7), event("f", event_id="g")])
    assert (again.accepted, again.duplicates) == (1, 1)
    assert sorted(products(store, Actor("u"))) == ["a", "c", "f"]
    only_known = store.append_events([event(event_id="g")])
    assert (only_known.accepted, only_known.duplicates, only_known.sequence) == (0, 1, again.sequence)
    assert store.append_events([]).sequence == again.sequence == store.event_sequence()


def test_events_without_id_are_new_each_time(store: StateStore) -> None:
    assert [store.append_events([event()]).sequence for _ in range(3)] == [1, 2, 3]


def test_new_events_are_in_the_next_answer_of_every_process(url: str, store: StateStore) -> None:
    other = open_state(url)  # a second connection, as another process would have
    for number in range(5):
        writer, reader = (store, other) if number % 2 else (other, store)
        writer.append_events([event(f"p{number}", time=number), event("x", user_id="w")])
        newest_first = [f"p{seen}" for seen in range(number, -1, -1)]
        assert products(reader, Actor("u")) == newest_first
        assert products(writer, Actor("u")) == newest_first
        assert reader.event_sequence() == writer.event_sequence() == 2 * (number + 1)
    other.close()


def test_answers_of_others_stay_cached_while_one_is_renewed(store: StateStore) -> None:
    store.append_events([event("a", user_id="u"), event("b", user_id="w"), event("c", user_id="", visitor_id="v")])
    before = store.recent_events([Actor("u"), Actor("w"), Actor("u", "v")], 5)
    store.append_events([event("d", user_id="", visitor_id="v", time=2)])
    after = store.recent_events([Actor("u"), Actor("w"), Actor("u", "v")], 5)
    assert [new is old for new, old in zip(after, before, strict=True)] == [True, True, False]
    assert after[2].product_id == ["d", "c", "a"]
    # An actor that was unknown when asked is renewed too, by an import larger than what is followed event by event.
    assert products(store, Actor("new")) == []
    store.append_events([event("e", user_id="x") for _ in range(2_000)] + [event("f", user_id="new")])
    assert products(store, Actor("new")) == ["f"]


def test_cached_columns_cannot_be_changed(store: StateStore) -> None:
    store.append_events([event()])
    with pytest.raises(ValueError, match="read-only"):
        store.recent_events([Actor("u")], 1)[0].time[0] = 0.0


def test_table_has_codes_into_its_dictionaries(store: StateStore) -> None:
    store.append_events(
        [
            event("a", time=3, order_id="o", quantity=2, price=1.5),
            event("", event_type="search", user_id="", visitor_id="v", time=1),
            event("b", user_id="w", visitor_id="v", time=2),
        ]
    )
    table = store.event_columns()
    assert len(table) == 3
    assert table.sequence.tolist() == [1, 2, 3]
    assert table.time.tolist() == [3, 1, 2]
    assert [table.users[code] if code >= 0 else None for code in table.user.tolist()] == ["u", "w", "w"]
    assert [table.visitors[code] if code >= 0 else None for code in table.visitor.tolist()] == [None, "v", "v"]
    assert [table.products[code] if code >= 0 else None for code in table.product.tolist()] == ["a", None, "b"]
    assert [table.orders[code] if code >= 0 else None for code in table.order.tolist()] == ["o", None, None]
    assert table.quantity.tolist() == [2, 1, 1]
    assert table.price[0] == 1.5
    assert np.isnan(table.price[1:]).all()
    assert table.event_type.tolist() == [
        EVENT_TYPE_CODES[name] for name in ("purchase-complete", "search", "purchase-complete")
    ]
    assert table.user.dtype == table.product.dtype == table.order.dtype == np.int32


def test_table_of_a_stretch_of_time_or_of_what_is_new(store: StateStore) -> None:
    store.append_events([event(str(time), time=time) for time in range(5)])
    assert store.event_columns(since=1, until=3).time.tolist() == [1, 2]  # since counts, until does not
    assert store.event_columns(after_sequence=3).time.tolist() == [3, 4]
    assert len(store.event_columns(since=9)) == 0


def test_empty_store_answers_with_nothing(store: StateStore) -> None:
    assert store.event_sequence() == 0
    table = store.event_columns()
    assert (len(table), table.users, table.time.dtype) == (0, [], np.float64)
    assert list(store.export_events()) == []


@pytest.mark.parametrize("url", ["", "state.db", "sqlite:", "mysql:host", "redis"])
def test_url_without_a_known_scheme_is_refused(url: str) -> None:
    with pytest.raises(StateError, match="state: must be sqlite:PATH, got"):
        open_state(url)


def test_url_may_have_slashes(tmp_path: Path) -> None:
    open_state(f"sqlite://{tmp_path}/a/state.db").close()
    assert (tmp_path / "a" / "state.db").is_file()
