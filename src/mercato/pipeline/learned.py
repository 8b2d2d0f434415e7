"""What an answer says of the events that it was learned from: how late they are, part by part."""

from __future__ import annotations

from collections.abc import Mapping

from mercato.errors import ModelError
from mercato.index.manifest import Manifest
from mercato.models.ranker.manifest import RankerManifest
from mercato.models.sequence import read_sequence_manifest
from mercato.settings import Settings
from mercato.text.timestamps import format_timestamp

LearnedFrom = Mapping[str, Mapping[str, str | None]]
"""Part -> ``last_event_time``: RFC 3339, None where there were no events; without the key where it is not known."""


def describe_catalog(manifest: Manifest) -> LearnedFrom:
    """Describe the catalogue, as ``catalog``."""
    return {"catalog": _describe("last_event_time" in manifest.model_fields_set, manifest.last_event_time)}


def describe_models(settings: Settings, ranker: RankerManifest | None) -> LearnedFrom:
    """Describe the models that take part in recommendations: ``ranker`` and ``sequence``, where they are served.

    Args:
        settings: what is served.
        ranker: its manifest; None where there is none, or it cannot be read.
    """
    learned: dict[str, Mapping[str, str | None]] = {}
    if settings.ranker is not None:
        known = ranker is not None and ranker.knows_last_event
        learned["ranker"] = _describe(known, ranker.last_event_time if ranker is not None else None)
    if settings.sequence is not None:
        try:
            serving = read_sequence_manifest(settings.sequence).serving
        except ModelError:  # the model says so itself where it is loaded
            learned["sequence"] = {}
        else:
            learned["sequence"] = _describe("last_event_time" in serving.model_fields_set, serving.last_event_time)
    return learned


def _describe(known: bool, last_event_time: float | None) -> Mapping[str, str | None]:
    if not known:
        return {}
    return {"last_event_time": None if last_event_time is None else format_timestamp(last_event_time)}
