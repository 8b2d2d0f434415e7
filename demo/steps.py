"""The steps from a fresh checkout to a shop that can be served.

A step whose result is newer than what it reads, and of this version's format, is skipped.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from mercato.errors import MercatoError


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command.

    Attributes:
        title: what it does, for a person.
        command: the command line, as a person would type it (without the path of the environment).
        inputs: files it reads.
        output: file that is there when it is done.
        mark: whether ``output`` is an empty file that the step itself does not write.
        read: reads the output as serving or the next step would; raises a `MercatoError` where another version of the
            code wrote what this one cannot use.
    """

    title: str
    command: Sequence[str]
    inputs: Sequence[Path] = field(default_factory=tuple)
    output: Path
    mark: bool = False
    read: Callable[[], object] | None = None

    def is_done(self) -> bool:
        """Tell whether the output is there, newer than every input, and one that this version can use."""
        if not self.output.exists():
            return False
        made = self.output.stat().st_mtime
        if not all(path.exists() and path.stat().st_mtime <= made for path in self.inputs):
            return False
        try:
            if self.read is not None:
                self.read()
        except MercatoError:
            return False
        return True


def run_steps(steps: Sequence[Step], console: Console) -> float:
    """Run the steps that are not done yet, in order.

    Args:
        steps: the steps.
        console: where to tell of it.

    Returns:
        Seconds it took.

    Raises:
        MercatoError: a command failed.
    """
    started = time.monotonic()
    for number, step in enumerate(steps, 1):
        if step.is_done():
            console.print(f"[dim]{number}/{len(steps)} {step.title}: done before[/dim]")
            continue
        console.print(f"[bold]{number}/{len(steps)} {step.title}[/bold]\n    [cyan]{' '.join(step.command)}[/cyan]")
        begun = time.monotonic()
        run_command(step.command)
        if step.mark:
            step.output.touch()
        console.print(f"    [dim]{time.monotonic() - begun:.1f} s[/dim]")
    return time.monotonic() - started


def run_command(command: Sequence[str]) -> None:
    """Run a command of the environment that this Python belongs to.

    Raises:
        MercatoError: it ended with a status other than 0.
    """
    beside = Path(sys.executable).parent
    program = [sys.executable] if command[0] == "python" else [str(beside / command[0])]
    done = subprocess.run([*program, *command[1:]], check=False)
    if done.returncode:
        raise MercatoError(f"`{' '.join(command)}` ended with status {done.returncode}; its message is above")
