"""How a client talks to its servers: time allowed, repeats, TLS."""

import math
from dataclasses import dataclass, fields
from os import PathLike

from mercato_client.errors import InvalidArgumentError

MAX_GRPC_ATTEMPTS = 5  # gRPC cuts maxAttempts off at 5 (gRFC A6)
MIN_BACKOFF_S = 0.01  # with 1 ms, every second call that should be repeated hangs until its deadline (grpc/grpc#41036)


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds allowed for a call, repeats included, unless the call says otherwise; ``math.inf`` waits for ever.

    Attributes:
        read_s: search, recommend and similar. A page of products later than this is of no use to a shopper.
        write_s: events and catalogue changes. Long, since a batch of products is encoded before it is acknowledged.
        health_s: all questions of one health check together.
    """

    read_s: float = 2.0
    write_s: float = 30.0
    health_s: float = 5.0

    def __post_init__(self) -> None:
        """Check the values."""
        for field in fields(self):
            check_timeout(field.name, getattr(self, field.name))


@dataclass(frozen=True, kw_only=True)
class Retries:
    """When a call that found no server, or was shed by one, is made again within its time.

    Search, recommend, health and events are repeated (an event has an id, so it counts once); catalogue changes never,
    for a late repeat could undo what another writer did in between. A server that sheds load says when to come back:
    no repeat is made earlier, and none where that is beyond the time allowed. Repeats stop by themselves while most
    calls fail, so that they do not add to an overload.

    Attributes:
        attempts: how often a call is made at most, 1 to 5; 1 turns repeats off.
        initial_backoff_s: wait before the second attempt, give or take a fifth, at least 0.01; then doubled.
        max_backoff_s: the longest wait, at least 0.01.
    """

    attempts: int = 3
    initial_backoff_s: float = 0.05
    max_backoff_s: float = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.attempts <= MAX_GRPC_ATTEMPTS:
            raise InvalidArgumentError(
                f"attempts: must be 1 to {MAX_GRPC_ATTEMPTS}, is {self.attempts!r}", parameter="attempts"
            )
        for name in ("initial_backoff_s", "max_backoff_s"):
            value = getattr(self, name)
            if not MIN_BACKOFF_S <= value < math.inf:
                raise InvalidArgumentError(
                    f"{name}: must be {MIN_BACKOFF_S} seconds or more, and finite, is {value!r}", parameter=name
                )


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Encrypted connections, with the server's certificate always checked. Files are PEM.

    Attributes:
        ca_path: certificates to trust in place of the machine's own.
        certificate_path: the client's certificate chain, where the server asks for one; together with ``key_path``.
        key_path: the private key of that certificate.
        server_name: the name to expect in the server's certificate, where it is not that of the address.
    """

    ca_path: str | PathLike[str] | None = None
    certificate_path: str | PathLike[str] | None = None
    key_path: str | PathLike[str] | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        """Check the values; the files are read when a client is made."""
        if (self.certificate_path is None) != (self.key_path is None):
            given, missing = (
                ("certificate_path", "key_path") if self.key_path is None else ("key_path", "certificate_path")
            )
            raise InvalidArgumentError(
                f"{missing}: must be given together with {given}; give both or neither", parameter=missing
            )


def check_timeout(name: str, timeout_s: float) -> float:
    """Return ``timeout_s`` if it is a positive number of seconds or infinite.

    Args:
        name: the parameter's name, for the message.
        timeout_s: seconds.

    Raises:
        InvalidArgumentError: it is zero, negative or NaN.
    """
    if not timeout_s > 0:
        raise InvalidArgumentError(
            f"{name}: must be above 0 seconds, is {timeout_s!r}; math.inf waits for ever", parameter=name
        )
    return timeout_s
