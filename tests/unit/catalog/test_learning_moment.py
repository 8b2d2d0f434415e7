import time
from pathlib import Path

import numpy as np
import pytest

from mercato.catalog.build import BuildOptions, build_snapshot
from mercato.catalog.learn import find_moment
from mercato.catalog.snapshot import Snapshot
from mercato.state.values import EventTable
from tests import stores

YEAR = 365 * stores.DAY


def table(tmp_path: Path, days_ago: list[float]) -> EventTable:
    store = stores.SqliteStateStore(tmp_path / "state.db")
    store.append_events([stores.purchase(f"u{place}", "p01", days) for place, days in enumerate(days_ago)])
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
    assert snapshot.behaviour.momentum.fresh_buyers[row] == 3
    assert snapshot.behaviour.momentum.recent_buyers[row] == 3
    np.testing.assert_allclose(snapshot.behaviour.momentum.age_days[row], 400 - 365, atol=1e-3)


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
    assert Snapshot(tmp_path / "early").behaviour.momentum.recent_buyers[row] == 2  # not the one at the moment itself
