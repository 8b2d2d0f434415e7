"""`events` and `catalog`: what shoppers did and how products changed in, what became of it out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mercato.triton_models.declaration import TritonModel, python_profiles, text

if TYPE_CHECKING:
    from mercato.ingest.catalog import CatalogWriter
    from mercato.ingest.events import EventWriter
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings

_ONE_WRITER = python_profiles("One writer: one transaction for all callers of a batch.")


def _open_events(settings: Settings, call: Call | None) -> EventWriter:
    from mercato.pipeline.factory import open_event_writer

    return open_event_writer(settings)


def _open_catalog(settings: Settings, call: Call | None) -> CatalogWriter:
    from mercato.pipeline.factory import open_catalog_writer

    return open_catalog_writer(settings, call)


EVENTS = TritonModel(
    name="events",
    inputs=(text("EVENTS"),),
    outputs=(text("RESULT"),),
    profiles=_ONE_WRITER,
    needs=("catalog", "state"),
    open=_open_events,
    canary={"EVENTS": "[]"},
)

CATALOG = TritonModel(
    name="catalog",
    inputs=(text("OPERATIONS"),),
    outputs=(text("RESULT"),),
    # It encodes the texts of changed products, where the pipeline does.
    profiles={
        name: replace(profile, stages="in_process" if name == "cpu" else "remote")
        for name, profile in _ONE_WRITER.items()
    },
    needs=("catalog", "state"),
    open=_open_catalog,
    canary={"OPERATIONS": "[]"},
)
