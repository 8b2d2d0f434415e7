"""The manifest beside exported files: what they were made of, by what, and how near they came."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import onnx
import orjson

from mercato.checksum import hash_file
from mercato.manifest import MANIFEST_FILE
from mercato_export.exportable import Exportable
from mercato_export.parity import Figure
from mercato_export.tensorrt_flavour import FLAVOURS

SCHEMA_VERSION = 1
ENGINE_FILES = tuple(flavour.engine_file for flavour in FLAVOURS.values())
TOOLS = ("mercato", "torch", "transformers", "onnx", "onnxruntime", "tokenizers", "numpy")


def write_manifest(
    folder: Path, exportable: Exportable, *, parity: Mapping[str, Sequence[Figure]], parity_source: Mapping[str, Any]
) -> dict[str, Any]:
    """Write ``manifest.json`` for the files in a folder.

    Args:
        folder: holds the exported files and nothing else.
        exportable: what was exported.
        parity: file name to the figures measured on it.
        parity_source: what they were measured on.

    Returns:
        The manifest as written.
    """
    manifest: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": exportable.name,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "source": dict(exportable.source),
        "serving": dict(exportable.serving),
        "opset": {file.name: _read_opset(file) for file in sorted(folder.glob("*.onnx"))},
        "inputs": [_describe(exportable, name) for name in exportable.inputs],
        "outputs": [{"name": name, "dtype": "float32", "shape": exportable.shape(name)} for name in exportable.outputs],
        "shapes": None if exportable.shapes is None else asdict(exportable.shapes),
        # An engine has a manifest of its own: it is built again on another machine, and these files are not.
        "files": {
            file.name: {"bytes": file.stat().st_size, "sha256": hash_file(file)}
            for file in sorted(folder.iterdir())
            if not file.name.startswith(ENGINE_FILES)
        },
        "parity": {
            "measured_on": dict(parity_source),
            **{file: describe_parity(figures) for file, figures in parity.items()},
        },
        "tools": {"python": platform.python_version(), **{tool: _version(tool) for tool in TOOLS}},
        "machine": {"architecture": platform.machine(), "cpu_flags": _cpu_flags()},
    }
    written = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
    (folder / MANIFEST_FILE).write_bytes(written)
    described: dict[str, Any] = orjson.loads(written)
    return described


def describe_parity(figures: Sequence[Figure]) -> dict[str, dict[str, float]]:
    """Return figures as JSON values: name to ``value`` and ``limit``."""
    return {figure.name: {"value": figure.value, "limit": figure.limit} for figure in figures}


def _describe(exportable: Exportable, name: str) -> dict[str, Any]:
    return {"name": name, "dtype": str(exportable.items[0][name].dtype), "shape": exportable.shape(name)}


def _read_opset(file: Path) -> int:
    return next(int(entry.version) for entry in onnx.load(str(file)).opset_import if entry.domain == "")


def _version(tool: str) -> str:
    try:
        return version(tool)
    except PackageNotFoundError:
        return "not installed"


def _cpu_flags() -> list[str]:
    """Return those of the CPU's flags that decide how int8 products are computed."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return sorted({"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"} & set(flags))
