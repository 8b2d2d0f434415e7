"""Filling the collection of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mercato.errors import CollectionError
from mercato.index.snapshot import Snapshot
from mercato.milvus.address import MilvusAddress
from mercato.milvus.collection import (
    TEXT,
    VECTOR,
    CollectionFacts,
    check_collection,
    compute_fingerprint,
    create_collection,
    index_collection,
    list_others,
    name_collection,
)
from mercato.milvus.connection import translate
from mercato.milvus.facts import TOKENS, Facts, choose_number_fields, collect_facts, name_range
from mercato.progress import Progress

BATCH = 1_000
"""Texts of one call: 1.5 MB of vectors of 384 numbers, far below the 64 MB that a server takes by default."""
ANSWER_S = 60.0
"""Seconds of a call, but for those that wait for an index."""


def load_snapshot(
    client: Any, address: MilvusAddress, snapshot: Snapshot, progress: Progress, *, drop_others: bool = False
) -> dict[str, Any]:
    """Fill the collection of a snapshot; one that is whole stays as it is, one that is not is filled anew.

    Args:
        client: from `connect`.
        address: where it is.
        snapshot: the snapshot.
        progress: is told how far it is.
        drop_others: drop the collections of this shop's other snapshots afterwards.

    Returns:
        Its name, how many texts it has, whether it was there already, and which others were dropped.

    Raises:
        DenseError: the server cannot be asked, or what it holds afterwards is not what was sent.
    """
    manifest = snapshot.manifest
    name = name_collection(address, manifest)
    with translate(address):
        found = _is_whole(client, address, snapshot)
        if not found:
            _fill(client, name, snapshot, progress)
        check_collection(client, address, manifest, timeout_s=ANSWER_S)
        dropped = list_others(client, address, name) if drop_others else []
        for other in dropped:
            client.drop_collection(other)
    return {"collection": name, "texts": manifest.texts, "found": found, "dropped": dropped}


def _is_whole(client: Any, address: MilvusAddress, snapshot: Snapshot) -> bool:
    try:
        check_collection(client, address, snapshot.manifest, timeout_s=ANSWER_S)
    except CollectionError:
        return False
    return True


def _fill(client: Any, name: str, snapshot: Snapshot, progress: Progress) -> None:
    manifest = snapshot.manifest
    if client.has_collection(name):
        client.drop_collection(name)
    facts = CollectionFacts(
        fingerprint=compute_fingerprint(manifest),
        texts=manifest.texts,
        dimension=manifest.dimension,
        fields=choose_number_fields(snapshot.columns),
    )
    create_collection(client, name, facts)
    collected = collect_facts(snapshot.columns, snapshot.texts.text_of_row, manifest.texts)
    for start in range(0, manifest.texts, BATCH):
        stop = min(start + BATCH, manifest.texts)
        client.insert(name, list(_make_entities(snapshot, collected, start, stop)), timeout=ANSWER_S)
        progress("texts", stop, manifest.texts)
    client.flush(name)
    index_collection(client, name)


def _make_entities(snapshot: Snapshot, facts: Facts, start: int, stop: int) -> Iterator[dict[str, Any]]:
    vectors = snapshot.dense.vectors[start:stop]
    for text in range(start, stop):
        entity: dict[str, Any] = {
            TEXT: text,
            VECTOR: vectors[text - start],
            TOKENS: facts.tokens[facts.starts[text] : facts.starts[text + 1]].tolist(),
        }
        for position in range(len(facts.fields)):
            low, high = name_range(position)
            entity[low], entity[high] = float(facts.low[position, text]), float(facts.high[position, text])
        yield entity
