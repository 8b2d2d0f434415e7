import time
from pathlib import Path

import numpy as np
import pytest

from mercato.events.event import Event
from mercato.index.learned import Learned
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.indexing.learn import find_moment, learn_signals, select_events
from mercato.retrieval.sources.also_bought import EASE
from mercato.retrieval.sources.trending import MOMENTUM
from mercato.state.values import EventTable
from tests import stores

YEAR = 365 * stores.DAY


def table(tmp_path: Path, days_ago: list[float]) -> EventTable:
    store = stores.SqliteStateStore(tmp_path / "state.db")
    store.append_events([stores.purchase(f"u{position}", "p01", days) for position, days in enumerate(days_ago)])
    try:
        return store.event_columns()
    finally:
        store.close()


def test_a_history_is_learned_from_as_it_stood_when_it_ended(tmp_path: Path) -> None:
    events = table(tmp_path, [400, 365, 370])
    moment = find_moment(events, now=stores.NOW)
    assert moment == pytest.approx(stores.NOW - YEAR, abs=1e-3)
    assert moment > events.time.max()
    assert find_moment(events, now=stores.NOW - 369 * stores.DAY) == pytest.approx(stores.NOW - 370 * stores.DAY, abs=1)
    assert find_moment(EventTable.empty(), now=5.0) == 5.0


def test_a_snapshot_of_old_purchases_knows_what_sold_last(tmp_path: Path) -> None:
    events = table(tmp_path, [400, 367, 366, 365])
    assert time.time() - events.time.max() > YEAR
    build_snapshot(stores.make_products(), events, stores.HashEncoder(), tmp_path / "catalog", BuildOptions(workers=1))
    snapshot = Snapshot(tmp_path / "catalog")
    row = snapshot.row_by_id["p01"]
    assert snapshot.learned.get(MOMENTUM).fresh_buyers[row] == 3
    assert snapshot.learned.get(MOMENTUM).recent_buyers[row] == 3
    np.testing.assert_allclose(snapshot.learned.get(MOMENTUM).age_days[row], 400 - 365, atol=1e-3)


def test_a_snapshot_says_how_late_the_events_are_that_it_learned_from(tmp_path: Path) -> None:
    events = table(tmp_path, [40, 30, 20, 10])
    products, until = stores.make_products(), stores.NOW - 20 * stores.DAY
    everything = build_snapshot(products, events, stores.HashEncoder(), tmp_path / "all", BuildOptions(workers=1))
    early = build_snapshot(
        products, events, stores.HashEncoder(), tmp_path / "early", BuildOptions(workers=1, until=until)
    )
    nothing = build_snapshot(
        products, EventTable.empty(), stores.HashEncoder(), tmp_path / "none", BuildOptions(workers=1)
    )
    assert everything.last_event_time == stores.NOW - 10 * stores.DAY
    assert early.last_event_time == stores.NOW - 30 * stores.DAY  # the moment itself is not before it
    assert nothing.last_event_time is None
    row = Snapshot(tmp_path / "early").row_by_id["p01"]
    assert (
        Snapshot(tmp_path / "early").learned.get(MOMENTUM).recent_buyers[row] == 2
    )  # not the one at the moment itself


def test_a_purchase_that_is_yet_to_come_does_not_decide_what_is_learned_from(tmp_path: Path) -> None:
    """Views teach where nothing was bought, and a purchase after the moment is not known of."""
    views = [
        stores.event("detail-page-view", product_id, 3, user_id=f"u{number}")
        for number in range(10)
        for product_id in ("p04", "p12")
    ]
    names = [product.id for product in stores.make_products()]

    def learn(events: list[Event]) -> Learned:
        store = stores.open_store(tmp_path / f"{len(events)}.db", events)
        weighted, purchases = select_events(store.event_columns(), {name: row for row, name in enumerate(names)})
        store.close()
        return learn_signals(weighted, purchases, len(names), until=stores.NOW).learned

    alone, with_future = learn(views), learn([*views, stores.purchase("u1", "p01", -0.5)])

    assert alone.get(MOMENTUM).recent_buyers[names.index("p04")] == 10
    np.testing.assert_array_equal(with_future.get(MOMENTUM).recent_buyers, alone.get(MOMENTUM).recent_buyers)
    np.testing.assert_array_equal(with_future.get(EASE).scores, alone.get(EASE).scores)
