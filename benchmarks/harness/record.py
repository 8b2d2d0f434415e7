"""Results as files: what was measured, on what, from which commit, with which command."""

from __future__ import annotations

import datetime
import json
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mercato.bench import machine

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results"
LOAD_BEFORE = machine.read_load()  # of others: taken before this process has done anything


def read_commit() -> str:
    """Return the checkout's commit, with ``-dirty`` where tracked files differ from it; empty outside of git.

    Documents and the results of other benchmarks may differ: they change no figure.
    """
    return machine.read_commit(REPOSITORY)


def read_command() -> str:
    """Return the command line of this process, as it is typed at the root of a checkout."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    if module is None:
        return shlex.join([".venv/bin/python", *map(_name_path, sys.argv)])
    package, *below = module.name.removesuffix(".__main__").split(".")
    name = [package, below[-1]] if len(below) == 2 else [".".join((package, *below))]  # the index finds it by its name
    return shlex.join([".venv/bin/python", "-m", *name, *map(_name_path, sys.argv[1:])])


def write_record(name: str, figures: dict[str, Any], *, folder: Path = RESULTS) -> Path:
    """Write one benchmark's result.

    Args:
        name: the benchmark; names the file.
        figures: JSON values; keys carry their units.
        folder: where the results are.

    Returns:
        The file, which holds the same again for the same figures but for date and load.
    """
    record = {
        "benchmark": name,
        "command": read_command(),
        "commit": read_commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {**machine.describe_machine(), "load_before": LOAD_BEFORE, "load_after": machine.read_load()},
        **figures,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return path


def summarize(values: Sequence[float], digits: int = 2) -> dict[str, Any]:
    """Return median, least and greatest of several rounds, and the rounds themselves.

    Args:
        values: one figure per round; at least one.
        digits: decimals to keep.
    """
    rounded = [round(value, digits) for value in values]
    return {
        "median": round(statistics.median(values), digits),
        "min": min(rounded),
        "max": max(rounded),
        "rounds": rounded,
    }


def _name_path(argument: str) -> str:
    """Write a path below the checkout as seen from it, and no other path of this machine."""
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else f"<{path.name}>"
