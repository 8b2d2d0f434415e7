"""What a model can be exported to. One entry a target; the command line and the manifest read this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from mercato.models.engine.manifest import GRAPH_FILE
from mercato_export.calibrate import observe_ranges
from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable
from mercato_export.fuse import choose_opset, fuse_for_cpu
from mercato_export.graph import write_onnx, write_program
from mercato_export.half import halve, require_full_precision
from mercato_export.quantize import quantize_int8
from mercato_export.tensorrt_flavour import FLAVOURS, Flavour


@dataclass(frozen=True, kw_only=True)
class Target:
    """A form of a model.

    Attributes:
        precision: the gate its graph must pass, a key of `Exportable.gates`.
        graph: the ONNX file that is measured.
        build: makes that file (last argument) with the fp32 ONNX file (second argument) at hand; None where they are
            the same.
        about: one clause for the command line.
        flavour: what compiles the graph into an engine; None where the graph itself is served.
    """

    precision: str
    graph: str
    build: Callable[[Exportable, Path, Path], None] | None
    about: str
    flavour: Flavour | None = None

    @property
    def file(self) -> str:
        """Name of the file that is served."""
        return self.graph if self.flavour is None else self.flavour.engine_file


def _build_int8(exportable: Exportable, source: Path, destination: Path) -> None:
    fused = fuse_for_cpu(
        onnx.load(str(source)), opset=choose_opset(), heads=exportable.heads, hidden_size=exportable.hidden_size
    )
    onnx.save(quantize_int8(fused, observe_ranges(fused, exportable.calibration)), str(destination))


def _build_half(exportable: Exportable, source: Path, destination: Path) -> None:
    write_onnx(replace(exportable, module=halve(exportable.module)), destination)
    require_full_precision(onnx.load(str(destination)))


def _build_program(exportable: Exportable, source: Path, destination: Path) -> None:
    write_program(exportable, destination)


ONNX_FILE = "model.onnx"
PROGRAM_FILE = "model.fp16.pt2"
HALF_FILE = GRAPH_FILE
TARGETS: dict[str, Target] = {
    "onnx": Target(precision="fp32", graph=ONNX_FILE, build=None, about="fp32 ONNX alone"),
    "int8": Target(
        precision="int8", graph="model.int8.onnx", build=_build_int8, about="fp32 ONNX, and int8 ONNX for CPU beside it"
    ),
    "fp16": Target(
        precision="fp16", graph=HALF_FILE, build=_build_half, about="the fp16 ONNX that engines are built from"
    ),
    "torch": Target(precision="fp16", graph=PROGRAM_FILE, build=_build_program, about="PyTorch program in fp16"),
    **{
        name: Target(
            precision="fp16",
            graph=HALF_FILE,
            build=_build_half,
            about=f"fp16 ONNX and an engine of {name}",
            flavour=flavour,
        )
        for name, flavour in FLAVOURS.items()
    },
}


def choose_targets(names: str, exportable: Exportable) -> tuple[Target, ...]:
    """Return the targets of a comma-separated list.

    Args:
        names: keys of `TARGETS`.
        exportable: what is to be exported.

    Raises:
        ExportError: a name is unknown, or the model has no gate or no shapes for it.
    """
    listed = [name.strip() for name in names.split(",")]
    unknown = [name for name in listed if name not in TARGETS]
    if unknown:
        raise ExportError(f"--target: must be one of {', '.join(TARGETS)}, or several with commas, got {unknown[0]!r}")
    possible = [name for name, entry in TARGETS.items() if _fits(entry, exportable)]
    for name in listed:
        if TARGETS[name].precision not in exportable.gates:
            raise ExportError(
                f"--target: {exportable.name} has no parity gate for {name}; "
                f"it can be exported to {', '.join(possible)}"
            )
        if name not in possible:
            raise ExportError(
                f"--target: {exportable.name} has no shapes to build an engine for; declare them in "
                f"mercato.models.engine, or export it to {', '.join(possible)}"
            )
        flavour = TARGETS[name].flavour
        if flavour is not None:
            flavour.load()  # what is missing is said before the work and not after it
    return tuple(TARGETS[name] for name in dict.fromkeys(listed))


def _fits(target: Target, exportable: Exportable) -> bool:
    return target.precision in exportable.gates and (target.flavour is None or exportable.shapes is not None)
