"""What a server's processes use: CPU time of the whole process tree, requests answered, memory by process.

CPU milliseconds per query over all server processes repeat far better on a noisy machine than queries per second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
import tritonclient.grpc as triton

from benchmarks.harness.command import BenchmarkError
from mercato.serving.processes import describe_memory, process_memory


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A server's counters at one moment.

    Attributes:
        cpu_s: user and system time of all its living processes since their start, in seconds.
        answered: requests that the model answered.
        executions: batches that it ran for them.
    """

    cpu_s: float
    answered: int
    executions: int


def find_server(address: str) -> int:
    """Return the process id of the server that listens at an address of this machine.

    Args:
        address: ``HOST:PORT``.

    Raises:
        BenchmarkError: no process that may be looked at listens there.
    """
    port = int(address.rpartition(":")[2])
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return int(connection.pid)
    raise BenchmarkError(f"server: no process of this user listens at port {port}; start one with mercato serve")


def read_cpu_s(pid: int) -> float:
    """Return user and system time of a process and of all below it, in seconds."""
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def read_usage(client: triton.InferenceServerClient, pid: int, model: str) -> Usage:
    """Read the counters of a server and of one of its models."""
    statistics = client.get_inference_statistics(model).model_stats[0]
    return Usage(
        cpu_s=read_cpu_s(pid),
        answered=int(statistics.inference_stats.success.count),
        executions=int(statistics.execution_count),
    )


def compare_usage(before: Usage, after: Usage) -> dict[str, float]:
    """Return what each query took between two readings.

    Returns:
        ``cpu_ms_per_query`` of all server processes, and ``mean_batch``, the requests in one batch of the model.

    Raises:
        BenchmarkError: nothing was answered in between.
    """
    answered = after.answered - before.answered
    if answered <= 0:
        raise BenchmarkError("server: answered nothing during the measurement")
    executions = max(1, after.executions - before.executions)
    return {
        "cpu_ms_per_query": round(1000 * (after.cpu_s - before.cpu_s) / answered, 3),
        "mean_batch": round(answered / executions, 2),
    }


def read_memory(pid: int) -> dict[str, Any]:
    """Return the memory of a server by process, in MiB: resident, and proportional (shared pages counted once)."""
    described = describe_memory(process_memory(pid))
    return {
        "rss_mib": round(described["rss_bytes"] / 2**20),
        "pss_mib": round(described["pss_bytes"] / 2**20),
        "processes": [
            {
                "name": process["name"],
                "rss_mib": round(process["rss_bytes"] / 2**20),
                "pss_mib": round(process["pss_bytes"] / 2**20),
            }
            for process in described["processes"]
        ],
    }
