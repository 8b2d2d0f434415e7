"""The benchmarks' meters on a real server of a tiny model: what is counted is what was asked."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc as triton

from benchmarks.harness.command import BenchmarkError
from benchmarks.serving import load_generator, server_usage
from mercato.bench import perf_analyzer
from mercato.errors import MercatoError, ServerError
from mercato.serving.binary import find_server
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

ECHO = Path(__file__).resolve().parents[2] / "integration" / "echo_repository"

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    try:
        find_server()
    except ServerError as exc:
        pytest.skip(f"no Triton server on this machine: {exc}")
    options = ServerOptions(
        repository=ECHO,
        models=("echo",),
        canaries={},
        ports=Ports(grpc=0, http=0, metrics=0),
        run_root=tmp_path_factory.mktemp("server") / "runs",
    )
    with TritonServer(options) as running:
        yield running


def test_answers_are_counted_and_cpu_time_grows(server: TritonServer) -> None:
    client = triton.InferenceServerClient(server.grpc_address)
    tensor = triton.InferInput("VALUE", [1, 1], "FP32")
    tensor.set_data_from_numpy(np.array([[7.0]], np.float32))
    before = server_usage.read_usage(client, server.pid, "echo")
    for _ in range(20):
        client.infer("echo", [tensor])
    # Triton counts a request just after it has sent its answer.
    for _ in range(100):
        after = server_usage.read_usage(client, server.pid, "echo")
        if after.answered - before.answered >= 20:
            break
        time.sleep(0.05)
    client.close()
    assert after.answered - before.answered == 20
    assert after.executions - before.executions == 20  # one at a time: no batch holds two
    assert after.cpu_s >= before.cpu_s > 0


def test_the_server_is_found_by_its_port(server: TritonServer) -> None:
    assert server_usage.find_server(server.grpc_address) == server.pid
    with pytest.raises(BenchmarkError, match="port 1;"):
        server_usage.find_server("127.0.0.1:1")


def test_memory_names_every_process(server: TritonServer) -> None:
    memory = server_usage.read_memory(server.pid)
    names = [process["name"] for process in memory["processes"]]
    assert names[0] == "tritonserver"
    assert sorted(names[1:]) == ["stub of echo_0_0", "stub of echo_0_1"]
    assert 0 < memory["pss_mib"] <= memory["rss_mib"]


@pytest.fixture(scope="module")
def generator() -> perf_analyzer.LoadGenerator:
    present = load_generator.find_present()
    if present is None:
        pytest.skip("no perf_analyzer on this machine; python -m benchmarks perf fetches one")
    return present


def test_perf_analyzer_loads_a_model_in_both_ways(server: TritonServer, generator: perf_analyzer.LoadGenerator) -> None:
    requests = [{"VALUE": 1.5}, {"VALUE": 2.5}]
    for shape in ({"concurrency": 4}, {"request_rate": 50.0}):
        load = perf_analyzer.PerfLoad(model="echo", window_s=0.5, stability_percent=perf_analyzer.ANY_PERCENT, **shape)
        figures = perf_analyzer.run_load(generator, server.grpc_address, load, requests)
        assert figures.queries_per_s > 0
        assert 0 < figures.latency_ms[50] <= figures.latency_ms[99]


def test_a_failed_load_says_why(server: TritonServer, generator: perf_analyzer.LoadGenerator) -> None:
    load = perf_analyzer.PerfLoad(model="absent", concurrency=1)
    with pytest.raises(MercatoError, match="unknown model: 'absent'"):
        perf_analyzer.run_load(generator, server.grpc_address, load, [{"VALUE": 1}])
