"""What `mercato export` and `mercato train` share: the extra that each needs, progress, messages."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mercato.cli.output import Output
from mercato.errors import MercatoError
from mercato.progress import Progress

EXTRAS: Mapping[str, Sequence[str]] = {
    "export": ("torch", "transformers", "onnx", "onnxscript", "huggingface_hub", "ir_measures"),
    "training": ("torch", "transformers", "onnx", "onnxscript", "huggingface_hub", "ir_measures", "peft", "jinja2"),
}
"""Extra of the distribution -> the modules that it installs; a test holds them against pyproject.toml."""

Say = Callable[[str], None]
Result = TypeVar("Result")


def require_extra(extra: str, command: str) -> None:
    """Check that the modules of an extra can be found; none of them is imported.

    Args:
        extra: a key of `EXTRAS`.
        command: that needs them, for the message.

    Raises:
        MercatoError: one is missing; the message names the extra.
    """
    missing = [module for module in EXTRAS[extra] if importlib.util.find_spec(module) is None]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        raise MercatoError(
            f"{command} needs {', '.join(missing)}, which {verb} not installed; pip install 'mercato[{extra}]' brings "
            f"{'them' if len(missing) > 1 else 'it'}"
        )


def run_export(
    work: Callable[[Say], dict[str, Any]], output: Output, *, extra: str | None = "export"
) -> dict[str, Any]:
    """Do the work with its progress on standard error; a failure ends the command with its message.

    Args:
        work: takes what it tells each step to; returns what was made.
        output: where the command writes.
        extra: that has to be installed; None for work that needs none.
    """
    with output.handle_errors():
        if extra is not None:
            require_extra(extra, "mercato export")
        # transformers would draw bars of its own into the progress
        _silence_transformers()
        with output.steps() as say:
            return work(say)


def run_training(work: Callable[[Progress, Say], Result], output: Output, *, threads: int) -> Result:
    """Do the work with its progress on standard error; a failure ends the command with its message.

    Args:
        work: takes what it tells of progress (what, done, of how many) and what it says lines to; returns metrics.
        output: where the command writes.
        threads: of PyTorch.
    """
    with output.handle_errors():
        require_extra("training", "mercato train")
        _silence_transformers()
        with output.progress() as report:
            report("loading PyTorch", 0, 1)
            from mercato_training.common.fit_loop import prepare_torch

            prepare_torch(threads)
            return work(report, output.say)


def _silence_transformers() -> None:
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
