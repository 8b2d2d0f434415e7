"""perf_analyzer, Triton's own load generator: finding one, running a load, reading its report."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mercato.errors import MercatoError

EXECUTABLE = "perf_analyzer"
LIBRARIES = "lib"
"""Folder beside the program with libraries that it wants and the system lacks."""

Inputs = Mapping[str, str | int]
"""One request: tensor name to its one element."""

PERCENTILES = (50, 90, 95, 99)
UNSTABLE = 2  # perf_analyzer's exit status when its windows never agreed
ANY_PERCENT = 10_000.0
TIME_LIMIT_S = 300


@dataclass(frozen=True, kw_only=True)
class LoadGenerator:
    """A perf_analyzer that runs here.

    Attributes:
        executable: the program.
        libraries: folder that must be on ``LD_LIBRARY_PATH``; None where it needs none.
        version: what it says of itself.
    """

    executable: Path
    libraries: Path | None
    version: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment to start it in."""
        return build_environment(self.libraries)


def find_perf_analyzer(executable: Path | None = None) -> LoadGenerator:
    """Return the perf_analyzer that is named, else the one on PATH.

    Args:
        executable: the program; a folder `LIBRARIES` beside it goes before the system's.

    Raises:
        MercatoError: there is none, or it does not run here.
    """
    named = executable or (Path(found) if (found := shutil.which(EXECUTABLE)) else None)
    remedy = "name one that runs here with --perf-analyzer, or take --driver asyncio"
    if named is None:
        raise MercatoError(f"perf_analyzer: none is on PATH; {remedy}")
    beside = named.resolve().parent / LIBRARIES
    libraries = beside if beside.is_dir() else None
    version = read_version(named, libraries)
    if not version:
        raise MercatoError(f"perf_analyzer: {named} does not run here; {remedy}")
    return LoadGenerator(executable=named, libraries=libraries, version=version)


def build_environment(libraries: Path | None) -> dict[str, str]:
    """Return this process's environment, with a folder first on ``LD_LIBRARY_PATH``."""
    if libraries is None:
        return dict(os.environ)
    folders = [str(libraries), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def read_version(executable: Path, libraries: Path | None) -> str:
    """Return the last line of ``--version``; empty where the program does not run."""
    command = [str(executable), "--version"]
    try:
        answer = subprocess.run(command, env=build_environment(libraries), capture_output=True, text=True, timeout=30)
    except OSError:
        return ""
    lines = (answer.stdout + answer.stderr).strip().splitlines()
    return lines[-1] if answer.returncode == 0 and lines else ""


@dataclass(frozen=True, kw_only=True)
class PerfLoad:
    """What perf_analyzer is asked to do.

    Attributes:
        model: the Triton model.
        concurrency: requests in flight, a new one for each answer (closed loop); None for an open loop.
        request_rate: requests a second whose arrivals follow a Poisson process, answered or not (open loop).
        window_s: length of a measurement window. It repeats until three windows agree.
        stability_percent: by how much they may differ; a noisy machine needs more than the tool's 10.
        max_windows: how many windows may be tried until three agree.
    """

    model: str
    concurrency: int | None = None
    request_rate: float | None = None
    window_s: float = 2.5
    stability_percent: float = 30.0
    max_windows: int = 5

    def __post_init__(self) -> None:
        """Check that it is either a closed or an open loop."""
        if (self.concurrency is None) == (self.request_rate is None):
            raise MercatoError("load: give either a concurrency (closed loop) or a request rate (open loop)")

    @property
    def options(self) -> list[str]:
        """The load as options of perf_analyzer."""
        if self.concurrency is not None:
            shape = ["--concurrency-range", str(self.concurrency)]
        else:
            shape = ["--request-rate-range", f"{self.request_rate:g}", "--request-distribution", "poisson"]
        window = ["--measurement-interval", str(int(self.window_s * 1000)), "--max-trials", str(self.max_windows)]
        # Threads of the generator take cores from the server: one, and asynchronous requests.
        return [*shape, *window, "-s", f"{self.stability_percent:g}", "-a", "--max-threads", "1"]


@dataclass(frozen=True, kw_only=True)
class LoadFigures:
    """What one load reached.

    Attributes:
        queries_per_s: answered requests a second.
        latency_ms: by percentile (50, 90, 95, 99), seen by the load generator.
        queue_ms: mean time that a request waited in Triton's scheduler.
        settled: whether three windows in a row agreed within the load's stability.
    """

    queries_per_s: float
    latency_ms: dict[int, float]
    queue_ms: float
    settled: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        latency = {f"p{percentile}_ms": value for percentile, value in self.latency_ms.items()}
        return {"queries_per_s": self.queries_per_s, **latency, "queue_ms": self.queue_ms, "settled": self.settled}


def write_input_data(requests: Sequence[Inputs], path: Path) -> None:
    """Write requests in perf_analyzer's format; it sends them in turn, from the first again after the last.

    Args:
        requests: the requests; each must hold the same tensors.
        path: the file to write.
    """
    data = [{name: {"content": [value], "shape": [1]} for name, value in request.items()} for request in requests]
    path.write_text(json.dumps({"data": data}))


def parse_report(text: str) -> LoadFigures:
    """Read the last row of perf_analyzer's CSV report.

    Raises:
        MercatoError: the report has no row.
    """
    rows = list(csv.DictReader(text.splitlines()))
    if not rows:
        raise MercatoError("perf_analyzer: its report is empty; no window was measured")
    row = rows[-1]
    return LoadFigures(
        queries_per_s=round(float(row["Inferences/Second"]), 1),
        latency_ms={percentile: round(float(row[f"p{percentile} latency"]) / 1000, 2) for percentile in PERCENTILES},
        queue_ms=round(float(row["Server Queue"]) / 1000, 2),
    )


def run_load(generator: LoadGenerator, server: str, load: PerfLoad, requests: Sequence[Inputs]) -> LoadFigures:
    """Run one load against a server.

    perf_analyzer writes no report when its windows never agree. The load is then run once more and taken as it is.

    Args:
        generator: the perf_analyzer.
        server: the server's gRPC address, ``HOST:PORT``.
        load: what to do.
        requests: what to send.

    Raises:
        MercatoError: it failed; a request that is answered with an error ends it.
    """
    with tempfile.TemporaryDirectory() as name:
        data, report = Path(name) / "requests.json", Path(name) / "report.csv"
        write_input_data(requests, data)
        target = ["-m", load.model, "-u", server, "-i", "grpc", "--input-data", str(data), "-f", str(report)]
        status = _run(generator, [*target, *load.options])
        settled = status != UNSTABLE
        if not settled:
            status = _run(generator, [*target, *replace(load, stability_percent=ANY_PERCENT).options])
        if not report.is_file():
            raise MercatoError(f"perf_analyzer: {load.model}: wrote no report (status {status})")
        return replace(parse_report(report.read_text()), settled=settled)


def _run(generator: LoadGenerator, arguments: list[str]) -> int:
    """Run perf_analyzer and return its status, 0 or UNSTABLE; raise MercatoError on any other."""
    command = [str(generator.executable), *arguments]
    try:
        answer = subprocess.run(
            command, env=generator.environment, capture_output=True, text=True, timeout=TIME_LIMIT_S
        )
    except subprocess.TimeoutExpired as exc:
        raise MercatoError(f"perf_analyzer: not done after {TIME_LIMIT_S} s; give a shorter window") from exc
    output = (answer.stdout + answer.stderr).strip()
    if answer.returncode == 0 or (answer.returncode == UNSTABLE and "stable measurement" in output):
        return answer.returncode
    tail = "\n".join(output.splitlines()[-8:])
    raise MercatoError(f"perf_analyzer: ended with status {answer.returncode}:\n{tail}")
