"""What histories taught, through its file: every part comes back."""

from pathlib import Path

import numpy as np
import pytest

from mercato.errors import SnapshotError
from mercato.events.event import Event
from mercato.index.behaviour import Behaviour, read_behaviour, write_behaviour
from mercato.index.snapshot import Snapshot
from mercato.indexing.learn import learn_signals, list_regions, select_events
from tests import stores

NAMES = [product.id for product in stores.make_products()]


def regional_purchases() -> list[Event]:
    """Ten shoppers of Lyon buy p31, ten of Lille p33; who does not say where buys p35."""
    bought = [("Lyon", "p31"), ("Lille", "p33"), ("", "p35")]
    return [
        stores.event(
            "purchase-complete",
            product_id,
            2,
            user_id=f"{region}{number}",
            context={"region": region, "device": "phone"} if region else {},
        )
        for region, product_id in bought
        for number in range(10)
    ]


@pytest.fixture
def learned(tmp_path: Path) -> Behaviour:
    store = stores.open_store(tmp_path / "state.db", regional_purchases())
    table = store.event_columns()
    store.close()
    telling, purchases = select_events(table, NAMES)
    return learn_signals(telling, purchases, len(NAMES), until=stores.NOW, regions=list_regions(table)).behaviour


def test_what_was_learned_comes_back(learned: Behaviour, tmp_path: Path) -> None:
    write_behaviour(tmp_path / "file", learned)
    read = read_behaviour(tmp_path / "file")

    assert read.until == stores.NOW
    assert read.regional.count_buyers("lyon ", NAMES.index("p31")) == (10, 10)
    assert len(read.factors.rows) == 3
    for part in ("ease", "lately", "momentum", "factors", "regional"):
        one, other = getattr(learned, part), getattr(read, part)
        for name in one.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=f"{part}.{name}")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"behaviour\.safetensors: cannot be read .*mercato index"):
        read_behaviour(tmp_path / "behaviour.safetensors")


def test_a_snapshot_knows_what_sells_where(tmp_path: Path) -> None:
    store = stores.open_store(tmp_path / "state.db", regional_purchases())
    stores.build(tmp_path / "catalog", events=store.event_columns())
    store.close()
    snapshot = Snapshot(tmp_path / "catalog")

    best = {region: snapshot.behaviour.regional.rank(region)[0].tolist() for region in ("Lyon", "LILLE", "", "Nice")}

    row = snapshot.row_by_id
    assert best == {"Lyon": [row["p31"]], "LILLE": [row["p33"]], "": [], "Nice": []}
    assert snapshot.behaviour.until == stores.NOW
