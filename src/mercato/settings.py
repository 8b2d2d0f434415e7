"""What a server is told to serve: asked for on the command line, and told to the models of its processes.

`SharedOptions` is the part of the server's configuration that its models read, from a JSON file that the environment
variable MERCATO_SETTINGS names; `mercato.serving.options.ServerOptions` adds what only the starting process needs. A
field is declared once: its type, default, check and description. With a `Flag` it is an option of ``mercato serve`` and
a row of ``docs/operations.md``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from mercato.errors import ServerError

SETTINGS_VARIABLE = "MERCATO_SETTINGS"
DEFAULT_RERANK_DEPTH = 24
DEFAULT_RERANK_BUDGET_MS = 400
DEFAULT_ANSWER_CACHE_MB = 32
DEFAULT_ANSWER_CACHE_S = 10.0
DEFAULT_SHARD_TIMEOUT_MS = 1_000
DEFAULT_DENSE_TIMEOUT_MS = 250
DEFAULT_ENCODER = Path("var/models/encoder")
DEFAULT_HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Flag:
    """That a field is an option of ``mercato serve``; its description is the option's help.

    Attributes:
        name: the option; empty for ``--`` and the field's name.
        default: the command line's own default; None for the field's.
        required: whether the command line insists on it.
        metavar: what its value looks like, where the type does not say it. A field of a mapping is a repeatable option.
    """

    name: str = ""
    default: Any = None
    required: bool = False
    metavar: str | None = None


def above(least: float) -> AfterValidator:
    """Make a check that a number is above another."""

    def check(value: float) -> float:
        if not value > least:
            raise ValueError(f"must be above {least:g}, given {value}")
        return value

    return AfterValidator(check)


def within(least: int, most: int) -> AfterValidator:
    """Make a check that a number is in a range, both ends included."""

    def check(value: int) -> int:
        if not least <= value <= most:
            raise ValueError(f"must be from {least} to {most}, given {value}")
        return value

    return AfterValidator(check)


def _check_depth(depth: int) -> int:
    from mercato.requests.retrieval import WINDOW  # it reads filters and facets, which `mercato --help` does not

    if not 2 <= depth <= WINDOW:
        raise ValueError(f"must be from 2 to {WINDOW}, given {depth}")
    return depth


def _tell_path(path: Path | None) -> str | None:
    # Absolute, not resolved: a catalogue is switched by renaming the link that is served.
    return None if path is None else str(path.absolute())


def _tell_state(state: str | None) -> str | None:
    if state is None or not state.startswith("sqlite:"):
        return state
    return f"sqlite:{Path(state.removeprefix('sqlite:')).absolute()}"


_PATH = PlainSerializer(_tell_path)


class SharedOptions(BaseModel):
    """What a server serves, and what its models have to know of it."""

    # Checks are built when the first is made: every start of the command line lists the fields, and few make one.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    catalog: Annotated[Path | None, _PATH, Flag(required=True)] = Field(
        default=None, description="Catalogue snapshot to serve, made by `mercato index`."
    )
    state: Annotated[str | None, PlainSerializer(_tell_state), Flag()] = Field(
        default=None, description="Where events and product changes are kept: sqlite:PATH. None: not kept."
    )
    encoder: Annotated[Path | None, _PATH, Flag(default=DEFAULT_ENCODER)] = Field(
        default=None, description="Exported encoder."
    )
    ranker: Annotated[Path | None, _PATH, Flag()] = Field(
        default=None,
        description="Exported ranker of this shop; the folder ranker beside the catalogue where it exists.",
    )
    reranker: Annotated[Path | None, _PATH, Flag()] = Field(
        default=None, description="Exported reranker, that reads the top of each search again; none without."
    )
    sequence: Annotated[Path | None, _PATH, Flag()] = Field(
        default=None, description="Exported sequence model, a source of recommendations; none without."
    )
    rerank_depth: Annotated[int, AfterValidator(_check_depth), Flag()] = Field(
        default=DEFAULT_RERANK_DEPTH, description="Products of a search that the reranker reads."
    )
    rerank_budget_ms: Annotated[int, above(0), Flag()] = Field(
        default=DEFAULT_RERANK_BUDGET_MS,
        description="Milliseconds of a batch, after which the ranker's order is answered.",
    )
    stage_budgets_ms: Annotated[Mapping[str, int], Flag(name="--stage-budget", metavar="STAGE=MS")] = Field(
        default_factory=dict, description="Milliseconds of a call of encoder, retriever or ranker; repeatable."
    )
    answer_cache_mb: Annotated[int, within(0, 65_536), Flag()] = Field(
        default=DEFAULT_ANSWER_CACHE_MB,
        description="Megabytes of answers that a process may give again to searches of nobody in particular; 0: none.",
    )
    answer_cache_s: Annotated[float, above(0), Flag()] = Field(
        default=DEFAULT_ANSWER_CACHE_S,
        description="Seconds that such an answer may be old as far as events go; changed products are seen at once.",
    )
    dense: Annotated[str | None, Flag(metavar="milvus://HOST[:PORT]/COLLECTION")] = Field(
        default=None,
        description="Milvus that finds the texts near to vectors, filled by `mercato dense load`; milvus+tls:// over "
        "TLS. None: the snapshot's own index.",
    )
    dense_credentials: Annotated[Path | None, _PATH, Flag()] = Field(
        default=None,
        description="File whose first line is USER:PASSWORD or a key of Milvus; without, MERCATO_DENSE_TOKEN is read.",
    )
    dense_ca: Annotated[Path | None, _PATH, Flag()] = Field(
        default=None, description="Certificates (PEM) that Milvus' own is checked with; those of the system without."
    )
    dense_timeout_ms: Annotated[int, above(0), Flag()] = Field(
        default=DEFAULT_DENSE_TIMEOUT_MS,
        description="Milliseconds of a call of Milvus, after which a search goes by words alone.",
    )
    rules: Annotated[Path | None, _PATH, Flag()] = Field(
        default=None,
        description="The shop's rules: pins, blocks, boosts, filters, dials and restricted products, as JSON.",
    )
    source_weights: Annotated[Mapping[str, float], Flag(name="--sources", metavar="SOURCE=WEIGHT|FILE")] = Field(
        default_factory=dict,
        description="Weight of a recommendation source, 0 switches it off: lately=1.5, cart.also_bought=0, or a JSON "
        "file of these; repeatable.",
    )

    shards: Annotated[str | None, Flag(metavar="HOST:PORT,...")] = Field(
        default=None,
        description="Answer searches from shards: the HTTP addresses of their servers, in the order of their numbers; "
        "CATALOG is the router's.",
    )
    shard_timeout_ms: Annotated[int, above(0), Flag()] = Field(
        default=DEFAULT_SHARD_TIMEOUT_MS, description="Milliseconds that a shard may take for one round of a search."
    )
    missing_shards: Annotated[Literal["refuse", "answer"], Flag()] = Field(
        default="refuse",
        description="Where a shard does not answer: refuse, or answer from the others and say what is missing.",
    )

    def tell(self) -> dict[str, Any]:
        """Return what the models are told, as JSON values with absolute paths: None, or what is not the default."""
        told = self.model_dump(include=set(SharedOptions.model_fields))
        fields = SharedOptions.model_fields
        return {
            name: value
            for name, value in told.items()
            if value is None or value != fields[name].get_default(call_default_factory=True)
        }


class Settings(SharedOptions):
    """What a model reads of it: a catalogue and its encoder are always there."""

    catalog: Path
    encoder: Path
    buckets: dict[str, tuple[int, ...]] = Field(
        default={}, description="By stage the lengths that callers pad to, where the stage is an engine behind a call."
    )


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
