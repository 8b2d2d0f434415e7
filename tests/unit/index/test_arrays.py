import json
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import SnapshotError
from mercato.index.arrays import map_arrays, map_start, write_arrays, write_start

ARRAYS = {
    "vectors": np.arange(6, dtype=np.float32).reshape(2, 3),
    "rows": np.array([3, -1], np.int32),
    "mask": np.array([True, False, True]),
    "hashes": np.array([2**64 - 1, 0], np.uint64),
    "wide": np.array([2**40], np.int64),
    "prices": np.array([np.nan, 1.5]),
    "nothing": np.zeros((0, 4), np.float32),
}


def test_arrays_come_back_with_type_shape_and_values(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS)

    mapped = map_arrays(tmp_path / "a")

    assert mapped.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert mapped[name].dtype == array.dtype
        assert mapped[name].shape == array.shape
        np.testing.assert_array_equal(mapped[name], array)


def test_a_transposed_array_is_written_in_its_own_order(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", {"t": np.array([[1, 2], [3, 4]], np.int32).T})

    assert map_arrays(tmp_path / "a")["t"].tolist() == [[1, 3], [2, 4]]


def test_mapped_arrays_cannot_be_written_to(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS)

    with pytest.raises(ValueError, match="read-only"):
        map_arrays(tmp_path / "a")["rows"][0] = 1


def test_others_may_read_the_file(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("kept", [0, 4, 8, 20, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "features.safetensors"
    write_arrays(path, ARRAYS)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(SnapshotError, match=r"features\.safetensors: .*build the snapshot again"):
        map_arrays(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"gone\.safetensors: cannot be read .*mercato index"):
        map_arrays(tmp_path / "gone.safetensors")


@pytest.mark.parametrize(
    "header",
    [
        b"[]",  # no object
        b"{",  # no JSON
        b"\xff\xfe",  # no UTF-8
        json.dumps({"a": 3}).encode(),
        json.dumps({"a": {"dtype": "F32", "shape": [2]}}).encode(),  # no place
        json.dumps({"a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}).encode(),
        json.dumps({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}).encode(),  # 8 bytes are 2 numbers
        json.dumps({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}).encode(),  # 12 of 8 bytes
    ],
)
def test_an_altered_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))

    with pytest.raises(SnapshotError, match="a: truncated or altered"):
        map_arrays(path)


def test_what_a_process_writes_to_a_mapped_start_stays_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    write_start(path, np.arange(4, dtype=np.int32))
    one, other = map_start(path), map_start(path)

    assert one is not None and other is not None
    one[2] = -1
    assert one.tolist() == [0, 1, -1, 3]
    assert other.tolist() == [0, 1, 2, 3]
    again = map_start(path)
    assert again is not None and again.tolist() == [0, 1, 2, 3]
    assert map_start(tmp_path / "gone.npy") is None


def test_a_truncated_start_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    write_start(path, np.arange(4, dtype=np.int32))
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(SnapshotError, match=r"rows\.npy: truncated or altered .*; build the snapshot again"):
        map_start(path)
