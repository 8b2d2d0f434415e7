"""What a shard holds of a catalogue, and what stays whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mercato.errors import DataError, SnapshotError
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.part import read_kind
from mercato.index.snapshot import Snapshot, verify_snapshot
from mercato.shards.cut import ROUTER, cut_snapshot
from tests.unit.shards.conftest import SHARDS


def test_every_product_is_in_one_shard_with_what_is_kept_of_it(shop: Path, cut: Path) -> None:
    whole = Snapshot(shop)
    seen = np.zeros(whole.count, np.int64)
    for number in range(1, SHARDS + 1):
        verify_snapshot(cut / str(number))
        shard = Snapshot(cut / str(number))
        assert shard.part.rows is not None
        rows = shard.part.rows
        seen[rows] += 1
        assert [shard.documents.id(row) for row in range(shard.count)] == [whole.documents.id(row) for row in rows]
        assert shard.documents.document(0) == whole.documents.document(int(rows[0]))
        np.testing.assert_array_equal(shard.vectors(np.arange(shard.count)), whole.vectors(rows))
        np.testing.assert_array_equal(shard.features.price, whole.features.price[rows])
        for term in ("lamp", "acm", "mug"):
            everywhere, scores = whole.words.lookup(term)
            here, own = shard.words.lookup(term)
            np.testing.assert_array_equal(rows[here], everywhere[np.isin(everywhere, rows)])
            np.testing.assert_array_equal(own, scores[np.isin(everywhere, rows)])
            assert shard.words.frequency(term) == len(everywhere)
    assert (seen == 1).all()


@pytest.mark.parametrize(
    "condition", ['brand: ANY("Acme")', 'size: ANY("M") AND price > 40', "weight < 10", 'words: ANY("lamp")']
)
def test_filters_pass_the_same_products(shop: Path, cut: Path, condition: str) -> None:
    parsed = parse_filter(condition)
    whole = LiveCatalog(Snapshot(shop), None).find_passing(parsed).rows
    found = np.zeros_like(whole)
    for number in range(1, SHARDS + 1):
        shard = LiveCatalog(Snapshot(cut / str(number)), None)
        assert shard.snapshot.part.rows is not None
        found[shard.snapshot.part.rows] = shard.find_passing(parsed).rows
    np.testing.assert_array_equal(found, whole)


def test_products_of_one_text_or_one_group_lie_together(shop: Path, cut: Path) -> None:
    whole, catalog = Snapshot(shop), Snapshot(cut / ROUTER)
    for keys in (whole.texts.text_of_row, whole.groups):
        for key in np.unique(keys[keys >= 0]):
            assert len(np.unique(catalog.part.owners[keys == key])) == 1


def test_kinds_of_catalogues_are_told_apart(shop: Path, cut: Path) -> None:
    assert [read_kind(folder) for folder in (shop, cut / ROUTER, cut / "1")] == ["whole", "router", "shard"]
    with pytest.raises(SnapshotError, match="its vectors lie in shards; serve it with --shards"):
        _ = Snapshot(cut / ROUTER).dense


def test_what_cannot_be_cut_is_said(shop: Path, cut: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists"):
        cut_snapshot(shop, cut, 2)
    with pytest.raises(DataError, match="from 1 to 1000"):
        cut_snapshot(shop, tmp_path / "none", 0)
    with pytest.raises(DataError, match="is cut already"):
        cut_snapshot(cut / "1", tmp_path / "again", 2)
    with pytest.raises(DataError, match="of them would hold no product"):
        cut_snapshot(shop, tmp_path / "many", 900)
    assert not (tmp_path / "many").exists()
