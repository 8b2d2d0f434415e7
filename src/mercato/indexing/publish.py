"""Switching a finished snapshot into place.

The name that servers are given is a link; a build makes a folder beside it and turns the link, which is one atomic
rename. A running server keeps the files that it mapped; the version before stays for servers that start late.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mercato.errors import DataError
from mercato.manifest import MANIFEST_FILE

_KEPT_VERSIONS = 2


def versions_folder(out: Path) -> Path:
    """Return the folder beside ``out`` that holds its versions."""
    return out.parent / f".{out.name}.versions"


def check_target(out: Path) -> None:
    """Check that a snapshot can be published under a name.

    Raises:
        DataError: something that is no snapshot has the name.
    """
    if out.exists() and not (out.is_symlink() and (out / MANIFEST_FILE).is_file()):
        raise DataError(f"--out {out}: exists and was not made by `mercato index`; choose another name or move it away")


@contextmanager
def hold_target(out: Path) -> Iterator[Path]:
    """Keep other builds of the same name away while one is at work.

    What an interrupted build left in the folder stays for the next one; a finished build leaves nothing.

    Yields:
        A folder beside ``out`` to build in.

    Raises:
        DataError: another build of this name is running, or something that is no snapshot has the name.
    """
    check_target(out)
    work = out.parent / f".{out.name}.building"
    work.mkdir(parents=True, exist_ok=True)
    held = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise DataError(f"--out {out}: another `mercato index` is building it; wait until it is done") from exc
        yield work
        shutil.rmtree(work, ignore_errors=True)
    finally:
        os.close(held)


def publish(built: Path, out: Path) -> Path:
    """Move a finished snapshot among the versions of ``out`` and make ``out`` point to it.

    Args:
        built: the finished folder, on the same file system.
        out: the name that servers are given.

    Returns:
        The folder that ``out`` now points to.
    """
    versions = versions_folder(out)
    versions.mkdir(parents=True, exist_ok=True)
    target = versions / built.name
    os.rename(built, target)
    fresh_link = out.parent / f".{out.name}.link-{os.getpid()}"
    fresh_link.unlink(missing_ok=True)
    fresh_link.symlink_to(os.path.relpath(target, out.parent), target_is_directory=True)
    os.replace(fresh_link, out)
    by_age = sorted((path for path in versions.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in by_age[:-_KEPT_VERSIONS]:
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return target
