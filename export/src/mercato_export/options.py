"""Options of an export, apart from what does the work: ``--help`` loads no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mercato.models.engine.manifest import HardwareCompatibility

DEFAULT_TIMING_CACHE = Path("var/cache/tensorrt")
# Most that any measure of quality may lose with a smaller precision.
DEFAULT_TOLERANCE = 0.005
# Most that the reranker's Kendall tau may miss of 1 in int8, which exchanges products that score nearly alike; what
# that costs is the loss of nDCG@10, whose tolerance is the one above.
DEFAULT_INT8_TAU_TOLERANCE = 0.05
# Most of the sequence model's top ten that a smaller precision may exchange, whose scores are nearly alike at its end.
DEFAULT_SEQUENCE_TOLERANCE = 0.02


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How to build an engine.

    Attributes:
        capabilities: compute capabilities to build for; none for this machine's GPU (TensorRT), or for all from Ampere
            on that the library knows (TensorRT for RTX).
        compatibility: ``ampere_plus`` builds one engine for all newer GPUs, some slower on each.
        timing_cache: folder of timings kept between builds: a second build measures less. None keeps none.
    """

    capabilities: tuple[str, ...] = ()
    compatibility: HardwareCompatibility = "none"
    timing_cache: Path | None = DEFAULT_TIMING_CACHE
