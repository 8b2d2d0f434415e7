"""What every training says of itself, typed: it becomes `metrics.json`, the model card and what the command prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch

from mercato_export.weights import LocatedWeights

METRICS_FILE = "metrics.json"
CARD_FILE = "MODEL_CARD.md"


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What a training did and reached; a subclass for each model."""

    def as_json(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds; a figure that is not a number is None."""
        document: dict[str, Any] = orjson.loads(orjson.dumps(self))
        return document


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What it was trained with.

    Attributes:
        torch: version of PyTorch.
        threads: of PyTorch.
    """

    torch: str
    threads: int

    @classmethod
    def of_this_process(cls) -> Tools:
        """Return those at work."""
        return cls(torch=torch.__version__, threads=torch.get_num_threads())


@dataclass(frozen=True, kw_only=True)
class Source:
    """The weights that training started from.

    Attributes:
        repository: where they come from.
        sha256: of the file.
        licence: theirs.
    """

    repository: str
    sha256: str
    licence: str

    @classmethod
    def of(cls, weights: LocatedWeights) -> Source:
        """Describe weights that were located."""
        return cls(repository=weights.model.repository, sha256=weights.sha256, licence=weights.model.licence)


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """How long each part took, in seconds."""

    data: float
    fit: float
    comparison: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over requests, with a bootstrap interval.

    Attributes:
        mean: over all requests.
        low: lower end of the interval; NaN where there are fewer than two actors.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def write_results(folder: Path, metrics: Metrics, card: str) -> None:
    """Write metrics and model card beside the weights.

    Args:
        folder: the model's; is there.
        metrics: what ``metrics.json`` is to hold.
        card: Markdown.
    """
    (folder / METRICS_FILE).write_bytes(orjson.dumps(metrics.as_json(), option=orjson.OPT_INDENT_2))
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
