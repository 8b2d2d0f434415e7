"""The columns of some products of a catalogue, cut out of those of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Int32
from mercato.catalog.columns import ColumnSet
from mercato.index.dense import expand_groups

_OF_VARIANTS = "variants."

Arrays = Mapping[str, npt.NDArray[Any]]


def cut_columns(columns: ColumnSet, place: Int32) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any], Int32]:
    """Cut out the columns of some products; every field stays, and of its values those that one of them has.

    Args:
        columns: of all products.
        place: int32 [products], the row that each gets; -1 for those that go.

    Returns:
        The arrays and what is stored beside them; and int32 [variants], the place of each variant, -1 where it goes.
    """
    arrays, meta = columns.arrays(), columns.meta()
    variants = np.full(len(columns.variant_products), -1, np.int32)
    cut, described = _cut(arrays, meta, place)
    if columns.variants is not None:
        owners = place[columns.variant_products]
        kept = np.flatnonzero(owners >= 0)
        variants[kept] = np.arange(len(kept), dtype=np.int32)
        own, own_meta = _cut(
            {name.removeprefix(_OF_VARIANTS): array for name, array in arrays.items() if _OF_VARIANTS in name},
            meta["variants"],
            variants,
        )
        own["products"] = owners[kept]
        cut |= {_OF_VARIANTS + name: array for name, array in own.items()}
        described["variants"] = own_meta
    return cut, described, variants


def _cut(
    arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any], place: Int32
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    count = int(np.count_nonzero(place >= 0))
    texts, text_bounds = _cut_texts(arrays, place)
    kept = place[arrays["number.rows"]] >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    numbers = {
        "number.dense": arrays["number.dense"][:, np.flatnonzero(place >= 0)],
        "number.rows": place[arrays["number.rows"][kept]],
        "number.values": arrays["number.values"][kept],
    }
    described = {
        **meta,
        "count": count,
        "text": {field: text_bounds[ends].tolist() for field, ends in meta["text"].items()},
        "sparse": {field: before[ends].tolist() for field, ends in meta["sparse"].items()},
    }
    return {**texts, **numbers}, described


def _cut_texts(arrays: Arrays, place: Int32) -> tuple[Arrays, npt.NDArray[np.int64]]:
    """Cut the values that some product has, with its rows; returns too how many values stay before each."""
    stays = place[arrays["text.rows"]] >= 0
    before = np.concatenate([[0], np.cumsum(stays)])
    sizes = np.diff(before[arrays["text.indptr"]])
    values = np.flatnonzero(sizes)
    positions, _ = expand_groups(values, arrays["text.bounds"])
    lengths = np.diff(arrays["text.bounds"])[values]
    cut = {
        "text.blob": arrays["text.blob"][positions],
        "text.bounds": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "text.indptr": np.concatenate([[0], np.cumsum(sizes[values])]).astype(np.int64),
        "text.rows": place[arrays["text.rows"][stays]],
    }
    return cut, np.concatenate([[0], np.cumsum(sizes > 0)]).astype(np.int64)
