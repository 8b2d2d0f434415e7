"""`search` and `recommend`: the orchestrators, which run the pipeline once for a batch and answer pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mercato.models.engine.declaration import Tensor
from mercato.models.engine.shapes import MAX_BATCH_SIZE
from mercato.triton_models.declaration import DEFAULT_PROFILE, ModelProfile, TritonModel, text, whole_number

if TYPE_CHECKING:
    from mercato.pipeline.pipeline import Pipeline
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings

_SHOPPER = (text("VISITOR_ID", optional=True), text("USER_ID", optional=True))
_PAGE = (
    text("FILTER", optional=True),
    whole_number("PAGE_SIZE", optional=True),
    whole_number("OFFSET", optional=True),
    text("CONTEXT", optional=True),
    text("OPTIONS", optional=True),
)
_ANSWER = (
    Tensor(name="PRODUCT_ID", data_type="BYTES", axes=("products",)),
    Tensor(name="SCORE", data_type="FP32", axes=("products",)),
    text("DETAILS"),
)


def _profile(about: str, stages: Literal["in_process", "remote"], instances: int, queue_delay_us: int) -> ModelProfile:
    """Declare how an orchestrator runs. What waits is the next batch of each instance: more would wait for a second."""
    return ModelProfile(
        about=about,
        stages=stages,
        instances=instances,
        queue_delay_us=queue_delay_us,
        max_queue_size=instances * MAX_BATCH_SIZE,
    )


_PROFILES = {
    DEFAULT_PROFILE: _profile("GPU: the stages are Triton models of their own, reached by BLS.", "remote", 4, 500),
    "cpu": _profile(
        "CPU: the stages run inside this model, where a hop would cost more than the work.", "in_process", 2, 0
    ),
    "cpu-bls": _profile("CPU with every stage behind BLS: what `default` does, without a GPU.", "remote", 2, 0),
}


def _open_pipeline(settings: Settings, call: Call | None) -> Pipeline:
    from mercato.pipeline.factory import build_pipeline

    return build_pipeline(settings, call)


SEARCH = TritonModel(
    name="search",
    inputs=(text("QUERY"), *_SHOPPER, *_PAGE),
    outputs=_ANSWER,
    profiles=_PROFILES,
    needs=("catalog",),
    open=_open_pipeline,
    # Of a visitor: an answer that is given again would tell nothing of the stages.
    canary={"QUERY": "canary", "VISITOR_ID": "canary", "PAGE_SIZE": 1},
    served_from=("whole", "router"),
)

RECOMMEND = TritonModel(
    name="recommend",
    inputs=(text("PLACEMENT"), text("SEED_PRODUCT_IDS", optional=True), *_SHOPPER, *_PAGE),
    outputs=_ANSWER,
    profiles=_PROFILES,
    needs=("catalog",),
    open=_open_pipeline,
    canary={"PLACEMENT": "home-page", "PAGE_SIZE": 1},
)
