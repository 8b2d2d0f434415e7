"""`suggest`: what a shopper has typed in, whole queries out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mercato.models.engine.declaration import Tensor
from mercato.triton_models.declaration import TritonModel, python_profiles, text, whole_number

if TYPE_CHECKING:
    from mercato.pipeline.remote import Call
    from mercato.query.suggest.suggester import Suggester
    from mercato.settings import Settings


def _open(settings: Settings, call: Call | None) -> Suggester:
    from mercato.pipeline.factory import open_suggester

    return open_suggester(settings)


SUGGEST = TritonModel(
    name="suggest",
    inputs=(text("PREFIX"), whole_number("LIMIT", optional=True)),
    outputs=(
        Tensor(name="SUGGESTION", data_type="BYTES", axes=("suggestions",)),
        Tensor(name="SCORE", data_type="FP32", axes=("suggestions",)),
        text("DETAILS"),
    ),
    profiles=python_profiles("A lookup of microseconds: one instance answers thousands a second."),
    needs=("catalog",),
    open=_open,
    canary={"PREFIX": "a", "LIMIT": 1},
    served_from=("whole", "router"),
)
