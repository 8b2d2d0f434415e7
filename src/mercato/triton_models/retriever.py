"""`retriever`: requests and query vectors in, candidates with features out; internal to the pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mercato.features.features import FEATURE_NAMES
from mercato.models.engine.declaration import Tensor
from mercato.triton_models.declaration import TritonModel, python_profiles, text
from mercato.triton_models.encoder import EMBEDDING_WIDTH

if TYPE_CHECKING:
    from mercato.pipeline.remote import Call
    from mercato.retrieval.retriever import Retriever
    from mercato.settings import Settings

# What `search` and `recommend` ask it, for one popular product.
_CANARY_REQUEST = {
    "placement": "home-page",
    "text": "",
    "user_id": "",
    "visitor_id": "",
    "seed_ids": [],
    "filter": "",
    "strict_filtering": True,
    "context": {"time": 0.0},
    "depth": 1,
}


def _open(settings: Settings, call: Call | None) -> Retriever:
    from mercato.pipeline.factory import open_retriever

    return open_retriever(settings)


RETRIEVER = TritonModel(
    name="retriever",
    inputs=(text("REQUEST"), Tensor(name="QUERY_VECTOR", data_type="FP32", axes=(EMBEDDING_WIDTH,), optional=True)),
    outputs=(
        Tensor(name="ROWS", data_type="INT32", axes=("candidates",)),
        Tensor(name="FUSED", data_type="FP32", axes=("candidates",)),
        Tensor(name="SOURCES", data_type="UINT32", axes=("candidates",)),
        Tensor(name="FEATURES", data_type="FP32", axes=("candidates", len(FEATURE_NAMES))),
        Tensor(name="HISTORY_VECTOR", data_type="FP32", axes=(EMBEDDING_WIDTH,)),
        Tensor(name="TAIL", data_type="INT32", axes=("products beyond the candidates",)),
        text("NOTES"),
    ),
    profiles=python_profiles("Runs on CPU in every profile: indexes, filters, histories.", default=2, cpu_bls=2),
    needs=("catalog",),
    open=_open,
    canary={"REQUEST": json.dumps(_CANARY_REQUEST)},
)
