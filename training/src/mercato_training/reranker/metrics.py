"""What a training of the reranker did and reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mercato_training.common.fit_loop import FitHistory
from mercato_training.common.metrics import Metrics, Seconds, Source, Tools
from mercato_training.reranker.data import RerankerDataOptions
from mercato_training.reranker.fit import RerankerFitOptions


@dataclass(frozen=True, kw_only=True)
class RerankerShape:
    """Shape of the network.

    Attributes:
        layers: layers of the encoder to keep. More read better and cost in proportion: 3 for CPU, 6 for a GPU.
        max_tokens: a pair is cut after this many tokens.
        query_tokens: a query is cut after this many.
        weight: share of its score in the blend; None chooses by held-out ratings, and takes a default without.
        depth: candidates of a search that it will read.
    """

    layers: int = 3
    max_tokens: int = 32
    query_tokens: int = 16
    weight: float | None = None
    depth: int = 24


@dataclass(frozen=True, kw_only=True)
class GroupCounts:
    """Groups of pairs by what they come from, and by whether they were fitted to or decided when to stop."""

    synthetic: int
    synthetic_validation: int
    rated: int
    rated_validation: int


@dataclass(frozen=True, kw_only=True)
class RerankerOptions:
    """What the training was asked for; how synthetic and how rated queries were fitted stands apart."""

    shape: RerankerShape
    data: RerankerDataOptions
    synthetic: RerankerFitOptions
    rated: RerankerFitOptions


@dataclass(frozen=True, kw_only=True)
class RerankerMetrics(Metrics):
    """A training of the reranker.

    Attributes:
        counts: what was read and what was left out.
        groups: of pairs.
        stage_before: ``retrieval`` or ``ranker``.
        weight: of the blend.
        weight_chosen_on: rated queries that it was chosen on; 0 where it was given.
        fits: ``synthetic`` and ``rated``, those that were fitted -> how it went.
        results: queries -> order -> metric -> mean.
        options: what was asked for.
        source: the weights it started from.
        seconds: by part.
        tools: it was trained with.
    """

    counts: Mapping[str, int]
    groups: GroupCounts
    stage_before: str
    weight: float
    weight_chosen_on: int
    fits: Mapping[str, FitHistory]
    results: Mapping[str, Mapping[str, Mapping[str, float]]]
    options: RerankerOptions
    source: Source
    seconds: Seconds
    tools: Tools
