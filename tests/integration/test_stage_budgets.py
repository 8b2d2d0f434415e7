"""A stage that hangs behind calls on the real server: its budget ends, and the answer says what is missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mercato_client import Client
from mercato_client.types import ResultPage

from mercato.serving.server import TritonServer
from tests.integration.conftest import PATIENCE_S, PATIENT, ROOT, Shop

pytestmark = pytest.mark.triton

CONTEXT = {"time": 1_700_000_000}
# Ends soon where a stage hangs, and late enough for a busy machine where none does.
BUDGETS_MS = {"encoder": 1500, "ranker": 1500}
REQUESTS = 6
"""More than the instances of search and the calls that each may have under way."""


HOLD = """

# Added by a test: the model hangs in its work while a file exists.
import time
from pathlib import Path

_answer = TritonPythonModel.execute


def _hang(self, requests):
    while Path({path!r}).exists():
        time.sleep(0.02)
    return _answer(self, requests)


TritonPythonModel.execute = _hang
"""


@dataclass(frozen=True)
class HangingServer:
    """A server of the project's models, of which some can be made to hang.

    Attributes:
        running: the server.
        folder: holds a file named as a model while it hangs.
    """

    running: TritonServer
    folder: Path

    @contextmanager
    def hang(self, model: str) -> Iterator[None]:
        (self.folder / model).touch()
        try:
            yield
        finally:
            (self.folder / model).unlink()


@pytest.fixture(scope="module")
def server(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HangingServer]:
    folder = tmp_path_factory.mktemp("budget-server")
    repository = folder / "repository"
    shutil.copytree(ROOT / "model_repository", repository, ignore=shutil.ignore_patterns("__pycache__"))
    for model in BUDGETS_MS:
        with (repository / model / "1" / "model.py").open("a") as code:
            code.write(HOLD.format(path=str(folder / model)))
    options = shop.options(
        folder,
        profile="cpu-bls",
        repository=repository,
        supervised=False,  # a model that hangs must not be reloaded before a test has looked
        stage_budgets_ms=BUDGETS_MS,
    )
    with TritonServer(options) as running:
        yield HangingServer(running, folder)


@pytest.fixture
def bls(server: HangingServer) -> Iterator[Client]:
    with Client(server.running.grpc_address, timeouts=PATIENT) as connected:
        yield connected


def search(client: Client) -> ResultPage:
    return client.search("frozen pizza", context=CONTEXT)


def await_whole(client: Client) -> ResultPage:
    """Ask until nothing is missing from the answers of any instance."""
    deadline = time.monotonic() + PATIENCE_S
    whole = 0
    while whole < REQUESTS:
        assert time.monotonic() < deadline, "the stage came back and is still left out"
        page = search(client)
        whole = whole + 1 if page.degraded == () else 0
        if page.degraded:
            time.sleep(0.05)
    return page


def test_search_goes_by_words_while_the_encoder_hangs(server: HangingServer, bls: Client) -> None:
    before = [product.id for product in await_whole(bls).results]
    with server.hang("encoder"):
        pages = [search(bls) for _ in range(REQUESTS)]
        assert [page.degraded for page in pages] == [("encoder",)] * REQUESTS
        assert {source for page in pages for product in page.results for source in product.sources} == {"words"}
        assert bls.recommend("home-page").degraded == (), "which needs no encoder"
    assert [product.id for product in await_whole(bls).results] == before


def test_search_keeps_the_order_of_retrieval_while_the_ranker_hangs(server: HangingServer, bls: Client) -> None:
    before = [product.id for product in await_whole(bls).results]
    with server.hang("ranker"):
        pages = [search(bls) for _ in range(REQUESTS)]
        assert [page.degraded for page in pages] == [("ranker",)] * REQUESTS
        assert all(len(page.results) == len(before) for page in pages)
    assert [product.id for product in await_whole(bls).results] == before
