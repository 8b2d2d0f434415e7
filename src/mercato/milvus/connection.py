"""The one place that imports pymilvus and translates what it raises."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mercato.errors import DenseError, ServerError
from mercato.milvus.address import MilvusAddress


def connect(address: MilvusAddress, *, token: str = "", ca: Path | None = None, timeout_s: float) -> Any:
    """Connect to Milvus.

    Args:
        address: where it is.
        token: credentials; empty for none.
        ca: certificates (PEM) that the server's is checked with; None for those of the system.
        timeout_s: seconds that it may take.

    Returns:
        A `pymilvus.MilvusClient`.

    Raises:
        ServerError: pymilvus is not installed.
        DenseError: the server cannot be reached or refuses.
    """
    require_pymilvus()
    from pymilvus import MilvusClient

    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises, with a traceback each
    options: dict[str, Any] = {"token": token} if token else {}
    if address.tls:
        options["secure"] = True
        if ca is not None:
            options["server_pem_path"] = str(ca.absolute())
    with translate(address):
        return MilvusClient(address.uri, timeout=timeout_s, dedicated=True, **options)


def require_pymilvus() -> None:
    """Raise a `ServerError` that says what brings pymilvus, where it is not installed."""
    if find_spec("pymilvus") is None:
        raise ServerError("--dense: pymilvus is not installed; pip install 'mercato[milvus]' brings it")


@contextmanager
def translate(address: MilvusAddress) -> Iterator[None]:
    """Turn what pymilvus and gRPC raise into a `DenseError` that says where."""
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except grpc.RpcError as exc:
        code = exc.code().name if isinstance(exc, grpc.Call) else type(exc).__name__
        raise DenseError(f"Milvus at {address.uri}: {code}") from exc
    except MilvusException as exc:
        raise DenseError(f"Milvus at {address.uri}: {str(exc.message).strip() or type(exc).__name__}") from exc
