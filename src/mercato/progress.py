"""How work tells whoever waits for it how far it is.

A boundary of its own: every room that works long reports so, and the command line shows it.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told of progress."""

    def __call__(self, what: str, done: int, total: int, /) -> None:
        """Take a step.

        Args:
            what: is being done, for people.
            done: how much of it is done.
            total: how much there is; ``done`` where that is not known.
        """


def no_progress(what: str, done: int, total: int, /) -> None:
    """Tell nobody."""
