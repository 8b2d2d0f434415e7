"""Named numpy arrays in one file, memory-mapped when read.

The format is safetensors (huggingface.co/docs/safetensors, "Format"): eight bytes with the header's length, a JSON
header with dtype, shape and byte range of each array, then the arrays. Writing uses the library; reading maps the
file, because the library copies, and every server process reads the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from mercato.errors import SnapshotError

_HEADER_LENGTH_BYTES = 8
_DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "U32": np.uint32,
    "U64": np.uint64,
    "BOOL": np.bool_,
}


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays to one safetensors file.

    Args:
        path: the file to write.
        arrays: the arrays by name; any shape, made contiguous where they are not.
    """
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(path))
    path.chmod(0o644)  # the library writes files that only their owner reads


def map_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Map a safetensors file; the arrays are read-only views of it.

    Args:
        path: the file.

    Returns:
        The arrays by name.

    Raises:
        SnapshotError: the file is missing, truncated, or not of this format.
    """
    try:
        raw = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    except (OSError, ValueError) as exc:
        raise SnapshotError(
            f"{path.name}: cannot be read ({exc}); build the snapshot again with `mercato index`"
        ) from exc
    try:
        header_bytes = int(raw[:_HEADER_LENGTH_BYTES].view("<u8")[0])
        start = _HEADER_LENGTH_BYTES + header_bytes
        header = json.loads(raw[_HEADER_LENGTH_BYTES:start].tobytes())
        arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, end = entry["data_offsets"]
            if start + end > raw.size:
                raise ValueError(f"array {name} ends at byte {start + end} of {raw.size}")
            arrays[name] = raw[start + first : start + end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise SnapshotError(f"{path.name}: truncated or altered ({exc}); build the snapshot again") from exc
    return arrays


def write_start(path: Path, array: npt.NDArray[Any]) -> None:
    """Write what an array is at first, for `map_start`."""
    np.save(path, array)


def map_start(path: Path) -> npt.NDArray[Any] | None:
    """Map an array that processes write to, each for itself; None where there is no such file.

    Until a process writes to a page, it shares it with all others; nothing that is written reaches the file.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    if not path.exists():
        return None
    try:
        mapped: npt.NDArray[Any] = np.load(path, mmap_mode="c").view(np.ndarray)
    except (OSError, ValueError, EOFError) as exc:
        raise SnapshotError(f"{path.name}: truncated or altered ({exc}); build the snapshot again") from exc
    return mapped
