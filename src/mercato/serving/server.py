"""A Triton server as a value: started, ready, supervised, stopped.

Example::

    with TritonServer(ServerOptions(catalog=Path("var/demo/catalog"), encoder=Path("var/models/encoder"))) as server:
        print(server.grpc_address)
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from tritonclient import grpc as triton

from mercato.errors import ServerError
from mercato.serving import tether
from mercato.serving.access import (
    describe_exposure,
    grpc_admin_headers,
    http_admin_headers,
    is_loopback,
    make_admin_key,
    read_admin_key,
)
from mercato.serving.binary import FoundServer, find_server, stage_server
from mercato.serving.canary import Health, run_canary
from mercato.serving.command import build_command, build_environment, build_settings, write_settings
from mercato.serving.engines import ServedEngines, prepare_engines
from mercato.serving.log_tail import describe_failure
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports, reserve_ports
from mercato.serving.preflight import check_inputs, check_shared_memory, make_state_folder
from mercato.serving.processes import ProcessMemory, end_orphans, has_children, hide_argument, process_memory
from mercato.serving.repository import StagedModel, project_repository, stage_repository
from mercato.serving.run_folder import RunFolder, create_run_folder, remove_run_folder
from mercato.serving.supervisor import Supervisor

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.05
# After the server's own timeout it exits by itself; this is how long that may take.
EXIT_GRACE_S = 3.0


class TritonServer:
    """A Triton server of our models, and its life.

    The server lives no longer than the thread that starts it: the kernel ends it when that thread ends.

    Attributes:
        options: what it is started with.
        ports: the ports it listens on; those chosen, once started.
        models: the names of the models it serves, once started.
        ready_s: seconds from the call of :meth:`start`, checks included, until every model answered its canary.
    """

    def __init__(self, options: ServerOptions) -> None:
        """Make a server; nothing is checked or started yet.

        Args:
            options: what to start it with.
        """
        self.options = options
        self.ports: Ports = options.ports
        self.models: tuple[str, ...] = ()
        self.ready_s = 0.0
        self._folder: RunFolder | None = None
        self._staged: list[StagedModel] = []
        self._engines = ServedEngines()
        self._process: subprocess.Popen[bytes] | None = None
        self._client: triton.InferenceServerClient | None = None
        self._supervisor: Supervisor | None = None
        self._log_start = 0
        self._admin_key = ""
        self._key_hidden = False
        self._stopping = threading.Event()

    def __enter__(self) -> "TritonServer":
        """Start, and return when every model answers."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, leaving no process and no shared memory."""
        self.stop()

    @property
    def grpc_address(self) -> str:
        """Where clients reach it over gRPC, ``HOST:PORT``."""
        return f"{self._reachable_host}:{self.ports.grpc}"

    @property
    def http_address(self) -> str:
        """Where clients reach it over HTTP, ``HOST:PORT``."""
        return f"{self._reachable_host}:{self.ports.http}"

    @property
    def metrics_address(self) -> str:
        """Where Prometheus reads ``/metrics``, ``HOST:PORT``."""
        return f"{self._reachable_host}:{self.ports.metrics}"

    @property
    def pid(self) -> int:
        """The process id of ``tritonserver``.

        Raises:
            ServerError: it has not been started.
        """
        if self._process is None:
            raise ServerError("server: not started; call start() first")
        return self._process.pid

    @property
    def admin_headers(self) -> dict[str, str]:
        """What opens the owner's calls over gRPC, for ``tritonclient``; not to be logged."""
        return grpc_admin_headers(self._admin_key)

    @property
    def http_admin_headers(self) -> dict[str, str]:
        """What opens the owner's calls over HTTP; not to be logged."""
        return http_admin_headers(self._admin_key)

    @property
    def shared_memory_prefix(self) -> str:
        """What the names of this run's shared-memory regions begin with; empty before start."""
        return self._folder.prefix if self._folder else ""

    @property
    def log(self) -> Path | None:
        """The server's log file; None before start."""
        return self.options.log or (self._folder.log if self._folder else None)

    @property
    def supervisor(self) -> Supervisor | None:
        """What watches the models; None when not supervised."""
        return self._supervisor

    @property
    def _reachable_host(self) -> str:
        return "127.0.0.1" if self.options.host in ("0.0.0.0", "") else self.options.host

    def memory(self) -> list[ProcessMemory]:
        """Measure the memory of the server's processes."""
        return process_memory(self.pid)

    def start(self) -> "TritonServer":
        """Check everything that can be checked, start the server, wait until every model answers its canary.

        Returns:
            This server.

        Raises:
            ServerError: it cannot be found, a port is in use, libpython is missing, the admin key cannot be used, or it
                does not become ready.
            SnapshotError: the catalogue is missing, damaged, or built with another encoder.
            ModelError: a model's files are missing.
        """
        if self._process is not None:
            raise ServerError("server: already started; make another TritonServer for another run")
        started = time.monotonic()
        found = find_server()
        self._admin_key = self._choose_admin_key()
        check_inputs(self.options)
        self._engines = prepare_engines(self.options)
        self.ports = reserve_ports(self.options.host, self.options.ports)
        self._folder = create_run_folder(self.options.run_root)
        try:
            self._launch(found, self._folder)
            self._await_ready(started + self.options.start_timeout_s)
        except BaseException:
            self.stop()
            raise
        self.ready_s = time.monotonic() - started
        logger.info(
            "server ready in %.1f s: gRPC %s, models %s", self.ready_s, self.grpc_address, ", ".join(self.models)
        )
        if not is_loopback(self.options.host):
            logger.warning("server: %s", describe_exposure(self.options.host, self.ports))
        self._supervise(self._folder)
        return self

    def wait(self) -> None:
        """Block until a stop is requested.

        Raises:
            ServerError: the server ended by itself; the message has the last lines of its log.
        """
        while not self._stopping.wait(0.2):
            self._check_running()

    def request_stop(self) -> None:
        """Make :meth:`start` give up, or :meth:`wait` return; safe in a signal handler and from any thread."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop the server and remove what it left: processes, shared memory, the run's folder. Can be repeated."""
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None and self._process.poll() is None:
            self._end_process(self._process)
        if self._folder is not None:
            end_orphans(self._folder.prefix)
            remove_run_folder(self._folder)

    def _choose_admin_key(self) -> str:
        path = self.options.admin_key_file
        if path is None:
            return make_admin_key()
        if not tether.landlock_version():
            raise ServerError(
                "admin key: this kernel has no Landlock (Linux 5.13 and later), so that whoever holds the key could "
                "have the server run files of a request; leave --admin-key-file out: then nobody holds one"
            )
        opened = [folder for folder in make_state_folder(self.options.state) if tether.holds_temporary(folder)]
        if opened:
            raise ServerError(
                f"admin key: state lies right in {opened[0]}, where Triton would put files of a request, so that "
                "whoever holds the key could have the server run them; put state into a folder of its own, or leave "
                "--admin-key-file out"
            )
        return read_admin_key(path)

    def _launch(self, found: FoundServer, folder: RunFolder) -> None:
        options = self.options
        binary = stage_server(found, folder.path)
        self._staged = stage_repository(
            options.repository or project_repository(),
            folder.repository,
            profile=options.profile,
            models=options.models,
            engines=options.all_engines,
            without=options.unserved_models,
            fallback=self._engines.fallback,
        )
        self.models = tuple(model.name for model in self._staged)
        check_shared_memory(self._staged, options)
        write_settings(folder, build_settings(options, self._engines.buckets))
        command = build_command(binary, options, self.ports, folder, self._staged)
        environment = build_environment(binary, options, folder, os.environ, self._admin_key)
        writable = os.pathsep.join(map(str, [folder.path, *make_state_folder(options.state)]))
        log = self.log or folder.log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            self._log_start = stream.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", tether.__file__, str(os.getpid()), writable, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal reaches the whole foreground group; the order of stopping is ours.
                start_new_session=True,
            )

    def _await_ready(self, deadline: float) -> None:
        # Triton opens its gRPC port when all models have been loaded.
        while not _accepts(self._reachable_host, self.ports.grpc):
            self._hide_key()
            self._pause(deadline, "does not listen yet")
        self._hide_key(last=True)
        self._client = triton.InferenceServerClient(self.grpc_address)
        for model in self.models:
            if model not in self.options.canaries:
                logger.debug("model %s has no canary; only its processes are watched", model)
                continue
            while True:
                timeout_s = max(POLL_INTERVAL_S, min(self.options.canary_timeout_s, deadline - time.monotonic()))
                result = run_canary(self._client, model, self.options.canaries[model], timeout_s)
                if result.health is Health.ANSWERED:
                    break
                self._pause(deadline, f"model {model} does not answer its canary: {result.message}")
        # Triton opens these after gRPC, so that one who was told "ready" could still be refused there.
        for name, port in (("HTTP", self.ports.http), ("metrics", self.ports.metrics)):
            while not _accepts(self._reachable_host, port):
                self._pause(deadline, f"does not listen on its {name} port {port} yet")

    def _hide_key(self, *, last: bool = False) -> None:
        # Triton takes the key as an argument. It has read its arguments when it has started a stub, or listens.
        if self._process is None or self._key_hidden or not (last or has_children(self._process.pid)):
            return
        self._key_hidden = hide_argument(self._process.pid, self._admin_key)
        if last and not self._key_hidden:
            logger.warning(
                "server: other users of this machine can read the admin key in the list of processes, because its "
                "arguments could not be written over; serve where there are none"
            )

    def _pause(self, deadline: float, state: str) -> None:
        self._check_running()
        if self._stopping.wait(POLL_INTERVAL_S):
            raise ServerError("server: stopped before it was ready")
        if time.monotonic() > deadline:
            raise ServerError(
                f"server: not ready after {self.options.start_timeout_s:g} s, {state}; {self._describe_failure()}"
            )

    def _check_running(self) -> None:
        if self._process is not None and (status := self._process.poll()) is not None:
            how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
            raise ServerError(f"server: tritonserver ended with {how}; {self._describe_failure()}")

    def _describe_failure(self) -> str:
        return describe_failure(self.log, self._log_start)

    def _supervise(self, folder: RunFolder) -> None:
        if self.options.supervised and self._process is not None:
            process = self._process
            self._supervisor = Supervisor(
                client=self._client,
                admin_headers=self.admin_headers,
                server_pid=process.pid,
                is_server_alive=lambda: process.poll() is None,
                prefix=folder.prefix,
                models=self._staged,
                options=self.options,
                log=self.log,
            )
            self._supervisor.start()

    def _end_process(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(self.options.stop_timeout_s + EXIT_GRACE_S)
        except subprocess.TimeoutExpired:
            logger.warning("server did not end within %g s; killed", self.options.stop_timeout_s)
            process.kill()
            process.wait()


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False
