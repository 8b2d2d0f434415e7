"""Times as text (RFC 3339) and as seconds since 1970-01-01T00:00:00Z: one set of rules for all that takes times.

A boundary of its own: products, events, requests, filters and evaluation read times, and none of them stands below all.
"""

import re
from datetime import datetime, timedelta

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)


def parse_timestamp(text: str) -> float:
    """Read a time.

    Beyond RFC 3339, a date alone (its midnight), a date with hours and minutes, and a time without an offset are read,
    all as UTC, because exports of shops hold them so often.

    Args:
        text: such as ``2026-03-01T09:30:00Z``, ``2026-03-01T09:30:00.5+01:00``, ``2026-03-01 09:30`` or ``2026-03-01``.

    Returns:
        Seconds since 1970-01-01T00:00:00Z, as exact as float64 is; negative before it. A leap second ``:60`` is the
        first moment of the next minute.

    Raises:
        ValueError: the text is no such time; the message says what is expected.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"expected an RFC 3339 time such as 2026-03-01T09:30:00Z, got {text[:64]!r}")
    date, clock, second, fraction, sign, hours, minutes = match.groups()
    try:
        minute = datetime.fromisoformat(f"{date}T{clock or '00:00'}:00")
        if int(second or 0) > 60:
            raise ValueError("second must be in 0..60")
        if sign and (int(hours) > 23 or int(minutes) > 59):
            raise ValueError("offset must be in -23:59..+23:59")
    except ValueError as exc:
        raise ValueError(
            f"expected an RFC 3339 time such as 2026-03-01T09:30:00Z, got {text!r}, which does not exist ({exc})"
        ) from exc
    ahead = int(f"{sign}1") * 60 * (60 * int(hours) + int(minutes)) if sign else 0
    seconds = (minute - _EPOCH).total_seconds() + int(second or 0) - ahead
    return seconds + (float(f"0.{fraction}") if fraction else 0.0)


def format_timestamp(seconds: float) -> str:
    """Write a time as RFC 3339 in UTC, to the microsecond, without a fraction where there is none.

    Args:
        seconds: since 1970-01-01T00:00:00Z; the year must be 1 to 9999.

    Returns:
        Such as ``2026-03-01T09:30:00Z``; `parse_timestamp` gives the same seconds back.

    Raises:
        OverflowError: the year is another.
    """
    return (_EPOCH + timedelta(seconds=seconds)).isoformat() + "Z"
