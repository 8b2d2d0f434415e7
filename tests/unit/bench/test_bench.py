"""The whole of a benchmark against a small real server: points, figures, files, refusals, and what was written."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mercato_client.contract import SEARCH
from typer.testing import CliRunner

from mercato.bench import plan as plans
from mercato.bench.document import choose_workloads, count_queries, erase, find_capacities, run_bench, write_bench
from mercato.bench.measure import choose_subjects, complete_values, list_warnings
from mercato.bench.plan import Plan
from mercato.bench.requests import WORKLOADS, Shop
from mercato.bench.shop import ShopFiles, find_products, read_lines
from mercato.cli.main import app
from mercato.errors import DataError, InvalidInputError, MercatoError, ServerError
from mercato.events.event import Event
from mercato.state.store import open_state
from tests.unit.bench.triton_double import TritonDouble, serve_double

SHORT: dict[str, Any] = {
    "callers": (1, 2),
    "load_percent": (50.0,),
    "seconds": 0.6,
    "warm_up_s": 0.05,
    "timeout_s": 20.0,
}


@pytest.fixture
def double() -> TritonDouble:
    return TritonDouble()


@pytest.fixture
def address(double: TritonDouble) -> Iterator[str]:
    with serve_double(double) as address:
        yield address


def test_every_workload_is_measured_at_every_point(address: str, double: TritonDouble) -> None:
    document = run_bench(address, Plan(**SHORT, draws=("unique", "zipf")), ShopFiles())
    points = document["points"]
    assert [(point["workload"], point["draw"]) for point in points[::3]] == [
        (workload, draw) for workload in ("search", "recommend", "similar") for draw in ("unique", "zipf")
    ]
    assert [(point["callers"], point["load_percent"]) for point in points[:3]] == [(1, None), (2, None), (None, 50.0)]
    assert [point["errors"] for point in points] == [{}] * len(points)
    assert all(0 <= point["goodput_per_s"] <= point["queries_per_s"] for point in points)
    capacity = document["capacity_per_s"]["search"]["unique"]
    assert capacity == max(point["queries_per_s"] for point in points[:2])
    assert points[2]["rate_per_s"] == pytest.approx(capacity / 2, abs=0.01)
    assert "events" not in double.asked  # nothing is written unasked
    assert document["server"] == {
        "triton": "double 1",
        "mercato": document["server"]["mercato"],
        "models": ["recommend", "search"],
        "local": True,
    }
    assert {"cpu", "cores", "packages", "load_before", "load_after"} <= document["machine"].keys()
    assert json.loads(json.dumps(document)) == document
    assert str(Path.cwd()) not in json.dumps(document)


def test_a_point_says_what_was_spent_and_where(address: str) -> None:
    point = run_bench(address, Plan(**SHORT, workloads=("search",), draws=("unique",)), ShopFiles())["points"][0]
    stages = point["stages_ms"]
    # Triton's double says 0.1 ms in the queue, 0.001 + 0 around the model, 0.7 in it; answers say 0.1, 0.3, 0.2.
    assert {name: stages[name] for name in ("queue", "encode", "retrieve", "rank")} == {
        "queue": 0.1,
        "encode": 0.1,
        "retrieve": 0.3,
        "rank": 0.2,
    }
    assert stages["rest of the model"] == pytest.approx(0.7 - 0.6)
    assert point["mean_batch"] == 1.0
    assert point["degraded_share"] == 0.0
    assert point["cpu_ms_per_query"] > 0  # of this process, which the double runs in
    assert point["memory_mib"]["rss"] > 0
    assert point["driver_cpu_share"] > 0


def test_rates_need_no_closed_loop(address: str) -> None:
    plan = Plan(**{**SHORT, "callers": (), "load_percent": ()}, rates=(40.0,), workloads=("search",), draws=("zipf",))
    (point,) = run_bench(address, plan, ShopFiles())["points"]
    assert (point["callers"], point["rate_per_s"], point["load_percent"]) == (None, 40.0, None)


def test_events_are_written_where_it_is_said_and_can_be_erased(
    address: str, double: TritonDouble, tmp_path: Path
) -> None:
    plan = Plan(**SHORT, workloads=("events",), write=True)
    document = run_bench(address, plan, ShopFiles())
    assert double.asked["events"] > 0
    written = document["written"]
    assert written["erased"] is None
    assert {point["draw"] for point in document["points"]} == {"unique"}  # one says all
    # The double keeps nothing: in a real state, what is of these visitors goes, and what is of others stays.
    state = f"sqlite:{tmp_path / 'state.db'}"
    store = open_state(state)
    for visitor in (*written["visitors"], "somebody"):
        store.append_events([Event(event_type="home-page-view", visitor_id=visitor, event_id=visitor, time=1.0)])
    store.close()
    assert erase(written["visitors"], state) == {"visitors": written["visitors"], "erased": len(written["visitors"])}
    store = open_state(state)
    assert sum(len(batch) for batch in store.export_events()) == 1
    store.close()


def test_a_state_that_is_not_the_servers_is_told(address: str, tmp_path: Path) -> None:
    plan = Plan(**SHORT, workloads=("events",), write=True)
    with pytest.raises(InvalidInputError, match="--state: must be sqlite:PATH .*none.db.* which is not there"):
        run_bench(address, plan, ShopFiles(), f"sqlite:{tmp_path / 'none.db'}")
    assert not list(tmp_path.iterdir())
    other = f"sqlite:{tmp_path / 'other.db'}"
    open_state(other).close()
    document = run_bench(address, plan, ShopFiles(), other)
    assert document["written"]["erased"] == 0
    assert "not the state of this server" in document["warnings"][-1]


def test_the_document_and_its_plots_are_written(address: str, tmp_path: Path) -> None:
    document = run_bench(address, Plan(**SHORT, workloads=("search",)), ShopFiles())
    written = write_bench(tmp_path / "out", document)
    names = ["bench.json", "latency-search.svg", "stages-search.svg", "cpu-search.svg"]
    assert [path.name for path in written] == names
    assert json.loads(written[0].read_text()) == document
    assert all(path.read_text().startswith("<svg") for path in written[1:])
    assert "p50, unique, callers" in written[1].read_text()
    assert "mean milliseconds of an answer" in written[2].read_text()


def test_a_folder_that_cannot_be_written_to_is_said(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="--out: .* cannot be written to"):
        write_bench(tmp_path / "file", {"points": []})


@pytest.mark.parametrize(
    ("changes", "workload", "said"),
    [
        ({"ready": False}, "search", "is not ready; wait"),
        ({"refuse": frozenset({"events"})}, "events", r"events: .* \(invalid argument: events: state is not kept\)"),
        ({"reject_events": True}, "events", "rejected the first event .*product_id: unknown"),
        ({}, "rerank", "rerank needs a server with a reranker; start it with mercato serve --reranker DIR"),
    ],
)
def test_a_server_that_cannot_answer_is_told(changes: dict[str, Any], workload: str, said: str) -> None:
    with serve_double(TritonDouble(**changes)) as address, pytest.raises(MercatoError, match=said):
        run_bench(address, Plan(**SHORT, workloads=(workload,), write=True), ShopFiles())


def test_nobody_at_the_address_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServerError, match=r"no server answers at .* start one with `mercato serve`"):
            run_bench(address, Plan(**SHORT), ShopFiles())


def test_products_are_found_by_asking(address: str) -> None:
    found = find_products(address, np.random.default_rng(7))
    assert sorted(found) == [("p1", "Green tea with mint"), ("p2", "Coffee beans dark roast")]


def test_lines_of_files(tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("tea\n\n coffee \ntea\n")
    assert read_lines(file, "--query-file") == ["tea", "coffee"]
    file.write_text(" \n")
    with pytest.raises(DataError, match="--query-file: queries.txt holds nothing"):
        read_lines(file, "--query-file")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        read_lines(file, "--query-file")
    with pytest.raises(DataError, match="cannot be read"):
        read_lines(tmp_path / "none.txt", "--users")


def test_the_reranker_is_measured_where_there_is_one() -> None:
    assert choose_workloads(Plan(), reranked=True).workloads == ("search", "rerank", "recommend", "similar")
    assert choose_workloads(Plan(write=True), reranked=False).workloads == (
        "search",
        "recommend",
        "similar",
        "events",
    )
    assert choose_workloads(Plan(workloads=("similar",)), reranked=True).workloads == ("similar",)


def test_draws_and_workloads_of_the_same_queries_have_some_of_their_own() -> None:
    shop = Shop(queries=[str(number) for number in range(8000)], product_ids=["p"])
    plan = Plan(workloads=("search", "rerank", "similar"))
    chosen = [
        choose_subjects(WORKLOADS[name], shop, plan, draw) for name in ("search", "rerank") for draw in plan.draws
    ]
    assert sum(len(one) for one in chosen) == len(set().union(*map(set, chosen))) == 8000
    assert choose_subjects(WORKLOADS["similar"], shop, plan, "zipf") == ["p"]  # too few to divide
    with pytest.raises(InvalidInputError, match="search has nothing to ask for"):
        choose_subjects(WORKLOADS["search"], Shop(), plan, "zipf")


def test_warnings_name_what_falsifies() -> None:
    point = {"workload": "search", "draw": "unique", "callers": 4, "rate_per_s": None, "requests": 10}
    good = {**point, "driver_cpu_share": 0.1, "repeated": 0, "errors": {}, "degraded_share": 0.0}
    bad = {**point, "driver_cpu_share": 0.95, "repeated": 7, "errors": {"queue full": 3}, "degraded_share": 0.5}
    assert list_warnings([good], processes=1) == []
    late = {**good, "errors": {"not sent in time": 1}}
    assert list_warnings([late], processes=1)[0].endswith(
        "the driver was at its limit; more --processes would ask for more"
    )
    assert [text.partition(": ")[2] for text in list_warnings([bad], processes=1)] == [
        "the driver was at its limit; more --processes would ask for more",
        "of 10 requests failed: 3 queue full",
        "50% of the answers left a stage out",
        "7 requests asked again for what had been asked for before, since there was no more of it",
    ]


def test_capacity_is_what_a_closed_loop_reached() -> None:
    points = [
        {"workload": "search", "draw": "unique", "callers": callers, "queries_per_s": rate}
        for callers, rate in ((1, 10.0), (4, 30.0), (16, 25.0), (None, 99.0))
    ]
    assert find_capacities(points) == {"search": {"unique": 30.0}}


def test_a_short_plan_is_one_of_under_a_minute() -> None:
    plan = Plan(workloads=tuple(WORKLOADS), write=True).shorten()
    # With a second of warm-up for each workload before.
    assert plan.count_points() * (plan.seconds + plan.warm_up_s) + len(WORKLOADS) * 1.3 < 50
    assert count_queries(plan) < count_queries(Plan()) < 200_000


def test_a_request_is_completed_with_what_is_unset() -> None:
    assert complete_values(SEARCH, {"QUERY": "tea"})["USER_ID"] == ""
    assert list(complete_values(SEARCH, {"QUERY": "tea"})) >= ["QUERY"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workloads": ("seach",)}, "--workload: must be one of search, .*, got 'seach'"),
        ({"workloads": ("events",)}, "--workload: events writes into the server's state; say so with --write"),
        ({"draws": ()}, "--draw: must name one or more"),
        ({"draws": ("random",)}, "--draw: must be one of unique, zipf"),
        ({"callers": (0,)}, "--callers: must be 1 to 10,000, got 0"),
        ({"callers": ()}, "--callers must be given where there is no --rate.*--load-percent needs --callers"),
        ({"load_percent": (0.0,)}, "--load-percent: must be above 0"),
        ({"rates": (-1.0,)}, "--rate: must be above 0"),
        ({"seconds": float("nan")}, "--seconds: must be above 0"),
        ({"within_ms": 0.0}, "--within-ms: must be above 0"),
        ({"page_size": 0}, "--page-size: must be 1 to 500"),
        ({"processes": 0}, "--processes: must be 1 to 64"),
        ({"driver": "wrk"}, "--driver: must be one of asyncio, perf_analyzer, got 'wrk'"),
        ({"seconds": 0.0, "processes": 99}, "bench: --seconds must be above 0.*; --processes must be 1 to 64"),
    ],
)
def test_plans_that_cannot_be_done_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        plans.Plan(**given)


def run_command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["bench", *arguments])
    return result.exit_code, result.output


def test_the_command_prints_one_document(address: str, tmp_path: Path) -> None:
    options = ["--server", address, "--workload", "search", "--draw", "zipf", "--callers", "1,2", "--seconds", "0.4"]
    options += ["--load-percent", "80", "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, ["bench", *options])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert len(document["points"]) == 3
    assert [os.path.basename(path) for path in document["files"]][0] == "bench.json"


def test_the_command_prints_tables(address: str) -> None:
    options = ["--server", address, "--workload", "similar", "--callers", "1", "--seconds", "0.4"]
    status, output = run_command(*options, "--load-percent", "", "--draw", "unique")
    assert status == 0
    assert "similar, unique" in output and "1 at once" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--callers", "four"], "--callers: must be numbers separated by commas, got 'four'"),
        (["--state", "sqlite:a.db"], "--state: is for what --write wrote, which was not given; give both or none"),
        (["--callers", "1.5"], "--callers: must be whole numbers"),
        (["--callers", "inf"], "--callers: must be whole numbers"),
        (["--quick", "--seconds", "0"], "--seconds: must be above 0"),
        (["--load-percent", "nan"], "--load-percent: must be above 0"),
        (["--callers", "0"], "--callers: must be 1 to 10,000, got 0"),
        (["--workload", "seach"], "--workload: must be one of search"),
        (["--options", "[]"], "--options: must be a JSON object"),
        (["--server", "127.0.0.1:1"], "no server answers at 127.0.0.1:1"),
        (["--server", "nonsense"], "no server answers at nonsense"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], said: str) -> None:
    status, output = run_command(*arguments)
    assert status == 1
    assert said in output
    assert "Traceback" not in output
