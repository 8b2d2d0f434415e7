"""Errors that point at a place in a text."""

import unicodedata

from mercato.errors import InvalidInputError

_SHOWN_BEFORE = 50
_SHOWN_AFTER = 30


def point_at(parameter: str, text: str, position: int, problem: str, remedy: str = "") -> InvalidInputError:
    """Make an error that shows a place in a text.

    Args:
        parameter: the caller's name for the text.
        text: the whole text.
        position: of the character, from 0; the text's length for its end.
        problem: what is wrong there.
        remedy: what to do.

    Returns:
        The error: line and column from 1, problem, remedy, then the line (clipped around the place) with a caret
        below the character.
    """
    before = text[:position]
    line_start = before.rfind("\n") + 1
    line_end = text.find("\n", position)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    column = position - line_start
    start, end = max(0, column - _SHOWN_BEFORE), min(len(line), column + _SHOWN_AFTER)
    left, right = "..." if start else "", "..." if end < len(line) else ""
    shown = "".join(char if char.isprintable() else " " for char in line[start:end])
    width = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line[start:column])
    caret = " " * (len(left) + width) + "^"
    place = f"line {before.count(chr(10)) + 1}, column {column + 1}"
    return InvalidInputError(
        parameter, f"{place}: {problem}{'; ' if remedy else ''}{remedy}\n    {left}{shown}{right}\n    {caret}"
    )
