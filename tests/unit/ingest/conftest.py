"""The small shop, with a state store to write to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.state.sqlite import SqliteStateStore
from tests import stores


@pytest.fixture(scope="session")
def ingest_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ingest")
    stores.build(folder / "catalog")
    return folder / "catalog"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def catalog(ingest_snapshot: Path, state: SqliteStateStore) -> LiveCatalog:
    return LiveCatalog(Snapshot(ingest_snapshot), state)
