"""The manifest beside an engine: what it was built from, for what, and whether this machine can run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mercato.errors import ModelError
from mercato.manifest import FileRecord, VersionedManifest, find_change, read_manifest
from mercato.models.engine.machine import Machine

SCHEMA_VERSION = 1
SERVED_FLAVOUR = "tensorrt"  # the one that Triton's backend loads
GRAPH_FILE = "model.fp16.onnx"
AMPERE = (8, 0)

HardwareCompatibility = Literal["none", "ampere_plus", "same_compute_capability"]
Bounds = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class NamedFile(FileRecord):
    """A file with its name.

    Attributes:
        file: name, in the folder of the manifest.
    """

    file: str


class EngineManifest(VersionedManifest):
    """What is known of an engine, in ``<engine>.json`` beside it.

    Attributes:
        schema_version: of this file.
        model: the model's name in the repository.
        engine: the engine's file.
        onnx: the graph it was built from.
        flavour: ``tensorrt`` or ``tensorrt-rtx``.
        version: of the library that built it.
        compute_capabilities: of the GPUs it was built for, ``9.0``.
        hardware_compatibility: ``ampere_plus`` runs on newer GPUs too, ``none`` on that compute capability alone.
        precision: of its matrix products.
        buckets: lengths of the axis that callers pad.
        profiles: minimum, typical and maximum shape of each input, a profile each.
        parity: what was measured of the graph, as the exporter's manifest has it.
        built: when, RFC 3339.
        build_seconds: how long it took.
    """

    schema_version: int = SCHEMA_VERSION
    model: str
    engine: NamedFile
    onnx: NamedFile
    flavour: str
    version: str
    compute_capabilities: tuple[str, ...] = Field(min_length=1)
    hardware_compatibility: HardwareCompatibility = "none"
    precision: str
    buckets: tuple[int, ...]
    profiles: tuple[dict[str, Bounds], ...]
    parity: dict[str, Any]
    built: str
    build_seconds: float


def manifest_path(engine: Path) -> Path:
    """Return where an engine's manifest lies."""
    return engine.with_name(engine.name + ".json")


def rebuild_command(engine: Path, model: str) -> str:
    """Return the command that builds a model's engine: from the graph beside it where there is one."""
    if engine.with_name(GRAPH_FILE).is_file():
        return f"mercato export engine {engine.parent} --target {SERVED_FLAVOUR}"
    return export_command(model, SERVED_FLAVOUR, engine.parent)


def export_command(model: str, target: str, folder: Path) -> str:
    """Return the command that exports a model; all but the encoder, whose weights are pinned, need a training's."""
    weights = "" if model == "encoder" else " --weights DIR"
    return f"mercato export {model}{weights} --target {target} --out {folder}"


def read_engine_manifest(engine: Path, model: str) -> EngineManifest:
    """Read the manifest of an engine.

    Args:
        engine: the engine's file.
        model: the model's name.

    Raises:
        ModelError: engine or manifest is missing, or the manifest is malformed.
    """
    path = manifest_path(engine)
    remedy = f"build it: {rebuild_command(engine, model)}"
    if not engine.is_file():
        raise ModelError(f"{model}: engine {engine} does not exist; {remedy}")
    return read_manifest(path, EngineManifest, version=SCHEMA_VERSION, subject=model, remedy=remedy, error=ModelError)


def find_mismatches(manifest: EngineManifest, machine: Machine) -> list[str]:
    """Say what about an engine does not fit a machine.

    Args:
        manifest: the engine's.
        machine: what the machine has.

    Returns:
        A clause for each mismatch; none where it fits. A TensorRT that was not found is no mismatch: the server may
        have it elsewhere.
    """
    found = []
    if manifest.flavour != SERVED_FLAVOUR:
        found.append(f"it is a {manifest.flavour} engine and Triton's backend loads {SERVED_FLAVOUR} engines")
    if not machine.gpus:
        found.append("this machine has no GPU")
    built_for = ", ".join(manifest.compute_capabilities)
    beyond = " and newer" if manifest.hardware_compatibility == "ampere_plus" else ""
    for gpu in dict.fromkeys(machine.gpus):
        if not _runs_on(manifest, gpu.compute_capability):
            found.append(f"built for compute capability {built_for}{beyond}, {gpu.name} has {gpu.compute_capability}")
    if (
        manifest.flavour == SERVED_FLAVOUR
        and machine.tensorrt is not None
        and _release(manifest.version) != _release(machine.tensorrt)
    ):
        found.append(f"built with TensorRT {manifest.version}, the server has {machine.tensorrt}")
    return found


def find_changes(manifest: EngineManifest, engine: Path) -> list[str]:
    """Say what of an engine's files is not what its manifest describes.

    Args:
        manifest: the engine's.
        engine: the engine's file, which exists. The graph may be missing: an engine runs without it.

    Returns:
        A clause for each file that was altered or replaced.
    """
    found = []
    change = find_change(engine, manifest.engine, checksum=False)
    if change:
        found.append(f"it {change}")
    graph = engine.with_name(manifest.onnx.file)
    if graph.is_file() and find_change(graph, manifest.onnx, checksum=True):
        found.append(f"it was built from another {manifest.onnx.file} than the one beside it")
    return found


def check_engine(engine: Path, model: str, machine: Machine) -> EngineManifest:
    """Check that an engine is whole and runs on a machine.

    Args:
        engine: the engine's file.
        model: the name of the model that it has to be.
        machine: what the machine has.

    Returns:
        The engine's manifest.

    Raises:
        ModelError: one sentence with everything that does not fit, and the command that builds it again.
    """
    manifest = read_engine_manifest(engine, model)
    problems = [*find_changes(manifest, engine), *find_mismatches(manifest, machine)]
    if manifest.model != model:
        problems.insert(0, f"it is the engine of {manifest.model}")
    if problems:
        raise ModelError(
            f"{model}: {engine} does not fit: {', and '.join(problems)}; rebuild it: {rebuild_command(engine, model)}"
        )
    return manifest


def _runs_on(manifest: EngineManifest, compute_capability: str) -> bool:
    if compute_capability in manifest.compute_capabilities:
        return True
    return manifest.hardware_compatibility == "ampere_plus" and _numbers(compute_capability) >= AMPERE


def _release(version: str) -> tuple[int, ...]:
    """Return major, minor and patch; an engine's file format is bound to all three."""
    return _numbers(version)[:3]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
