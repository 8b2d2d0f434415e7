"""Load on a Triton model over HTTP, without a client library: a process of its own, as many connections as wanted.

Each connection sends one query after the other, in Triton's binary extension of KServe's protocol. Started by
`benchmarks.gpu.serve`, several at a time, with the arguments PORT CONNECTIONS SECONDS QUERIES.npy OUT.npz.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
MODEL = "gpu_search"
TOKENS, SCORES, FOUND = "TOKENS", "SCORES", "FOUND"
KEPT = 256
"""Answers that are kept to be compared."""


def write_request(tokens: Int64) -> bytes:
    """Write the whole HTTP request of a query, int64 [tokens]."""
    content = tokens.astype("<i8").tobytes()
    asked = {
        "inputs": [
            {
                "name": TOKENS,
                "shape": [1, len(tokens)],
                "datatype": "INT64",
                "parameters": {"binary_data_size": len(content)},
            }
        ],
        "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in (SCORES, FOUND)],
    }
    described = json.dumps(asked).encode()
    return (
        (
            f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
            f"Inference-Header-Content-Length: {len(described)}\r\n"
            f"Content-Length: {len(described) + len(content)}\r\n\r\n"
        ).encode()
        + described
        + content
    )


def read_found(headers: bytes, content: bytes) -> Int64:
    """Read the numbers that were found, int64 [results], from an answer."""
    length = int(find_header(headers, b"inference-header-content-length"))
    described = json.loads(content[:length])
    start = length
    for output in described["outputs"]:
        size = output["parameters"]["binary_data_size"]
        if output["name"] == FOUND:
            return np.frombuffer(content[start : start + size], "<i8")
        start += size
    raise ValueError(f"the answer has no {FOUND}")


def find_header(headers: bytes, name: bytes) -> bytes:
    """Return the value of a header, by its name in small letters; empty where it is not there."""
    for line in headers.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


class Load:
    """What one process asks, and what came of it."""

    def __init__(self, port: int, requests: list[bytes], seconds: float) -> None:
        """Take what is to be asked."""
        self._port, self._requests, self._seconds = port, requests, seconds
        self._next = 0
        self.taken: list[float] = []
        self.found: dict[int, Int64] = {}
        self.failed = 0
        self.elapsed = 0.0

    async def run(self, connections: int) -> None:
        """Ask on so many connections at once until the time is over."""
        began = time.perf_counter()
        self._end = began + self._seconds
        await asyncio.gather(*(self._ask() for _ in range(connections)))
        self.elapsed = time.perf_counter() - began

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (began := time.perf_counter()) < self._end:
            number = self._next % len(self._requests)
            self._next += 1
            writer.write(self._requests[number])
            headers = await reader.readuntil(b"\r\n\r\n")
            content = await reader.readexactly(int(find_header(headers, b"content-length")))
            self.taken.append(time.perf_counter() - began)
            if b" 200 " not in headers[:16]:
                self.failed += 1
            elif number < KEPT and number not in self.found:
                self.found[number] = read_found(headers, content)
        writer.close()


def main() -> None:
    """Ask as the command line says."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    load = Load(port, [write_request(tokens) for tokens in np.load(sys.argv[4])], seconds)
    asyncio.run(load.run(connections))
    numbers = sorted(load.found)
    found = np.stack([load.found[number] for number in numbers]) if numbers else np.zeros((0, 0), np.int64)
    np.savez(
        Path(sys.argv[5]),
        taken=np.array(load.taken),
        failed=np.array(load.failed),
        elapsed=np.array(load.elapsed),
        numbers=np.array(numbers, np.int64),
        found=found,
    )
