"""What a model that runs as an engine is: its tensors and shapes.

The engines themselves are declared with the other Triton models, see `mercato.triton_models.registry.ENGINES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mercato.models.engine.shapes import EngineShapes

DataType = Literal["BYTES", "FP32", "INT32", "INT64", "UINT32"]
"""Type names as they travel; BYTES holds UTF-8 text."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: its name.
        data_type: its type, in Triton's words.
        axes: lengths after the batch; a name stands for a free length, in an engine for the axis with buckets.
        optional: whether a request may leave this input out.
    """

    name: str
    data_type: DataType
    axes: tuple[int | str, ...]
    optional: bool = False

    def dims(self, length: int = -1) -> list[int]:
        """Return the lengths after the batch, with ``length`` for a named one."""
        return [length if isinstance(axis, str) else axis for axis in self.axes]


@dataclass(frozen=True, kw_only=True)
class EngineModel:
    """A model that runs as an engine.

    Attributes:
        name: its name in the model repository.
        inputs: the inputs, in the network's order.
        outputs: the outputs.
        shapes: what the engine is built for.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    shapes: EngineShapes
