"""What a server is started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mercato.errors import InvalidInputError, MercatoError
from mercato.pipeline.call_timeout import check_timeouts
from mercato.requests.retrieval import WINDOW
from mercato.retrieval.source_weights import change_weights
from mercato.serving.canary import CANARIES, Inputs
from mercato.serving.ports import Ports
from mercato.settings import DEFAULT_RERANK_BUDGET_MS, DEFAULT_RERANK_DEPTH
from mercato.state.store import STATE_SCHEMES

MEBIBYTE = 1 << 20
# The options without which a model of the project cannot be served.
MODEL_NEEDS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("encoder",),
    "ranker": ("ranker",),
    "reranker": ("reranker",),
    "sequence": ("sequence",),
    "retriever": ("catalog",),
    "search": ("catalog",),
    "recommend": ("catalog",),
    "suggest": ("catalog",),
    "events": ("catalog", "state"),
    "catalog": ("catalog", "state"),
}


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Options of a server, checked when made.

    Attributes:
        catalog: the catalogue snapshot to serve; None serves models that need none.
        profile: which configuration of each model: ``cpu`` fuses the stages into one process, ``cpu-bls`` calls a model
            per stage, ``default`` runs TensorRT engines, ``torch`` runs PyTorch where the others run networks.
        state: where events and product changes are kept (``sqlite:PATH``); None keeps none: the
            models ``events`` and ``catalog`` are not served.
        encoder: folder of the exported encoder.
        ranker: folder of the exported ranker; None serves the order of retrieval.
        reranker: folder of the exported reranker; None leaves the order of the ranker.
        sequence: folder of the exported sequence model; None foretells nothing from the order of events.
        rerank_depth: products of a search that the reranker reads. More finds more and costs in proportion.
        rerank_budget_ms: what reranking a batch may take, in milliseconds; what is late is left out.
        rules: the shop's rules file (pins, blocks, boosts, filters); None for no rules.
        source_weights: what the shop changes of the weights of recommendation sources, see
            `mercato.retrieval.source_weights.change_weights`; empty for nothing.
        stage_budgets_ms: by stage what one call may take where stages live behind calls; what is late is left out.
            A stage that is not named has the default of `mercato.pipeline.call_timeout`.
        repository: the model repository; None for the project's.
        models: the models to load; None for all that the profile can run and whose files are given.
        engines: a TensorRT engine by model; a ``model.plan`` in the encoder's or ranker's folder is found without.
        rebuild: whether an engine that does not fit this machine is built again before the start.
        fallback: whether a model whose engine does not fit is served from its ONNX file on CPU instead.
        host: address to listen on. The default is reachable from this machine only.
        ports: ports to listen on; 0 picks a free one.
        admin_key_file: a file with the key that opens the owner's calls (model control, shared memory, logging, trace);
            None for a key that is made for this run and never leaves it.
        log: the server's log file, appended to; None for one that is removed with the run.
        run_root: folder for runs; None for one of this user's below the system's temporary folder.
        start_timeout_s: how long the models may take until each answers its canary.
        stop_timeout_s: how long in-flight requests and models may take to end before they are killed.
        threads_per_process: numeric threads of each stub. One is best on CPU: instances are the parallelism.
        stub_memory_bytes: shared memory of each stub at start. More avoids growing under load, and is occupied at once.
        stub_memory_growth_bytes: by how much it grows when a batch does not fit.
        supervised: whether dead models are noticed and reloaded. Off where nothing but requests may use the CPU.
        check_interval_s: how often stub processes are looked at; cheap.
        canary_interval_s: how often each model gets a canary; finds a model that hangs.
        canary_timeout_s: how long a canary may take.
        canaries: inputs of each model's canary; a model without one is only watched by its processes.
    """

    catalog: Path | None = None
    profile: str = "cpu"
    state: str | None = None
    encoder: Path | None = None
    ranker: Path | None = None
    reranker: Path | None = None
    sequence: Path | None = None
    rerank_depth: int = DEFAULT_RERANK_DEPTH
    rerank_budget_ms: int = DEFAULT_RERANK_BUDGET_MS
    rules: Path | None = None
    source_weights: Mapping[str, float] = field(default_factory=dict)
    stage_budgets_ms: Mapping[str, int] = field(default_factory=dict)
    repository: Path | None = None
    models: tuple[str, ...] | None = None
    engines: Mapping[str, Path] = field(default_factory=dict)
    rebuild: bool = False
    fallback: bool = False
    host: str = "127.0.0.1"
    ports: Ports = Ports()
    admin_key_file: Path | None = None
    log: Path | None = None
    run_root: Path | None = None
    start_timeout_s: float = 120.0
    stop_timeout_s: float = 15.0
    threads_per_process: int = 1
    stub_memory_bytes: int = 4 * MEBIBYTE
    stub_memory_growth_bytes: int = 4 * MEBIBYTE
    supervised: bool = True
    check_interval_s: float = 1.0
    canary_interval_s: float = 5.0
    canary_timeout_s: float = 5.0
    canaries: Mapping[str, Inputs | None] = field(default_factory=lambda: CANARIES)

    def __post_init__(self) -> None:
        """Check all fields and report every problem at once."""
        problems = []
        for name in (
            "start_timeout_s",
            "stop_timeout_s",
            "check_interval_s",
            "canary_interval_s",
            "canary_timeout_s",
            "threads_per_process",
            "stub_memory_growth_bytes",
            "rerank_budget_ms",
        ):
            if not getattr(self, name) > 0:
                problems.append(f"{name} must be above 0, given {getattr(self, name)}")
        if not 2 <= self.rerank_depth <= WINDOW:
            problems.append(f"rerank_depth must be from 2 to {WINDOW}, given {self.rerank_depth}")
        if self.stub_memory_bytes < MEBIBYTE:
            problems.append(f"stub_memory_bytes must be at least {MEBIBYTE} (1 MiB), given {self.stub_memory_bytes}")
        for name in ("grpc", "http", "metrics"):
            port = getattr(self.ports, name)
            if not 0 <= port <= 65535:
                problems.append(f"ports.{name} must be from 0 to 65535, given {port}")
        if self.state is not None and self.state.partition(":")[0] not in STATE_SCHEMES:
            schemes = ", ".join(f"{scheme}:" for scheme in STATE_SCHEMES)
            problems.append(f"state must begin with one of {schemes}, given {self.state!r}")
        for check in (lambda: check_timeouts(self.stage_budgets_ms), lambda: change_weights(self.source_weights)):
            try:
                check()
            except MercatoError as exc:
                problems.append(str(exc))
        if problems:
            raise InvalidInputError("server options", "; ".join(problems))

    @property
    def unserved_models(self) -> frozenset[str]:
        """The project's models that lack what they need: no ranker folder, no ``ranker`` model."""
        names = ("catalog", "encoder", "ranker", "reranker", "sequence", "state")
        given = {name for name in names if getattr(self, name) is not None}
        return frozenset(name for name, needed in MODEL_NEEDS.items() if not given.issuperset(needed))

    @property
    def all_engines(self) -> dict[str, Path]:
        """The engine of each model that has one: those given, else ``model.plan`` in the model's own folder."""
        found = {}
        for name in ("encoder", "ranker", "reranker", "sequence"):
            folder: Path | None = getattr(self, name)
            if folder is not None:
                found[name] = folder / "model.plan"
        return {**found, **self.engines}
