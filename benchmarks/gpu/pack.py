"""Pack the embedded server for a machine that has PyTorch and no network: one file of some 25 MB beside the checkout.

.venv/bin/python -m benchmarks.gpu.pack [--python 3.12] [--libpython /usr/lib/.../libpython3.12.so.1.0]

The wheel has stubs for six Pythons, a library of a seventh and symbols for debugging; the file has the server, its
python backend, one stub and what these are linked with. `benchmarks.gpu.serve` unpacks it.
"""

from __future__ import annotations

import io
import lzma
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from mercato.serving.binary import STUB_NAME, find_embedded

NEEDS = "the embedded server"

PACK = Path("var/gpu/server.tar.xz")
SERVER, LIBRARIES, PYTHON = "server", "libraries", "python"
"""Folders of the pack: programs; what they are linked with; the Python library, for a machine that has none."""
MOST_BYTES = 60 << 20
"""What such a machine is sent at most, the checkout included."""
_OF_ANOTHER_PYTHON = "libpython"
_SIDE_LIBRARY = "libpython{minor}.so.1.0"


def list_files(minor: str, libpython: Path | None) -> dict[str, Path]:
    """List what goes into the pack.

    Args:
        minor: Python of the machine, as ``3.12``.
        libpython: its shared library; None for a machine that has it.

    Returns:
        File by its name in the pack.

    Raises:
        BenchmarkError: the wheel of the server is not installed, or has no stub for this Python.
    """
    embedded = find_embedded()
    if embedded is None:
        raise BenchmarkError("nvidia-pytriton is not installed; make setup installs it")
    stub = embedded.stub.parent.parent / minor / STUB_NAME
    if not stub.is_file():
        raise BenchmarkError(f"nvidia-pytriton has no stub for Python {minor}; see {stub.parent.parent}")
    files = {f"{SERVER}/bin/tritonserver": embedded.executable, f"{SERVER}/backends/python/{STUB_NAME}": stub}
    for path in sorted((embedded.backends / "python").iterdir()):
        if path.is_file():
            files[f"{SERVER}/backends/python/{path.name}"] = path
    for path in sorted(embedded.libraries.iterdir()):
        if not path.name.startswith(_OF_ANOTHER_PYTHON):
            files[f"{LIBRARIES}/{path.name}"] = path
    if libpython is not None:
        if not libpython.is_file():
            raise BenchmarkError(f"--libpython {libpython}: no such file")
        files[f"{PYTHON}/{_SIDE_LIBRARY.format(minor=minor)}"] = libpython
    return files


def write_pack(files: dict[str, Path], out: Path, *, preset: int = 9) -> int:
    """Write files, stripped of symbols where they are programs, into a pack.

    Args:
        files: file by its name in the pack.
        out: the pack.
        preset: how hard it is compressed, 0 to 9.

    Returns:
        Its size in bytes.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, lzma.open(out, "wb", preset=preset) as stream:
        with tarfile.open(fileobj=stream, mode="w") as pack:
            for name, path in files.items():
                content = _strip(path, Path(folder)).read_bytes()
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                pack.addfile(entry, io.BytesIO(content))
    return out.stat().st_size


def _strip(path: Path, folder: Path) -> Path:
    """Return a copy of a program without symbols; the file itself where it is none, or `strip` is not there."""
    if path.suffix == ".py" or shutil.which("strip") is None:
        return path
    copy = folder / path.name
    stripped = subprocess.run(["strip", "--strip-unneeded", "-o", copy, path], capture_output=True, check=False)
    return copy if stripped.returncode == 0 else path


def main(
    out: Annotated[Path, typer.Option(help="the pack")] = PACK,
    python: Annotated[str, typer.Option(help="Python of the machine, major and minor")] = "3.12",
    libpython: Annotated[Path | None, typer.Option(help="its shared library, where the machine may lack it")] = None,
) -> None:
    """Pack the server."""
    size = write_pack(list_files(python, libpython), out)
    Console().print(f"{out}: {size / (1 << 20):.1f} MiB", highlight=False)
    if size > MOST_BYTES:
        raise BenchmarkError(f"{out} has {size >> 20} MiB, more than {MOST_BYTES >> 20}")


if __name__ == "__main__":
    run_command(main)
