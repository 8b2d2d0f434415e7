"""The query side of an encoder: a network for queries alone, joined to the encoder that products keep."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from mercato.checksum import hash_file
from mercato.manifest import MANIFEST_FILE
from mercato.models.encoder.manifest import QUERY_FILES, read_manifest
from mercato_export.errors import ExportError
from mercato_export.pipeline import put_in_place

NOTE = "query_side.json"


def note_products(folder: Path, identity: str | None) -> None:
    """Note beside trained weights whose products they are for; take an earlier note away where they are for all texts.

    Args:
        folder: of the weights.
        identity: of the encoder that products keep; None for weights of a whole encoder.
    """
    if identity is None:
        (folder / NOTE).unlink(missing_ok=True)
    else:
        (folder / NOTE).write_bytes(orjson.dumps({"products": identity}, option=orjson.OPT_INDENT_2))


def find_products(folder: Path | None) -> str | None:
    """Return the identity of the encoder whose products weights are for; None for those of a whole encoder.

    Raises:
        ExportError: the note cannot be read.
    """
    if folder is None or not (folder / NOTE).is_file():
        return None
    try:
        return str(orjson.loads((folder / NOTE).read_bytes())["products"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise ExportError(f"--weights: {folder / NOTE} cannot be read ({exc}); train the encoder again") from exc


def require_products(folder: Path, identity: str) -> None:
    """Check before an export that an encoder is the one whose products a query side is for.

    Raises:
        ExportError: it is another.
        ModelError: it cannot be used.
    """
    found = read_manifest(folder).serving.identity
    if found != identity:
        raise ExportError(
            f"--products: {folder} is encoder {found}, but these weights encode queries for products of {identity}; "
            "name the encoder that the catalogue was indexed with"
        )


def join_query_side(products: Path, export: Callable[[Path], dict[str, Any]], out: Path) -> dict[str, Any]:
    """Write an encoder with a query side: all files of the one that products keep, and the network of queries.

    Its identity is that of the products' vectors: a catalogue indexed with them is served as it is.

    Args:
        products: folder of the encoder that products keep; may be ``out``.
        export: writes the network of queries into a folder, past its gates, and returns its manifest.
        out: the folder to write; replaced as a whole, or left as it is on failure.

    Returns:
        The manifest.

    Raises:
        ExportError: the folder cannot be written.
        ModelError: the encoder of products cannot be used.
    """
    read_manifest(products)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as work:
            queries, joined = Path(work) / "queries", Path(work) / "joined"
            exported = export(queries)
            shutil.copytree(products, joined, ignore=shutil.ignore_patterns(*QUERY_FILES.values()))
            manifest: dict[str, Any] = orjson.loads((joined / MANIFEST_FILE).read_bytes())
            tokenizers = [hash_file(folder / "tokenizer.json") for folder in (joined, queries)]
            if tokenizers[0] != tokenizers[1]:
                raise ExportError(f"--weights: their tokenizer is not that of {products}; train from its own weights")
            for name, renamed in QUERY_FILES.items():
                manifest["files"].pop(renamed, None)
                if (queries / name).is_file():
                    shutil.copyfile(queries / name, joined / renamed)
                    size = (joined / renamed).stat().st_size
                    manifest["files"][renamed] = {"bytes": size, "sha256": hash_file(joined / renamed)}
            manifest["serving"]["query_identity"] = exported["serving"]["identity"]
            manifest["query_side"] = {part: exported[part] for part in ("created", "source", "parity", "tools")}
            (joined / MANIFEST_FILE).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
            put_in_place(joined, out)
    except OSError as exc:
        raise ExportError(f"--out: {out} cannot be written: {exc}") from exc
    return manifest
