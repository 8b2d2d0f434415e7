"""`profile`: a shopper in, what is known of the shopper out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mercato.triton_models.declaration import TritonModel, python_profiles, text, whole_number

if TYPE_CHECKING:
    from mercato.pipeline.remote import Call
    from mercato.retrieval.shopper_profile import Profiler
    from mercato.settings import Settings


def _open(settings: Settings, call: Call | None) -> Profiler:
    from mercato.pipeline.factory import open_profiler

    return open_profiler(settings)


PROFILE = TritonModel(
    name="profile",
    inputs=(text("USER_ID", optional=True), text("VISITOR_ID", optional=True), whole_number("LIMIT", optional=True)),
    outputs=(text("RESULT"),),
    profiles=python_profiles("Asked now and then, by those who show a shopper what is known of them."),
    needs=("catalog", "state"),
    open=_open,
    canary={"USER_ID": "", "VISITOR_ID": "canary", "LIMIT": 1},
)
