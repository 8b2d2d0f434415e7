"""What differs between TensorRT 10, TensorRT 11 and TensorRT for RTX; none of the three is needed here."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mercato_export.errors import ExportError
from mercato_export.tensorrt_flavour import FLAVOURS, attach_timing_cache, network_flags, select_gpus

RTX = FLAVOURS["tensorrt-rtx"]


def test_tensorrt_10_is_asked_for_strong_types_and_11_has_no_other() -> None:
    ten = SimpleNamespace(NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=1))
    eleven = SimpleNamespace(NetworkDefinitionCreationFlag=SimpleNamespace())
    assert (network_flags(ten), network_flags(eleven)) == (1 << 1, 0)


def test_an_old_tensorrt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "old_tensorrt", SimpleNamespace(__version__="8.6.1"))
    with pytest.raises(ExportError, match="needs TensorRT 10 or newer, has 8.6.1"):
        replace(FLAVOURS["tensorrt"], module="old_tensorrt").load()


class RecordingConfig:
    """Stands for the library's builder configuration, which cannot be made without a GPU."""

    def __init__(self) -> None:
        self.given: Any = None
        self.hardware_compatibility_level: Any = None

    def create_timing_cache(self, content: bytes) -> bytes:
        return b"cache of " + content

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        self.given = cache
        return not ignore_mismatch


def test_timings_go_to_tensorrt_and_not_to_rtx() -> None:
    config = RecordingConfig()
    assert not attach_timing_cache(None, config, RTX, b"old")
    assert config.given is None
    assert attach_timing_cache(None, config, FLAVOURS["tensorrt"], b"old")
    assert config.given == b"cache of old"


def test_tensorrt_builds_for_the_gpu_that_is_there() -> None:
    library = SimpleNamespace(__version__="10.9.0", HardwareCompatibilityLevel=SimpleNamespace(NONE=0, AMPERE_PLUS=1))

    def select(present: list[str], capabilities: list[str], compatibility: Any = "none") -> tuple[Any, Any]:
        config = RecordingConfig()
        chosen = select_gpus(
            library,
            config,
            FLAVOURS["tensorrt"],
            capabilities=capabilities,
            present=present,
            compatibility=compatibility,
        )
        return chosen, config.hardware_compatibility_level

    assert select(["9.0"], []) == (("9.0",), None)
    assert select(["8.6", "9.0"], ["8.6"], "ampere_plus") == (("8.6",), 1)
    with pytest.raises(ExportError, match="needs a GPU to build on, this machine has none"):
        select([], [])
    with pytest.raises(ExportError, match=r"builds for this machine's GPU \(8\.6\), got 9\.0"):
        select(["8.6"], ["9.0"])
    with pytest.raises(ExportError, match=r"TensorRT 10\.9\.0 has no same_compute_capability"):
        select(["8.6"], [], "same_compute_capability")
