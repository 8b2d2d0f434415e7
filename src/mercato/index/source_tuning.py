"""What a shop's log says of its sources of recommendations: how they are learned, and how much each weighs.

`mercato index` learns it (`mercato.indexing.tune_sources`); a snapshot that was built before, or whose log was too
small, goes by the defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mercato.errors import SnapshotError
from mercato.index import layout
from mercato.signals.learning_settings import LearningSettings

DEFAULT_FADE = 0.0


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What the learned weights bring over the defaults, on visits that they were not learned from.

    Attributes:
        metric: what was measured.
        before: mean with the defaults.
        after: mean with what was learned.
        low: lower bound of the paired 95 % interval of the difference.
        high: upper bound.
    """

    metric: str
    before: float
    after: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SourceTuning:
    """What was learned of a shop's sources.

    Attributes:
        settings: how signals are learned.
        fade: how fast a history fades: the n-th last of its products counts ``n ** -fade`` for what goes by whole
            histories.
        due: how much it counts that a product is not due yet, among those that are bought again; 0 for nothing.
        weights: by kind of shopper the weight of each source on the home page, and by name of a placement that starts
            from products the weight there, by rank (`mercato.retrieval.source_weights`); what is not there has the
            defaults, light and heavy shoppers what known ones have.
        slopes: likewise, by score.
        heavy: distinct products from which on a known shopper is a heavy one; 0 where nobody is told apart.
        visits: how many visits were held back to learn it.
        gains: by kind of shopper and placement; of those that kept the defaults too.
        note: why there are defaults, in a sentence; empty where something was learned.
    """

    settings: LearningSettings = LearningSettings()
    fade: float = DEFAULT_FADE
    due: float = 0.0
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    slopes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    heavy: int = 0
    visits: int = 0
    gains: Mapping[str, Gain] = field(default_factory=dict)
    note: str = "built before weights were learned"

    def describe(self) -> dict[str, Any]:
        """Return it as JSON values, with a sentence, without what has nothing to say."""
        return {"said": self.say(), **{name: value for name, value in asdict(self).items() if value not in ({}, "")}}

    def say(self) -> str:
        """Say in a sentence whether weights were learned, and what they gained."""
        if self.note:
            return f"sources of recommendations weigh their defaults: {self.note}"
        gains = [
            f"{name} {gain.before:.3f} -> {gain.after:.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
            if name in self.weights
            else f"{name} unchanged"
            for name, gain in self.gains.items()
        ]
        metric = next(iter(self.gains.values())).metric
        return (
            f"sources of recommendations weighed on {self.visits} visits that were held back: {'; '.join(gains)} "
            f"({metric}, paired 95 % interval)"
        )


def write_tuning(folder: Path, tuning: SourceTuning) -> None:
    """Write what was learned into a snapshot's folder."""
    (folder / layout.SOURCES).write_text(json.dumps(asdict(tuning), indent=1), encoding="utf-8")


def read_tuning(folder: Path) -> SourceTuning:
    """Read what `write_tuning` wrote; the defaults where nothing was written.

    Raises:
        SnapshotError: the file is not of this format.
    """
    path = folder / layout.SOURCES
    if not path.exists():
        return SourceTuning()
    try:
        found = json.loads(path.read_bytes())
        found["settings"] = LearningSettings(**found["settings"])
        found["gains"] = {kind: Gain(**gain) for kind, gain in found["gains"].items()}
        return SourceTuning(**found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise SnapshotError(f"{layout.SOURCES}: cannot be read ({exc}); build the snapshot again") from exc
