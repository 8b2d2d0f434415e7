"""Verify a catalogue in a process of its own: ``python -m mercato.serving.catalog_check CATALOG [ENCODER]``.

What reads a catalogue (faiss, ONNX Runtime, Arrow) takes some 70 MB once imported. The process that only watches over
a server keeps that for as long as the server runs; one that ends gives it back.
"""

import json
import subprocess
import sys
from pathlib import Path

from mercato.errors import EncoderMismatchError, MercatoError, ModelError, ServerError, SnapshotError

_ERRORS: dict[str, type[MercatoError]] = {
    error.__name__: error for error in (SnapshotError, EncoderMismatchError, ModelError)
}


def verify_apart(catalog: Path, encoder: Path | None) -> None:
    """Verify a catalogue snapshot, checksums included, in a process of its own.

    Args:
        catalog: the snapshot.
        encoder: the folder of the encoder that will be served; None checks the snapshot alone.

    Raises:
        SnapshotError: it is missing, truncated or altered.
        EncoderMismatchError: it was built with another encoder.
        ModelError: the encoder's manifest cannot be read.
        ServerError: the check itself could not be made.
    """
    arguments = [str(catalog)] if encoder is None else [str(catalog), str(encoder)]
    checked = subprocess.run(
        [sys.executable, "-m", "mercato.serving.catalog_check", *arguments], capture_output=True, text=True, check=False
    )
    if checked.returncode == 0:
        return
    try:
        outcome = json.loads(checked.stdout)
        kind, message = _ERRORS[outcome["error"]], str(outcome["message"])
    except (ValueError, KeyError, TypeError):
        last = (checked.stderr.strip().splitlines() or ["no message"])[-1]
        raise ServerError(f"catalogue {catalog}: could not be checked (status {checked.returncode}: {last})") from None
    raise kind(message)


def main() -> int:
    """Verify what the command line names; an error goes to standard output as JSON.

    Returns:
        The exit status.
    """
    from mercato.index.snapshot import verify_snapshot
    from mercato.models.encoder.manifest import read_manifest

    catalog, encoder = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    try:
        verify_snapshot(catalog, encoder=None if encoder is None else read_manifest(encoder).serving.identity)
    except (SnapshotError, ModelError) as exc:
        sys.stdout.write(json.dumps({"error": type(exc).__name__, "message": str(exc)}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
