"""All benchmarks over the demo store, one after the other; others by name. `make bench` runs the one called bench.

    .venv/bin/python -m benchmarks
    .venv/bin/python -m benchmarks retrieval topologies
    .venv/bin/python -m benchmarks icecat --folds var/icecat/folds        options for one benchmark
    .venv/bin/python -m benchmarks --list

A benchmark is a module of a folder here that can be run and says in `NEEDS` what it needs; its name is the module's.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.harness.record import REPOSITORY

FOLDER = Path(__file__).resolve().parent
DEMO_STORE = "the demo store"
"""What `make demo` makes: who needs this and no more is run where none is named."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark that is there.

    Attributes:
        module: what runs it.
        needs: what must be there before.
        summary: first line of its docstring.
    """

    module: str
    needs: str
    summary: str


def find_benchmarks(folder: Path = FOLDER) -> Mapping[str, Benchmark]:
    """Find the benchmarks below a folder by name, without importing them: some need what not everybody has."""
    found: dict[str, Benchmark] = {}
    for path in sorted(folder.glob("*/*.py")):
        source = ast.parse(path.read_text(encoding="utf-8"))
        needs = [
            ast.literal_eval(node.value)
            for node in source.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NEEDS"
        ]
        if needs:
            summary = (ast.get_docstring(source) or "").partition("\n")[0]
            module = f"{folder.name}.{path.parent.name}.{path.stem}"
            found[path.stem] = Benchmark(module=module, needs=needs[0], summary=summary)
    return dict(sorted(found.items()))


def main(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="names, or one name and its options; without all over the demo store")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="say what there is, and run nothing")] = False,
) -> None:
    """Run benchmarks, each in a process of its own; results go to benchmarks/results/."""
    console = Console()
    there = find_benchmarks()
    if show:
        for name, benchmark in there.items():
            console.print(f"{name:<18} needs {benchmark.needs}: {benchmark.summary}", highlight=False, soft_wrap=True)
        return
    given = arguments or []
    names = given[: next((index for index, text in enumerate(given) if text.startswith("-")), len(given))]
    options = given[len(names) :]
    unknown = sorted(set(names) - set(there))
    if unknown or (options and len(names) != 1):
        problem = f"given {', '.join(unknown)}" if unknown else f"and one alone to take {' '.join(options)}"
        raise typer.BadParameter(f"must be some of {', '.join(there)}, {problem}")
    failed = []
    for name in names or [name for name, benchmark in there.items() if benchmark.needs == DEMO_STORE]:
        console.rule(name)
        command = [sys.executable, "-m", there[name].module, *options]
        if subprocess.run(command, cwd=REPOSITORY).returncode != 0:
            failed.append(name)
    if failed:
        console.print(f"failed: {', '.join(failed)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command(context_settings={"ignore_unknown_options": True})(main)
    app()
