"""Points in time as Mercato takes them: RFC 3339 text or seconds since 1970."""

import math
import re
from datetime import datetime, timedelta, timezone

MAX_FUTURE_S = 86_400.0
"""How far ahead of the server's clock an event may be: clocks of devices differ, but not by days."""

_RFC_3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


def parse_rfc3339(text: str, *, naive_is_utc: bool = False) -> float:
    """Turn RFC 3339 text into seconds since 1970-01-01T00:00:00Z.

    Args:
        text: such as ``2026-01-31T12:00:00.25Z`` or ``2026-01-31T13:00:00+01:00``.
        naive_is_utc: read a time without an offset as UTC (files often have none) instead of refusing it.

    Returns:
        Seconds, float64; a leap second ``:60`` is the first moment of the next minute.

    Raises:
        ValueError: a clause that says what is wrong.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"must be RFC 3339, such as 2026-01-31T12:00:00Z, or seconds since 1970, got {text[:64]!r}")
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    fraction, offset = match.group(7), match.group(8)
    if offset is None and not naive_is_utc:
        raise ValueError(f"must have an offset from UTC, such as Z or +01:00, got {text!r}")
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone.utc)
        if second > 60:
            raise ValueError("second must be in 0..59")
        if second == 60:
            moment += timedelta(seconds=1)
        if offset is not None and offset not in "Zz":
            hours, minutes = int(offset[1:3]), int(offset[4:6])
            if hours > 23 or minutes > 59:
                raise ValueError("offset must be in -23:59..+23:59")
            distance = timedelta(hours=hours, minutes=minutes)
            moment = moment - distance if offset[0] == "+" else moment + distance
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"must be a date and time that exist ({exc}), got {text!r}") from exc
    return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)


def check_event_time(seconds: float, *, now: float) -> str | None:
    """Say what is wrong with an event's time.

    Args:
        seconds: since 1970.
        now: the present, seconds since 1970.

    Returns:
        A clause, or None where the time is finite, not before 1970 and at most ``MAX_FUTURE_S`` ahead.
    """
    if not math.isfinite(seconds):
        return f"must be finite, got {seconds}"
    if seconds < 0:
        return f"must not be before 1970, got {seconds:g} s"
    if seconds > now + MAX_FUTURE_S:
        ahead = seconds - now
        return f"must be at most one day in the future, got {seconds:.0f}, which is {ahead:.0f} s ahead of the server"
    return None
