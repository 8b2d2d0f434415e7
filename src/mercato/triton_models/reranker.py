"""`reranker`: tokens of query and product in, scores out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mercato.models.engine.declaration import Tensor
from mercato.models.engine.shapes import EngineShapes
from mercato.triton_models.declaration import ModelFolder, TritonModel, network_profiles
from mercato.triton_models.encoder import TEXT_FILES, TEXT_NETWORKS

if TYPE_CHECKING:
    from mercato.models.reranker import OnnxReranker
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings


def _open(settings: Settings, call: Call | None) -> OnnxReranker:
    from mercato.pipeline.factory import open_reranker

    return open_reranker(settings)


def _verify(folder: Path) -> None:
    """Check that the tokenizer is the one that the reranker was trained with."""
    from mercato.models.reranker.manifest import read_reranker_manifest

    read_reranker_manifest(folder)


RERANKER = TritonModel(
    name="reranker",
    inputs=(
        Tensor(name="input_ids", data_type="INT64", axes=("sequence",)),
        Tensor(name="attention_mask", data_type="INT64", axes=("sequence",)),
        Tensor(name="token_type_ids", data_type="INT64", axes=("sequence",)),
    ),
    outputs=(Tensor(name="score", data_type="FP32", axes=(1,)),),
    profiles=network_profiles(),
    needs=("reranker",),
    open=_open,
    # Token 0, which every vocabulary has.
    canary={"input_ids": (0, 0, 0), "attention_mask": (1, 1, 1), "token_type_ids": (0, 0, 1)},
    folder=ModelFolder(
        files=TEXT_FILES,
        networks=TEXT_NETWORKS,
        remedy="mercato export reranker --weights DIR --out {folder}, or serve without --reranker",
        verify=_verify,
    ),
    shapes=EngineShapes(axis="sequence", buckets=(32, 64, 128)),
    served_from=("whole", "router"),
)
