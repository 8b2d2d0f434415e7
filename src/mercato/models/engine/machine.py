"""What of a machine decides whether an engine runs on it: its GPUs and the TensorRT beside its server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

GPU_QUERY_TIMEOUT_S = 10.0
# Where the containers of NVIDIA and the packages of Debian put TensorRT.
LIBRARY_FOLDERS = (
    Path("/usr/lib/x86_64-linux-gnu"),
    Path("/usr/lib/aarch64-linux-gnu"),
    Path("/usr/local/tensorrt/lib"),
)
_LIBRARY = re.compile(r"^libnvinfer\.so\.(\d+\.\d+\.\d+)$")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU.

    Attributes:
        name: as the driver calls it.
        compute_capability: as in ``9.0``.
    """

    name: str
    compute_capability: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a machine has to run engines with.

    Attributes:
        gpus: its GPUs; none on a machine without.
        tensorrt: version of the TensorRT library the server would load, ``10.9.0``; None where none was found.
    """

    gpus: tuple[Gpu, ...] = ()
    tensorrt: str | None = None


def read_machine() -> Machine:
    """Ask the driver for GPUs and look for TensorRT's library; neither is an error when missing."""
    inherited = [Path(folder) for folder in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if folder]
    return Machine(gpus=_ask_driver(), tensorrt=find_tensorrt([*inherited, *LIBRARY_FOLDERS]))


def find_tensorrt(folders: Iterable[Path]) -> str | None:
    """Return the version of the first TensorRT library in these folders, from its file name; None without one."""
    for folder in folders:
        names = sorted(path.name for path in folder.glob("libnvinfer.so.*"))
        for name in names:
            if match := _LIBRARY.match(name):
                return match[1]
    return None


def parse_gpus(lines: Sequence[str]) -> tuple[Gpu, ...]:
    """Read ``nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader``; a line of another form is left out."""
    fields = [tuple(part.strip() for part in line.rsplit(",", 1)) for line in lines]
    return tuple(
        Gpu(name=field[0], compute_capability=field[1])
        for field in fields
        if len(field) == 2 and re.fullmatch(r"\d+\.\d+", field[1])
    )


def _ask_driver() -> tuple[Gpu, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    try:
        asked = subprocess.run(query, capture_output=True, text=True, check=False, timeout=GPU_QUERY_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return () if asked.returncode else parse_gpus(asked.stdout.splitlines())
