"""Finding a Triton server: ``tritonserver`` on PATH, else the one inside the ``nvidia-pytriton`` wheel.

The wheel's server needs three things before it runs a repository of ours: a copy of its python backend with the stub
for this Python minor version beside it, the wheel's libraries on ``LD_LIBRARY_PATH``, and a shared Python library of
exactly this environment's version.
"""

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from mercato.errors import ServerError
from mercato.serving.libpython import PythonLibrary, find_python_library, library_name

STUB_NAME = "triton_python_backend_stub"


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """The server inside the ``nvidia-pytriton`` wheel.

    Attributes:
        executable: the wheel's ``tritonserver``.
        backends: the wheel's backend folder, without a stub.
        caches: the wheel's response-cache folder.
        stub: the python backend's stub for this Python minor version.
        libraries: the shared libraries that the wheel brings.
    """

    executable: Path
    backends: Path
    caches: Path
    stub: Path
    libraries: Path


@dataclass(frozen=True, kw_only=True)
class FoundServer:
    """A server that was found; nothing is staged yet.

    Attributes:
        executable: the ``tritonserver`` file.
        embedded: where its parts lie, when it is the wheel's.
        library: the Python library that the wheel's stub will embed.
    """

    executable: Path
    embedded: EmbeddedServer | None = None
    library: PythonLibrary | None = None


@dataclass(frozen=True, kw_only=True)
class ServerBinary:
    """A server that is ready to be started.

    Attributes:
        executable: the ``tritonserver`` file.
        arguments: command-line options that this server needs whatever it serves.
        library_folders: what must come first on ``LD_LIBRARY_PATH``, in order.
    """

    executable: Path
    arguments: tuple[str, ...] = ()
    library_folders: tuple[Path, ...] = ()


def find_on_path() -> Path | None:
    """Return the ``tritonserver`` on PATH, or None."""
    found = shutil.which("tritonserver")
    return Path(found) if found else None


def find_embedded() -> EmbeddedServer | None:
    """Return the server of the ``nvidia-pytriton`` wheel, or None when the wheel is not installed.

    The package is only located, never imported: its own API is not needed.

    Raises:
        ServerError: the wheel is installed, but lacks the server or a stub for this Python minor version.
    """
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    root = package / "tritonserver"
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    server = EmbeddedServer(
        executable=root / "bin" / "tritonserver",
        backends=root / "backends",
        caches=root / "caches",
        stub=root / "python_backend_stubs" / minor / STUB_NAME,
        libraries=package.parent / "nvidia_pytriton.libs",
    )
    if not server.stub.is_file():
        available = sorted(path.name for path in (root / "python_backend_stubs").glob("*"))
        raise ServerError(
            f"nvidia-pytriton: has no python backend stub for Python {minor}, only for {', '.join(available)}; "
            "make the environment with one of those"
        )
    missing = [path for path in (server.executable, server.backends, server.libraries) if not path.exists()]
    if missing:
        raise ServerError(
            f"nvidia-pytriton: {', '.join(str(path) for path in missing)} is missing; install the wheel again: "
            "pip install --force-reinstall --no-deps nvidia-pytriton==0.7.0"
        )
    return server


def stage_embedded(server: EmbeddedServer, library: PythonLibrary, folder: Path) -> ServerBinary:
    """Lay out what the wheel's server needs in a folder of its own.

    Args:
        server: the wheel's server.
        library: the shared Python library of this environment's version.
        folder: where to stage; ``backends/`` and ``lib/`` are made in it.

    Returns:
        The server, with the arguments and library folders that point into ``folder``.

    Raises:
        ServerError: programs in ``folder`` cannot be executed (a file system mounted ``noexec``).
    """
    backends = folder / "backends"
    shutil.copytree(server.backends, backends, ignore=shutil.ignore_patterns("__pycache__"))
    stub = backends / "python" / STUB_NAME
    shutil.copy2(server.stub, stub)
    stub.chmod(0o755)
    if not os.access(stub, os.X_OK):
        raise ServerError(
            f"run folder: programs cannot be executed in {folder} (mounted noexec?); "
            "set TMPDIR to a folder where they can"
        )
    # A folder with this one library: putting all of its folder first would also shadow the wheel's libssl, libcurl, ...
    libraries = folder / "lib"
    libraries.mkdir()
    (libraries / library_name()).symlink_to(library.path.resolve())
    return ServerBinary(
        executable=server.executable,
        arguments=(f"--backend-directory={backends}", f"--cache-directory={server.caches}"),
        library_folders=(libraries, server.libraries),
    )


def find_server() -> FoundServer:
    """Find a server without staging anything.

    Returns:
        The server on PATH, else the wheel's together with the Python library it will embed.

    Raises:
        ServerError: there is neither; or the wheel's server has no fitting Python library.
    """
    on_path = find_on_path()
    if on_path is not None:
        return FoundServer(executable=on_path)
    embedded = find_embedded()
    if embedded is None:
        raise ServerError(
            "tritonserver: not on PATH, and the embedded one is not installed; run inside "
            "nvcr.io/nvidia/tritonserver:<yy.mm>-py3, or install it: pip install 'mercato[embedded]'"
        )
    return FoundServer(executable=embedded.executable, embedded=embedded, library=find_python_library())


def stage_server(found: FoundServer, folder: Path) -> ServerBinary:
    """Make a found server ready to start.

    Args:
        found: the server.
        folder: where the wheel's server is staged; untouched for a server on PATH.

    Returns:
        The server.

    Raises:
        ServerError: programs in ``folder`` cannot be executed.
    """
    if found.embedded is None or found.library is None:
        return ServerBinary(executable=found.executable)
    return stage_embedded(found.embedded, found.library, folder)
