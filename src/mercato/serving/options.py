"""What a server is started with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, field_validator, model_validator

from mercato.errors import InvalidInputError, MercatoError
from mercato.serving.ports import Ports
from mercato.settings import DEFAULT_HOST, Flag, SharedOptions, above
from mercato.triton_models.declaration import ENGINE, CatalogKind
from mercato.triton_models.registry import ENGINES, TRITON_MODELS

MEBIBYTE = 1 << 20


def _all_canaries() -> Mapping[str, Any]:
    from mercato.serving.canary import CANARIES  # needs Triton's client, which `mercato --help` does not

    return CANARIES


class ServerOptions(SharedOptions):
    """Options of a server, checked when made: those that its models are told, and these.

    Raises:
        InvalidInputError: with every problem at once.
    """

    profile: Annotated[str, Flag()] = Field(
        default="cpu", description="Model configuration: cpu, cpu-bls, default (TensorRT), torch."
    )
    host: Annotated[str, Flag()] = Field(
        default=DEFAULT_HOST, description="Address to listen on; 0.0.0.0 for every machine."
    )
    ports: Ports = Field(default=Ports(), description="Ports to listen on; 0 picks a free one.")
    admin_key_file: Annotated[Path | None, Flag()] = Field(
        default=None,
        description="File with the key for model control, shared memory, logging and trace; without it nobody has one.",
    )
    rebuild: Annotated[bool, Flag()] = Field(
        default=False, description="Build an engine again that does not fit this machine."
    )
    fallback: Annotated[bool, Flag()] = Field(
        default=False, description="Serve ONNX on CPU in place of an engine that does not fit."
    )
    log: Annotated[Path | None, Flag()] = Field(
        default=None, description="Triton's log; var/log/server-PORT.log when not given."
    )
    repository: Path | None = Field(default=None, description="The model repository; None for the project's.")
    models: tuple[str, ...] | None = Field(
        default=None, description="Models to load; None for all that the profile can run and whose files are given."
    )
    engines: Mapping[str, Path] = Field(
        default_factory=dict, description="Engine by model; a model.plan in a model's own folder is found without."
    )
    run_root: Path | None = Field(
        default=None, description="Folder for runs; None for one of this user's below the folder for temporary files."
    )
    start_timeout_s: Annotated[float, above(0)] = Field(
        default=120.0, description="How long the models may take until each answers its canary."
    )
    stop_timeout_s: Annotated[float, above(0)] = Field(
        default=15.0, description="How long requests and models may take to end before they are killed."
    )
    threads_per_process: Annotated[int, above(0)] = Field(
        default=1, description="Numeric threads of each stub. One is best on CPU: instances are the parallelism."
    )
    stub_memory_bytes: int = Field(
        default=4 * MEBIBYTE,
        description="Shared memory of each stub at start. More avoids growing under load, and is occupied at once.",
    )
    stub_memory_growth_bytes: Annotated[int, above(0)] = Field(
        default=4 * MEBIBYTE, description="By how much it grows when a batch does not fit."
    )
    supervised: bool = Field(
        default=True,
        description="Whether dead models are noticed and reloaded. Off where nothing but requests may use the CPU.",
    )
    check_interval_s: Annotated[float, above(0)] = Field(
        default=1.0, description="How often stub processes are looked at; cheap."
    )
    canary_interval_s: Annotated[float, above(0)] = Field(
        default=5.0, description="How often each model gets a canary; finds a model that hangs."
    )
    canary_timeout_s: Annotated[float, above(0)] = Field(default=5.0, description="How long a canary may take.")
    canaries: Mapping[str, Any] = Field(
        default_factory=_all_canaries,
        description="Inputs of each model's canary, None for zeros; a model without one is only watched by its "
        "processes.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _report_every_problem(cls, data: Any, check: ModelWrapValidatorHandler[ServerOptions]) -> ServerOptions:
        try:
            return check(data)
        except ValidationError as exc:
            raise InvalidInputError("server options", "; ".join(map(_describe, exc.errors()))) from exc

    @field_validator("stub_memory_bytes")
    @classmethod
    def _check_stub_memory(cls, size_bytes: int) -> int:
        if size_bytes < MEBIBYTE:
            raise ValueError(f"must be at least {MEBIBYTE} (1 MiB), given {size_bytes}")
        return size_bytes

    @field_validator("state")
    @classmethod
    def _check_state(cls, state: str | None) -> str | None:
        if state is not None:
            from mercato.state.store import STATE_SCHEMES

            if state.partition(":")[0] not in STATE_SCHEMES:
                schemes = ", ".join(f"{scheme}:" for scheme in STATE_SCHEMES)
                raise ValueError(f"must begin with one of {schemes}, given {state!r}")
        return state

    @field_validator("dense")
    @classmethod
    def _check_dense(cls, dense: str | None) -> str | None:
        if dense is not None:
            from mercato.milvus.address import parse_address

            with _told_in_own_words():
                parse_address(dense)
        return dense

    @field_validator("stage_budgets_ms", mode="before")
    @classmethod
    def _read_budgets(cls, given: Mapping[str, int] | Sequence[str]) -> Mapping[str, int]:
        """Check budgets by stage, or read them as the command line gives them: ``encoder=200``."""
        from mercato.pipeline.call_timeout import check_timeouts, parse_timeouts

        with _told_in_own_words():
            if not isinstance(given, Mapping):
                return parse_timeouts(given)
            check_timeouts(given)
        return given

    @field_validator("source_weights", mode="before")
    @classmethod
    def _read_weights(cls, given: Mapping[str, float] | Sequence[str]) -> Mapping[str, float]:
        """Check changes of weights by source, or read them as the command line gives them: ``lately=1.5``, or files."""
        if not given:
            return {}
        from mercato.retrieval.source_weights import change_weights, read_changes

        with _told_in_own_words():
            if not isinstance(given, Mapping):
                return read_changes(given)
            change_weights(given)
        return given

    @property
    def folders(self) -> dict[str, Path]:
        """The folder of exported files of each model that was given one."""
        given = {model.name: getattr(self, model.name) for model in TRITON_MODELS if model.folder is not None}
        return {name: folder for name, folder in given.items() if folder is not None}

    @property
    def unserved_models(self) -> frozenset[str]:
        """The project's models that lack what they need: no ranker folder, no ``ranker`` model."""
        kind = self.catalog_kind
        return frozenset(
            model.name
            for model in TRITON_MODELS
            if kind not in model.served_from or any(getattr(self, name) is None for name in model.needs)
        )

    @property
    def catalog_kind(self) -> CatalogKind:
        """What kind of catalogue is served."""
        from mercato.index.part import read_kind

        return "whole" if self.catalog is None else read_kind(self.catalog)

    @property
    def all_engines(self) -> dict[str, Path]:
        """The engine of each model that has one: those given, else ``model.plan`` in the model's own folder."""
        found = {name: folder / ENGINE for name, folder in self.folders.items() if name in ENGINES}
        return {**found, **self.engines}


class OtherwiseNamedError(ValueError):
    """A problem whose message says itself what it is about."""


@contextmanager
def _told_in_own_words() -> Iterator[None]:
    try:
        yield
    except MercatoError as exc:
        raise OtherwiseNamedError(str(exc)) from exc


def _describe(problem: Mapping[str, Any]) -> str:
    """Say what is wrong with one field: name, rule, and what was given."""
    name = ".".join(map(str, problem["loc"]))
    error = problem.get("ctx", {}).get("error")
    if isinstance(error, OtherwiseNamedError):
        return str(error)
    if isinstance(error, ValueError):
        return f"{name} {error}"
    if problem["type"] == "extra_forbidden":
        return f"{name} is no option of a server"
    return f"{name}: {problem['msg'][0].lower()}{problem['msg'][1:]}, given {problem['input']!r}"
