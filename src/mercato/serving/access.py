"""Who may make which call of a Triton server: the owner's calls, the key that opens them, and who can reach the rest.

Triton serves model control, shared memory, logging and trace settings at the port that shoppers' requests come in by.
They are the owner's: a model that is loaded with files of the caller's runs the caller's code. Triton compares one
header of each such call with a key, on both protocols, and refuses the call where they differ.
"""

import ipaddress
import re
import secrets
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

from mercato.errors import ServerError
from mercato.serving.ports import Ports
from mercato.serving.tether import SECRET_PLACEHOLDER

# Triton's names of groups of calls; the same on gRPC (`--grpc-restricted-protocol`) and HTTP (`--http-restricted-api`).
OWNER_CALLS = ("model-repository", "shared-memory", "logging", "trace")
# Asked by every client and load generator before and while it sends requests; they change nothing.
OPEN_CALLS = ("health", "metadata", "inference", "model-config", "statistics")
KEY_HEADER = "mercato-admin-key"
# Triton puts this before the name of the header on gRPC, and nothing on HTTP.
GRPC_HEADER_PREFIX = "triton-grpc-protocol-"
# Letters that mean nothing in Triton's option (`:`, `,` and `=` do) nor in a header.
_KEY = re.compile(r"[A-Za-z0-9._~-]{32,256}")
KEY_BYTES = 32


def make_admin_key() -> str:
    """Make a key that nobody can guess, for one run."""
    return secrets.token_urlsafe(KEY_BYTES)


def read_admin_key(path: Path) -> str:
    """Read an operator's key.

    Args:
        path: a file with the key and nothing else; white space around it does not count.

    Returns:
        The key.

    Raises:
        ServerError: the file cannot be read, other users may read it, or what it holds is no key.
    """
    remedy = f"make one: (umask 077; openssl rand -hex 32 > {path})"
    try:
        mode = path.stat().st_mode
        key = path.read_text(encoding="ascii").strip()
    except OSError as exc:
        raise ServerError(f"admin key: {path} cannot be read ({exc.strerror}); {remedy}") from exc
    except UnicodeDecodeError as exc:
        raise ServerError(f"admin key: {path} is no text in ASCII; {remedy}") from exc
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ServerError(f"admin key: every user of this machine may read or write {path}; chmod o-rw {path}")
    if not _KEY.fullmatch(key):
        raise ServerError(
            f"admin key: {path} must hold 32 to 256 letters, digits or any of . _ ~ -, "
            f"given {len(key)} characters; {remedy}"
        )
    return key


def restriction_arguments() -> tuple[str, str]:
    """Build the server's options that close the owner's calls; the key is put in where the server is started."""
    closed = f"{','.join(OWNER_CALLS)}:{KEY_HEADER}={SECRET_PLACEHOLDER}"
    return (f"--grpc-restricted-protocol={closed}", f"--http-restricted-api={closed}")


def grpc_admin_headers(key: str) -> dict[str, str]:
    """Return the headers that open the owner's calls over gRPC, as ``tritonclient`` takes them."""
    return {f"{GRPC_HEADER_PREFIX}{KEY_HEADER}": key}


def http_admin_headers(key: str) -> dict[str, str]:
    """Return the headers that open the owner's calls over HTTP."""
    return {KEY_HEADER: key}


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a server that listens on an address.

    Args:
        host: an address or name; a name counts where every address that it stands for does, and one that stands for
            none does not.
    """
    try:
        found: Iterable[str] = [str(entry[4][0]) for entry in socket.getaddrinfo(host or "0.0.0.0", None)]
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)


def describe_exposure(host: str, ports: Ports) -> str:
    """Say in one sentence who can call a server that listens on an address.

    Args:
        host: the address.
        ports: its ports.

    Returns:
        The sentence, without a full stop.
    """
    if is_loopback(host):
        return "only this machine can search, recommend, read what is known of shoppers, and write events and products"
    return (
        f"every machine that reaches {host or '0.0.0.0'} on port {ports.grpc} or {ports.http} can search, recommend, "
        "read what is known of shoppers, and write events and products without a password, and read metrics on port "
        f"{ports.metrics}: put what asks for one in front, or listen on 127.0.0.1"
    )
