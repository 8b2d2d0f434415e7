"""The file of bundles: it comes back as it was, a snapshot without it has none, a damaged one is refused."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import SnapshotError
from mercato.index import layout
from mercato.index.bundles import Bundles, no_bundles, pack_bundles, read_bundles, write_bundles
from mercato.index.snapshot import Snapshot
from mercato.manifest import MANIFEST_FILE
from tests import stores


def make() -> Bundles:
    members = np.array([[0, 3, -1, -1], [0, 1, 3, 5]], np.int32)
    support = np.arange(32, dtype=np.float32).reshape(2, 16)
    return pack_bundles(members, np.array([9, 6], np.int32), support, shoppers=40.0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for bundles in (make(), no_bundles()):
        write_bundles(tmp_path / "bundles", bundles)
        read = read_bundles(tmp_path / "bundles")
        for field in fields(Bundles):
            one, other = getattr(bundles, field.name), getattr(read, field.name)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("rows", "found"), [([3], [0, 1]), ([1], [1]), ([2], []), ([], []), ([5, 0, 5], [0, 1]), ([-1, 6, 900], [])]
)
def test_bundles_are_found_by_what_they_hold(rows: list[int], found: list[int]) -> None:
    assert make().find(np.array(rows, np.int32)).tolist() == found
    assert no_bundles().find(np.array(rows, np.int32)).tolist() == []


def test_a_snapshot_from_before_has_none(tmp_path: Path) -> None:
    stores.build(tmp_path / "catalog")
    folder = (tmp_path / "catalog").resolve()
    assert len(Snapshot(folder).bundles) == 0
    (folder / layout.BUNDLES).unlink()
    manifest = folder / MANIFEST_FILE
    lines = manifest.read_text().replace(f'"{layout.BUNDLES}"', '"bundles.gone"')
    assert "bundles.gone" in lines
    assert len(read_bundles(folder / layout.BUNDLES)) == 0


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write_bundles(tmp_path / "bundles", make())
    whole = (tmp_path / "bundles").read_bytes()
    (tmp_path / "bundles").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SnapshotError, match="bundles: truncated or altered"):
        read_bundles(tmp_path / "bundles")
