"""What a server spends: differences of its counters, by process, and where they can be read at all."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.bench.server_usage import (
    ModelCounters,
    ServerMeter,
    Usage,
    find_local_server,
    is_local,
    mean_of_request_ms,
    read_cpu_s,
    subtract_counters,
    subtract_cpu,
)
from mercato.errors import ServerError
from tests.unit.bench.triton_double import TritonDouble, serve_double

SECONDS = st.integers(0, 10_000)
CPU = st.dictionaries(st.tuples(st.integers(1, 5), st.sampled_from(["tritonserver", "stub of search"])), SECONDS)


@given(CPU, CPU)
def test_what_each_kind_of_process_computed_sums_to_the_whole(before: dict, more: dict) -> None:
    after = {key: before.get(key, 0) + value for key, value in more.items()}
    taken = subtract_cpu(Usage(cpu_s=before), Usage(cpu_s=after))
    assert sum(taken.values()) == pytest.approx(sum(more.values()))
    assert list(taken.values()) == sorted(taken.values(), reverse=True)


def test_instances_of_a_model_count_together_and_new_processes_from_their_start() -> None:
    before = Usage(cpu_s={(1, "tritonserver"): 10.0, (2, "stub of search"): 5.0, (3, "stub of events"): 9.0})
    after = Usage(cpu_s={(1, "tritonserver"): 11.0, (2, "stub of search"): 7.0, (4, "stub of search"): 3.0})
    assert subtract_cpu(before, after) == {"stub of search": 2.0 + 3.0, "tritonserver": 1.0}


def test_means_of_a_request() -> None:
    before = Usage(models={"search": ModelCounters(answered=10, executions=10, queue_s=1.0)})
    after = Usage(models={"search": ModelCounters(answered=14, executions=12, queue_s=1.2, infer_s=0.4)})
    counters = subtract_counters(before, after, "search")
    assert (counters.answered, counters.executions) == (4, 2)
    assert mean_of_request_ms(counters) == pytest.approx({"queue": 50.0, "input": 0.0, "infer": 100.0, "output": 0.0})
    assert mean_of_request_ms(subtract_counters(before, after, "events")) == {}


def test_only_servers_of_this_machine_are_looked_at() -> None:
    assert is_local("127.0.0.1") and is_local("localhost") and is_local("[::1]")
    assert not is_local("192.0.2.1")  # TEST-NET-1, RFC 5737
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert find_local_server(f"127.0.0.1:{port}") == os.getpid()
        assert find_local_server(f"192.0.2.1:{port}") is None
    assert find_local_server("127.0.0.1:1") is None
    assert find_local_server("127.0.0.1") is None


def test_cpu_of_this_process_is_read() -> None:
    taken = read_cpu_s(os.getpid())
    assert any(pid == os.getpid() and seconds > 0 for (pid, _), seconds in taken.items())
    assert read_cpu_s(2**22 + 1) == {}  # above the greatest process id of Linux


def test_a_meter_reads_what_triton_counts() -> None:
    double = TritonDouble()
    double.asked.update({"search": 3})
    with serve_double(double) as address:
        meter = ServerMeter(address)
        usage = meter.read()
        meter.close()
    assert (meter.version, meter.pid) == ("double 1", os.getpid())
    assert usage.models == {
        "search": ModelCounters(answered=3, executions=3, queue_s=3e-4, input_s=3e-6, infer_s=3 * 7e-4)
    }


def test_a_server_that_goes_away_is_said() -> None:
    with serve_double(TritonDouble()) as address:
        meter = ServerMeter(address)
    with pytest.raises(ServerError, match="stopped answering .* look at its log"):
        meter.read()
    meter.close()
