"""Times as text (RFC 3339) and as seconds since 1970-01-01T00:00:00Z."""

import re
from datetime import datetime, timedelta, timezone

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_timestamp(text: str) -> float:
    """Read a time.

    Beyond RFC 3339, a date alone (its midnight) and a time without an offset are read, both as UTC, because
    exports of shops hold them so often. Digits after the sixth of a second's fraction are dropped.

    Args:
        text: such as ``2026-03-01T09:30:00Z``, ``2026-03-01T09:30:00.5+01:00`` or ``2026-03-01``.

    Returns:
        Seconds since 1970-01-01T00:00:00Z; negative before it.

    Raises:
        ValueError: the text is no such time; the message says what is expected.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"expected an RFC 3339 time such as 2026-03-01T09:30:00Z, got {text[:40]!r}")
    date, clock, fraction, offset = match.groups()
    if offset is None or offset in "Zz":
        offset = "+00:00"
    try:
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00:00'}{offset}")
        seconds = (moment - _EPOCH).total_seconds()
    except ValueError as exc:
        raise ValueError(f"expected an RFC 3339 time such as 2026-03-01T09:30:00Z, got {text!r} ({exc})") from exc
    return seconds + int(fraction[:6].ljust(6, "0")) / 1e6 if fraction else seconds


def format_timestamp(seconds: float) -> str:
    """Write a time as RFC 3339 in UTC, to the microsecond, without a fraction where there is none.

    Args:
        seconds: since 1970-01-01T00:00:00Z; the year must be 1 to 9999.

    Returns:
        Such as ``2026-03-01T09:30:00Z``; `parse_timestamp` gives the same seconds back.
    """
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.replace(tzinfo=None).isoformat() + "Z"
