"""PyTorch module to fp32 ONNX file."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch

from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable, collate

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
