"""A snapshot of the small shop, and a client that answers as Milvus does, from the snapshot's own vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.errors import DenseError
from mercato.index.snapshot import Snapshot
from mercato.milvus.address import parse_address
from mercato.milvus.collection import CollectionFacts, compute_fingerprint, name_collection
from mercato.milvus.facts import Facts, choose_number_fields, collect_facts
from mercato.milvus.texts import MilvusTexts
from tests.stores import build
from tests.unit.milvus.asked import answer_expression

ADDRESS = parse_address("milvus://127.0.0.1:1/shop")


class Hits:
    def __init__(self, ids: list[int], distances: list[float]) -> None:
        self.ids, self.distances = ids, distances


class Collection:
    """A client of one collection, at the boundary to pymilvus.

    Attributes:
        calls: filter, number of queries and limit of each search.
        failing: what the next calls raise; None for nothing.
        loaded: how often it was loaded.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        manifest = snapshot.manifest
        self.snapshot = snapshot
        self.name = name_collection(ADDRESS, manifest)
        self.said = CollectionFacts(
            fingerprint=compute_fingerprint(manifest),
            texts=manifest.texts,
            dimension=manifest.dimension,
            fields=choose_number_fields(snapshot.columns),
        ).write()
        self.index: dict[str, Any] | None = {"metric_type": "IP"}
        self.texts = manifest.texts
        self.facts: Facts = collect_facts(snapshot.columns, snapshot.texts.text_of_row, manifest.texts)
        self.others: list[str] = []
        self.calls: list[tuple[str, int, int]] = []
        self.failing: Exception | None = None
        self.loaded = 0

    def has_collection(self, name: str, **_: Any) -> bool:
        return name == self.name

    def list_collections(self) -> list[str]:
        return [self.name, *self.others]

    def describe_collection(self, name: str, **_: Any) -> dict[str, Any]:
        return {"description": self.said}

    def describe_index(self, name: str, field: str, **_: Any) -> dict[str, Any] | None:
        return self.index

    def load_collection(self, name: str, **_: Any) -> None:
        self.loaded += 1

    def query(self, name: str, **_: Any) -> list[dict[str, int]]:
        return [{"count(*)": self.texts}]

    def search(self, name: str, *, data: list[Any], filter: str, limit: int, **_: Any) -> list[Hits]:  # noqa: A002
        if self.failing is not None:
            raise self.failing
        self.calls.append((filter, len(data), limit))
        passing = np.flatnonzero(answer_expression(filter, self.facts))
        answers = []
        for query in data:
            scores = self.snapshot.dense.vectors[passing] @ query
            best = np.argsort(-scores, kind="stable")[:limit]
            answers.append(Hits(passing[best].tolist(), scores[best].tolist()))
        return answers


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("milvus") / "catalog"
    build(folder)
    return Snapshot(folder)


@pytest.fixture
def collection(snapshot: Snapshot) -> Collection:
    return Collection(snapshot)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def texts(snapshot: Snapshot, collection: Collection, clock: Clock) -> MilvusTexts:
    def connect() -> Collection:
        if isinstance(collection.failing, DenseError):
            raise collection.failing
        return collection

    return MilvusTexts(connect, ADDRESS, snapshot, timeout_s=1.0, clock=clock)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "token"
