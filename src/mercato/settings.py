"""What the models of one server are told: a JSON file, named by the environment variable MERCATO_SETTINGS."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mercato.errors import ServerError
from mercato.requests.retrieval import WINDOW

SETTINGS_VARIABLE = "MERCATO_SETTINGS"
DEFAULT_RERANK_DEPTH = 24
DEFAULT_RERANK_BUDGET_MS = 400


class Settings(BaseModel):
    """Where the models of a server find what they serve.

    Attributes:
        catalog: the catalogue snapshot.
        encoder: folder of the exported encoder.
        ranker: folder of the exported ranker; None serves the order of retrieval.
        reranker: folder of the exported reranker; None leaves the order of the ranker.
        sequence: folder of the exported sequence model; None foretells nothing from the order of events.
        rerank_depth: products of a search, the best first, that the reranker reads.
        rerank_budget_ms: what reranking a batch may take; what is late is left out.
        rules: the shop's rules file; None for no rules.
        source_weights: what the shop changed of the weights of recommendation sources: ``lately``, ``cart.lately``.
        state: URL of the state store; None for a catalogue and shoppers that never change.
        buckets: by stage the lengths that callers pad to, where the stage is an engine behind a call.
        stage_budgets_ms: by stage behind a call what one call may take; a stage that is left out has the default of
            `mercato.pipeline.call_timeout`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalog: Path
    encoder: Path
    ranker: Path | None = None
    reranker: Path | None = None
    sequence: Path | None = None
    rerank_depth: int = Field(default=DEFAULT_RERANK_DEPTH, ge=2, le=WINDOW)
    rerank_budget_ms: int = Field(default=DEFAULT_RERANK_BUDGET_MS, ge=1)
    rules: Path | None = None
    source_weights: dict[str, float] = {}
    state: str | None = None
    buckets: dict[str, tuple[int, ...]] = {}
    stage_budgets_ms: dict[str, int] = {}


def read_settings() -> Settings:
    """Read the settings that the environment names.

    Raises:
        ServerError: the variable is not set, or the file is missing or wrong.
    """
    name = os.environ.get(SETTINGS_VARIABLE)
    if not name:
        raise ServerError(f"{SETTINGS_VARIABLE} is not set; start the server with `mercato serve`")
    try:
        return Settings.model_validate_json(Path(name).read_bytes())
    except (OSError, ValidationError) as exc:
        raise ServerError(
            f"{SETTINGS_VARIABLE}={name}: cannot be used ({exc}); start the server with `mercato serve`"
        ) from exc
