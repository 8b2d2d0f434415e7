"""Moments as options name them: ``--split 2011-11-01``, ``--until 2011-11-01T00:00:00Z``."""

from __future__ import annotations

import math
import time

from mercato.errors import InvalidInputError


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
    from mercato.events.raw_columns import to_seconds  # needs Arrow, which a command without a moment does not

    seconds, _ = to_seconds([text.strip()])
    if not math.isfinite(seconds[0]):
        raise InvalidInputError(option, f"must be a date or a time, got {text!r}", "for example 2011-11-01")
    return float(seconds[0])


def parse_past(text: str | None, option: str) -> float | None:
    """Read an option's moment that has passed; see `parse_moment`.

    Raises:
        InvalidInputError: it is no moment, or lies in the future.
    """
    moment = parse_moment(text, option)
    if moment is not None and moment > time.time():
        raise InvalidInputError(option, f"must not lie in the future, got {text!r}", "times without a zone are UTC")
    return moment
