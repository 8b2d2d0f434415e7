"""Which models of a run are engines: each is compared with the machine, built again, or replaced by its ONNX file."""

import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mercato.errors import ModelError
from mercato.models.engine.machine import Machine, read_machine
from mercato.models.engine.manifest import EngineManifest, check_engine
from mercato.serving.options import ServerOptions
from mercato.serving.repository import (
    PYTHON_BACKEND,
    list_models,
    project_repository,
    read_config,
)
from mercato.triton_models.declaration import DEFAULT_PROFILE
from mercato.triton_models.registry import ENGINES

logger = logging.getLogger(__name__)

TORCH_PROFILE = "torch"


@dataclass(frozen=True, kw_only=True)
class ServedEngines:
    """What of a run is an engine.

    Attributes:
        fallback: models that run from their ONNX file on CPU, because their engine does not fit.
        buckets: by model the lengths that callers pad to; empty for what takes any length.
    """

    fallback: frozenset[str] = frozenset()
    buckets: dict[str, tuple[int, ...]] = field(default_factory=dict)


def prepare_engines(
    options: ServerOptions,
    *,
    machine: Machine | None = None,
    rebuild: Callable[[Path], None] | None = None,
) -> ServedEngines:
    """Compare the engines that will be served with the machine.

    Args:
        options: what the server is to be started with; says what becomes of an engine that does not fit.
        machine: what the machine has; None looks.
        rebuild: builds the engine in a folder again; None runs the exporter.

    Raises:
        ModelError: an engine does not fit and may not be replaced; the message has the command that builds it again.
    """
    if options.profile == TORCH_PROFILE:
        return ServedEngines(buckets={name: model.shapes.buckets for name, model in ENGINES.items()})
    if options.profile != DEFAULT_PROFILE:
        return ServedEngines()
    machine = machine or read_machine()
    fallback: set[str] = set()
    buckets: dict[str, tuple[int, ...]] = {}
    for name in list_engine_models(options):
        engine = options.all_engines.get(name)
        if engine is None:
            continue  # staging says what is missing
        try:
            manifest = _check(engine, name, machine, options, rebuild or run_exporter)
        except ModelError as exc:
            if not options.fallback:
                ways = "--fallback" if options.rebuild else "--rebuild, or with --fallback"
                raise ModelError(f"{exc}; or start with {ways} to serve its ONNX on CPU") from exc
            logger.warning("%s: served from ONNX on CPU: %s", name, exc)
            fallback.add(name)
        else:
            buckets[name] = manifest.buckets
    return ServedEngines(fallback=frozenset(fallback), buckets=buckets)


def list_engine_models(options: ServerOptions) -> list[str]:
    """List the models of a run that its profile runs as engines."""
    repository = options.repository or project_repository()
    names: Sequence[str] = options.models or [
        name for name in list_models(repository, options.profile) if name not in options.unserved_models
    ]
    return [
        name
        for name in names
        if (repository / name).is_dir() and read_config(repository / name, options.profile).backend != PYTHON_BACKEND
    ]


def run_exporter(folder: Path) -> None:
    """Build the engine in a model's folder again, with this Python.

    Args:
        folder: the model's folder; holds the graph.

    Raises:
        ModelError: the exporter failed; the message is its last line.
    """
    command = [sys.executable, "-m", "mercato.cli", "export", "engine", str(folder), "--target", "tensorrt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1].removeprefix("error: ") if lines else f"status {done.returncode}"
        raise ModelError(
            f"engine in {folder}: cannot be built again ({reason}); building needs TensorRT in this environment"
        )


def _check(
    engine: Path, model: str, machine: Machine, options: ServerOptions, rebuild: Callable[[Path], None]
) -> EngineManifest:
    try:
        return check_engine(engine, model, machine)
    except ModelError as exc:
        if not options.rebuild:
            raise
        logger.warning("%s", exc)
    logger.info("building %s again", engine)
    rebuild(engine.parent)
    return check_engine(engine, model, machine)
