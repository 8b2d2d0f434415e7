"""The models that run as engines: their tensors and shapes.

This is the one declaration: the exporter builds optimisation profiles from it, ``python -m export config`` writes the
default ``config.pbtxt`` from it, and callers pad to its buckets. A new engine is one more entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mercato.features.features import FEATURE_NAMES
from mercato.models.engine.shapes import EngineShapes

WIDTH = 384  # of a vector of all-MiniLM-L6-v2
SEQUENCE_WIDTH = 64  # of a state of the sequence model


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: its name.
        data_type: ``INT64`` or ``FP32``, in Triton's words.
        axes: lengths after the batch; a name stands for the axis with buckets.
    """

    name: str
    data_type: str
    axes: tuple[int | str, ...]

    def dims(self, length: int = -1) -> list[int]:
        """Return the lengths after the batch, with ``length`` for the axis with buckets."""
        return [length if isinstance(axis, str) else axis for axis in self.axes]


@dataclass(frozen=True, kw_only=True)
class EngineModel:
    """A model that runs as an engine.

    Attributes:
        name: its name in the model repository.
        inputs: the inputs, in the network's order.
        outputs: the outputs.
        shapes: what the engine is built for.
        queue_delay_us: how long a request may wait for others to share its batch.
        max_queue_size: requests that may wait; more are refused at once.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    shapes: EngineShapes
    queue_delay_us: int = 200
    max_queue_size: int = 1024


_SEQUENCE = ("sequence",)
_CANDIDATES = ("candidates",)

ENGINES: Mapping[str, EngineModel] = {
    model.name: model
    for model in (
        EngineModel(
            name="encoder",
            inputs=(
                Tensor(name="input_ids", data_type="INT64", axes=_SEQUENCE),
                Tensor(name="attention_mask", data_type="INT64", axes=_SEQUENCE),
            ),
            outputs=(Tensor(name="embedding", data_type="FP32", axes=(WIDTH,)),),
            shapes=EngineShapes(axis="sequence", buckets=(16, 32, 64, 128)),
        ),
        EngineModel(
            name="ranker",
            inputs=(
                Tensor(name="query", data_type="FP32", axes=(WIDTH,)),
                Tensor(name="history", data_type="FP32", axes=(WIDTH,)),
                Tensor(name="candidates", data_type="FP32", axes=(*_CANDIDATES, WIDTH)),
                Tensor(name="features", data_type="FP32", axes=(*_CANDIDATES, len(FEATURE_NAMES))),
            ),
            outputs=(Tensor(name="score", data_type="FP32", axes=_CANDIDATES),),
            # the window that is ranked has at most 128 candidates
            shapes=EngineShapes(axis="candidates", buckets=(32, 64, 128)),
        ),
        EngineModel(
            name="reranker",
            inputs=(
                Tensor(name="input_ids", data_type="INT64", axes=_SEQUENCE),
                Tensor(name="attention_mask", data_type="INT64", axes=_SEQUENCE),
                Tensor(name="token_type_ids", data_type="INT64", axes=_SEQUENCE),
            ),
            outputs=(Tensor(name="score", data_type="FP32", axes=(1,)),),
            shapes=EngineShapes(axis="sequence", buckets=(32, 64, 128)),
        ),
        EngineModel(
            name="sequence",
            inputs=(Tensor(name="product_codes", data_type="INT64", axes=_SEQUENCE),),
            outputs=(Tensor(name="state", data_type="FP32", axes=(SEQUENCE_WIDTH,)),),
            # it reads the last 50 products at most
            shapes=EngineShapes(axis="sequence", buckets=(16, 50)),
        ),
    )
}
