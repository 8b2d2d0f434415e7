"""Cutting a built snapshot into shards, and what a router opens of it.

What is said of the whole catalogue (statistics, lexicons, settings, what was learned) stays whole in every shard: only
products are shared out, with what is kept of each: its document, vector, postings, title, columns. So a shard scores a
product as the whole snapshot does, and nothing is learned twice. The router has of each product what the pipeline reads
behind retrieval (columns, features, signals), and neither document nor vector: these the shards send.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Int32, Int64
from mercato.errors import DataError
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.codes import CodeIndex, write_codes
from mercato.index.dense import build_dense_index, expand_groups
from mercato.index.documents import write_documents
from mercato.index.part import CatalogPart, write_part
from mercato.index.query_signals import QUERY_USE
from mercato.index.row_ids import write_rows
from mercato.index.snapshot import Snapshot
from mercato.index.text_lookup import hash_text
from mercato.index.titles import write_titles
from mercato.manifest import MANIFEST_FILE, record_folder, write_manifest
from mercato.shards.cut_columns import cut_columns

ROUTER = "router"
"""The folder of the router's catalogue beside those of the shards, which are called by their numbers, from 1."""
MOST_SHARDS = 1_000

_OF_PRODUCTS = {
    layout.PRODUCTS,
    layout.IDS,
    layout.ROWS,
    layout.ALIVE,
    layout.DENSE_INDEX,
    layout.COLUMNS,
    layout.COLUMNS_META,
    layout.TEXTS,
    layout.FEATURES,
    layout.CODES,
    layout.TITLES,
    layout.HELD_WORDS,
    layout.BEHAVIOUR,
    layout.BUNDLES,
    *(layout.SIGNALS, layout.TOGETHER),
    f"{layout.WORD_INDEX}/postings.safetensors",
    f"{layout.WORD_INDEX}/statistics.json",
    MANIFEST_FILE,
}
"""Files of which a shard has its own; every other file says something of the whole catalogue."""
_NOT_OF_ROUTER = {layout.PRODUCTS, layout.DENSE_INDEX, layout.TITLES, MANIFEST_FILE}


def share_out(snapshot: Snapshot, shards: int) -> Int32:
    """Choose the shard of each product: int32 [rows], from 0.

    By a hash of its id, so that shards are about as large as each other. Products that share a text lie together, since
    they share a vector, and so do those that the feed groups as variants: both go where the first of them goes.

    Args:
        snapshot: the whole catalogue.
        shards: how many there are.
    """
    first = np.arange(snapshot.count)
    grouped = np.flatnonzero(snapshot.groups >= 0)
    while True:  # a group whose members have several texts joins these, and the texts further groups
        joined = _spread_least(first, snapshot.texts.text_of_row.astype(np.int64))
        joined[grouped] = _spread_least(joined[grouped], snapshot.groups[grouped].astype(np.int64))
        if np.array_equal(joined, first):
            break
        first = joined
    leaders, place = np.unique(first, return_inverse=True)
    of_leader = [hash_text(snapshot.documents.id(row)) % shards for row in leaders.tolist()]
    return np.array(of_leader, np.int32)[place]


def cut_snapshot(catalog: Path, out: Path, shards: int) -> list[int]:
    """Cut a snapshot into shards.

    Args:
        catalog: the snapshot, whole.
        out: a folder, made here, with one for each shard, from 1, and one for the router.
        shards: how many.

    Returns:
        The number of products of each shard.

    Raises:
        DataError: ``out`` exists, or there cannot be so many shards.
        SnapshotError: the snapshot cannot be read.
    """
    if not 1 <= shards <= MOST_SHARDS:
        raise DataError(f"--shards {shards}: must be from 1 to {MOST_SHARDS}")
    if out.exists():
        raise DataError(f"--out {out}: exists; name a new folder, and serve that once it is there")
    snapshot = Snapshot(catalog)
    if snapshot.part.rows is not None or snapshot.part.is_router:
        raise DataError(f"catalogue {catalog}: is cut already; cut the snapshot that `mercato index` made")
    owners = share_out(snapshot, shards)
    counts: list[int] = np.bincount(owners, minlength=shards).tolist()
    if not all(counts):
        raise DataError(f"--shards {shards}: {counts.count(0)} of them would hold no product; ask for fewer")
    work = out.parent / f".{out.name}.cutting"
    shutil.rmtree(work, ignore_errors=True)
    for number in range(shards):
        rows = np.flatnonzero(owners == number).astype(np.int32)
        _write_shard(snapshot, rows, work / str(number + 1), number + 1, shards)
    _write_router(snapshot, owners, work / ROUTER, shards)
    os.rename(work, out)
    return counts


def _spread_least(values: Int64, keys: Int64) -> Int64:
    """Return for each value the least of those with its key, int64 [n]."""
    least = np.full(int(keys.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, keys, values)
    spread: Int64 = least[keys]
    return spread


def _write_router(snapshot: Snapshot, owners: Int32, folder: Path, shards: int) -> None:
    """Write what a router opens: all but the documents, vectors and titles of products."""
    _link_files(snapshot.folder, folder, _NOT_OF_ROUTER)
    write_documents(folder / layout.PRODUCTS, snapshot.documents.ids(), [b""] * snapshot.count)
    part = CatalogPart(
        products=snapshot.count,
        cut=snapshot.manifest.created,
        shards=shards,
        is_router=True,
        owners=owners.astype(np.int16),
    )
    write_part(folder, part)
    _finish(snapshot, folder, {})


def _write_shard(snapshot: Snapshot, rows: Int32, folder: Path, number: int, shards: int) -> None:
    """Write one shard: a snapshot of its own of some rows, int32 [n] ascending."""
    place = np.full(snapshot.count, -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    _link_files(snapshot.folder, folder, _OF_PRODUCTS)
    ids = [snapshot.documents.id(row) for row in rows.tolist()]
    write_documents(folder / layout.PRODUCTS, ids, [snapshot.documents.document(row) for row in rows.tolist()])
    write_rows(folder, ids)
    texts = _write_texts(snapshot, rows, folder)
    columns, meta, variants = cut_columns(snapshot.columns, place)
    write_arrays(folder / layout.COLUMNS, columns)
    (folder / layout.COLUMNS_META).write_text(json.dumps(meta), encoding="utf-8")
    write_arrays(folder / layout.FEATURES, _cut_features(map_arrays(snapshot.folder / layout.FEATURES), rows))
    here = place[snapshot.codes.rows] >= 0
    write_codes(
        folder / layout.CODES,
        CodeIndex(hashes=snapshot.codes.hashes[here], rows=place[snapshot.codes.rows[here]]),
    )
    if snapshot.titles is not None:
        write_titles(folder / layout.TITLES, snapshot.titles.take(rows.astype(np.int64)))
    _write_words(snapshot.folder, folder, place, len(rows))
    if (snapshot.folder / layout.HELD_WORDS).exists():
        _write_held_words(snapshot, folder, place, variants)
    use = snapshot.learned.get(QUERY_USE)
    learned = QUERY_USE.write(use) | {f"{QUERY_USE.name}.products": np.append(place, np.int32(-1))[use.products]}
    write_arrays(folder / layout.BEHAVIOUR, learned)
    for file in (layout.SIGNALS, layout.TOGETHER):
        write_arrays(folder / file, {"none": np.zeros(1, np.uint8)})
    part = CatalogPart(products=snapshot.count, rows=rows, cut=snapshot.manifest.created, number=number, shards=shards)
    write_part(folder, part)
    _finish(snapshot, folder, {"products": len(rows), "texts": texts})


def _finish(snapshot: Snapshot, folder: Path, changed: Mapping[str, int]) -> None:
    manifest = snapshot.manifest.model_copy(update={**changed, "files": record_folder(folder)})
    write_manifest(folder / MANIFEST_FILE, manifest)


def _link_files(source: Path, folder: Path, left_out: set[str]) -> None:
    """Give a folder the files of another, without copying where both are on one file system."""
    for path in sorted(source.rglob("*")):
        name = str(path.relative_to(source))
        if not path.is_file() or name in left_out:
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)


def _write_texts(snapshot: Snapshot, rows: Int32, folder: Path) -> int:
    """Write the texts that rows have, and the index of their vectors; returns how many texts there are."""
    known, text_of_row = np.unique(snapshot.texts.text_of_row[rows], return_inverse=True)
    grouped = np.argsort(text_of_row, kind="stable").astype(np.int32)
    bounds = np.concatenate([[0], np.cumsum(np.bincount(text_of_row, minlength=len(known)))])
    arrays = map_arrays(snapshot.folder / layout.TEXTS)
    own = {"text_of_row": text_of_row.astype(np.int32), "bounds": bounds.astype(np.int32), "rows": grouped}
    others = {name: array[known] for name, array in arrays.items() if name not in own}
    write_arrays(folder / layout.TEXTS, own | others)
    build_dense_index(snapshot.dense.take(known), folder / layout.DENSE_INDEX)
    return len(known)


def _cut_features(arrays: Mapping[str, npt.NDArray[Any]], rows: Int32) -> dict[str, npt.NDArray[Any]]:
    kept = {name: array[rows] if len(array) else array for name, array in arrays.items() if "kind_" not in name}
    bounds = arrays.get("kind_bounds")
    if bounds is None or not len(bounds):
        return kept
    positions, _ = expand_groups(rows.astype(np.int64), bounds)
    lengths = bounds[rows.astype(np.int64) + 1] - bounds[rows]
    kept["kind_bounds"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return kept | {name: arrays[name][positions] for name in ("kind_names", "kind_weights")}


def cut_postings(bounds: Int64, keep: Bool) -> Int64:
    """Return where lists begin and end once some of their members are gone.

    Args:
        bounds: int64 [lists + 1], of the members that there were.
        keep: bool [members], those that stay.
    """
    before: Int64 = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)[bounds]
    return before


def _write_words(source: Path, folder: Path, place: Int32, count: int) -> None:
    """Write the postings of the shard's rows; in how many products of the catalogue each term stands is kept."""
    arrays = map_arrays(source / layout.WORD_INDEX / "postings.safetensors")
    keep = place[arrays["rows"]] >= 0
    write_arrays(
        folder / layout.WORD_INDEX / "postings.safetensors",
        {
            "scores": arrays["scores"][keep],
            "rows": place[arrays["rows"][keep]],
            "bounds": cut_postings(arrays["bounds"], keep),
            "frequencies": np.diff(arrays["bounds"]).astype(np.int64),
        },
    )
    statistics = json.loads((source / layout.WORD_INDEX / "statistics.json").read_bytes())
    statistics["documents"] = count
    (folder / layout.WORD_INDEX / "statistics.json").write_text(json.dumps(statistics), encoding="utf-8")


def _write_held_words(snapshot: Snapshot, folder: Path, place: Int32, variants: Int32) -> None:
    """Write which products, and behind them which variants, hold a word; ``variants`` is the place of each."""
    arrays = map_arrays(snapshot.folder / layout.HELD_WORDS)
    count, here = int((place >= 0).sum()), np.concatenate([place, variants])
    here[len(place) :][variants >= 0] += count
    keep = here[arrays["rows"]] >= 0
    rows = here[arrays["rows"][keep]]
    sizes = np.array([count, int((variants >= 0).sum())], np.int64)
    own = {"rows": rows.astype(np.int32), "bounds": cut_postings(arrays["bounds"], keep), "sizes": sizes}
    write_arrays(folder / layout.HELD_WORDS, {"terms": arrays["terms"], **own})
