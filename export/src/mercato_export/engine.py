"""ONNX file to engine, through TensorRT or TensorRT for RTX."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mercato.checksum import hash_file
from mercato.errors import ModelError
from mercato.models.engine.machine import read_machine
from mercato.models.engine.manifest import Bounds, EngineManifest, NamedFile, manifest_path
from mercato.models.engine.shapes import EngineShapes
from mercato.networks.onnx_session import open_session, run_session
from mercato_export.errors import ExportError
from mercato_export.options import BuildOptions
from mercato_export.tensorrt_flavour import (
    FLAVOURS,
    Flavour,
    attach_timing_cache,
    network_flags,
    read_timing_cache,
    select_gpus,
)

MESSAGES_SHOWN = 3


def build_engine(
    source: Path,
    *,
    model: str,
    flavour: Flavour,
    shapes: EngineShapes,
    axes: Mapping[str, Sequence[str]],
    precision: str,
    parity: Mapping[str, Any],
    options: BuildOptions,
) -> EngineManifest:
    """Build an engine and its manifest beside its graph; both are there in the end, or neither is changed.

    Args:
        source: the ONNX file; its types are the engine's.
        model: the model's name in the repository.
        flavour: what builds it.
        shapes: what to build it for.
        axes: names of the axes of each input, as `mercato_export.exportable.Exportable.axes`.
        precision: of ``source``, for the manifest.
        parity: what was measured on ``source``, for the manifest.
        options: how to build it.

    Raises:
        ExportError: the library is missing, it refuses graph or shapes, or the graph does not run at its longest; the
            library's own words are in the message.
        OSError: the engine cannot be written.
    """
    library = flavour.load()
    started = time.monotonic()
    logger = _open_logger(library)
    builder = library.Builder(logger)
    config = builder.create_builder_config()
    chosen = select_gpus(
        library,
        config,
        flavour,
        capabilities=options.capabilities,
        present=[gpu.compute_capability for gpu in read_machine().gpus],
        compatibility=options.compatibility,
    )
    network = _parse(library, builder, logger, source, flavour)
    profiles = [_add_profile(builder, config, network, profile, logger) for profile in bounds_of(shapes, axes)]
    require_longest(source, shapes, axes, model=model)
    cache = None
    if options.timing_cache is not None:
        cache = options.timing_cache / f"{flavour.name}-{library.__version__}-{'-'.join(chosen)}.cache"
    keeps = cache is not None and attach_timing_cache(library, config, flavour, _read(cache))
    content = builder.build_serialized_network(network, config)
    if content is None:
        raise ExportError(f"--target {flavour.name}: {source.name} cannot be built: {logger.tell()}")
    engine = source.with_name(flavour.engine_file)
    unfinished = engine.with_name(f".{engine.name}.unfinished")
    try:
        unfinished.write_bytes(memoryview(content))
        manifest = EngineManifest(
            model=model,
            engine=_name_file(unfinished, engine.name),
            onnx=_name_file(source, source.name),
            flavour=flavour.name,
            version=str(library.__version__),
            compute_capabilities=chosen,
            hardware_compatibility=options.compatibility,
            precision=precision,
            buckets=shapes.buckets,
            profiles=tuple(profiles),
            parity=dict(parity),
            built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            build_seconds=round(time.monotonic() - started, 3),
        )
        described = engine.with_name(f".{manifest_path(engine).name}.unfinished")
        try:
            described.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
            # A server that looks between the two finds an engine of another size than the manifest says.
            os.replace(unfinished, engine)
            os.replace(described, manifest_path(engine))
        finally:
            described.unlink(missing_ok=True)
    finally:
        unfinished.unlink(missing_ok=True)
    if cache is not None and keeps:
        _keep(cache, read_timing_cache(config))
    return manifest


def bounds_of(shapes: EngineShapes, axes: Mapping[str, Sequence[str]]) -> list[dict[str, Bounds]]:
    """Return minimum, typical and maximum shape of each input in each profile; a fixed axis is written as 0.

    Args:
        shapes: the declaration.
        axes: names of the axes of each input; ``batch`` and ``shapes.axis`` vary.

    Raises:
        ExportError: no input has the axis with buckets.
    """
    if not any(shapes.axis in names for names in axes.values()):
        raise ExportError(f"engine shapes: no input has an axis {shapes.axis!r}; inputs have {dict(axes)}")
    listed = []
    for profile in shapes.profiles():
        bounds: dict[str, Bounds] = {}
        for name, names in axes.items():
            columns = [profile.bounds(axis) if axis in ("batch", shapes.axis) else (0, 0, 0) for axis in names]
            minimum, typical, maximum = zip(*columns, strict=True)
            bounds[name] = (minimum, typical, maximum)
        listed.append(bounds)
    return listed


def require_longest(source: Path, shapes: EngineShapes, axes: Mapping[str, Sequence[str]], *, model: str) -> None:
    """Check with ONNX Runtime that a graph runs at the longest bucket, on one item of zeros.

    TensorRT builds what it cannot run: a sequence longer than the table of positions shows on the GPU alone.

    Args:
        source: the graph.
        shapes: what an engine of it is to be built for.
        axes: see `build_engine`.
        model: the model's name, for messages.

    Raises:
        ExportError: it does not run.
    """
    longest = shapes.buckets[-1]
    lengths = {"batch": 1, shapes.axis: longest}
    try:
        session = open_session(source, model=model, quiet=True)
        run_session(
            session,
            None,
            {
                tensor.name: np.zeros(
                    [
                        length if isinstance(length, int) else lengths[axis]
                        for length, axis in zip(tensor.shape, axes[tensor.name], strict=True)
                    ],
                    dtype=np.int64 if tensor.type == "tensor(int64)" else np.float32,
                )
                for tensor in session.get_inputs()
            },
            model=model,
        )
    except ModelError as exc:
        raise ExportError(
            f"engine shapes: {source.name} does not run at {shapes.axis} {longest}, the longest bucket: "
            f"{str(exc).splitlines()[0]}"
        ) from exc


def _parse(library: Any, builder: Any, logger: Any, source: Path, flavour: Flavour) -> Any:
    network = builder.create_network(network_flags(library))
    parser = library.OnnxParser(network, logger)
    if not parser.parse_from_file(str(source)):
        errors = [parser.get_error(number) for number in range(parser.num_errors)]
        # its description of an unknown operator is the word "false"
        told = "; ".join(
            f"operator {error.node_operator()} of {error.node_name()} is refused ({error.desc()})"
            if error.node_operator()
            else str(error.desc())
            for error in errors
        )
        raise ExportError(f"--target {flavour.name}: {source.name} cannot be read: {told or logger.tell()}")
    return network


def _add_profile(
    builder: Any, config: Any, network: Any, bounds: Mapping[str, Bounds], logger: Any
) -> dict[str, Bounds]:
    """Add one optimisation profile; returns it with the network's own lengths in place of 0."""
    inputs = {tensor.name: tensor for tensor in map(network.get_input, range(network.num_inputs))}
    if set(inputs) != set(bounds):
        raise ExportError(f"engine shapes: the graph has inputs {sorted(inputs)}, declared are {sorted(bounds)}")
    profile = builder.create_optimization_profile()
    filled: dict[str, Bounds] = {}
    for name, shapes in bounds.items():
        fixed = [int(length) for length in inputs[name].shape]
        if len(fixed) != len(shapes[0]) or any(
            (length < 0) != (given > 0) for length, given in zip(fixed, shapes[0], strict=True)
        ):
            raise ExportError(
                f"engine shapes: {name} is {fixed} in the graph (-1 varies), "
                f"the profile has {list(shapes[0])} (0 does not vary)"
            )
        minimum, typical, maximum = (
            tuple(given or length for given, length in zip(shape, fixed, strict=True)) for shape in shapes
        )
        profile.set_shape(name, minimum, typical, maximum)
        filled[name] = (minimum, typical, maximum)
    if config.add_optimization_profile(profile) < 0:
        raise ExportError(f"engine shapes: profile {filled} is refused: {logger.tell()}")
    return filled


def _open_logger(library: Any) -> Any:
    """Return the library's one logger, which remembers what went wrong.

    A process has one logger for all builders, whatever they are given; so it is kept on the module and emptied.
    """
    logger = getattr(library, "_mercato_logger", None)
    if logger is None:

        class Logger(library.ILogger):  # type: ignore[misc]  # the base comes with the library
            def __init__(self) -> None:
                super().__init__()
                self.errors: list[str] = []

            def log(self, severity: Any, message: str) -> None:
                if severity <= library.ILogger.ERROR:
                    self.errors.append(message.strip())

            def tell(self) -> str:
                return "; ".join(self.errors[:MESSAGES_SHOWN]) or "the library does not say why"

        logger = Logger()
        library._mercato_logger = logger
    logger.errors.clear()
    return logger


def _name_file(path: Path, name: str) -> NamedFile:
    return NamedFile(file=name, bytes=path.stat().st_size, sha256=hash_file(path))


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def find_flavour(target: str) -> Flavour:
    """Return a flavour by its target's name.

    Raises:
        ExportError: there is no such one.
    """
    if target not in FLAVOURS:
        raise ExportError(f"--target: an engine is built with one of {', '.join(FLAVOURS)}, got {target!r}")
    return FLAVOURS[target]
