"""The small shop for policies, behind a pipeline without a ranker or with one that a test decides."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.state.sqlite import SqliteStateStore
from tests import stores


@pytest.fixture(scope="session")
def policy_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred and fifty kinds of tea beside the forty products, so that searches reach beyond the window."""
    teas = [
        stores.product(
            f"t{number:03d}",
            f"Fine tea number {number}",
            brand="Acme" if number % 3 else "Leaf",
            price=None if number == 5 else 1 + (number * 7 % 300) / 10,
            available_time=f"2020-01-{1 + number % 28:02d}T00:00:00Z",
        )
        for number in range(250)
    ]
    folder = tmp_path_factory.mktemp("policy")
    stores.build(folder / "catalog", [*stores.make_products(), *teas])
    return folder / "catalog"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def catalog(policy_snapshot: Path, state: SqliteStateStore) -> LiveCatalog:
    return LiveCatalog(Snapshot(policy_snapshot), state)
