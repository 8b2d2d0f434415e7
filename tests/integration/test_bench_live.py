"""`mercato bench` against a real server: every workload answered, each process and stage counted, events erased."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mercato.serving.server import TritonServer
from mercato.state.store import open_state
from tests.adapters.tiny_models import write_reranker
from tests.integration.conftest import Shop, run_mercato

pytestmark = pytest.mark.triton

SHORT = ("--callers", "4", "--load-percent", "50", "--seconds", "1", "--warm-up-s", "0.2", "--timeout-s", "30")


@pytest.fixture(scope="module")
def server(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server of its own, since events are written and erased; with a reranker."""
    reranker = write_reranker(tmp_path_factory.mktemp("reranker"), {"frozen": 1.0}, weight=0.5)
    with TritonServer(
        shop.options(tmp_path_factory.mktemp("bench-server"), reranker=reranker, rerank_budget_ms=60_000)
    ) as running:
        yield running


def bench(folder: Path, server: TritonServer, *arguments: str) -> dict[str, Any]:
    done = run_mercato("bench", "--server", server.grpc_address, *SHORT, "--json", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_every_workload_of_a_real_server(server: TritonServer, tmp_path: Path) -> None:
    state = str(server.options.state)
    document = bench(tmp_path, server, "--draw", "unique", "--write", "--state", state, "--out", "out")
    points = document["points"]
    assert [point["workload"] for point in points[::2]] == ["search", "rerank", "recommend", "similar", "events"]
    assert [point["errors"] for point in points] == [{}] * len(points)
    assert all(point["queries_per_s"] > 0 for point in points)
    for point in points:
        model = {"search": "search", "rerank": "search", "events": "events"}.get(point["workload"], "recommend")
        assert point["cpu_ms_by_process"][f"stub of {model}"] > 0
        assert point["mean_batch"] >= 1
        assert 0 < point["memory_mib"]["pss"] <= point["memory_mib"]["rss"]
    stages = {point["workload"]: set(point["stages_ms"]) for point in points}
    assert {"queue", "encode", "retrieve", "rank"} <= stages["search"]
    assert "rerank" in stages["rerank"] and "rerank" not in stages["search"]
    assert document["server"]["local"] is True
    assert document["written"]["erased"] > 0
    store = open_state(state)
    assert sum(len(batch) for batch in store.export_events()) == 0
    store.close()
    assert len(document["files"]) == 1 + 3 * 5


def test_what_a_catalogue_and_files_hold_is_asked_for(server: TritonServer, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text("frozen pizza\ncoffee\n")
    (tmp_path / "users.txt").write_text("nobody\n")
    files = ("--catalog", str(shop.catalog), "--query-file", "queries.txt", "--users", "users.txt")
    document = bench(tmp_path, server, "--workload", "search", "--workload", "recommend", "--draw", "zipf", *files)
    told = document["options"]
    assert (told["queries"], told["users"], told["products"]) == (2, 1, len(shop.products))
    assert "written" not in document


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = run_mercato("bench", "--server", "127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 1
    assert "no server answers at 127.0.0.1:1" in done.stderr
