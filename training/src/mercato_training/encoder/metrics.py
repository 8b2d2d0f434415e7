"""What a fine-tuning of the encoder did and reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mercato_training.common.fit_loop import FitHistory
from mercato_training.common.metrics import Metrics, Source, Tools
from mercato_training.encoder.fit import EncoderOptions
from mercato_training.reranker.data import RerankerDataOptions


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """Pairs that were fitted to, those that decided when to stop, and the rated queries that are reported."""

    train: int
    validation: int
    rated_queries_of_test: int


@dataclass(frozen=True, kw_only=True)
class EncoderTrainingOptions:
    """What the training was asked for."""

    encoder: EncoderOptions
    data: RerankerDataOptions


@dataclass(frozen=True, kw_only=True)
class EncoderMetrics(Metrics):
    """A fine-tuning of the encoder.

    Attributes:
        pairs: of a query and a product.
        counts: what was read and what was left out.
        trainable_weights: of the adapters.
        fit: how it went.
        results: ``before`` and ``after`` -> metric -> mean.
        options: what was asked for.
        source: the weights it started from.
        seconds: all in all.
        tools: it was trained with.
    """

    pairs: PairCounts
    counts: Mapping[str, int]
    trainable_weights: int
    fit: FitHistory
    results: Mapping[str, Mapping[str, float]]
    options: EncoderTrainingOptions
    source: Source
    seconds: float
    tools: Tools
