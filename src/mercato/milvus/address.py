"""Where a Milvus is, and how it is spoken to: ``milvus://HOST[:PORT]/COLLECTION``, ``milvus+tls://`` over TLS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mercato.errors import InvalidInputError

SCHEMES = ("milvus", "milvus+tls")
DEFAULT_PORT = 19530
TOKEN_VARIABLE = "MERCATO_DENSE_TOKEN"
"""Environment variable with the credentials, where no file is named."""
_COLLECTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_EXAMPLE = "write milvus://HOST:PORT/COLLECTION, or milvus+tls:// in its place"


@dataclass(frozen=True, kw_only=True)
class MilvusAddress:
    """A server or cluster, and the name of the collections of one shop.

    Attributes:
        host: its name or number.
        port: of its gRPC service.
        collection: beginning of the names of the shop's collections.
        tls: whether the connection is encrypted, and the server's certificate checked.
    """

    host: str
    port: int
    collection: str
    tls: bool

    @property
    def uri(self) -> str:
        """The same as pymilvus takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def parse_address(text: str) -> MilvusAddress:
    """Read an address.

    Raises:
        InvalidInputError: it is none; credentials in it are refused, since addresses are logged.
    """
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORT
    except ValueError as exc:
        raise InvalidInputError("--dense", f"{text!r} is no address ({exc})", _EXAMPLE) from exc
    if parts.scheme not in SCHEMES:
        raise InvalidInputError("--dense", f"must begin with one of {', '.join(SCHEMES)}, given {text!r}", _EXAMPLE)
    if parts.username is not None or parts.password is not None:
        remedy = f"put them into a file and name it with --dense-credentials, or into {TOKEN_VARIABLE}"
        raise InvalidInputError("--dense", "holds credentials, and addresses are logged", remedy)
    collection = parts.path.removeprefix("/")
    if not parts.hostname or parts.query or parts.fragment or not _COLLECTION.fullmatch(collection):
        problem = f"must name a host and a collection of letters, digits and underscores, given {text!r}"
        raise InvalidInputError("--dense", problem, _EXAMPLE)
    return MilvusAddress(host=parts.hostname, port=port, collection=collection, tls=parts.scheme == "milvus+tls")


def read_token(file: Path | None, environment: Mapping[str, str]) -> str:
    """Read the credentials: ``USER:PASSWORD`` or an API key, the first line of a file, else of the environment.

    Args:
        file: the file; None for the environment variable.
        environment: this process's.

    Returns:
        The token; empty where there is none.

    Raises:
        InvalidInputError: the file cannot be read, or its first line is empty.
    """
    if file is None:
        return environment.get(TOKEN_VARIABLE, "").strip()
    try:
        token = file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInputError("--dense-credentials", f"{file} cannot be read ({exc})") from exc
    if not token:
        raise InvalidInputError(
            "--dense-credentials", f"{file} begins with an empty line", "write USER:PASSWORD or a key"
        )
    return token
