"""`ranker`: query, history, candidates and their features in, scores out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mercato.features.features import FEATURE_NAMES
from mercato.models.engine.declaration import Tensor
from mercato.models.engine.shapes import EngineShapes
from mercato.triton_models.declaration import ENGINE, ModelFolder, TritonModel, network_profiles
from mercato.triton_models.encoder import EMBEDDING_WIDTH

if TYPE_CHECKING:
    from mercato.models.ranker.onnx_ranker import OnnxRanker
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings


def _open(settings: Settings, call: Call | None) -> OnnxRanker:
    from mercato.pipeline.factory import open_ranker

    return open_ranker(settings)


RANKER = TritonModel(
    name="ranker",
    inputs=(
        Tensor(name="query", data_type="FP32", axes=(EMBEDDING_WIDTH,)),
        Tensor(name="history", data_type="FP32", axes=(EMBEDDING_WIDTH,)),
        Tensor(name="candidates", data_type="FP32", axes=("candidates", EMBEDDING_WIDTH)),
        Tensor(name="features", data_type="FP32", axes=("candidates", len(FEATURE_NAMES))),
    ),
    outputs=(Tensor(name="score", data_type="FP32", axes=("candidates",)),),
    profiles=network_profiles(),
    needs=("ranker",),
    open=_open,
    folder=ModelFolder(
        files=("manifest.json",),
        networks=("model.onnx", ENGINE),
        remedy="mercato train ranker --catalog CATALOG --state sqlite:PATH --out DIR, then "
        "mercato export ranker --weights DIR --out {folder}; or serve without a ranker",
    ),
    # the window that is ranked has at most 128 candidates
    shapes=EngineShapes(axis="candidates", buckets=(32, 64, 128)),
    served_from=("whole", "router"),
)
