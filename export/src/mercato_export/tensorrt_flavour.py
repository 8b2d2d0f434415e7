"""What differs between TensorRT 10, TensorRT 11 and TensorRT for RTX. Everything else is one code path."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mercato.models.engine.manifest import HardwareCompatibility
from mercato_export.errors import ExportError

OLDEST_MAJOR = 10
# TensorRT for RTX refuses products in fp32 on Turing (7.5), and no network is all fp16.
AMPERE = 8.0


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """A library that builds engines.

    Attributes:
        name: as ``--target`` and manifests have it.
        module: what to import; all have the same interface (Builder, OnnxParser, profiles).
        remedy: how to get it.
        engine_file: name of the engine it writes.
        is_rtx: TensorRT for RTX builds without a GPU, for GPUs that are named, and finishes on the GPU it runs on.
    """

    name: str
    module: str
    remedy: str
    engine_file: str
    is_rtx: bool = False

    def load(self) -> Any:
        """Import the library.

        Raises:
            ExportError: it is not installed, does not load, or is too old.
        """
        try:
            library = importlib.import_module(self.module)
        except (ImportError, OSError) as exc:
            raise ExportError(f"--target {self.name}: {self.module} cannot be imported ({exc}); {self.remedy}") from exc
        version = str(library.__version__)
        if not self.is_rtx and int(version.split(".")[0]) < OLDEST_MAJOR:
            raise ExportError(f"--target {self.name}: needs TensorRT {OLDEST_MAJOR} or newer, has {version}")
        return library


FLAVOURS: dict[str, Flavour] = {
    flavour.name: flavour
    for flavour in (
        Flavour(
            name="tensorrt",
            module="tensorrt",
            remedy="build inside nvcr.io/nvidia/tensorrt:<yy.mm>-py3 of the same month as the server's image",
            engine_file="model.plan",
        ),
        Flavour(
            name="tensorrt-rtx",
            module="tensorrt_rtx_bindings",
            remedy="pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings",
            engine_file="model.rtx.plan",
            is_rtx=True,
        ),
    )
}


def network_flags(library: Any) -> int:
    """Return the flags of a network whose types are those of the graph.

    TensorRT 10 has to be asked for it. TensorRT 11 knows nothing else, with or without the flag.
    """
    flag = getattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def attach_timing_cache(library: Any, config: Any, flavour: Flavour, content: bytes) -> bool:
    """Give a build the timings of earlier ones.

    Args:
        library: the flavour's module.
        config: the builder's configuration.
        flavour: TensorRT for RTX times nothing, so it takes none.
        content: an earlier cache; empty for none.

    Returns:
        Whether there will be timings to keep. A cache of another version or GPU is dropped by the library itself.
    """
    if flavour.is_rtx:
        return False
    cache = config.create_timing_cache(content)
    return cache is not None and bool(config.set_timing_cache(cache, ignore_mismatch=False))


def read_timing_cache(config: Any) -> bytes:
    """Return the timings after a build."""
    return bytes(memoryview(config.get_timing_cache().serialize()))


def select_gpus(
    library: Any,
    config: Any,
    flavour: Flavour,
    *,
    capabilities: Sequence[str],
    present: Sequence[str],
    compatibility: HardwareCompatibility,
) -> tuple[str, ...]:
    """Tell a build which GPUs it is for.

    Args:
        library: the flavour's module.
        config: the builder's configuration.
        flavour: which library it is.
        capabilities: compute capabilities that were asked for; none for the flavour's default.
        present: those of this machine's GPUs.
        compatibility: whether the engine shall run on other GPUs too.

    Returns:
        The compute capabilities that the engine is built for, ``8.6``.

    Raises:
        ExportError: the library cannot build for what was asked.
    """
    if flavour.is_rtx:
        if compatibility != "none":
            raise ExportError(
                f"--hardware-compatibility: {flavour.name} has none, got {compatibility!r}; name GPUs with "
                "--compute-capability"
            )
        return _select_rtx(library, config, capabilities)
    if not present:
        raise ExportError(f"--target {flavour.name}: needs a GPU to build on, this machine has none")
    others = sorted(set(capabilities) - set(present))
    if others:
        raise ExportError(
            f"--compute-capability: {flavour.name} builds for this machine's GPU ({', '.join(present)}), got "
            f"{', '.join(others)}; build on such a GPU, or with --hardware-compatibility ampere_plus"
        )
    if compatibility != "none":
        level = getattr(library.HardwareCompatibilityLevel, compatibility.upper(), None)
        if level is None:
            raise ExportError(f"--hardware-compatibility: TensorRT {library.__version__} has no {compatibility}")
        config.hardware_compatibility_level = level
    # the builder takes the first GPU
    return (present[0],)


def _select_rtx(library: Any, config: Any, capabilities: Sequence[str]) -> tuple[str, ...]:
    known = {
        f"{number[:-1]}.{number[-1]}": getattr(library.ComputeCapability, name)
        for name in dir(library.ComputeCapability)
        if name.startswith("SM") and (number := name.removeprefix("SM")).isdigit()
    }
    chosen = tuple(capabilities) or tuple(sorted((name for name in known if float(name) >= AMPERE), key=float))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ExportError(
            f"--compute-capability: must be of {', '.join(sorted(known, key=float))}, got {', '.join(unknown)}; "
            f"TensorRT for RTX {library.__version__} cannot build for it"
        )
    config.num_compute_capabilities = len(chosen)
    for position, name in enumerate(chosen):
        config.set_compute_capability(known[name], position)
    return chosen
