"""All Triton models, and what derives from their declarations. A new model is one more entry of the tuple."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mercato.models.engine.declaration import EngineModel
from mercato.triton_models.declaration import TritonModel
from mercato.triton_models.encoder import ENCODER
from mercato.triton_models.pages import RECOMMEND, SEARCH
from mercato.triton_models.profile import PROFILE
from mercato.triton_models.ranker import RANKER
from mercato.triton_models.reranker import RERANKER
from mercato.triton_models.retriever import RETRIEVER
from mercato.triton_models.sequence import SEQUENCE
from mercato.triton_models.shard import SHARD
from mercato.triton_models.suggest import SUGGEST
from mercato.triton_models.writers import CATALOG, EVENTS

TRITON_MODELS: tuple[TritonModel[Any], ...] = (
    SEARCH,
    RECOMMEND,
    SUGGEST,
    EVENTS,
    CATALOG,
    PROFILE,
    ENCODER,
    RETRIEVER,
    RANKER,
    RERANKER,
    SEQUENCE,
    SHARD,
)

ENGINES: Mapping[str, EngineModel] = {model.name: model.engine for model in TRITON_MODELS if model.engine is not None}
"""The models that run as engines: the exporter builds from these, and callers pad to their buckets."""

PROFILES: tuple[str, ...] = tuple(dict.fromkeys(profile for model in TRITON_MODELS for profile in model.profiles))
"""The profiles that at least one model is declared for."""
