"""Moments as options name them: ``--split 2011-11-01``, ``--until 2011-11-01T00:00:00Z``."""

from __future__ import annotations

import time

from mercato.errors import InvalidInputError
from mercato.text.timestamps import parse_timestamp


def parse_moment(text: str | None, option: str) -> float | None:
    """Read an option's moment: a date, RFC 3339, or seconds since 1970.

    Args:
        text: as it was typed; None where the option was not given.
        option: its name, for the message.

    Returns:
        Seconds since 1970 UTC; None where the option was not given.

    Raises:
        InvalidInputError: none of these.
    """
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except ValueError as exc:
        raise InvalidInputError(option, f"must be a date or a time: {exc}", "for example 2011-11-01") from exc


def parse_past(text: str | None, option: str) -> float | None:
    """Read an option's moment that has passed; see `parse_moment`.

    Raises:
        InvalidInputError: it is no moment, or lies in the future.
    """
    moment = parse_moment(text, option)
    if moment is not None and moment > time.time():
        raise InvalidInputError(option, f"must not lie in the future, got {text!r}", "times without a zone are UTC")
    return moment
