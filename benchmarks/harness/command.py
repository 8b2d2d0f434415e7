"""Benchmarks as commands: what cannot be measured is said in one message, not in a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from mercato.errors import MercatoError


class BenchmarkError(Exception):
    """A benchmark cannot be run; the message says what is missing or what failed, and what to do."""


def run_command(function: Callable[..., None]) -> None:
    """Run a benchmark's function as a command line; end with status 1 and a message where it cannot measure."""
    app = typer.Typer(add_completion=False)
    app.command()(function)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a benchmark's commands; end with status 1 and a message where they cannot measure."""
    try:
        app()
    except (BenchmarkError, MercatoError) as exc:
        sys.stderr.write(f"error: {exc}\n")
        sys.exit(1)
