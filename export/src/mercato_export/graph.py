"""PyTorch module to a file: an fp32 ONNX graph, or a program of `torch.export`."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch

from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable, collate
from mercato_export.half import halve

OPSET = 17


def write_onnx(exportable: Exportable, file: Path) -> None:
    """Trace a module into an ONNX file with dynamic axes.

    Args:
        exportable: the module.
        file: where to write; overwritten.

    Raises:
        ExportError: PyTorch cannot say the module in ONNX, or cannot write it.
    """
    example = collate(exportable.items[:2])
    arguments = tuple(torch.from_numpy(example[name]) for name in exportable.inputs)
    with warnings.catch_warnings():
        # Deprecated in favour of the dynamo exporter, which takes 14 s in place of 2 for the encoder and names two
        # values `embedding`: a file that ONNX Runtime refuses (torch 2.13, onnxscript 0.7).
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                exportable.module,
                arguments,
                str(file),
                input_names=list(exportable.inputs),
                output_names=list(exportable.outputs),
                dynamic_axes=exportable.dynamic_axes(),
                opset_version=OPSET,
                dynamo=False,
            )
        except RuntimeError as exc:  # an operator without counterpart, and every failure of the writer
            raise ExportError(
                f"{exportable.name}: PyTorch cannot write {file.name}: {str(exc).splitlines()[0]}"
            ) from exc
    onnx.checker.check_model(str(file))


def write_program(exportable: Exportable, file: Path) -> None:
    """Export a module in half precision with ``torch.export``, its axes dynamic.

    Args:
        exportable: the module.
        file: where to write; overwritten.

    Raises:
        ExportError: PyTorch cannot export the module.
    """
    example = collate(exportable.items[:2])
    arguments = tuple(torch.from_numpy(example[name]) for name in exportable.inputs)
    longest = {} if exportable.shapes is None else {exportable.shapes.axis: exportable.shapes.buckets[-1]}
    names = {axis for tensor in exportable.inputs for axis in exportable.axes[tensor]} - set(exportable.sizes)
    axes = {name: torch.export.Dim(name, min=1, max=longest.get(name)) for name in sorted(names)}
    dynamic = tuple(
        {index: axes[axis] for index, axis in enumerate(exportable.axes[name]) if axis in axes}
        for name in exportable.inputs
    )
    try:
        with torch.inference_mode():
            program = torch.export.export(halve(exportable.module), arguments, dynamic_shapes={"inputs": dynamic})
        torch.export.save(program, file)
    except (RuntimeError, ValueError, TypeError) as exc:
        raise ExportError(f"{exportable.name}: PyTorch cannot export it: {str(exc).splitlines()[0]}") from exc
