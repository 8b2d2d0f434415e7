"""An engine built again from the graph beside it: no weights and no PyTorch needed, and parity stays what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from mercato.checksum import hash_file
from mercato.manifest import MANIFEST_FILE
from mercato.models.engine.manifest import GRAPH_FILE, EngineManifest, export_command
from mercato.models.engine.shapes import BatchRange, EngineShapes
from mercato_export.engine import build_engine, find_flavour
from mercato_export.errors import ExportError
from mercato_export.options import BuildOptions


def rebuild_engine(
    folder: Path, *, target: str, options: BuildOptions, report: Callable[[str], None] = lambda _: None
) -> EngineManifest:
    """Build the engine of an exported model for this machine, and leave the other files as they are.

    Args:
        folder: what ``mercato export MODEL --target tensorrt`` (or ``fp16``) wrote.
        target: ``tensorrt`` or ``tensorrt-rtx``.
        options: how to build it.
        report: called with a line before each step.

    Raises:
        ExportError: the folder holds no such graph, the graph was altered, or the engine cannot be built.
    """
    flavour = find_flavour(target)
    manifest = _read_manifest(folder)
    graph = folder / GRAPH_FILE
    recorded = manifest.get("files", {}).get(GRAPH_FILE)
    model = str(manifest.get("model", "MODEL"))
    remedy = f"export it again: {export_command(model, target, folder)}"
    if recorded is None or not graph.is_file():
        raise ExportError(f"{folder} has no {GRAPH_FILE}; {remedy}")
    if hash_file(graph) != recorded["sha256"]:
        raise ExportError(f"{graph} must have sha256 {recorded['sha256']}, it was altered; {remedy}")
    try:
        shapes = read_shapes(manifest["shapes"])
        axes = {entry["name"]: [str(axis) for axis in entry["shape"]] for entry in manifest["inputs"]}
        parity = manifest["parity"][GRAPH_FILE]
    except KeyError as exc:
        raise ExportError(f"{folder / MANIFEST_FILE}: lacks {exc}; {remedy}") from exc
    except (TypeError, AttributeError) as exc:
        raise ExportError(f"{folder / MANIFEST_FILE}: is not what the exporter wrote ({exc}); {remedy}") from exc
    report(f"compiling {flavour.engine_file}")
    try:
        return build_engine(
            graph,
            model=model,
            flavour=flavour,
            shapes=shapes,
            axes=axes,
            precision="fp16",
            parity=parity,
            options=options,
        )
    except OSError as exc:
        raise ExportError(f"{folder / flavour.engine_file} cannot be written: {exc}") from exc


def read_shapes(written: Mapping[str, Any]) -> EngineShapes:
    """Read what ``dataclasses.asdict`` made of shapes.

    Raises:
        KeyError: a field is missing.
        InvalidInputError: they break a rule.
    """
    return EngineShapes(
        axis=written["axis"],
        buckets=tuple(written["buckets"]),
        batch_ranges=tuple(BatchRange(**given) for given in written["batch_ranges"]),
        graph_batches=tuple(written["graph_batches"]),
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    try:
        manifest: dict[str, Any] = orjson.loads(path.read_bytes())
    except OSError as exc:
        raise ExportError(f"{path} cannot be read ({exc.strerror}); name a folder that mercato export wrote") from exc
    except orjson.JSONDecodeError as exc:
        raise ExportError(f"{path} is not JSON ({exc}); export the model again") from exc
    return manifest
