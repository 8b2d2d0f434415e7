"""The manifest beside a ranker: what it was trained on and takes."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mercato.errors import ModelError
from mercato.models.model_folder import MANIFEST_FILE
from mercato.models.ranker.calibration import Calibration, read_calibration

MODEL_FILE = "model.onnx"


@dataclass(frozen=True, kw_only=True)
class RankerManifest:
    """What serving reads of a ranker's manifest, from its ``serving`` object.

    Attributes:
        feature_names: columns of the feature tensor, in order.
        dimension: length of the vectors.
        calibration: from scores to probabilities; None where the ranker has none.
        last_event_time: of the events that it learned from the latest time, seconds since 1970 UTC; None where there
            were none, and where it is not known.
        knows_last_event: whether the manifest says that; older ones do not.
    """

    feature_names: tuple[str, ...]
    dimension: int
    calibration: Calibration | None = None
    last_event_time: float | None = None
    knows_last_event: bool = False


def read_ranker_manifest(folder: Path, feature_names: Sequence[str]) -> RankerManifest:
    """Read a ranker's manifest and compare its features with those that are computed.

    Args:
        folder: holds ``manifest.json``.
        feature_names: the features that this version computes.

    Raises:
        ModelError: the manifest is missing or malformed, or names other features; the message says which.
    """
    path = folder / MANIFEST_FILE
    try:
        serving: Any = json.loads(path.read_text(encoding="utf-8"))["serving"]
        calibration = serving.get("calibration")
        manifest = RankerManifest(
            feature_names=tuple(map(str, serving["feature_names"])),
            dimension=int(serving["dimension"]),
            calibration=None if calibration is None else read_calibration(calibration),
            last_event_time=read_last_event_time(serving),
            knows_last_event="last_event_time" in serving,
        )
    except OSError as exc:
        raise ModelError(
            f"ranker: {path} cannot be read ({exc.strerror}); export it again: "
            f"mercato export ranker --weights DIR --out {folder}"
        ) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ModelError(
            f"ranker: {path} must hold serving.feature_names and serving.dimension ({exc!r}); export the ranker again"
        ) from exc
    difference = describe_difference(manifest.feature_names, tuple(feature_names))
    if difference:
        raise ModelError(f"ranker: {path} was trained on other features: {difference}; train and export it again")
    return manifest


def read_last_event_time(document: Mapping[str, Any]) -> float | None:
    """Read ``last_event_time``; None where it is null or not there.

    Raises:
        ValueError: it is no number of seconds.
    """
    given = document.get("last_event_time")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"last_event_time must be seconds since 1970 or null, got {given!r}")
    return float(given)


def describe_difference(trained: tuple[str, ...], computed: tuple[str, ...]) -> str:
    """Say how two lists of features differ; empty where they are equal."""
    if trained == computed:
        return ""
    unknown = [name for name in trained if name not in computed]
    missing = [name for name in computed if name not in trained]
    parts = []
    if unknown:
        parts.append(f"not computed here: {', '.join(unknown)}")
    if missing:
        parts.append(f"not known to the model: {', '.join(missing)}")
    if not parts:
        parts.append("the same names in another order")
    return "; ".join(parts)
