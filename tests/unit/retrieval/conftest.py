"""A snapshot of the small shop, built once, and states beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests.stores import build, make_purchases, open_store


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop, with what its purchases teach."""
    folder = tmp_path_factory.mktemp("shop")
    store = open_store(folder / "state.db", make_purchases())
    build(folder / "catalog", events=store.event_columns())
    store.close()
    return folder / "catalog"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    """A state of its own with the shop's purchases; no product was changed yet."""
    store = open_store(tmp_path / "state.db", make_purchases())
    yield store
    store.close()


@pytest.fixture
def catalog(shop_folder: Path, store: SqliteStateStore) -> LiveCatalog:
    return LiveCatalog(Snapshot(shop_folder), store)


@pytest.fixture
def retriever(catalog: LiveCatalog, store: SqliteStateStore) -> Retriever:
    return Retriever(catalog, store)
