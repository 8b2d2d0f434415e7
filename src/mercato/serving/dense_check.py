"""Check the collection that dense retrieval asks, in a process of its own, as the catalogue is (`catalog_check`)."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from mercato.errors import CollectionError, DenseError, InvalidInputError, MercatoError, ServerError, SnapshotError

logger = logging.getLogger(__name__)

CHECK_S = 5.0
"""Seconds of each call of the check."""

_ERRORS: dict[str, type[MercatoError]] = {error.__name__: error for error in (CollectionError, SnapshotError)}


def check_dense_apart(catalog: Path, address: str, *, credentials: Path | None, ca: Path | None) -> None:
    """Check that the collection at an address was filled, whole, from a snapshot.

    A server that cannot be reached is no reason not to start: searches go by words until it can. That is a warning.

    Args:
        catalog: the snapshot.
        address: of the collection, see `mercato.milvus.address.parse_address`.
        credentials: file with credentials; None for those of the environment.
        ca: certificates to check the server's with; None for those of the system.

    Raises:
        CollectionError: it holds another snapshot, or none; the message has the command that fills it.
        ServerError: the check itself could not be made: credentials that cannot be read, a package that is missing.
    """
    arguments = json.dumps([str(catalog), address, credentials and str(credentials), ca and str(ca)])
    checked = subprocess.run(
        [sys.executable, "-m", "mercato.serving.dense_check", arguments], capture_output=True, text=True, check=False
    )
    if checked.returncode == 0:
        return
    try:
        outcome = json.loads(checked.stdout)
        kind, message = str(outcome["error"]), str(outcome["message"])
    except (ValueError, KeyError, TypeError):
        last = (checked.stderr.strip().splitlines() or ["no message"])[-1]
        raise ServerError(f"--dense {address}: could not be checked (status {checked.returncode}: {last})") from None
    if kind == DenseError.__name__:
        logger.warning("dense: %s; searches go by words until it answers", message)
        return
    raise _ERRORS.get(kind, ServerError)(message)


def main() -> int:
    """Check what the one argument names; an error goes to standard output as JSON.

    Returns:
        The exit status.
    """
    from mercato.index.manifest import read_manifest
    from mercato.milvus.address import parse_address, read_token
    from mercato.milvus.collection import check_collection
    from mercato.milvus.connection import connect, require_pymilvus

    catalog, address, credentials, ca = json.loads(sys.argv[1])
    try:
        require_pymilvus()
        place = parse_address(address)
        token = read_token(Path(credentials) if credentials else None, os.environ)
        client = connect(place, token=token, ca=Path(ca) if ca else None, timeout_s=CHECK_S)
        check_collection(client, place, read_manifest(Path(catalog).resolve()), timeout_s=CHECK_S)
    except (DenseError, InvalidInputError, SnapshotError, ServerError) as exc:
        sys.stdout.write(json.dumps({"error": type(exc).__name__, "message": str(exc)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
