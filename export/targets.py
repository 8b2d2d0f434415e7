"""What a model can be exported to. One entry a target; the command line and the manifest read this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.quantize import quantize_int8


@dataclass(frozen=True, kw_only=True)
class Target:
    """A form of a model that is built from its fp32 ONNX file.

    Attributes:
        precision: the gate it must pass, a key of `Exportable.gates`.
        file: name of the file it writes.
        build: makes that file (second argument) from the fp32 ONNX file (first argument).
        about: one clause for the command line.
    """

    precision: str
    file: str
    build: Callable[[Path, Path], None] | None
    about: str


def _build_int8(source: Path, destination: Path) -> None:
    onnx.save(quantize_int8(onnx.load(str(source))), str(destination))


ONNX_FILE = "model.onnx"
TARGETS: dict[str, Target] = {
    "onnx": Target(precision="fp32", file=ONNX_FILE, build=None, about="fp32 ONNX alone"),
    "int8": Target(
        precision="int8", file="model.int8.onnx", build=_build_int8, about="fp32 ONNX, and int8 ONNX for CPU beside it"
    ),
}
