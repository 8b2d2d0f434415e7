"""Search served by Triton on a GPU, against its bare kernels: one command of a few minutes for a bare machine.

    .venv/bin/python -m benchmarks.gpu.pack                  here: var/gpu/server.tar.xz, some 25 MB
    python3 -m benchmarks.gpu.serve --out serve.json         there: PyTorch, NumPy, Python 3.12, no network

A query is encoded and compared with a million vectors in half precision; weights are drawn, since time does not depend
on their values. First the kernels alone, then the same behind Triton's python backend, with dynamic batches, for
several numbers of connections: queries a second, p99, and which share of the time the kernels are at work. Where the
server does not start, the kernels alone are reported, and why. Only the standard library, NumPy and PyTorch are used.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.gpu.load import FOUND, KEPT, MODEL, SCORES, TOKENS
from benchmarks.gpu.search_network import BATCHES, SearchNetwork, Shape, draw_queries, round_up

NEEDS = "a GPU, and what `python -m benchmarks.gpu.pack` packs"

Int64 = npt.NDArray[np.int64]
ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "var" / "gpu" / "server.tar.xz"
START_S = 90.0
STOP_S = 10.0
POLL_S = 0.2
LIMIT_S = 270.0
QUERIES = 1_024
CHECKED = 8
"""Queries of a batch whose answers are compared with the server's."""
QUEUE_DELAY_US = 200
_LOADER_FAILED = "error while loading shared libraries"
"""What the loader says where the stub cannot be started; the server goes on waiting for it."""
_LOAD = "from benchmarks.gpu.load import main; main()"
_MODEL_SOURCE = """
import json
import sys

sys.path.insert(0, {root!r})
import torch
import triton_python_backend_utils as pb_utils
from torch.utils.dlpack import from_dlpack
from benchmarks.gpu.search_network import SearchNetwork, Shape


class TritonPythonModel:
    def initialize(self, args):
        self._network = SearchNetwork(Shape(**json.loads({shape!r})), {device!r})

    def execute(self, requests):
        # By DLPack: the stub of this server was built for NumPy 1, and gives empty tensors with NumPy 2.
        parts = [from_dlpack(pb_utils.get_input_tensor_by_name(one, {tokens!r}).to_dlpack()) for one in requests]
        scores, found = self._network.search(torch.cat(parts))
        answers, start = [], 0
        for part in parts:
            rows = slice(start, start + len(part))
            start = rows.stop
            outputs = [({scores!r}, scores[rows].clone()), ({found!r}, found[rows].clone())]
            tensors = [pb_utils.Tensor.from_dlpack(name, output) for name, output in outputs]
            answers.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return answers
"""
_MODEL_CONFIGURATION = """
name: "{name}"
backend: "python"
max_batch_size: {batch}
input [{{ name: "{tokens}" data_type: TYPE_INT64 dims: [{length}] }}]
output [
  {{ name: "{scores}" data_type: TYPE_FP32 dims: [{results}] }},
  {{ name: "{found}" data_type: TYPE_INT64 dims: [{results}] }}
]
instance_group [{{ kind: KIND_CPU count: {instances} }}]
dynamic_batching {{ max_queue_delay_microseconds: {delay} }}
"""


class NotServedError(Exception):
    """The server cannot be started on this machine; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that is ready.

    Attributes:
        port: of its HTTP service.
        ready_s: how long it took.
    """

    port: int
    ready_s: float

    def count_batches(self) -> dict[int, int]:
        """Return how many batches of each size it has computed."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v2/models/{MODEL}/stats", timeout=10) as answer:
            stats = json.load(answer)["model_stats"][0]
        return {int(one["batch_size"]): int(one["compute_infer"]["count"]) for one in stats["batch_stats"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says; returns the exit status, 0 also where only kernels could be measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu tries the script, small")
    parser.add_argument("--pack", type=Path, default=PACK, help="what benchmarks.gpu.pack wrote")
    parser.add_argument("--out", type=Path, default=Path("serve.json"), help="where the result goes")
    parser.add_argument("--vectors", type=int, default=Shape.vectors, help="how many are compared")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256], help="at once")
    parser.add_argument("--instances", type=int, default=2, help="processes of the model")
    parser.add_argument("--processes", type=int, default=4, help="processes that ask, at most")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each number of connections")
    parser.add_argument("--runs", type=int, default=200, help="batches of each size, kernels alone")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU that PyTorch can use; --device cpu tries the script without one")
    report = measure(given, replace(Shape(), vectors=given.vectors), time.monotonic() + LIMIT_S)
    given.out.write_text(json.dumps(report, indent=1) + "\n")
    show(report)
    return 0


def measure(given: argparse.Namespace, shape: Shape, end: float) -> dict[str, Any]:
    """Measure the kernels, then the server.

    Args:
        given: the command line.
        shape: what is searched.
        end: when no further measurement is begun, by `time.monotonic`.

    Returns:
        What was measured: JSON values.
    """
    began = time.monotonic()
    queries = draw_queries(QUERIES, shape)
    network = SearchNetwork(shape, given.device)
    kernels = {size: network.time_kernels(size, given.runs) for size in BATCHES}
    known = torch.from_numpy(queries[:KEPT])
    expected = torch.cat([network.search(known[i : i + CHECKED])[1] for i in range(0, KEPT, CHECKED)]).numpy()
    graphed = network.graphed
    del network
    if given.device == "cuda":
        torch.cuda.empty_cache()
    report: dict[str, Any] = {
        "benchmark": "gpu_serve",
        "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "shape": asdict(shape),
        "instances": given.instances,
        "graphs": graphed,
        "kernels": [
            {"batch": size, "ms": round(1000 * taken, 4), "queries_per_s": round(size / taken, 1)}
            for size, taken in kernels.items()
        ],
        "served": [],
        "not_served": None,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "queries.npy", queries)
        try:
            with serve(given.pack, folder, shape, given.device, given.instances) as server:
                report["ready_s"] = round(server.ready_s, 1)
                for connections in given.connections:
                    if time.monotonic() + given.seconds > end:
                        report["not_served"] = f"no time was left for {connections} connections"
                        break
                    report["served"].append(
                        load(server, folder, connections, given.processes, given.seconds, kernels, expected)
                    )
        except NotServedError as exc:
            report["not_served"] = str(exc)
    return {**report, "seconds": round(time.monotonic() - began, 1)}


def load(
    server: Server,
    folder: Path,
    connections: int,
    processes: int,
    seconds: float,
    kernels: Mapping[int, float],
    expected: Int64,
) -> dict[str, Any]:
    """Load a server and describe what came of it.

    Args:
        server: the server.
        folder: with ``queries.npy``.
        connections: at once.
        processes: that ask, at most.
        seconds: how long.
        kernels: seconds of a batch by its size, kernels alone.
        expected: int64 [n, results], what the first queries find.

    Returns:
        Rate, times, batches, the share of the time that kernels take and what share of the answers is right.
    """
    before = server.count_batches()
    parts = [part for part in _share(connections, processes) if part]
    outs = [folder / f"load-{number}.npz" for number in range(len(parts))]
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", _LOAD, *map(str, (server.port, part, seconds)), *map(str, files)],
            cwd=ROOT,
        )
        for part, files in zip(parts, [(folder / "queries.npy", out) for out in outs], strict=True)
    ]
    if any([one.wait(timeout=seconds + 60) for one in asking]):
        raise NotServedError(f"{connections} connections: the server stopped answering")
    answers = [np.load(out) for out in outs]
    taken = np.concatenate([one["taken"] for one in answers])
    batches = {size: count - before.get(size, 0) for size, count in server.count_batches().items()}
    right = [
        np.isin(found, expected[number]).mean()
        for one in answers
        for number, found in zip(one["numbers"], one["found"], strict=True)
    ]
    at_work = sum(count * kernels[round_up(size)] for size, count in batches.items())
    elapsed = max(float(one["elapsed"]) for one in answers)
    rate = len(taken) / elapsed
    return {
        "connections": connections,
        "queries_per_s": round(rate, 1),
        "p50_ms": round(1000 * float(np.percentile(taken, 50)), 3),
        "p99_ms": round(1000 * float(np.percentile(taken, 99)), 3),
        "mean_batch": round(sum(s * n for s, n in batches.items()) / max(1, sum(batches.values())), 2),
        "kernel_share_of_time": round(at_work / elapsed, 3),
        "share_of_kernels_best_rate": round(rate / max(size / seconds_ for size, seconds_ in kernels.items()), 3),
        "failed": int(sum(int(one["failed"]) for one in answers)),
        "right": round(float(np.mean(right)), 4) if right else None,
    }


def _share(connections: int, processes: int) -> list[int]:
    """Share connections between processes, as evenly as they go."""
    return [len(part) for part in np.array_split(np.arange(connections), processes)]


@contextlib.contextmanager
def serve(pack: Path, folder: Path, shape: Shape, device: str, instances: int) -> Iterator[Server]:
    """Unpack the server, start it over the model, and stop it at the end.

    Raises:
        NotServedError: it cannot be started; the message ends with the last lines of its log.
    """
    if not pack.is_file():
        raise NotServedError(f"{pack} is not there; make it with python -m benchmarks.gpu.pack")
    unpacked = folder / "pack"
    with tarfile.open(pack) as packed:
        packed.extractall(unpacked, filter="data")
    write_model(folder / "models", shape, device, instances)
    port, log = _find_port(), folder / "server.log"
    command = [
        unpacked / "server" / "bin" / "tritonserver",
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={unpacked / 'server' / 'backends'}",
        "--http-address=127.0.0.1",
        f"--http-port={port}",
        "--http-thread-count=16",
        "--allow-grpc=false",
        "--allow-metrics=false",
    ]
    began = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            list(map(str, command)),
            env=make_environment(unpacked, os.environ),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        while not _is_ready(port):
            said = log.read_text(errors="replace")
            if process.poll() is not None or _LOADER_FAILED in said or time.monotonic() - began > START_S:
                state = "is not ready" if process.poll() is None else f"ended with status {process.poll()}"
                last = " | ".join(said.strip().splitlines()[-4:])
                raise NotServedError(f"the server {state} after {time.monotonic() - began:.0f} s: {last[-800:]}")
            time.sleep(POLL_S)
        yield Server(port=port, ready_s=time.monotonic() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def write_model(repository: Path, shape: Shape, device: str, instances: int) -> None:
    """Write the model repository: one python model, which searches."""
    version = repository / MODEL / "1"
    version.mkdir(parents=True)
    source = _MODEL_SOURCE.format(
        root=str(ROOT), shape=json.dumps(asdict(shape)), device=device, tokens=TOKENS, scores=SCORES, found=FOUND
    )
    (version / "model.py").write_text(source)
    configuration = _MODEL_CONFIGURATION.format(
        name=MODEL,
        batch=BATCHES[-1],
        tokens=TOKENS,
        length=shape.tokens,
        scores=SCORES,
        found=FOUND,
        results=shape.results,
        instances=instances,
        delay=QUEUE_DELAY_US,
    )
    (repository / MODEL / "config.pbtxt").write_text(configuration)


def make_environment(unpacked: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Make the server's environment: its libraries, and the Python that runs this, whose packages the stub imports.

    The shared library of this Python goes before the packed one, which is for a machine that has none.
    """
    own = unpacked / "own"
    own.mkdir(exist_ok=True)
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    library = find_python_library(name)
    if library is not None:
        (own / name).symlink_to(library)
    folders = [own, unpacked / "libraries", unpacked / "python", inherited.get("LD_LIBRARY_PATH", "")]
    return {
        **inherited,
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, map(str, folders))),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def find_python_library(name: str) -> Path | None:
    """Find a shared library of Python where this one says that its own is; None where it has none."""
    said = [sysconfig.get_config_var(one) for one in ("LIBDIR", "MULTIARCH")]
    folders = [Path(said[0] or "/usr/lib"), Path("/usr/lib", said[1] or "")]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _find_port() -> int:
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{MODEL}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def show(report: Mapping[str, Any]) -> None:
    """Print what was measured, a line for each measurement."""
    lines = [f"{report['device']}, torch {report['torch']}, {report['shape']['vectors']:,} vectors"]
    lines += [f"kernels  {json.dumps(one)}" for one in report["kernels"]]
    lines += [f"served   {json.dumps(one)}" for one in report["served"]]
    if report["not_served"]:
        lines.append(f"not served: {report['not_served']}")
    lines.append(f"{report['seconds']} s")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
