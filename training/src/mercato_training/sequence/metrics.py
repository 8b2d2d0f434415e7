"""What a training of the sequence model did and reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mercato_export.networks.sequence import SequenceConfig
from mercato_training.common.fit_loop import FitHistory
from mercato_training.common.metrics import Metrics, Tools
from mercato_training.sequence.fit import SequenceFitOptions
from mercato_training.sequence.weight import CUTOFF, WeightChoice


@dataclass(frozen=True, kw_only=True)
class SequenceOptions:
    """What is learned from, and the network's shape.

    Attributes:
        max_length: last products of a history that the network reads.
        layers: of attention.
        heads: of each layer.
        dropout: share of what training leaves out.
        min_events: products with fewer events are not learned.
        held_out: share of the users whose last visit decides when to stop, and how much the model weighs.
        most_held_out: of them at most.
    """

    max_length: int = 50
    layers: int = 2
    heads: int = 2
    dropout: float = 0.2
    min_events: int = 2
    held_out: float = 0.1
    most_held_out: int = 5_000


@dataclass(frozen=True, kw_only=True)
class SequenceTrainingOptions(SequenceOptions):
    """What the training was asked for."""

    fit: SequenceFitOptions


@dataclass(frozen=True, kw_only=True)
class SequenceCounts:
    """What was read.

    Attributes:
        events: all.
        users: with a history of two or more.
        products: that have a code.
        rare_products: that have none, for want of events.
        held_out_users: whose last visit was kept back.
        texts: products with a text vector.
        weights: of the network.
    """

    events: int
    users: int
    products: int
    rare_products: int
    held_out_users: int
    texts: int
    weights: int


@dataclass(frozen=True, kw_only=True)
class WeightMetrics:
    """How much the model weighs among other sources.

    Attributes:
        chosen: the weight that was taken.
        recall: weight -> mean recall@10 of the products of the visits that were kept back.
        alone_recall: source -> the same of its list alone.
        visits: how many were asked for.
        rival: the best other source alone; empty where no other had anything to say.
        lead: by how much the model alone is better than that one.
        lead_error: standard error of the paired difference.
    """

    chosen: float
    recall: Mapping[str, float]
    alone_recall: Mapping[str, float]
    visits: int
    rival: str = ""
    lead: float = 0.0
    lead_error: float = 0.0

    @property
    def verdict(self) -> str:
        """Whether the model alone is better than the best other source, and whether a server will ask it."""
        heard = (
            f"it adds to the other sources, at weight {self.chosen:g}"
            if self.chosen
            else "it adds nothing certain to the other sources: its weight is 0, and a server does not ask it"
        )
        if not self.rival:
            return f"no other source had anything to say; {heard}"
        measured = f"({self.lead:+.3f} recall@{CUTOFF}, standard error {self.lead_error:.3f})"
        if self.lead > 2 * self.lead_error:
            return f"alone the model beats {self.rival}, the best other source {measured}; {heard}"
        if self.lead < -2 * self.lead_error:
            return f"alone the model does NOT beat {self.rival}, the best other source {measured}; {heard}"
        return f"alone the model is not told apart from {self.rival}, the best other source {measured}; {heard}"

    @classmethod
    def of(cls, choice: WeightChoice) -> WeightMetrics:
        """Describe a choice."""
        return cls(
            chosen=choice.weight,
            recall={f"{weight:g}": round(recall, 6) for weight, recall in choice.recall.items()},
            alone_recall={source: round(recall, 6) for source, recall in choice.alone.items()},
            visits=choice.visits,
            rival=choice.rival,
            lead=round(choice.lead, 6),
            lead_error=round(choice.lead_error, 6),
        )


@dataclass(frozen=True, kw_only=True)
class SequenceMetrics(Metrics):
    """A training of the sequence model.

    Attributes:
        config: shape of the network.
        options: what was asked for.
        source: of the events.
        counts: what was read.
        fit: how it went.
        results: order -> ``recall@10`` and ``ndcg@10``; empty where nothing was kept back.
        weight: None where nothing could choose one.
        seconds: all in all.
        tools: it was trained with.
    """

    config: SequenceConfig
    options: SequenceTrainingOptions
    source: str
    counts: SequenceCounts
    fit: FitHistory
    results: Mapping[str, Mapping[str, float]]
    weight: WeightMetrics | None
    seconds: float
    tools: Tools

    def as_json(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds; the recalls of the weights have the depth in their names."""
        document = super().as_json()
        if document["weight"] is not None:
            names = {"recall": f"recall@{CUTOFF}", "alone_recall": f"alone_recall@{CUTOFF}"}
            document["weight"] = {names.get(name, name): value for name, value in document["weight"].items()}
        return document
