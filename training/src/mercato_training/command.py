"""Trainings as commands: progress on standard error, a failure is one sentence and status 1."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console

from mercato.errors import MercatoError

Report = Callable[[str, int, int], None]


def run_training(work: Callable[[Report, Callable[[str], None]], dict[str, Any]], *, threads: int) -> dict[str, Any]:
    """Do the work with its progress on standard error; a failure is one sentence and status 1.

    Args:
        work: takes what it tells of progress (what, done, of how many) and what it says lines to; returns metrics.
        threads: of PyTorch.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    console = Console(stderr=True)
    try:
        with console.status("loading PyTorch") as status:
            import torch
            import transformers

            transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            torch.set_num_threads(threads)

            def report(what: str, done: int, total: int) -> None:
                status.update(f"{what} ({done:,} of {total:,})" if total > 1 else what)

            def say(line: str) -> None:
                console.print(line, highlight=False, markup=False)

            return work(report, say)
    except MercatoError as exc:
        console.print(f"training failed: {exc}", style="red", highlight=False, markup=False)
        raise typer.Exit(1) from exc
