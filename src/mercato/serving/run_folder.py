"""The private folder of one run of a server: staged files, settings, log, and who owns it.

Folders of runs that ended without cleaning up (``kill -9`` of everything) are recognised by their owner being gone
and are removed, with their shared memory, when the next server starts.
"""

import json
import logging
import os
import shutil
import stat
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from mercato.errors import ServerError
from mercato.serving.shared_memory import SHARED_MEMORY, remove_regions

logger = logging.getLogger(__name__)

OWNER_FILE = "owner.json"
PREFIX_START = "mercato_"


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """One run's folder.

    Attributes:
        path: the folder.
        prefix: the prefix of this run's shared-memory regions; no other run has it.
    """

    path: Path
    prefix: str

    @property
    def repository(self) -> Path:
        """Where the model repository is staged."""
        return self.path / "models"

    @property
    def settings(self) -> Path:
        """The file that ``MERCATO_SETTINGS`` names."""
        return self.path / "settings.json"

    @property
    def temporary(self) -> Path:
        """What ``TMPDIR`` is to the server and its stubs."""
        return self.path / "tmp"

    @property
    def log(self) -> Path:
        """Where the server logs when no other file is asked for."""
        return self.path / "server.log"


def default_root() -> Path:
    """Return the folder that holds this user's runs, below the system's folder for temporary files."""
    return Path(tempfile.gettempdir()) / f"mercato-{os.getuid()}"


def create_run_folder(root: Path | None = None) -> RunFolder:
    """Make a run's folder, after removing what earlier runs left behind.

    Args:
        root: the folder that holds the runs; None for :func:`default_root`.

    Returns:
        The new folder.

    Raises:
        ServerError: the root cannot be made, or belongs to another user.
    """
    root = default_root() if root is None else root
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as exc:
        raise ServerError(f"run folder: cannot make {root} ({exc.strerror}); set TMPDIR to a writable folder") from exc
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        raise ServerError(f"run folder: {root} belongs to another user; remove it, or set TMPDIR to a folder of yours")
    sweep_stale_runs(root)
    token = uuid.uuid4().hex[:12]
    folder = RunFolder(path=root / f"run-{token}", prefix=f"{PREFIX_START}{token}_")
    folder.path.mkdir(mode=0o700)
    folder.temporary.mkdir()
    write_owner(folder, os.getpid())
    return folder


def write_owner(folder: RunFolder, pid: int) -> None:
    """Record which process a run lives and dies with.

    Args:
        folder: the run's folder.
        pid: the process.
    """
    owner = {"pid": pid, "started": psutil.Process(pid).create_time(), "prefix": folder.prefix}
    partial = folder.path / f"{OWNER_FILE}.part"
    partial.write_text(json.dumps(owner))
    partial.replace(folder.path / OWNER_FILE)


def remove_run_folder(folder: RunFolder) -> None:
    """Remove a run's folder and its shared memory."""
    remove_regions(folder.prefix)
    shutil.rmtree(folder.path, ignore_errors=True)


def sweep_stale_runs(root: Path, shared_memory: Path = SHARED_MEMORY) -> list[str]:
    """Remove the runs whose owner is gone, with their shared memory.

    A folder without a readable owner is left alone: it may be one that is being made.

    Args:
        root: the folder that holds the runs.
        shared_memory: where the system keeps regions.

    Returns:
        The names of the removed folders.
    """
    removed = []
    for path in sorted(root.glob("run-*")):
        owner = _read_owner(path)
        if owner is None or is_running(owner["pid"], owner["started"]):
            continue
        regions = remove_regions(owner["prefix"], shared_memory)
        shutil.rmtree(path, ignore_errors=True)
        logger.info("removed what an ended server left behind: %s, shared-memory regions: %d", path.name, len(regions))
        removed.append(path.name)
    return removed


def is_running(pid: int, started: float) -> bool:
    """Tell whether a process still runs, and is the one that was meant.

    Args:
        pid: its id.
        started: its start, in seconds since the epoch; another process may have got the same id since.

    Returns:
        True while it runs.
    """
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _read_owner(path: Path) -> dict[str, Any] | None:
    try:
        owner = json.loads((path / OWNER_FILE).read_text())
        valid = isinstance(owner["pid"], int) and owner["started"] > 0 and owner["prefix"].startswith(PREFIX_START)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(owner) if valid and len(owner["prefix"]) > len(PREFIX_START) else None
