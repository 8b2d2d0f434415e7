"""One export from start to end: trace, build, compare, describe, put in place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from mercato.networks.onnx_session import open_session, run_session
from mercato_export.engine import build_engine
from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable, Tensors, collate
from mercato_export.graph import write_onnx
from mercato_export.half import round_halves
from mercato_export.manifest import describe_parity, write_manifest
from mercato_export.options import BuildOptions
from mercato_export.parity import Figure, Outputs, require_parity
from mercato_export.targets import HALF_FILE, ONNX_FILE, Target, choose_targets

# Items that are also run one at a time, to compare with the same items in a padded batch.
ALONE_ITEMS = 100

Report = Callable[[str], None]


def export_model(
    exportable: Exportable,
    *,
    target: str,
    out: Path,
    parity_source: Mapping[str, Any],
    report: Report = lambda _: None,
    engine: BuildOptions = BuildOptions(),  # noqa: B008  # a frozen value
) -> dict[str, Any]:
    """Export a model and put it in place, all of it or nothing.

    Args:
        exportable: what to export.
        target: a key of `TARGETS`, or several with commas.
        out: the folder to write; replaced as a whole when every gate is passed, left as it was otherwise.
        parity_source: what ``exportable.items`` are, for the manifest.
        report: called with a line before each step and with each figure.
        engine: how engines are built, where the target has one.

    Returns:
        The manifest.

    Raises:
        ParityError: a file differs from the module by more than its gate allows.
        ExportError: the target is unknown or the folder cannot be written.
    """
    targets = choose_targets(target, exportable)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the destination, so that the last step is a rename on one file system.
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as exc:
        raise ExportError(f"--out: {out} cannot be written: {exc}") from exc
    try:
        staging.chmod(0o755)
        manifest = _fill(staging, exportable, targets, parity_source=parity_source, report=report, engine=engine)
        put_in_place(staging, out)
    except OSError as exc:
        raise ExportError(f"--out: {out} cannot be written: {exc}") from exc
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def _fill(
    folder: Path,
    exportable: Exportable,
    targets: Sequence[Target],
    *,
    parity_source: Mapping[str, Any],
    report: Report,
    engine: BuildOptions,
) -> dict[str, Any]:
    report(f"tracing {exportable.name}")
    source = folder / ONNX_FILE
    write_onnx(exportable, source)
    graphs = {ONNX_FILE: "fp32", **{target.graph: target.precision for target in targets}}
    for target in targets:
        if target.build is not None and not (folder / target.graph).exists():
            report(f"building {target.graph}")
            target.build(exportable, source, folder / target.graph)
    report(f"running PyTorch on {len(exportable.items)} inputs")
    expected = run_module(exportable)
    parity: dict[str, tuple[Figure, ...]] = {}
    noticed: Outputs | None = None
    for file, precision in graphs.items():
        report(f"comparing {file}")
        parity[file] = measure(exportable, folder / file, expected, precision=precision)
        if exportable.quality is not None and len(graphs) > 1:
            outputs = run_graph(exportable, folder / file, exportable.quality.items, exportable.batch_size)
            if noticed is None:
                noticed = outputs
            else:
                parity[file] += exportable.quality.compare(noticed, outputs, precision=precision)
        for figure in parity[file]:
            report(f"  {figure}")
        require_parity(file, parity[file])
    for target in targets:
        if target.flavour is not None and exportable.shapes is not None:
            report(f"compiling {target.file}")
            built = build_engine(
                folder / target.graph,
                model=exportable.name,
                flavour=target.flavour,
                shapes=exportable.shapes,
                axes={name: exportable.axes[name] for name in exportable.inputs},
                precision=target.precision,
                parity=describe_parity(parity[target.graph]),
                options=engine,
            )
            report(f"  {target.file}: {built.engine.bytes / 1e6:.1f} MB in {built.build_seconds:.1f} s")
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
    batched = run_graph(exportable, file, exportable.items, exportable.batch_size)
    alone = run_graph(exportable, file, exportable.items[:ALONE_ITEMS], 1)
    return (
        *gate.compare(expected, batched, what="reference"),
        *gate.compare(batched[: len(alone)], alone, what="alone"),
    )


def run_graph(exportable: Exportable, file: Path, items: Sequence[Tensors], batch_size: int) -> Outputs:
    """Return a file's first output for every item, float32 [items, ...]; what is fp16 in it is rounded to fp16.

    Args:
        exportable: the model.
        file: an ONNX file or a PyTorch program of it.
        items: at least one.
        batch_size: items in one run.
    """
    starts = range(0, len(items), batch_size)
    batches = [collate(items[start : start + batch_size]) for start in starts]
    if file.suffix == ".pt2":
        program = torch.export.load(file).module()
        with torch.inference_mode():
            return np.concatenate(
                [program(*(torch.from_numpy(batch[name]) for name in exportable.inputs)).numpy() for batch in batches]
            )
    name = exportable.name
    content = round_halves(onnx.load(str(file))).SerializeToString() if file.name == HALF_FILE else file
    session = open_session(content, model=name)
    output = exportable.outputs[:1]
    return np.concatenate([run_session(session, output, batch, model=name)[0] for batch in batches])


def put_in_place(staging: Path, out: Path) -> None:
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
