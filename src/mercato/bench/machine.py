"""The machine that figures were measured on: a figure without it means nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

# What decides about speed, and is installed in different versions.
PACKAGES = ("nvidia-pytriton", "onnxruntime", "numpy", "faiss-cpu", "bm25s", "tokenizers", "tritonclient", "grpcio")
SIMD_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


def describe_machine() -> dict[str, Any]:
    """Return the machine, its system and the versions that decide about speed, as JSON values."""
    return {
        "cpu": read_cpu_model(),
        "cores": os.cpu_count(),
        "simd": read_simd_flags(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": read_system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: read_package_version(name) for name in PACKAGES},
    }


def read_load() -> dict[str, float]:
    """Return the load average of the last minute and of the last five minutes."""
    one, five, _ = os.getloadavg()
    return {"1min": round(one, 2), "5min": round(five, 2)}


def read_cpu_model() -> str:
    """Return the processor's name, or the architecture where the system does not tell."""
    return _read_cpu_field("model name") or platform.machine()


def read_simd_flags() -> list[str]:
    """Return which of the instruction sets that int8 and float32 kernels use this processor has."""
    present = _read_cpu_field("flags").split()
    return [flag for flag in SIMD_FLAGS if flag in present]


def read_system() -> str:
    """Return the distribution's name and version."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def read_package_version(name: str) -> str | None:
    """Return the installed version of a distribution, None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def read_commit(repository: Path) -> str:
    """Return a checkout's commit, with ``-dirty`` where tracked files differ from it; empty outside of git.

    Documents and the results of benchmarks may differ: they change no figure.
    """

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True)

    try:
        head = ask("rev-parse", "--short=12", "HEAD")
    except OSError:
        return ""
    if head.returncode != 0:
        return ""
    same = ask("diff", "--quiet", "HEAD", "--", ".", ":(exclude)benchmarks/results", ":(exclude)*.md")
    return head.stdout.strip() + ("" if same.returncode == 0 else "-dirty")


def _read_cpu_field(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
