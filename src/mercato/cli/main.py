"""The `mercato` command."""

from __future__ import annotations

import typer

from mercato.cli import index as index_command
from mercato.cli.serve import serve

app = typer.Typer(
    help="E-commerce search and recommendation on NVIDIA Triton Inference Server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command(epilog=index_command.EPILOG)(index_command.index)
app.command()(serve)


def main() -> None:
    """Run the command line."""
    app()
