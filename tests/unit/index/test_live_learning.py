"""What came since a snapshot, added to it, is what learning from the whole log gives: over real states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.events.event import Event, parse_event
from mercato.index.learned import Learned, LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import IDLE_DAYS, LearnedNow, LiveLearning
from mercato.index.source_tuning import SourceTuning
from mercato.index.variant_groups import VariantGroups
from mercato.indexing.learn import find_moment, find_rows, select_events
from mercato.retrieval.sources.cooccurrence import TOGETHER
from mercato.retrieval.sources.registry import list_needed
from mercato.retrieval.sources.session import CLICKED, CLICKED_NEXT
from mercato.retrieval.sources.trending import MOMENTUM
from mercato.signals.learning_settings import LearningSettings
from mercato.signals.popularity import compute_popularity
from mercato.signals.undone import drop_undone
from mercato.state import people as people_module
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import Actor, EventTable

DAY, HOUR = 86_400.0, 3_600.0
START = 400_000.5 * HOUR
PRODUCTS = [f"p{number}" for number in range(6)]
ROWS = {product: row for row, product in enumerate(PRODUCTS)}
HALF_LIFE_DAYS = 45.0
SETTINGS = LearningSettings(half_life_days=HALF_LIFE_DAYS, shrinkage=4.0)
TUNING = SourceTuning(settings=SETTINGS)
LATER = START + 1_000 * DAY
ROUNDING = 1e-5
"""Amounts are whole millionths."""


def make_event(kind: str, who: str, product: str, hours: float, **fields: Any) -> Event:
    """An event so many hours after the start; who it was is a user, or a visitor where it begins with v."""
    person = {"visitor_id" if who.startswith("v") else "user_id": who}
    document = {"event_type": kind, "product_id": product, "time": START + hours * HOUR, **person, **fields}
    return parse_event(document, now=LATER)


def buy(who: str, product: str, hours: float, **fields: Any) -> Event:
    return make_event("purchase-complete", who, product, hours, **fields)


def learn(table: EventTable, until: float) -> tuple[np.ndarray[Any, Any], Learned]:
    """Learn from a log as `mercato index` does: popularity by row, and all signals that go on."""
    standing = drop_undone(table, find_rows(table, ROWS), until=until)
    events, purchases = select_events(standing, ROWS)
    data = LearningInput(
        events=events, purchases=purchases, product_count=len(PRODUCTS), until=until, settings=SETTINGS
    )
    signals: tuple[Signal[Any], ...] = (MOMENTUM, TOGETHER, CLICKED, CLICKED_NEXT, *list_needed())
    learned = Learned({}, values={signal: data.learn(signal) for signal in signals}, until=until, bought=True)
    count = compute_popularity(events, len(PRODUCTS), until=until, half_life_days=HALF_LIFE_DAYS).count
    return count, learned


class SmallCatalog:
    """What counting asks of a live catalogue, of six products without changes."""

    def __init__(self, learned: Learned, sequence: int) -> None:
        manifest = SimpleNamespace(event_sequence=sequence)
        self.snapshot = SimpleNamespace(learned=learned, manifest=manifest, row_by_any_id=ROWS, tuning=TUNING)
        self.base, self.delta = len(PRODUCTS), ()
        self.groups = VariantGroups(None, "", np.zeros(0, np.int32))

    def row_of(self, product_id: str) -> int:
        return ROWS.get(product_id, -1)

    def rows_of(self, product_ids: Sequence[str]) -> np.ndarray[Any, Any]:
        return np.array([self.row_of(one) for one in product_ids], np.int32)

    def original_rows(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return rows


def go_on(
    store: SqliteStateStore, learned: Learned, sequence: int, now: float = LATER, look_s: float = np.inf
) -> LiveLearning:
    catalog = cast(LiveCatalog, SmallCatalog(learned, sequence))
    return LiveLearning(catalog, store, list_needed(), clock=lambda: now, every_s=0.0, look_s=look_s)


def add_interest(popularity: np.ndarray[Any, Any], now: LearnedNow) -> np.ndarray[Any, Any]:
    """Popularity as it is now: what the snapshot knows and what came, halved by the time that has passed."""
    if now.since is None:
        return popularity
    since = now.since
    total: np.ndarray[Any, Any] = popularity + since.interest[: len(PRODUCTS)]
    total *= 0.5 ** (since.days / HALF_LIFE_DAYS)
    return total


LAST_BEFORE = buy("e", "p0", 24 * 30 - 1)
"""No more than a week before what follows: a longer silence is not counted in full."""
people = st.sampled_from(["a", "b", "c", "d", "v1", "v2"])
kinds = st.sampled_from(["purchase-complete"] * 4 + ["refund", "add-to-cart", "detail-page-view", "remove-from-cart"])
hours = st.integers(0, 24 * 45)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """Two parts of a log, the second after the first; some orders, some who sign in."""

    def some(first: int, last: int, most: int) -> list[Event]:
        found = []
        for _ in range(draw(st.integers(1, most))):
            kind, who = draw(kinds), draw(people)
            fields: dict[str, Any] = {"quantity": draw(st.integers(1, 3))}
            if kind in ("purchase-complete", "refund") and draw(st.booleans()):
                fields["order_id"] = f"{who}-{draw(st.integers(0, 2))}"
            if who == "v1" and draw(st.booleans()):
                fields["user_id"] = "a"
            found.append(
                make_event(kind, who, draw(st.sampled_from(PRODUCTS)), draw(st.integers(first, last)), **fields)
            )
        return found

    return [*some(0, 24 * 30, 25), LAST_BEFORE], some(24 * 30, 24 * 35, 20)


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(1, 4))
def test_what_came_since_adds_up_to_learning_from_the_whole_log(
    parts: tuple[list[Event], list[Event]], steps: int
) -> None:
    with TemporaryDirectory() as folder:
        store = SqliteStateStore(f"{folder}/state.db")
        before, after = parts
        store.append_events(before)
        table = store.event_columns()
        until = find_moment(table, now=LATER)
        popularity, learned = learn(table, until)
        live = go_on(store, learned, int(table.sequence[-1]))
        size = -(-len(after) // steps)
        for start in range(0, len(after), size):
            store.append_events(after[start : start + size])
            live.catch_up()
        again = go_on(store, learned, int(table.sequence[-1]))  # another process, or after a restart
        again.catch_up()
        whole = store.event_columns()
        store.close()

    now, other = live.at(), again.at()
    moment = find_moment(whole, now=LATER)
    expected, whole_learned = learn(whole, moment)
    np.testing.assert_allclose(add_interest(popularity, now), expected, atol=ROUNDING)
    momentum, expected_momentum = now.get(MOMENTUM), whole_learned.get(MOMENTUM)
    np.testing.assert_array_equal(momentum.fresh_buyers, expected_momentum.fresh_buyers)
    np.testing.assert_array_equal(momentum.recent_buyers, expected_momentum.recent_buyers)
    np.testing.assert_array_equal(momentum.rank_trending(6)[0], expected_momentum.rank_trending(6)[0])
    np.testing.assert_allclose(
        _or_zeros(now.get(CLICKED).left), _or_zeros(whole_learned.get(CLICKED).left), atol=ROUNDING
    )
    assert now.since is not None and other.since is not None
    for name in now.since.counts:
        np.testing.assert_array_equal(now.since.totals(name), other.since.totals(name))


def _or_zeros(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return column if len(column) else np.zeros(len(PRODUCTS))


@pytest.fixture
def store(tmp_path: Path) -> SqliteStateStore:
    """Ten people bought p1 a day before the snapshot; one bought p0 for a year."""
    store = SqliteStateStore(str(tmp_path / "state.db"))
    store.append_events([buy(f"u{number}", "p1", -24) for number in range(10)])
    store.append_events([buy("u0", "p0", -24 * day) for day in range(1, 300, 30)])
    return store


def open_learning(store: SqliteStateStore, now: float = LATER, look_s: float = np.inf) -> LiveLearning:
    """Learn from what the store holds, and go on from there."""
    table = store.event_columns()
    return go_on(store, learn(table, find_moment(table, now=now))[1], int(table.sequence[-1]), now, look_s)


def interest_in(now: LearnedNow, product: str) -> float:
    return 0.0 if now.since is None else float(now.since.interest[ROWS[product]])


def test_one_person_counts_once_however_often_something_is_bought(store: SqliteStateStore) -> None:
    live = open_learning(store)
    store.append_events([buy("u0", "p2", 1 + number / 100) for number in range(30)])
    live.catch_up()
    assert interest_in(live.at(), "p2") == pytest.approx(1.0, rel=0.05)
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 1


def test_a_long_log_is_counted_look_by_look(store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_module, "MAX_NEW_EVENTS", 5)
    whole = open_learning(store)
    step_by_step = open_learning(store, look_s=0.0)
    store.append_events([buy(f"u{number}", "p2", 1 + number / 100) for number in range(12)])
    whole.catch_up()
    assert whole.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 12
    counted = []
    for _ in range(4):
        step_by_step.catch_up()
        counted.append(step_by_step.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]])
    assert counted == [5, 10, 12, 12]


def test_a_return_takes_back_what_the_snapshot_had_learned(store: SqliteStateStore) -> None:
    live = open_learning(store)
    store.append_events([make_event("refund", f"u{number}", "p1", 2) for number in range(4)])
    live.catch_up()
    assert interest_in(live.at(), "p1") == pytest.approx(-4.0, rel=1e-3)
    assert live.at().get(MOMENTUM).recent_buyers[ROWS["p1"]] == 10 - 4


def test_who_signs_in_is_no_second_person(store: SqliteStateStore) -> None:
    live = open_learning(store)
    store.append_events([buy("v1", "p3", 1), buy("u0", "p3", 2)])
    live.catch_up()
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p3"]] == 2
    store.append_events([make_event("detail-page-view", "v1", "p4", 3, user_id="u0")])
    live.catch_up()
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p3"]] == 1


def test_a_moment_of_the_past_knows_only_the_hours_before_it(store: SqliteStateStore) -> None:
    live = open_learning(store)
    store.append_events([buy(f"u{number}", "p2", 10 * number) for number in range(1, 5)])
    live.catch_up()
    assert live.at(START - HOUR).get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 0
    assert live.at(START + 25 * HOUR).get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 2
    assert live.at(START + 40 * HOUR).get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 4
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 4


def test_what_is_dated_in_the_future_counts_once_it_has_come(store: SqliteStateStore) -> None:
    clock = [START + 5 * HOUR]
    table = store.event_columns()
    learned = learn(table, find_moment(table, now=LATER))[1]
    catalog = cast(LiveCatalog, SmallCatalog(learned, int(table.sequence[-1])))
    live = LiveLearning(catalog, store, list_needed(), clock=lambda: clock[0], every_s=0.0)
    store.append_events([buy("u5", "p2", 3), buy("u6", "p2", 8)])
    live.catch_up()
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 1
    clock[0] += 4 * HOUR
    live.catch_up()
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 2


def test_after_a_year_of_silence_one_person_outweighs_nothing(store: SqliteStateStore) -> None:
    live = open_learning(store)
    store.append_events([buy("u3", "p5", 24 * 365)])
    live.catch_up()
    since = live.at().since
    assert since is not None
    assert since.days == pytest.approx(IDLE_DAYS)
    assert interest_in(live.at(), "p5") == pytest.approx(2 ** (IDLE_DAYS / HALF_LIFE_DAYS), rel=1e-3)


def test_who_is_forgotten_is_counted_no_more(store: SqliteStateStore) -> None:
    live = open_learning(store)
    store.append_events([buy("u1", "p2", 1), buy("new", "p2", 1)])
    live.catch_up()
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 2
    store.erase_events(Actor(user_id="new"))
    live.catch_up()
    assert live.at().get(MOMENTUM).fresh_buyers[ROWS["p2"]] == 1


def test_what_is_bought_together_goes_on_as_people(store: SqliteStateStore) -> None:
    store.append_events(
        [buy(f"w{number}", product, -20, order_id=f"o{number}") for number in range(5) for product in ("p3", "p4")]
    )
    live = open_learning(store)
    store.append_events(
        [buy(f"x{number}", product, 1, order_id=f"n{number}") for number in range(4) for product in ("p3", "p4")]
    )
    live.catch_up()
    whole = store.event_columns()
    expected = learn(whole, find_moment(whole, now=LATER))[1].get(TOGETHER)
    seeds, one = np.array([ROWS["p3"]], np.int32), np.ones(1, np.float32)
    now = live.at().get(TOGETHER)
    assert now.add_up(seeds, one).score(np.array([ROWS["p4"]], np.int32)) == pytest.approx(
        expected.add_up(seeds, one).score(np.array([ROWS["p4"]], np.int32))
    )
    assert now.find_largest(seeds, one, np.array([ROWS["p4"], ROWS["p0"]], np.int32)).tolist() == [0, -1]


def test_what_is_clicked_next_follows_the_clicks_of_today(store: SqliteStateStore) -> None:
    def visit(who: str, hours: float, *products: str) -> list[Event]:
        return [make_event("detail-page-view", who, one, hours + n / 100) for n, one in enumerate(products)]

    store.append_events([event for n in range(30) for event in visit(f"s{n}", -20, "p2", "p3")])
    live = open_learning(store)
    store.append_events([event for n in range(60) for event in visit(f"t{n}", 1, "p2", "p5")])
    live.catch_up()
    seeds, one = np.array([ROWS["p2"]], np.int32), np.ones(1, np.float32)
    lifts = live.at().get(CLICKED_NEXT).add_up(seeds, one).score(np.array([ROWS["p3"], ROWS["p5"]], np.int32))
    clicks = live.at().get(CLICKED).log_clicks[[ROWS["p3"], ROWS["p5"]]]
    assert np.expm1(clicks) == pytest.approx([30, 60], rel=1e-4)
    assert (lifts + clicks)[1] > (lifts + clicks)[0] > 0


def test_a_snapshot_from_before_there_were_sums_stays_as_it_is(store: SqliteStateStore) -> None:
    table = store.event_columns()
    until = find_moment(table, now=LATER)
    full = learn(table, until)[1]
    values: dict[Signal[Any], Any] = {MOMENTUM: full.get(MOMENTUM), TOGETHER: full.get(TOGETHER)}
    old = Learned({}, values=values, until=until, bought=True)
    live = go_on(store, old, int(table.sequence[-1]))
    store.append_events([buy("u9", "p2", 1)])
    live.catch_up()
    assert live.at().since is None
    assert live.at().get(MOMENTUM) is old.get(MOMENTUM)
