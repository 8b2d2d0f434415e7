"""Starts PyTriton with the callable of `serve`, or the callable alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2

from benchmarks.peers.environment import (
    ONE_THREAD,
    find_free_port,
    make_environment,
    read_requirements,
    start_process,
)
from benchmarks.peers.mercato_server import start_pipe
from benchmarks.peers.shop import Shop
from benchmarks.peers.system import Running, System
from mercato.bench.driver import METHOD, Load, drive
from mercato.bench.figures import Outcome
from mercato.serving.libpython import find_python_library

FOLDER = Path(__file__).parent
MODEL = "search"


def encode_query(query: str, timeout_s: float) -> bytes:
    """Return a request for one query, a serialised ``ModelInferRequest``."""
    message = service_pb2.ModelInferRequest(model_name=MODEL)
    message.parameters["timeout"].int64_param = max(1, round(timeout_s * 1e6))
    tensor = message.inputs.add(name="QUERY", datatype="BYTES")
    tensor.shape.extend([1, 1])
    text = query.encode()
    message.raw_input_contents.append(len(text).to_bytes(4, "little") + text)
    encoded: bytes = message.SerializeToString()
    return encoded


def count_results(answer: bytes) -> int:
    """Return how many products a page has, behind the four bytes of its length."""
    message = service_pb2.ModelInferResponse.FromString(answer)
    return len(json.loads(message.raw_output_contents[0][4:])["results"])


def name_command(shop: Shop, *ports: int) -> list[str]:
    """Return the command of `serve` in the peer's environment."""
    python = make_environment(FOLDER) / "bin" / "python"
    arguments = [str(shop.folder), str(shop.encoder.resolve()), str(shop.page_size), *map(str, ports)]
    return [str(python), "-m", "benchmarks.peers.pytriton_callable.serve", *arguments]


def answers(address: str) -> bool:
    """Tell whether a query is answered at an address."""
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(METHOD)(encode_query("ready", 1.0), timeout=1.0)
        except grpc.RpcError:
            return False
        return True


class PyTriton(System):
    """PyTriton 0.7, dynamic batching, a worker for each core."""

    name = "pytriton"
    about = "meaning and a small ranker: int8 encoder, HNSW, dynamic batches, JSON of ten products"

    @contextmanager
    def start(self, shop: Shop) -> Iterator[Running]:
        """Serve by gRPC, as Mercato does."""
        port = find_free_port()
        address = f"127.0.0.1:{port}"
        command = name_command(shop, port, find_free_port())
        log = shop.folder / f"{self.name}.log"
        # Triton's backend loads a libpython: it must be the one of the Python that runs it.
        told = {**ONE_THREAD, "LD_LIBRARY_PATH": str(find_python_library().path.parent)}
        with start_process(command, log, lambda: answers(address), environment=told) as process:

            def prepare(load: Load, queries: Sequence[str]) -> Callable[[], Outcome]:
                return partial(drive, address, load, [encode_query(query, load.timeout_s) for query in queries])

            yield Running(
                pid=process.pid, prepare=prepare, count_products=count_results, versions=dict(read_requirements(FOLDER))
            )


class PyTritonStages(System):
    """The callable in one process with one thread."""

    name = "pytriton_stages"
    about = "the same callable in one process, in batches as large as there are callers: no server"
    serves = False

    @contextmanager
    def start(self, shop: Shop) -> Iterator[Running]:
        """Start the process."""
        with start_pipe(name_command(shop), shop.folder / f"{self.name}.log") as running:
            yield running
