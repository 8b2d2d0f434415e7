"""What a model can be exported to. One entry a target; the command line and the manifest read this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.exportable import Exportable
from export.fuse import choose_opset, fuse_for_cpu
from export.quantize import quantize_int8


@dataclass(frozen=True, kw_only=True)
class Target:
    """A form of a model that is built from its fp32 ONNX file.

    Attributes:
        precision: the gate it must pass, a key of `Exportable.gates`.
        file: name of the file it writes.
        build: makes that file (last argument) from the fp32 ONNX file (second argument); None where they are the same.
        about: one clause for the command line.
    """

    precision: str
    file: str
    build: Callable[[Exportable, Path, Path], None] | None
    about: str


def _build_int8(exportable: Exportable, source: Path, destination: Path) -> None:
    fused = fuse_for_cpu(
        onnx.load(str(source)), opset=choose_opset(), heads=exportable.heads, hidden_size=exportable.hidden_size
    )
    onnx.save(quantize_int8(fused), str(destination))


ONNX_FILE = "model.onnx"
TARGETS: dict[str, Target] = {
    "onnx": Target(precision="fp32", file=ONNX_FILE, build=None, about="fp32 ONNX alone"),
    "int8": Target(
        precision="int8", file="model.int8.onnx", build=_build_int8, about="fp32 ONNX, and int8 ONNX for CPU beside it"
    ),
}
