"""The manifest beside a ranker: what it was trained on and takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, InstanceOf

from mercato.errors import ModelError
from mercato.manifest import MANIFEST_FILE, FileRecord
from mercato.models.model_folder import SCHEMA_VERSION, ModelManifest, read_model_manifest
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


def read_last_event_time(document: Mapping[str, Any]) -> float | None:
    """Read ``last_event_time``; None where it is null or not there.

    Raises:
        ValueError: it is no number of seconds.
    """
    return _check_last_event_time(document.get("last_event_time"))


def _check_last_event_time(given: object) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"last_event_time must be seconds since 1970 or null, got {given!r}")
    return float(given)


def _read_calibration(given: Any) -> Calibration | None:
    return None if given is None else read_calibration(given)


class _RankerServing(BaseModel):
    """The ``serving`` object of a ranker's manifest."""

    feature_names: tuple[str, ...]
    dimension: int
    calibration: Annotated[InstanceOf[Calibration] | None, BeforeValidator(_read_calibration)] = None
    last_event_time: Annotated[float | None, BeforeValidator(_check_last_event_time)] = None


class _RankerFile(ModelManifest):
    """A ranker's ``manifest.json``; older ones list no files."""

    schema_version: int = SCHEMA_VERSION
    files: dict[str, FileRecord] = {}
    serving: _RankerServing


def read_ranker_manifest(folder: Path, feature_names: Sequence[str]) -> RankerManifest:
    """Read a ranker's manifest and compare its features with those that are computed.

    Args:
        folder: holds ``manifest.json``.
        feature_names: the features that this version computes.

    Raises:
        ModelError: the manifest is missing or malformed, or names other features; the message says which.
    """
    remedy = (
        "it must hold serving.feature_names and serving.dimension; export the ranker again with"
        f" mercato export ranker --out {folder}"
    )
    serving = read_model_manifest(folder, _RankerFile, model="ranker", remedy=remedy).serving
    manifest = RankerManifest(
        feature_names=serving.feature_names,
        dimension=serving.dimension,
        calibration=serving.calibration,
        last_event_time=serving.last_event_time,
        knows_last_event="last_event_time" in serving.model_fields_set,
    )
    difference = describe_difference(manifest.feature_names, tuple(feature_names))
    if difference:
        raise ModelError(
            f"ranker: {folder / MANIFEST_FILE} was trained on other features: {difference}; train and export it again"
        )
    return manifest


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
