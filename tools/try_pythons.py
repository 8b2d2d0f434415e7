"""Run the demo and the tests with each supported Python of this machine, each in a checkout of its own.

    make test-pythons                                    all of them: expect half an hour each
    make test-pythons PYTHONS="3.12" STEPS="setup demo"  some of them, some steps
    make test-pythons ARGS="-k serving"                  options of pytest

A checkout is a clone in `var/pythons/<version>` with the working tree's changes on top, so the developer's `.venv`,
models and demo store are not touched. It is kept: a second run sets up nothing that is there. What each step printed is
in `var/pythons/<version>-<step>.log`. The end is a table, and exit status 1 where a step failed or no Python was found.
Only the standard library is used here.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tools import environment

ROOT = environment.ROOT
CHECKOUTS = ROOT / "var" / "pythons"
STEPS = ("setup", "demo", "test")
# Evaluation data that some tests read where it lies beside the checkout.
SHARED = "shared"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one step ended with one Python.

    Attributes:
        step: ``setup``, ``demo`` or ``test``.
        passed: whether it ended with status 0.
        seconds: how long it took.
        summary: the last line it printed, for ``test`` what pytest counted.
    """

    step: str
    passed: bool
    seconds: float
    summary: str


def find_candidates() -> list[str]:
    """Return commands and paths that may be supported Pythons: those on PATH, then all of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    minors = [f"{major}.{minor}" for major, minor in environment.SUPPORTED]
    installed = [path for minor in minors for path in sorted(root.glob(f"versions/{minor}.*/bin/python{minor}"))]
    return [*environment.CANDIDATES, *map(str, installed)]


def choose_each(found: Iterable[environment.Interpreter]) -> dict[str, environment.Interpreter]:
    """Return the Python to try for each supported minor version: one that lacks nothing, else the first.

    Args:
        found: what `environment.probe` said, in the order of preference.
    """
    chosen = {}
    for version in environment.SUPPORTED:
        python = environment.choose_interpreter([one for one in found if one.version[:2] == version])
        if python is not None:
            chosen[python.minor] = python
    return chosen


def list_files(checkout: Path) -> set[str]:
    """Return the files of a checkout, relative to its top: those that git keeps or would, so far as they are there."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name for name in listing.split("\0") if name and (checkout / name).is_file()}


def update_checkout(folder: Path) -> None:
    """Make `folder` a clone with exactly the files of this working tree; what git ignores there stays."""
    if not (folder / ".git").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    for command in (["fetch", "--quiet", "origin", "HEAD"], ["checkout", "--quiet", "--force", head.stdout.strip()]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    files = list_files(ROOT)
    for name in list_files(folder) - files:
        (folder / name).unlink()
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    beside = folder.parent / SHARED
    if (ROOT.parent / SHARED).is_dir() and not beside.exists():
        beside.symlink_to(ROOT.parent / SHARED, target_is_directory=True)


def run_step(step: str, python: environment.Interpreter, folder: Path, arguments: str) -> Outcome:
    """Run `make` for one step in the checkout `folder`, its output in a log beside it.

    Args:
        step: a target of the Makefile.
        python: what to run it with.
        folder: the checkout.
        arguments: options of pytest, for the step ``test``.
    """
    log = folder.with_name(f"{folder.name}-{step}.log")
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "KEEP"))}
    command = ["make", step, f"PYTHON={python.executable}", *([f"ARGS={arguments}"] if step == "test" else [])]
    started = time.monotonic()
    with log.open("wb") as stream:
        ended = subprocess.run(command, cwd=folder, env=variables, stdout=stream, stderr=subprocess.STDOUT)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip(" =")]
    summary = lines[-1].strip(" =") if lines else ""
    if ended.returncode != 0:
        summary = f"{summary} ({log})"
    return Outcome(step, ended.returncode == 0, time.monotonic() - started, summary)


def try_python(python: environment.Interpreter, steps: Iterable[str], arguments: str) -> list[Outcome]:
    """Run the steps with one Python; after a failed setup nothing more, after a failed demo the tests all the same."""
    folder = CHECKOUTS / python.minor
    update_checkout(folder)
    outcomes: list[Outcome] = []
    for step in steps:
        say(f"{python.release}: make {step}")
        outcomes.append(run_step(step, python, folder, arguments))
        say(f"{python.release}: {describe(outcomes[-1])}: {outcomes[-1].summary}")
        if step == "setup" and not outcomes[-1].passed:
            break
    return outcomes


def describe(outcome: Outcome) -> str:
    """Return one cell of the table, such as ``ok 28 s``."""
    return f"{'ok' if outcome.passed else 'FAILED'} {outcome.seconds:.0f} s"


def format_table(tried: dict[str, list[Outcome]], steps: Iterable[str]) -> str:
    """Return a table of a line per Python and a column per step.

    Args:
        tried: the release of each Python, or the minor version of one that was not found -> how its steps ended.
        steps: the columns.
    """
    rows = [["Python", *steps]]
    for name, outcomes in tried.items():
        cells = {outcome.step: describe(outcome) for outcome in outcomes}
        rows.append([name, *(cells.get(step, "-" if outcomes else "not found") for step in steps)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def has_failed(tried: dict[str, list[Outcome]]) -> bool:
    """Tell whether a step failed, or no Python at all was tried."""
    outcomes = [outcome for one in tried.values() for outcome in one]
    return not outcomes or not all(outcome.passed for outcome in outcomes)


def say(text: str) -> None:
    """Write one line of progress to standard error."""
    sys.stderr.write(f"test-pythons: {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Run the command line; return the exit status."""
    minors = [f"{major}.{minor}" for major, minor in environment.SUPPORTED]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", default="", help=f"minor versions, of {', '.join(minors)}; all without")
    parser.add_argument("--steps", default="", help=f"of {', '.join(STEPS)}; all without")
    parser.add_argument("--arguments", default="", help="options of pytest")
    options = parser.parse_args()
    wanted, steps = options.pythons.split() or minors, options.steps.split() or list(STEPS)
    if unknown := [name for name in [*wanted, *steps] if name not in (*minors, *STEPS)]:
        parser.error(f"{', '.join(unknown)}: not among {', '.join((*minors, *STEPS))}")
    chosen = choose_each([python for python in map(environment.probe, find_candidates()) if python])
    tried: dict[str, list[Outcome]] = {}
    for minor in wanted:
        if minor in chosen:
            tried[chosen[minor].release] = try_python(chosen[minor], steps, options.arguments)
        else:
            tried[minor] = []
    sys.stdout.write(format_table(tried, steps))
    return 1 if has_failed(tried) else 0


if __name__ == "__main__":
    sys.exit(main())
