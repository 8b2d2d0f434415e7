"""One export from start to end: trace, build, compare, describe, put in place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch

from export.errors import ExportError
from export.exportable import Exportable, collate
from export.graph import write_onnx
from export.manifest import write_manifest
from export.parity import Figure, Outputs, require_parity
from export.targets import ONNX_FILE, TARGETS

# Items that are also run one at a time, to compare with the same items in a padded batch.
ALONE_ITEMS = 100

Report = Callable[[str], None]


def export_model(
    exportable: Exportable, *, target: str, out: Path, parity_source: Mapping[str, Any], report: Report = lambda _: None
) -> dict[str, Any]:
    """Export a model and put it in place, all of it or nothing.

    Args:
        exportable: what to export.
        target: a key of `TARGETS`.
        out: the folder to write; replaced as a whole when every gate is passed, left as it was otherwise.
        parity_source: what ``exportable.items`` are, for the manifest.
        report: called with a line before each step and with each figure.

    Returns:
        The manifest.

    Raises:
        ParityError: a file differs from the module by more than its gate allows.
        ExportError: the target is unknown or the folder cannot be written.
    """
    if target not in TARGETS:
        raise ExportError(f"--target: must be one of {', '.join(TARGETS)}, got {target!r}")
    if TARGETS[target].precision not in exportable.gates:
        possible = [name for name, entry in TARGETS.items() if entry.precision in exportable.gates]
        raise ExportError(
            f"--target: {exportable.name} has no parity gate for {target}; it can be exported to {', '.join(possible)}"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the destination, so that the last step is a rename on one file system.
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as exc:
        raise ExportError(f"--out: {out} cannot be written: {exc}") from exc
    try:
        staging.chmod(0o755)
        manifest = _fill(staging, exportable, target=target, parity_source=parity_source, report=report)
        _put_in_place(staging, out)
    except OSError as exc:
        raise ExportError(f"--out: {out} cannot be written: {exc}") from exc
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def _fill(
    folder: Path, exportable: Exportable, *, target: str, parity_source: Mapping[str, Any], report: Report
) -> dict[str, Any]:
    report(f"tracing {exportable.name}")
    source = folder / ONNX_FILE
    write_onnx(exportable, source)
    chosen = TARGETS[target]
    if chosen.build is not None:
        report(f"building {chosen.file}")
        chosen.build(exportable, source, folder / chosen.file)
    report(f"running PyTorch on {len(exportable.items)} inputs")
    expected = run_module(exportable)
    parity: dict[str, tuple[Figure, ...]] = {}
    for precision, file in dict([("fp32", ONNX_FILE), (chosen.precision, chosen.file)]).items():
        report(f"comparing {file}")
        parity[file] = measure(exportable, folder / file, expected, precision=precision)
        for figure in parity[file]:
            report(f"  {figure}")
        require_parity(file, parity[file])
    for name, path in exportable.companions.items():
        shutil.copyfile(path, folder / name)
    return write_manifest(
        folder, exportable, parity=parity, parity_source={**parity_source, "items": len(exportable.items)}
    )


def run_module(exportable: Exportable) -> Outputs:
    """Return the PyTorch module's first output for every item, float [items, ...]."""
    results = []
    with torch.inference_mode():
        for start in range(0, len(exportable.items), exportable.batch_size):
            batch = collate(exportable.items[start : start + exportable.batch_size])
            results.append(exportable.module(*(torch.from_numpy(batch[name]) for name in exportable.inputs)).numpy())
    return np.concatenate(results)


def measure(exportable: Exportable, file: Path, expected: Outputs, *, precision: str) -> tuple[Figure, ...]:
    """Measure a file against the module, and its batches against its single items.

    Args:
        exportable: the model.
        file: an ONNX file of it.
        expected: what `run_module` gave.
        precision: the gate to take.
    """
    gate = exportable.gates[precision]
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(batch_size: int, count: int) -> Outputs:
        starts = range(0, count, batch_size)
        output = list(exportable.outputs[:1])
        return np.concatenate(
            [session.run(output, collate(exportable.items[start : start + batch_size]))[0] for start in starts]
        )

    batched = run(exportable.batch_size, len(exportable.items))
    alone = run(1, min(ALONE_ITEMS, len(exportable.items)))
    return (
        *gate.compare(expected, batched, what="reference"),
        *gate.compare(batched[: len(alone)], alone, what="alone"),
    )


def _put_in_place(staging: Path, out: Path) -> None:
    """Rename a finished folder into place; the one it replaces is gone only once the new one stands."""
    old = staging.with_name(staging.name + ".old")
    if out.exists():
        out.rename(old)
    try:
        staging.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
