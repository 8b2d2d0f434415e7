"""What the sync and the asyncio client have in common: everything but the waiting."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mercato_client._channel import build_channel_args, build_connection_options, check_headers, resolve_target
from mercato_client._pages import PageMemory
from mercato_client.errors import ClientClosedError, DeadlineExceededError
from mercato_client.settings import Retries, Timeouts, Tls, check_timeout

DEFAULT_SERVER = "127.0.0.1:8001"


class ClientBase:
    """Settings, checked once, in the form in which tritonclient takes them.

    Attributes:
        target: the gRPC target of the server or servers.
        timeouts: seconds allowed by default.
    """

    def __init__(
        self,
        servers: str | Sequence[str] = DEFAULT_SERVER,
        *,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        tls: Tls | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make a client. Nothing is connected before the first call, and a server may come and go meanwhile.

        Args:
            servers: ``HOST:PORT`` of a server's gRPC port; several literal addresses as a list; or a gRPC target such
                as ``dns:///HOST:PORT`` whose name has many addresses. Calls go to all of them in turn.
            timeouts: seconds allowed for each kind of call; by default ``Timeouts()``.
            retries: repeats while no server takes a call; by default ``Retries()``.
            tls: encrypted connections; by default clear text.
            headers: sent with every call, for example ``{"authorization": "Bearer ..."}``, or
                ``{"triton-grpc-protocol-inference-key": ...}`` for a server with restricted protocols.

        Raises:
            InvalidArgumentError: one of these cannot be used.
        """
        self.target = resolve_target(servers)
        self.timeouts = timeouts or Timeouts()
        self._headers = check_headers(headers)
        self._tls = tls
        self._retries = retries or Retries()
        self._options = build_connection_options(tls)
        self._pages = PageMemory()
        self._closed = False

    def __repr__(self) -> str:
        """The client's target; never its headers, which may be secret."""
        return f"{type(self).__name__}({self.target!r})"

    def _connection_arguments(self, *, repeating: bool) -> dict[str, Any]:
        """Arguments of tritonclient's constructors. Repeats are a property of a channel, hence two channels."""
        channel_args = build_channel_args(self._retries if repeating else None, self._tls)
        return {"url": self.target, "channel_args": channel_args, **self._options}

    def _read_timeout(self, timeout_s: float | None) -> float:
        return self.timeouts.read_s if timeout_s is None else timeout_s

    def _write_timeout(self, timeout_s: float | None) -> float:
        return self.timeouts.write_s if timeout_s is None else timeout_s

    def _health_timeout(self, timeout_s: float | None) -> float:
        return check_timeout("timeout_s", self.timeouts.health_s if timeout_s is None else timeout_s)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError(f"{self!r} is closed; make a new one")


class Countdown:
    """The time left for several questions together."""

    def __init__(self, timeout_s: float) -> None:
        """Start it.

        Args:
            timeout_s: seconds for all of them, possibly infinite.
        """
        self._end = time.monotonic() + timeout_s

    def remaining_s(self) -> float | None:
        """Seconds left, None without a limit.

        Raises:
            DeadlineExceededError: there are none.
        """
        if self._end == math.inf:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeadlineExceededError("not asked, the time for the whole check was up; allow more with timeout_s")
        return left
