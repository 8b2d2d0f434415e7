"""A real Milvus server of this machine's own: the standalone one of the wheel `milvus`, started and stopped.

The wheel is kept out of the environment, in a folder of its own, and only what it unpacks is run: its own wrapper
leaves the server alive when it is stopped. What listens is for this machine's tests and benchmarks alone: it
binds every interface, and without `settings` asks for no password.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

WHEEL = "milvus==2.3.5"
START_S = 120.0
STOP_S = 10.0
_UNPACK = """
import sys
from milvus import MilvusServerConfig, _initialize_data_files
config = MilvusServerConfig(data_dir=sys.argv[1])
names = [name for name in config.configurable_items if name.endswith("_port")]
for setting in sys.argv[2].split():
    name, _, value = setting.partition("=")
    kind = config.configurable_items[name][0]
    config.set(name, value == "true" if kind is bool else kind(value))
config.update(**dict(zip(names, map(int, sys.argv[3:]))))
config.resolve()
_initialize_data_files(sys.argv[1])
"""
"""Unpacks programs and configuration into a folder with the ports to listen on; run with the wheel on the path."""
_PORTS = 12
"""Ten of its parts, one for its health and one that its store of metadata would speak to others through."""


class MilvusUnavailableError(Exception):
    """The wheel cannot be installed, or its server does not start; the message says why."""


def install_milvus(folder: Path) -> Path:
    """Install the wheel into a folder of its own, once.

    Args:
        folder: where it is kept.

    Returns:
        The folder that holds the package.

    Raises:
        MilvusUnavailableError: pip cannot get it.
    """
    packages = folder / WHEEL.replace("==", "-")
    if (packages / "milvus").is_dir():
        return packages
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), WHEEL]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        said = answer.stderr.strip().splitlines()
        raise MilvusUnavailableError(f"pip cannot install {WHEEL}: {said[-1] if said else answer.returncode}")
    return packages


def find_free_ports(count: int) -> list[int]:
    """Find ports that nothing listens on now."""
    with _Held() as held:
        return [held.hold() for _ in range(count)]


class _Held:
    """Sockets that are held until all are known, so that no port is given twice."""

    def __enter__(self) -> _Held:
        self._sockets: list[socket.socket] = []
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()

    def hold(self) -> int:
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        self._sockets.append(one)
        return int(one.getsockname()[1])


class MilvusServer:
    """A server with a folder of its own.

    Attributes:
        address: HOST:PORT of its gRPC service.
    """

    def __init__(
        self, packages: Path, folder: Path, *, port: int = 0, settings: Mapping[str, str] | None = None
    ) -> None:
        """Unpack a server; nothing is started yet.

        Args:
            packages: what `install_milvus` returned.
            folder: for its programs, data and logs: 250 MB.
            port: to listen on; 0 picks a free one.
            settings: of its configuration's template, such as ``authorization_enabled``; no value has a space.

        Raises:
            MilvusUnavailableError: it cannot be unpacked.
        """
        ports = find_free_ports(_PORTS)
        if port:
            ports[2] = port
        self._folder = folder
        self._health, peer = ports.pop(), ports.pop()
        self.address = f"127.0.0.1:{ports[2]}"
        given = " ".join(f"{name}={value}" for name, value in (settings or {}).items())
        command = [sys.executable, "-c", _UNPACK, str(folder), given, *map(str, ports)]
        environment = {**os.environ, "PYTHONPATH": str(packages)}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise MilvusUnavailableError(f"{WHEEL} cannot be unpacked: {answer.stderr.strip().splitlines()[-1]}")
        self._set_peer_port(ports[0], peer)
        self._process: subprocess.Popen[bytes] | None = None

    def _set_peer_port(self, client: int, peer: int) -> None:
        """Move the one port that its configuration cannot: without, a machine has one such server at a time."""
        etcd = {
            "data-dir": str(self._folder / "data" / "etcd.data"),
            "log-outputs": [str(self._folder / "logs" / "etcd.log")],
            "listen-client-urls": f"http://127.0.0.1:{client}",
            "advertise-client-urls": f"http://127.0.0.1:{client}",
            "listen-peer-urls": f"http://127.0.0.1:{peer}",
            "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}",
            "initial-cluster": f"default=http://127.0.0.1:{peer}",
        }
        file = self._folder / "configs" / "etcd.yaml"
        file.write_text(json.dumps(etcd))  # which is YAML, too
        configuration = self._folder / "configs" / "milvus.yaml"
        text = configuration.read_text().replace("\netcd:\n", f"\netcd:\n  config:\n    path: {file}\n", 1)
        configuration.write_text(text)

    @property
    def pid(self) -> int:
        """Process id of the running server; 0 where none runs."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it is healthy.

        Raises:
            MilvusUnavailableError: it ended, or is not healthy in time; the message has the folder of its log.
        """
        programs = self._folder / "bin"
        environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._health),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
            "LD_LIBRARY_PATH": str(programs),
        }
        with (self._folder / "logs" / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(programs / "milvus"), "run", "standalone"],
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(urllib.error.URLError, OSError):
                with closing(urllib.request.urlopen(f"http://127.0.0.1:{self._health}/healthz", timeout=5)) as answer:
                    if b"OK" in answer.read():
                        return
            time.sleep(0.2)
        status = self._process.poll()
        self.kill()
        what = f"not healthy after {START_S:.0f} s" if status is None else f"ended with status {status}"
        raise MilvusUnavailableError(f"{WHEEL}: {what}; see {self._folder / 'logs'}")

    def pause(self) -> None:
        """Stop it from running, so that it is late; `resume` goes on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None


@contextmanager
def serve_milvus(
    tools: Path, folder: Path, *, port: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[MilvusServer]:
    """Install, start and at the end stop a server.

    Args:
        tools: where the wheel is kept for the next time.
        folder: for its data.
        port: to listen on; 0 picks a free one.
        settings: see `MilvusServer`.

    Raises:
        MilvusUnavailableError: it cannot be had here; the message says why.
    """
    server = MilvusServer(install_milvus(tools), folder, port=port, settings=settings)
    server.start()
    try:
        yield server
    finally:
        server.kill()
