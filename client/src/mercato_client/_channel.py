"""Where the servers are and how gRPC gets to them: target, channel arguments, TLS files, headers."""

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from os import fspath
from typing import Any

from mercato_client.errors import InvalidArgumentError
from mercato_client.settings import Retries, Tls

# tritonclient's own limit. Its channel_args replace its defaults, so this has to be said again: gRPC's is 4 MB.
MAX_MESSAGE_BYTES = 2**31 - 1

_SERVICE = "inference.GRPCInferenceService"
_REPEATED_BY_GRPC = ("ServerLive", "ServerReady", "ModelReady")
"""Questions about health. Inferences are repeated by `mercato_client._repeats`, when the server says so."""

_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "xds:")
_HEADER_NAME = re.compile(r"[0-9a-z_.-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")


def resolve_target(servers: str | Sequence[str]) -> str:
    """Return the gRPC target for one or several servers.

    Args:
        servers: ``HOST:PORT``; or a gRPC target such as ``dns:///HOST:PORT``, which may stand for many servers; or
            several literal addresses, ``["10.0.0.1:8001", "10.0.0.2:8001"]``, all IPv4 or all IPv6.

    Raises:
        InvalidArgumentError: it is none of these.
    """
    if not isinstance(servers, str):
        return _join_addresses(list(servers))
    if servers.startswith(_SCHEMES):
        return servers
    if "//" in servers:
        raise _bad_servers(f"is {servers!r}, an URL", "give HOST:PORT of the gRPC port, usually 8001")
    _split_port(servers)
    return servers


def _join_addresses(servers: list[str]) -> str:
    if not servers:
        raise _bad_servers("is an empty list", "give at least one HOST:PORT")
    if len(servers) == 1:
        return resolve_target(servers[0])
    versions = set()
    for server in servers:
        host = _split_port(server)
        try:
            versions.add(ipaddress.ip_address(host.strip("[]")).version)
        except ValueError:
            raise _bad_servers(
                f"holds {server!r}, which is not a literal IP address; several servers must be",
                "use one name that stands for all of them: dns:///HOST:PORT",
            ) from None
    if len(versions) > 1:
        raise _bad_servers("mixes IPv4 and IPv6", "give addresses of one kind")
    return f"ipv{versions.pop()}:{','.join(servers)}"


def _split_port(server: str) -> str:
    """The host of ``HOST:PORT``."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise _bad_servers(f"holds {server!r}, not HOST:PORT", "add the gRPC port, usually 8001")
    return host


def _bad_servers(given: str, remedy: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"servers: {given}; {remedy}", parameter="servers")


def build_channel_args(retries: Retries | None, tls: Tls | None) -> list[tuple[str, Any]]:
    """Return the complete arguments of a gRPC channel.

    Args:
        retries: when calls are repeated; None never does.
        tls: the server's name in its certificate is taken from here.

    Returns:
        Round robin over all addresses of the target, unlimited messages, and repeats of questions about health that
        ended UNAVAILABLE.
    """
    service: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retries is not None and retries.attempts > 1:
        policy = {
            "maxAttempts": retries.attempts,
            "initialBackoff": f"{retries.initial_backoff_s:.3f}s",
            "maxBackoff": f"{retries.max_backoff_s:.3f}s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        names = [{"service": _SERVICE, "method": method} for method in _REPEATED_BY_GRPC]
        service["methodConfig"] = [{"name": names, "retryPolicy": policy}]
        # Half of the tokens gone means mostly failures: repeats stop until successes fill them up again (gRFC A6).
        service["retryThrottling"] = {"maxTokens": 10, "tokenRatio": 0.1}
    arguments: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.enable_retries", 1 if "methodConfig" in service else 0),
        ("grpc.service_config", json.dumps(service)),
        # Nothing published in DNS changes the above.
        ("grpc.service_config_disable_resolution", 1),
    ]
    if tls is not None and tls.server_name is not None:
        arguments.append(("grpc.ssl_target_name_override", tls.server_name))
    return arguments


def build_connection_options(tls: Tls | None) -> dict[str, Any]:
    """Return the keyword arguments by which tritonclient's clients take TLS.

    Args:
        tls: None for connections in clear text.

    Raises:
        InvalidArgumentError: a file cannot be read, or is not PEM.
    """
    if tls is None:
        return {"ssl": False}
    for name in ("ca_path", "certificate_path", "key_path"):
        path = getattr(tls, name)
        if path is None:
            continue
        try:
            with open(path, "rb") as file:
                problem = None if b"-----BEGIN " in file.read() else "nothing in it is PEM"
        except OSError as error:
            problem = error.strerror
        if problem is not None:
            raise InvalidArgumentError(
                f"tls.{name}: must be a readable PEM file, is {fspath(path)!r} ({problem})", parameter=name
            )
    return {
        "ssl": True,
        "root_certificates": tls.ca_path,
        "certificate_chain": tls.certificate_path,
        "private_key": tls.key_path,
    }


def check_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return ``headers`` as gRPC metadata takes them, names in lower case.

    Args:
        headers: names and values; values may be secret and are never put into a message.

    Raises:
        InvalidArgumentError: a name or value holds what a header cannot.
    """
    checked = {}
    for name, value in (headers or {}).items():
        lowered = name.lower()
        if not _HEADER_NAME.fullmatch(lowered) or lowered.startswith("grpc-") or lowered.endswith("-bin"):
            raise InvalidArgumentError(
                f"headers: {name!r} is not a name that can be used; use letters, digits, '_', '-' and '.', "
                "no 'grpc-' before and no '-bin' behind",
                parameter="headers",
            )
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidArgumentError(
                f"headers: the value of {name!r} must be printable ASCII; encode it, or strip a line break",
                parameter="headers",
            )
        checked[lowered] = value
    return checked
