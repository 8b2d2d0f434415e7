"""Shared-memory regions of a server: found by its private prefix, and removed when nobody owns them any more."""

import shutil
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


def regions(prefix: str, folder: Path = SHARED_MEMORY) -> list[Path]:
    """List the regions whose names begin with a prefix.

    Args:
        prefix: a server's private prefix; never empty.
        folder: where the system keeps regions.

    Returns:
        Sorted paths; empty where the folder does not exist.

    Raises:
        ValueError: the prefix is empty, which would name everybody's regions.
    """
    if not prefix:
        raise ValueError("prefix: must not be empty, it would name every region on the machine")
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.startswith(prefix))


def remove_regions(prefix: str, folder: Path = SHARED_MEMORY) -> list[str]:
    """Remove the regions whose names begin with a prefix.

    Args:
        prefix: a server's private prefix; never empty.
        folder: where the system keeps regions.

    Returns:
        The names removed.
    """
    removed = []
    for path in regions(prefix, folder):
        path.unlink(missing_ok=True)
        removed.append(path.name)
    return removed


def free_bytes(folder: Path = SHARED_MEMORY) -> int | None:
    """Return how many bytes of shared memory are free, or None where the folder does not exist."""
    return shutil.disk_usage(folder).free if folder.is_dir() else None


def total_bytes(folder: Path = SHARED_MEMORY) -> int | None:
    """Return the size of the shared-memory file system in bytes, or None where it does not exist."""
    return shutil.disk_usage(folder).total if folder.is_dir() else None
