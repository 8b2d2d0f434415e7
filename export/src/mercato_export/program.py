"""PyTorch module to an exported program in half precision: what the ``torch`` profile runs, without this package."""

from __future__ import annotations

from pathlib import Path

import torch

from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable, collate
from mercato_export.half import halve


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
