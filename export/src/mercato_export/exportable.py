"""What a model says about itself so that the one exporter can export it.

A new model is one small file beside `encoder.py` that returns an `Exportable`; targets, parity, manifest and
command line need no change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mercato.models.engine.shapes import EngineShapes
from mercato_export.parity import Gate
from mercato_export.quality import Quality

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A PyTorch module with everything that its export needs.

    Attributes:
        name: the model's name in the model repository: ``encoder``, ``ranker``, ...
        module: takes ``inputs`` by position, in evaluation mode.
        axes: names of the axes of each input and output, in the order of the module's arguments; an axis whose name
            is in ``sizes`` is fixed, the others are dynamic. The first one is the batch.
        inputs: names of the inputs, in the order of the module's arguments.
        outputs: names of the outputs.
        sizes: length of each fixed axis.
        items: real inputs, each with a batch axis of 1; what parity is measured on.
        gates: precision (``fp32``, ``int8``, ``fp16``) to the gate its file must pass, against the module.
        calibration: inputs without padding whose activations give int8 its fixed scales; none gives every activation
            a scale for each row.
        source: where the weights come from, as the manifest tells it.
        serving: what the serving side reads from the manifest.
        companions: files to copy beside the model (``tokenizer.json``), by the name they get.
        heads: attention heads of a transformer, 0 for another model.
        hidden_size: width of a transformer's token states, 0 for another model.
        batch_size: items in a batch when parity is measured.
        shapes: what an engine of it is built for; None for a model that has none.
        quality: what a user would notice of a smaller precision; None where the gates say it all.
    """

    name: str
    module: torch.nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, int]
    items: Sequence[Tensors]
    gates: Mapping[str, Gate]
    source: Mapping[str, Any]
    serving: Mapping[str, Any]
    calibration: Sequence[Tensors] = ()
    companions: Mapping[str, Path] = field(default_factory=dict)
    heads: int = 0
    hidden_size: int = 0
    batch_size: int = 32
    shapes: EngineShapes | None = None
    quality: Quality | None = None

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Return the dynamic axes of each input and output, as ``torch.onnx.export`` takes them."""
        return {
            tensor: {position: axis for position, axis in enumerate(axes) if axis not in self.sizes}
            for tensor, axes in self.axes.items()
        }

    def shape(self, tensor: str) -> list[str | int]:
        """Return a tensor's shape, with the name of each dynamic axis in place of a length."""
        return [self.sizes.get(axis, axis) for axis in self.axes[tensor]]


def collate(items: Sequence[Tensors]) -> Tensors:
    """Join items into one batch, padding every axis but the first with zeros on the right.

    Args:
        items: at least one; the same names in each, every array with a first axis of 1.

    Returns:
        For each name an array with a first axis of ``len(items)``.
    """
    batch: Tensors = {}
    for name in items[0]:
        arrays = [item[name] for item in items]
        widest = np.max([array.shape[1:] for array in arrays], axis=0).astype(int).tolist()
        joined = np.zeros((len(arrays), *widest), dtype=arrays[0].dtype)
        for row, array in enumerate(arrays):
            joined[row][tuple(slice(0, length) for length in array.shape[1:])] = array[0]
        batch[name] = joined
    return batch
