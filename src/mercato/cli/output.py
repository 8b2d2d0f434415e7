"""What a command prints: for people on standard error and output, or one JSON document and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from mercato.errors import MercatoError
from mercato.progress import Progress


class Output:
    """Where a command writes."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Make an output.

        Args:
            as_json: print one JSON document at the end and nothing else on standard output.
        """
        self.as_json = as_json
        self.console = Console()
        self.errors = Console(stderr=True)

    def say(self, text: str) -> None:
        """Tell a person something on the way."""
        self.errors.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, text: str) -> None:
        """Print a line of the result for a person."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell a person of something wrong that does not stop the command."""
        self.errors.print(f"warning: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    def fail(self, message: str) -> None:
        """Print why the command failed: as JSON on standard output, or for a person."""
        if self.as_json:
            typer.echo(orjson.dumps({"error": message}).decode())
        else:
            self.errors.print(f"error: {message}", style="red", highlight=False, markup=False, soft_wrap=True)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Print the result: as JSON, or a line for each entry."""
        if self.as_json:
            typer.echo(orjson.dumps(dict(result)).decode())
            return
        for name, value in result.items():
            shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
            self.console.print(f"{name:>10}  {shown}", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show a bar for each kind of work reported, with the time that it took and the time that it may still take."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left at most"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self.errors) as bars:
            tasks: dict[str, Any] = {}

            def report(what: str, done: int, total: int) -> None:
                for name, task in tasks.items():
                    if name != what and not bars.tasks[task].finished:
                        bars.update(task, completed=bars.tasks[task].total)
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total)
                bars.update(tasks[what], completed=done, total=total)

            yield report
            for task in tasks.values():
                bars.update(task, completed=bars.tasks[task].total)

    @contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """Print a line for each step that is told, and the last one beside a spinner while it is at work."""
        with self.errors.status("starting") as status:

            def tell(line: str) -> None:
                self.say(line)
                status.update(line.strip())

            yield tell

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """End the command with exit status 1 and the message of an error that Mercato raised on purpose."""
        try:
            yield
        except MercatoError as exc:
            self.fail(str(exc))
            raise typer.Exit(1) from exc
