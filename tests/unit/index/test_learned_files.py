"""What histories taught, through its file: every part comes back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import SnapshotError
from mercato.events.event import Event
from mercato.index.arrays import map_arrays
from mercato.index.learned import Learned, Signal, read_learned, write_learned
from mercato.index.snapshot import Snapshot
from mercato.indexing.learn import learn_signals, list_regions, select_events
from mercato.retrieval.nearness import FACTORS
from mercato.retrieval.sources.regional import REGIONAL_SALES
from mercato.retrieval.sources.registry import list_signals
from mercato.signals.neighbours import Neighbours
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
def learned(tmp_path: Path) -> Learned:
    store = stores.open_store(tmp_path / "state.db", regional_purchases())
    table = store.event_columns()
    store.close()
    weighted, purchases = select_events(table, {name: row for row, name in enumerate(NAMES)})
    regions = list_regions(table)
    return learn_signals(weighted, purchases, len(NAMES), until=stores.NOW, regions=regions, counts=True).learned


def test_what_was_learned_comes_back(learned: Learned, tmp_path: Path) -> None:
    write_learned(tmp_path, learned)
    read = read_learned(tmp_path)

    assert (read.until, read.bought) == (stores.NOW, True)
    assert read.get(REGIONAL_SALES).count_buyers("lyon ", NAMES.index("p31")) == (10, 10)
    assert len(read.get(FACTORS).rows) == 3
    for signal in (*list_signals(counts=True), FACTORS):
        one, other = learned.get(signal), read.get(signal)
        for name in one.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=f"{signal.name}.{name}")


def test_each_signal_is_stored_under_its_name_and_the_old_files_keep_theirs(learned: Learned, tmp_path: Path) -> None:
    write_learned(tmp_path, learned)
    names = {file: set(map_arrays(tmp_path / f"{file}.safetensors")) for file in ("signals", "behaviour", "together")}
    assert names["signals"] == {"indptr", "neighbours", "scores"}
    assert names["together"] == {"bought", "orders", "shoppers", "lately"}
    assert {name.partition(".")[0] for name in names["behaviour"]} >= {
        "ease", "lately", "momentum", "factors", "regional", "until",
    }  # fmt: skip


def test_a_signal_that_the_snapshot_lacks_is_refused_or_stood_for(learned: Learned, tmp_path: Path) -> None:
    write_learned(tmp_path, learned)
    unknown = Signal(name="weather", kind=Neighbours, learn=lambda data: Neighbours.empty(data.product_count))
    with pytest.raises(SnapshotError, match=r"nothing was learned of 'weather'; build the snapshot again .*index"):
        read_learned(tmp_path).get(unknown)
    stood_for = replace(unknown, missing=lambda: Neighbours.empty(3))
    assert len(read_learned(tmp_path).get(stood_for).indptr) == 4


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"behaviour\.safetensors: cannot be read .*mercato index"):
        read_learned(tmp_path)


def test_a_snapshot_knows_what_sells_where(tmp_path: Path) -> None:
    store = stores.open_store(tmp_path / "state.db", regional_purchases())
    stores.build(tmp_path / "catalog", events=store.event_columns())
    store.close()
    snapshot = Snapshot(tmp_path / "catalog")

    best = {
        region: snapshot.learned.get(REGIONAL_SALES).rank(region)[0].tolist()
        for region in ("Lyon", "LILLE", "", "Nice")
    }

    row = snapshot.row_by_id
    assert best == {"Lyon": [row["p31"]], "LILLE": [row["p33"]], "": [], "Nice": []}
    assert snapshot.learned.until == stores.NOW
