"""The small shop behind a pipeline, and stages that count or fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores


@pytest.fixture(scope="session")
def small_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of forty products that has learned from the purchases of six households."""
    folder = tmp_path_factory.mktemp("pipeline")
    store = stores.open_store(folder / "learned.db", stores.make_purchases())
    stores.build(folder / "catalog", events=store.event_columns())
    store.close()
    return folder / "catalog"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db", stores.make_purchases())
    yield store
    store.close()


@pytest.fixture
def catalog(small_snapshot: Path, state: SqliteStateStore) -> LiveCatalog:
    """The shop; whatever is near matches, since the stages are tested on long lists."""
    snapshot = Snapshot(small_snapshot)
    snapshot.floor = None
    return LiveCatalog(snapshot, state)


@pytest.fixture
def retriever(catalog: LiveCatalog, state: SqliteStateStore) -> Retriever:
    return Retriever(catalog, state)
