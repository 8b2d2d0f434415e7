"""Switching a finished snapshot into place.

The name that servers are given is a link; a build makes a folder beside it and turns the link, which is one atomic
rename. A running server keeps the files that it mapped; the version before stays for servers that start late.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mercato.errors import DataError

_KEPT_VERSIONS = 2


def versions_folder(out: Path) -> Path:
    """Return the folder beside ``out`` that holds its versions."""
    return out.parent / f".{out.name}.versions"


def check_target(out: Path) -> None:
    """Check that a snapshot can be published under a name.

    Raises:
        DataError: something that is no snapshot has the name.
    """
    if out.exists() and not out.is_symlink():
        raise DataError(f"--out {out}: exists and was not made by `mercato index`; choose another name or move it away")


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
