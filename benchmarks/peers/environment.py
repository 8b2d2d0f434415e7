"""Where peers live: an environment of each one's own, processes that end with the benchmark, free ports."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness.command import BenchmarkError
from benchmarks.harness.record import REPOSITORY
from benchmarks.harness.store import VAR

ENVIRONMENTS = VAR / "peers"
START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 10.0
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
"""Numeric libraries of a server with a process or worker for each core."""


def read_requirements(peer: Path) -> Mapping[str, str]:
    """Return distribution -> version that a peer pins.

    Args:
        peer: its folder, with ``requirements.txt``.

    Raises:
        BenchmarkError: a requirement has no version.
    """
    pinned = {}
    for line in (peer / "requirements.txt").read_text().splitlines():
        requirement = line.partition("#")[0].strip()
        if not requirement:
            continue
        name, equal, version = requirement.partition("==")
        if not equal:
            raise BenchmarkError(f"{peer.name}: {requirement} must be pinned by ==")
        pinned[name] = version
    return pinned


def make_environment(peer: Path, folder: Path = ENVIRONMENTS) -> Path:
    """Make the environment that a peer's requirements ask for; one that was made from the same is kept.

    Args:
        peer: the peer's folder.
        folder: where environments are.

    Returns:
        The environment's folder.

    Raises:
        BenchmarkError: it could not be made; pip's own message is above.
    """
    requirements = peer / "requirements.txt"
    read_requirements(peer)
    environment = folder / peer.name
    stamp = environment / "requirements.sha256"
    wanted = f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {sys.version}"
    if stamp.is_file() and stamp.read_text() == wanted:
        return environment
    shutil.rmtree(environment, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    python = environment / "bin" / "python"
    base = getattr(sys, "_base_executable", sys.executable)
    install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", str(requirements)]
    for command in ([base, "-m", "venv", str(environment)], install):
        if subprocess.run(command).returncode != 0:
            raise BenchmarkError(f"{peer.name}: its environment could not be made (above: why); --only leaves it out")
    stamp.write_text(wanted)
    return environment


def find_package(environment: Path, package: str) -> Path:
    """Return the folder of an import package of an environment.

    Raises:
        BenchmarkError: it is not there.
    """
    for path in environment.glob(f"lib/python*/site-packages/{package}"):
        return path
    raise BenchmarkError(f"{environment.name}: no package {package} in its environment; remove {environment} and retry")


def find_free_port() -> int:
    """Return a TCP port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def start_process(
    command: Sequence[str],
    log: Path,
    ready: Callable[[], bool],
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    stop: int = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a session of its own for as long as the context lasts.

    Args:
        command: what to run.
        log: takes what it writes.
        ready: asked until it says that the server answers.
        environment: variables besides those of this process.
        user: whom it runs as; None for this process's own.
        stop: signal that asks it to end.

    Raises:
        BenchmarkError: it ended, or was not ready in time; the end of its log is in the message.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written:
        process = subprocess.Popen(
            list(command),
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
        )
    try:
        end = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                why = f"ended with {process.returncode}" if process.poll() is not None else "did not answer in time"
                raise BenchmarkError(f"{log.stem} {why}: {read_end(log)}")
            time.sleep(0.1)
        yield process
    finally:
        stop_process(process, stop)


def stop_process(process: subprocess.Popen[Any], stop: int = signal.SIGTERM) -> None:
    """Ask a process that `start_process` started to end, and end what is left of its session."""
    if process.poll() is None:
        process.send_signal(stop)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its session is its own: nobody else's process is in it
    except ProcessLookupError:
        return


def can_connect(port: int) -> bool:
    """Tell whether somebody listens at a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read_end(log: Path, characters: int = 1500) -> str:
    """Return the end of a log, for a message."""
    return log.read_text(errors="replace")[-characters:].strip()
