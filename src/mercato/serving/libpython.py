"""The shared Python library that Triton's python backend embeds.

The backend's stub is linked against ``libpython3.X.so.1.0``. Any library of that name satisfies the dynamic linker,
but only one of exactly the environment's version, patch level included, runs the environment's standard library
without breaking (Debian's 3.11.2 under a 3.11.7 environment: ``'_thread.RLock' object has no attribute ...``).
"""

import ctypes
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mercato.errors import ServerError

_LDCONFIG_LINE = re.compile(r"^\s*(?P<name>\S+) \((?P<kind>[^)]*)\) => (?P<path>\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class PythonLibrary:
    """A shared Python library and the version it reports.

    Attributes:
        path: the file, as the linker would load it.
        version: for example ``3.11.7``.
    """

    path: Path
    version: str


def library_name() -> str:
    """Return the name that the stub of this Python minor version asks the linker for."""
    return f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"


def environment_version() -> str:
    """Return the version of the running Python, patch level included, as ``Py_GetVersion`` spells it."""
    return sys.version.split()[0]


def candidate_paths() -> list[Path]:
    """List where the library may be: the interpreter's own folders first, then the dynamic linker's cache.

    Returns:
        Existing files, each once, in the order they are to be tried.
    """
    name = library_name()
    folders = [sysconfig.get_config_var("LIBDIR"), Path(sys.base_prefix) / "lib"]
    paths = [Path(folder) / name for folder in folders if folder]
    paths += linker_cache_paths(name)
    existing: dict[Path, Path] = {}
    for path in paths:
        if path.is_file():
            existing.setdefault(path.resolve(), path)
    return list(existing.values())


def linker_cache_paths(name: str) -> list[Path]:
    """List what the dynamic linker's cache holds under a name.

    Args:
        name: a shared object's name, for example ``libpython3.11.so.1.0``.

    Returns:
        The paths in the cache's order; empty where there is no ``ldconfig``.
    """
    ldconfig = shutil.which("ldconfig") or shutil.which("ldconfig", path="/sbin:/usr/sbin")
    if ldconfig is None:
        return []
    listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
    return parse_linker_cache(listing, name)


def parse_linker_cache(listing: str, name: str) -> list[Path]:
    """Pick one name's paths out of the output of ``ldconfig -p``.

    Args:
        listing: what ``ldconfig -p`` printed.
        name: the shared object's name.

    Returns:
        The paths of exactly that name, in order.
    """
    return [Path(match["path"]) for match in _LDCONFIG_LINE.finditer(listing) if match["name"] == name]


def read_version(path: Path) -> str | None:
    """Ask a shared Python library for its version.

    Args:
        path: the library.

    Returns:
        The version, for example ``3.11.7``, or None when it cannot be loaded (another architecture, not a library).
    """
    try:
        library = ctypes.CDLL(str(path))
        get_version = library.Py_GetVersion
    except (OSError, AttributeError):
        return None
    get_version.restype = ctypes.c_char_p
    reported = get_version()
    return reported.decode().split()[0] if reported else None


def find_python_library(candidates: Iterable[Path] | None = None, wanted: str | None = None) -> PythonLibrary:
    """Find the shared library of exactly the environment's version.

    Args:
        candidates: where to look; None for :func:`candidate_paths`.
        wanted: the environment's version; None for the running Python's.

    Returns:
        The first candidate whose version equals the wanted one, patch level included.

    Raises:
        ServerError: there is none; the message lists what was found instead and how to get one.
    """
    wanted = wanted or environment_version()
    refused = []
    for path in candidate_paths() if candidates is None else candidates:
        version = read_version(path)
        if version == wanted:
            return PythonLibrary(path=path, version=version)
        refused.append(f"{path} is {version or 'not loadable'}")
    found = "; ".join(refused) if refused else "none was found"
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise ServerError(
        f"libpython: Triton's python backend needs {library_name()} of version {wanted}, the version of this "
        f"environment's Python ({sys.base_prefix}), patch level included; {found}. Get one: for the system's Python "
        f"'apt-get install libpython{minor}'; for pyenv 'PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {wanted}'"
        f"; or make the environment with a Python that has it (uv, conda, or the system's python{minor})"
    )
