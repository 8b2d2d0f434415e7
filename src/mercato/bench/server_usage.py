"""What a server spends: CPU by process, memory, and Triton's own counters by model."""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from mercato.errors import ServerError
from mercato.serving.processes import describe_memory, process_memory, read_stub

logger = logging.getLogger(__name__)
_PATIENCE_S = 10.0
_SETTLING_READS, _SETTLING_S = 10, 0.03


@dataclass(frozen=True, kw_only=True)
class ModelCounters:
    """Triton's counters of one model since its start.

    Attributes:
        answered: requests.
        executions: batches that it ran for them.
        queue_s, input_s, infer_s, output_s: summed over requests: waiting for a batch, gathering inputs, in the model,
            writing outputs. A batch's time counts for each of its requests: it is what each waited.
    """

    answered: int = 0
    executions: int = 0
    queue_s: float = 0.0
    input_s: float = 0.0
    infer_s: float = 0.0
    output_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A server's counters at one moment.

    Attributes:
        cpu_s: (process id, name) -> user and system time since its start; empty where the server is elsewhere.
        models: model -> counters.
    """

    cpu_s: Mapping[tuple[int, str], float] = field(default_factory=dict)
    models: Mapping[str, ModelCounters] = field(default_factory=dict)


class ServerMeter:
    """Reads the counters of one running server."""

    def __init__(self, server: str) -> None:
        """Connect.

        Args:
            server: gRPC address, ``HOST:PORT``.

        Raises:
            ServerError: nothing answers there, or it is not ready.
        """
        self.server = server
        self._client = triton.InferenceServerClient(server)
        try:
            ready = self._client.is_server_ready(client_timeout=_PATIENCE_S)
            metadata = self._client.get_server_metadata(client_timeout=_PATIENCE_S)
        except (InferenceServerException, ValueError) as exc:
            self._client.close()
            raise ServerError(
                f"--server: no server answers at {server} ({exc}); start one with `mercato serve`, or name its gRPC "
                "address as HOST:PORT"
            ) from exc
        if not ready:
            self._client.close()
            raise ServerError(f"--server: {server} is not ready; wait until `mercato serve` says so")
        self.version = f"{metadata.name} {metadata.version}"
        self.pid = find_local_server(server)

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def read(self) -> Usage:
        """Read all counters, once they stand still: Triton counts a request just after it has sent its answer.

        Where others ask too they never do, and are read as they are.

        Raises:
            ServerError: the server is gone.
        """
        models = self._read_models()
        for _ in range(_SETTLING_READS):
            time.sleep(_SETTLING_S)
            earlier, models = models, self._read_models()
            if earlier == models:
                break
        return Usage(cpu_s={} if self.pid is None else read_cpu_s(self.pid), models=models)

    def _read_models(self) -> dict[str, ModelCounters]:
        try:
            answer = self._client.get_inference_statistics(client_timeout=_PATIENCE_S)
        except InferenceServerException as exc:
            raise ServerError(f"--server: {self.server} stopped answering ({exc}); look at its log") from exc
        return {one.name: _read_counters(one) for one in answer.model_stats}

    def read_memory(self) -> dict[str, Any] | None:
        """Return resident and proportional memory of all its processes, in MiB; None where it is elsewhere."""
        if self.pid is None:
            return None
        described = describe_memory(process_memory(self.pid))
        return {name: round(described[f"{name}_bytes"] / 2**20) for name in ("rss", "pss")}


def find_local_server(address: str) -> int | None:
    """Return the process that listens at an address of this machine; None where none of this user does.

    Args:
        address: ``HOST:PORT``.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or not is_local(host):
        return None
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == int(port) and connection.pid:
            return int(connection.pid)
    return None


def is_local(host: str) -> bool:
    """Tell whether a host is this machine, by its name or one of its addresses."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    own = {entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries}
    return any(ipaddress.ip_address(one.partition("%")[0]).is_loopback or one in own for one in found)


def read_cpu_s(pid: int) -> dict[tuple[int, str], float]:
    """Return user and system time of a process and of all below it, by process id and name, in seconds."""
    taken: dict[tuple[int, str], float] = {}
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return {}
    for process in processes:
        try:
            stub, times = read_stub(process, ""), process.cpu_times()
            name = f"stub of {stub.model}" if stub else process.name()
        except psutil.Error:
            continue
        taken[process.pid, name] = times.user + times.system
    return taken


def subtract_cpu(before: Usage, after: Usage) -> dict[str, float]:
    """Return what each kind of process computed between two readings, in seconds, the most first.

    Instances of one model count together. A process that was started meanwhile counts from its start; what one that
    ended meanwhile took since the first reading is not known.
    """
    taken: dict[str, float] = defaultdict(float)
    for key, seconds in after.cpu_s.items():
        taken[key[1]] += seconds - before.cpu_s.get(key, 0.0)
    return dict(sorted(taken.items(), key=lambda entry: -entry[1]))


def subtract_counters(before: Usage, after: Usage, model: str) -> ModelCounters:
    """Return what Triton counted of a model between two readings; zeros for a model that it does not know."""
    old, new = before.models.get(model, ModelCounters()), after.models.get(model, ModelCounters())
    return ModelCounters(
        answered=new.answered - old.answered,
        executions=new.executions - old.executions,
        queue_s=new.queue_s - old.queue_s,
        input_s=new.input_s - old.input_s,
        infer_s=new.infer_s - old.infer_s,
        output_s=new.output_s - old.output_s,
    )


def mean_of_request_ms(counters: ModelCounters) -> dict[str, float]:
    """Return the mean time of a request by Triton's stage, in milliseconds; empty where nothing was answered."""
    if counters.answered <= 0:
        return {}
    sums = {
        "queue": counters.queue_s,
        "input": counters.input_s,
        "infer": counters.infer_s,
        "output": counters.output_s,
    }
    return {name: 1000 * seconds / counters.answered for name, seconds in sums.items()}


def _read_counters(one: Any) -> ModelCounters:
    statistics = one.inference_stats
    return ModelCounters(
        answered=int(statistics.success.count),
        executions=int(one.execution_count),
        queue_s=statistics.queue.ns / 1e9,
        input_s=statistics.compute_input.ns / 1e9,
        infer_s=statistics.compute_infer.ns / 1e9,
        output_s=statistics.compute_output.ns / 1e9,
    )
