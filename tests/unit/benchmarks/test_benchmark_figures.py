"""The arithmetic of the benchmarks: what is read from reports and counters, and what is made of it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.harness import record
from benchmarks.harness.command import BenchmarkError
from benchmarks.search import retrieval
from benchmarks.serving import one_process, server_usage, serving_load
from mercato.bench import machine
from mercato.bench.perf_analyzer import PerfLoad, parse_report, write_input_data
from mercato.errors import MercatoError

# Columns as perf_analyzer 2.45 writes them; latencies in microseconds.
REPORT = (
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,"
    "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency\n"
    "1,812.25,40,120,35,10,900,15,3,1180,1410,1603,2250\n"
    "32,1686.04,60,350,9500,40,8700,80,4,18060,24030,26500,41200\n"
)


def test_the_last_row_of_a_report_is_read_in_milliseconds() -> None:
    figures = parse_report(REPORT)
    assert figures.queries_per_s == 1686.0
    assert figures.latency_ms == {50: 18060 / 1000, 90: 24030 / 1000, 95: 26500 / 1000, 99: 41200 / 1000}
    assert figures.queue_ms == 9500 / 1000
    assert figures.as_json()["p99_ms"] == 41.2


def test_a_report_without_a_window_is_an_error() -> None:
    with pytest.raises(MercatoError, match="empty"):
        parse_report(REPORT.splitlines()[0] + "\n")


def test_a_load_is_a_closed_or_an_open_loop() -> None:
    closed = " ".join(PerfLoad(model="search", concurrency=32, window_s=2.5).options)
    assert "--concurrency-range 32 --measurement-interval 2500" in closed
    opened = " ".join(PerfLoad(model="search", request_rate=87.5).options)
    assert "--request-rate-range 87.5 --request-distribution poisson" in opened
    for neither_or_both in ({}, {"concurrency": 1, "request_rate": 5.0}):
        with pytest.raises(MercatoError, match="either"):
            PerfLoad(model="search", **neither_or_both)


def test_requests_are_written_one_element_a_tensor(tmp_path: Path) -> None:
    write_input_data([{"QUERY": "frozen pizza", "PAGE_SIZE": 10}], tmp_path / "requests.json")
    assert json.loads((tmp_path / "requests.json").read_text()) == {
        "data": [
            {"QUERY": {"content": ["frozen pizza"], "shape": [1]}, "PAGE_SIZE": {"content": [10], "shape": [1]}},
        ]
    }


def test_usage_is_what_lies_between_two_readings() -> None:
    before = server_usage.Usage(cpu_s=10.0, answered=100, executions=50)
    after = server_usage.Usage(cpu_s=11.5, answered=1100, executions=250)
    usage = server_usage.compare_usage(before, after)
    assert usage == {"cpu_ms_per_query": 1000 * (11.5 - 10.0) / (1100 - 100), "mean_batch": (1100 - 100) / (250 - 50)}
    with pytest.raises(BenchmarkError, match="answered nothing"):
        server_usage.compare_usage(before, before)


def test_cpu_time_counts_processes_below() -> None:
    # A child that only computes: its time is in the sum of the tree that began with this process.
    busy = [sys.executable, "-c", "x = sum(range(10**7)); print(flush=True); input()"]
    with subprocess.Popen(busy, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        of_child = server_usage.read_cpu_s(child.pid)
        own = time.process_time()
        assert of_child > 0
        assert server_usage.read_cpu_s(psutil.Process().pid) >= of_child + 0.9 * own
        child.communicate(b"\n")


def test_rounds_are_summarized_by_their_median() -> None:
    assert record.summarize([3.0, 1.004, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "rounds": [3.0, 1.0, 2.0]}
    merged = serving_load.merge_rounds([{"p50_ms": 2.0, "settled": True}, {"p50_ms": 4.0, "settled": False}])
    assert merged["p50_ms"]["median"] == (2.0 + 4.0) / 2
    assert merged["settled"] == [True, False]


def test_ratio_is_of_medians_and_to_the_better() -> None:
    ratios = one_process.compare(
        [90.0, 60.0, 75.0], {"threads_1": [100.0, 80.0, 90.0], "threads_2": [140.0, 150.0, 160.0]}
    )
    assert ratios == {"to_threads_1": round(75 / 90, 3), "to_threads_2": 75 / 150, "to_the_better": 75 / 150}


def test_cpu_time_is_compared_by_medians() -> None:
    assert one_process.compare_cpu([3.0, 9.0, 4.0], [2.0, 2.0, 8.0]) == 4.0 / 2.0


def test_batches_go_round_the_requests() -> None:
    batches: list[list[str]] = []
    requests = [{"QUERY": str(number)} for number in range(40)]
    answered = one_process.run_batches(
        lambda batch: batches.append([str(request["QUERY"]) for request in batch]),
        requests,
        first=10,
        until=lambda: len(batches) == 2,
    )
    assert answered == 2 * one_process.BATCH
    assert batches[0] == [str(number % 40) for number in range(10, 42)]
    assert batches[1] == [str(number % 40) for number in range(42, 74)]


def test_threads_are_counted_together_and_their_failures_reported() -> None:
    requests = [{"QUERY": "milk"}] * 8
    figures = one_process.measure_threads([lambda batch: time.sleep(0.001)] * 2, requests, 0.05)
    assert figures["queries_per_s"] > 0

    def fail(batch: object) -> None:
        raise BenchmarkError("a request of the workload failed")

    with pytest.raises(BenchmarkError, match="workload failed"):
        one_process.measure_threads([fail], requests, 0.05)


def test_recall_is_the_share_of_the_exact_answer() -> None:
    exact = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    found = np.array([[4, 3, 9, -1], [8, 7, 6, 5]])
    assert retrieval.compute_recall(found, exact).tolist() == [2 / 4, 4 / 4]


def test_a_record_names_machine_command_and_commit_but_no_path(tmp_path: Path) -> None:
    path = record.write_record("example", {"rounds": 3}, folder=tmp_path)
    written = json.loads(path.read_text())
    assert written["benchmark"] == "example"
    assert written["rounds"] == 3
    assert {"command", "commit", "date", "machine"} <= written.keys()
    assert {"cpu", "cores", "memory_gib", "system", "python", "packages", "load_before", "load_after"} <= written[
        "machine"
    ].keys()
    assert str(record.REPOSITORY) not in path.read_text()


def test_the_machine_is_described_in_plain_values() -> None:
    described = machine.describe_machine()
    assert described["cores"] >= 1
    assert described["packages"]["numpy"] == np.__version__
    assert machine.read_package_version("no-such-package") is None
