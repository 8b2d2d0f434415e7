"""A snapshot of the small shop, and retrievers over histories of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mercato.events.event import Event
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores

MakeRetriever = Callable[[list[Event]], Retriever]


@pytest.fixture(scope="session")
def explained_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty products, with what the purchases of six households teach."""
    folder = tmp_path_factory.mktemp("explained")
    store = stores.open_store(folder / "learned.db", stores.make_purchases())
    stores.build(folder / "catalog", events=store.event_columns())
    store.close()
    return folder / "catalog"


@pytest.fixture
def retriever_with(explained_shop: Path, tmp_path: Path) -> Iterator[MakeRetriever]:
    """Make a retriever whose state holds some events and no others."""
    opened: list[SqliteStateStore] = []

    def make(events: list[Event]) -> Retriever:
        store = stores.open_store(tmp_path / f"state-{len(opened)}.db", events)
        opened.append(store)
        snapshot = Snapshot(explained_shop)
        snapshot.floor = None  # whatever is near matches
        return Retriever(LiveCatalog(snapshot, store), store)

    yield make
    for store in opened:
        store.close()
