"""Command lines in deployment files, read by the very commands that they call; nothing is run."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import typer.main

from mercato.serving.repository import list_profiles, project_repository
from mercato.state.store import STATE_SCHEMES
from mercato_export.targets import TARGETS

# Making a command out of an app takes longer than reading a line with it.
get_command = cache(typer.main.get_command)


def find_app(words: Sequence[str]) -> tuple[Any, list[str]]:
    """Return the command that a line calls, and the words after it.

    Raises:
        ValueError: it calls none of ours.
    """
    words = list(words)
    if words[:1] == ["mercato"]:
        from mercato.cli.main import app

        return app, words[1:]
    raise ValueError(f"calls no command of ours: {' '.join(words)}")


def read_command(words: Sequence[str]) -> dict[str, Any]:
    """Read a command line with the command's own parser, and check the values that only its work would check.

    Args:
        words: the line, such as ``["mercato", "serve", "--catalog=x"]``.

    Returns:
        The value of each parameter.

    Raises:
        ValueError: an unknown command, option, target, profile or state.
    """
    app, rest = find_app(words)
    command = get_command(app)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            raise ValueError(f"no such command: {' '.join(words)}; there are {', '.join(command.commands)}")
        command = command.commands[rest.pop(0)]
    try:
        values: dict[str, Any] = command.make_context(words[0], rest).params
    except Exception as exc:
        # A usage error; its class depends on whether typer brings its own click.
        if not hasattr(exc, "format_message"):
            raise
        raise ValueError(f"{' '.join(words)}: {exc.format_message()}") from exc
    choices = {
        "target": set(TARGETS),
        "profile": set(list_profiles(project_repository())),
    }
    for name, allowed in choices.items():
        if name in values and not set(values[name].split(",")) <= allowed:
            raise ValueError(f"{' '.join(words)}: {name} must be one of {sorted(allowed)}")
    state = values.get("state")
    if state is not None and state.partition(":")[0] not in STATE_SCHEMES:
        raise ValueError(f"{' '.join(words)}: state must begin with one of {STATE_SCHEMES}")
    return values
