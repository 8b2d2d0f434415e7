"""The addresses a server listens on: checked, or picked, before anything is started."""

import errno
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from mercato.errors import ServerError
from mercato.settings import Flag, within

OPTION_OF = {"grpc": "--port", "http": "--http-port", "metrics": "--metrics-port"}
_PORT = within(0, 65535)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The three ports of a Triton server.

    Attributes:
        grpc: inference over gRPC; 0 picks a free port.
        http: inference over HTTP; 0 picks a free port.
        metrics: Prometheus metrics; 0 picks a free port.
    """

    # Made anywhere, checked with the other options of a server.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(revalidate_instances="always")

    grpc: Annotated[int, _PORT, Flag(name=OPTION_OF["grpc"]), Field(description="gRPC port; 0 picks a free one.")] = (
        8001
    )
    http: Annotated[int, _PORT, Flag(name=OPTION_OF["http"]), Field(description="HTTP port; 0 picks a free one.")] = (
        8000
    )
    metrics: Annotated[
        int, _PORT, Flag(name=OPTION_OF["metrics"]), Field(description="Prometheus metrics port; 0 picks a free one.")
    ] = 8002


def reserve_ports(host: str, ports: Ports) -> Ports:
    """Check that every port is free, and pick one for each that is 0.

    All three are held at once while picking, so that no two are the same; they are released on return, which leaves a
    short time in which another process could take one (the server then reports it).

    Args:
        host: the address to listen on.
        ports: the wanted ports.

    Returns:
        The ports, all non-zero.

    Raises:
        ServerError: a port is in use, not permitted or asked for twice, or the host is no address of this machine.
    """
    wanted = {"grpc": ports.grpc, "http": ports.http, "metrics": ports.metrics}
    fixed = [port for port in wanted.values() if port]
    if len(set(fixed)) != len(fixed):
        given = ", ".join(f"{name} {port}" for name, port in wanted.items())
        raise ServerError(f"ports: grpc, http and metrics must differ, given {given}; choose others or 0")
    chosen = {}
    with ExitStack() as held:
        # Fixed ports first, so that a picked one never takes a port that was asked for.
        for name, port in sorted(wanted.items(), key=lambda item: item[1] == 0):
            chosen[name] = _bind(held, host, port, name)
    return Ports(**chosen)


def _bind(held: ExitStack, host: str, port: int, name: str) -> int:
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # A port in TIME_WAIT is free for a server; one that somebody listens on is not, with this option either.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Two sockets may be bound to one address with SO_REUSEADDR; only one may listen.
        listener.listen(1)
    except OSError as exc:
        raise ServerError(_explain(exc, host, port, name)) from exc
    return int(listener.getsockname()[1])


def _explain(exc: OSError, host: str, port: int, name: str) -> str:
    option = OPTION_OF[name]
    if exc.errno == errno.EADDRINUSE:
        return (
            f"port {port}: already in use on {host}{_owner_of(port)}; choose another for {name} with "
            f"{option} (0 picks a free one), or stop what listens there"
        )
    if exc.errno == errno.EACCES:
        return f"port {port}: not permitted for this user; choose one from 1024 up for {name} with {option}"
    return f"host {host}: cannot listen there ({exc.strerror}); choose an address of this machine with --host"


def _owner_of(port: int) -> str:
    """Name the process that listens on a port, as a clause; empty when this user may not know."""
    import psutil  # needed for this message alone

    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return ""
