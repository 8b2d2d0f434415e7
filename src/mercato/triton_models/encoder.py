"""`encoder`: tokens in, unit vectors out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mercato.models.engine.declaration import Tensor
from mercato.models.engine.shapes import EngineShapes
from mercato.triton_models.declaration import ENGINE, ModelFolder, TritonModel, network_profiles

if TYPE_CHECKING:
    from mercato.models.encoder.onnx_encoder import OnnxEncoder
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings

EMBEDDING_WIDTH = 384  # of a vector of all-MiniLM-L6-v2
TEXT_NETWORKS = ("model.int8.onnx", "model.onnx", ENGINE)
TEXT_FILES = ("tokenizer.json", "manifest.json")


def _open(settings: Settings, call: Call | None) -> OnnxEncoder:
    from mercato.pipeline.factory import open_encoder

    return open_encoder(settings)


ENCODER = TritonModel(
    name="encoder",
    inputs=(
        Tensor(name="input_ids", data_type="INT64", axes=("sequence",)),
        Tensor(name="attention_mask", data_type="INT64", axes=("sequence",)),
    ),
    outputs=(Tensor(name="embedding", data_type="FP32", axes=(EMBEDDING_WIDTH,)),),
    profiles=network_profiles(),
    needs=("encoder",),
    open=_open,
    # [CLS] [SEP]: an empty text.
    canary={"input_ids": (101, 102), "attention_mask": (1, 1)},
    folder=ModelFolder(files=TEXT_FILES, networks=TEXT_NETWORKS, remedy="mercato export encoder --out {folder}"),
    shapes=EngineShapes(axis="sequence", buckets=(16, 32, 64, 128)),
    served_from=("whole", "router"),
)
