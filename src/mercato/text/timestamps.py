"""Times as people and programs write them, and as seconds since 1970-01-01T00:00:00Z: one reader for all.

A boundary of its own: products, events, requests, filters and evaluation read times, and none of them stands below all.
What has one reading is read; what has two is refused with both, because a wrong day is worse than none.
"""

import math
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Literal, TypeAlias

DayOrder: TypeAlias = Literal["day first", "month first"]

_EPOCH = datetime(1970, 1, 1)
_EXPECTED = "expected an RFC 3339 time such as 2026-03-01T09:30:00Z, a date such as 2026-03-01, or seconds since 1970"
_SHOWN_CHARS = 64

# Below which size a count since 1970 is of which part of a second: seconds up to the year 5138, milliseconds, ...
COUNT_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Digits that are a date and not a count: a year alone, 20260301, 202603010930, 20260301093000.
_YEAR = re.compile(r"(?:19|20|21)\d\d", re.ASCII)
_COMPACT = re.compile(r"((?:19|20|21)\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?", re.ASCII)

# Offsets of zones by name, in hours: those that mean one thing. CST, IST, BST and others are names of several zones.
_ZONES: dict[str, float] = {
    **dict.fromkeys(("Z", "UTC", "GMT", "UT", "WET"), 0),
    **{"WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"EDT": -4, "CDT": -5, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8},  # RFC 2822, section 4.3
}
_MONTHS = "january february march april may june july august september october november december".split()

_DATE = r"""
    (?P<weekday>(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\ +)?
    (?:
        (?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})
      | (?P<basic>\d{4})(?P<basic_month>\d\d)(?P<basic_day>\d\d)
      | (?P<week_year>\d{4})-?W(?P<week>\d\d)(?:-?(?P<week_day>[1-7]))?
      | (?P<ordinal_year>\d{4})-(?P<ordinal>\d{3})
      | (?P<first>\d{1,2})(?P<other_mark>[-/.])(?P<second>\d{1,2})(?P=other_mark)(?P<last_year>\d{4})
      | (?P<named_day>\d{1,2})(?:st|nd|rd|th)?(?:\.?\ +|-)(?P<name>[a-z]{3,9})\.?,?(?:\ +|-)(?P<named_year>\d{4})
      | (?P<us_name>[a-z]{3,9})\.?\ +(?P<us_day>\d{1,2})(?:st|nd|rd|th)?(?:,\ *|\ +)(?P<us_year>\d{4})
      | (?P<c_name>[a-z]{3})\ +(?P<c_day>\d{1,2})(?=\ .*\ (?P<c_year>\d{4})\Z)
    )
"""
_CLOCK = r"""
    (?:
        (?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second_>\d\d)(?:[.,](?P<fraction>\d{1,18}))?)?
      | (?P<basic_hour>\d\d)(?:(?P<basic_minute>\d\d)(?:(?P<basic_second>\d\d)(?:[.,](?P<basic_fraction>\d{1,18}))?)?)?
    )
    (?:\ ?(?P<half>[ap])\.?m\.?)?
"""
_ZONE = r"""
    \ ?(?:(?P<zone>[a-z]{1,4})(?![a-z]))?
    (?:\ ?(?P<sign>[+-])(?P<ahead_hours>\d{1,2})(?::?(?P<ahead_minutes>\d\d))?)?
"""
_TIME = re.compile(
    rf"{_DATE}(?:(?:t|,?\ +|\ +at\ +){_CLOCK}(?:{_ZONE})(?:\ (?P<end_year>\d{{4}}))?)?",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)
_DATE_WITH_ZONE = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)", re.ASCII)  # a date of XML Schema
_COMMENT = re.compile(r"\s*(?:\([^()]*\)|\[[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*\])\Z")  # what a zone is called, behind it


def parse_timestamp(text: str, *, day_order: DayOrder | None = None) -> float:
    """Read a time; one without an offset is UTC, a date alone its midnight, white space around does not count.

    Read are ISO 8601 (``T`` or a space, without seconds or minutes, any form of offset, ``UTC``, basic form, weeks and
    days of the year, a comma before the fraction), ``2026/03/01``, ``2026.03.01``, RFC 2822, month names in English,
    ``31/03/2026`` and ``03/31/2026`` where only one order of day and month is possible, ``01.03.2026`` (points: the day
    comes first wherever they are used), and digits: 20260301 as a date, others as seconds, milliseconds, microseconds
    or nanoseconds since 1970, by their size.

    Args:
        text: such as ``2026-03-01T09:30:00Z``, ``2026-03-01 09:30 +0100``, ``1 Mar 2026`` or ``1772357400000``.
        day_order: what the texts around it show (``find_day_order``); decides dates that have two readings.

    Returns:
        Seconds since 1970-01-01T00:00:00Z, as exact as float64 is; negative before it. A leap second ``:60`` is the
        first moment of the next minute, ``24:00`` the midnight at the end of its day.

    Raises:
        ValueError: the text is no such time, or has two readings; the message says what is expected.
    """
    clean = " ".join(text.split())
    if _NUMBER.fullmatch(clean):
        return _read_number(float(clean), clean)
    clean = _DATE_WITH_ZONE.sub(r"\1T00:00\2", clean) if len(clean) < 20 else _COMMENT.sub("", clean)
    match = _TIME.fullmatch(clean)
    if match is None:
        raise ValueError(f"{_EXPECTED}, got {text[:_SHOWN_CHARS]!r}{_hint(clean)}")
    parts = match.groupdict()
    try:
        day = _read_date(parts, day_order)
        seconds, fraction = _read_clock(parts)
        ahead = _read_offset(parts)
    except _TwoReadingsError:
        raise
    except ValueError as exc:
        raise ValueError(f"{_EXPECTED}, got {text[:_SHOWN_CHARS]!r}, which does not exist ({exc})") from exc
    whole = (datetime(day.year, day.month, day.day) - _EPOCH).days * 86_400 + seconds - ahead
    if not fraction:
        return float(whole)
    scale: int = 10 ** len(fraction)
    return (whole * scale + int(fraction)) / scale  # one division of whole numbers: the nearest float64


def read_timestamp(value: object, *, day_order: DayOrder | None = None) -> float | None:
    """Read a time out of a file or a document, whatever type it has there.

    Args:
        value: text (UTF-8 where it is bytes) and numbers as in ``parse_timestamp``, a datetime (UTC where it names no
            zone), a date.
        day_order: as in ``parse_timestamp``.

    Returns:
        Seconds since 1970-01-01T00:00:00Z; None where nothing is given: None, blank text, NaN.

    Raises:
        ValueError: it is no time, or has two readings.
    """
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return parse_timestamp(value, day_order=day_order) if value.strip() else None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    if isinstance(value, date):
        return float((datetime(value.year, value.month, value.day) - _EPOCH).days * 86_400)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if value != value:
            return None
        return _read_number(_to_float(value), str(value))
    raise ValueError(f"{_EXPECTED}, got {type(value).__name__}")


def find_day_order(texts: Iterable[str]) -> DayOrder | None:
    """Find whether dates like ``01/05/2024`` name the day or the month first, from those with one reading.

    Args:
        texts: times of one column; only dates of this form count.

    Returns:
        None where no date decides, or where they contradict each other: then only dates of one reading can be read.
    """
    found: set[DayOrder] = set()
    for text in texts:
        match = _DAYS.match(text)
        if match is not None:
            first, second = int(match[1]), int(match[2])
            if first > 12 >= second:
                found.add("day first")
            elif second > 12 >= first:
                found.add("month first")
            if len(found) == 2:
                return None
    return found.pop() if found else None


def has_two_readings(text: str) -> bool:
    """Say whether a text is a date like ``01/05/2024`` that only a column around it can decide."""
    match = _DAYS.match(text)
    return match is not None and match[1] != match[2] and int(match[1]) <= 12 and int(match[2]) <= 12


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


_DAYS = re.compile(r"\s*(\d{1,2})[-/.](\d{1,2})[-/.]\d{4}(?!\d)", re.ASCII)


class _TwoReadingsError(ValueError):
    """A date of two readings; both are in the message."""


def _to_float(value: int | float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _read_number(number: float, text: str) -> float:
    """Read a number: a date where its digits look like one, else a count since 1970."""
    digits = str(int(number)) if math.isfinite(number) and number == int(number) else ""
    compact = _COMPACT.fullmatch(digits)
    if compact is not None:
        try:
            moment = datetime(*(int(part or 0) for part in compact.groups()))  # type: ignore[arg-type]
        except ValueError as exc:
            raise ValueError(f"{_EXPECTED}, got {text!r}, which does not exist ({exc})") from exc
        return (moment - _EPOCH).total_seconds()
    if _YEAR.fullmatch(digits):
        raise ValueError(f"{_EXPECTED}, got {text!r}, a year without a day")
    for limit, unit in COUNT_UNITS:
        if abs(number) < limit:
            return number / unit
    raise ValueError(f"{_EXPECTED}, got {text[:_SHOWN_CHARS]}, which is too large a number")


def _read_date(parts: dict[str, str | None], order: DayOrder | None) -> date:
    if parts["year"]:
        return _date(parts["year"], parts["month"], parts["day"])
    if parts["basic"]:
        return _date(parts["basic"], parts["basic_month"], parts["basic_day"])
    if parts["week_year"]:
        return date.fromisocalendar(int(parts["week_year"]), int(parts["week"] or 0), int(parts["week_day"] or 1))
    if parts["ordinal_year"]:
        first = date(int(parts["ordinal_year"]), 1, 1)
        found = first + timedelta(days=int(parts["ordinal"] or 0) - 1)
        if found.year != first.year:
            raise ValueError(f"the year has no day {parts['ordinal']}")
        return found
    if parts["last_year"]:
        return _date(parts["last_year"], *_order_days(parts, order))
    for kind in ("named_", "us_", "c_"):
        if parts[f"{kind}day"]:
            name = parts["name" if kind == "named_" else f"{kind}name"] or ""
            if kind == "c_" and parts["end_year"] is None:
                raise ValueError("the year must stand behind the time")
            return _date(parts[f"{kind}year"], str(_month(name)), parts[f"{kind}day"])
    raise ValueError("no date")


def _order_days(parts: dict[str, str | None], order: DayOrder | None) -> tuple[str, str]:
    """Return month and day of ``01/05/2024``."""
    first, second, year = str(parts["first"]), str(parts["second"]), str(parts["last_year"])
    if order is None and parts["other_mark"] == ".":
        order = "day first"  # no country writes the month first with points (Unicode CLDR, short dates)
    if int(first) > 12 or (first.zfill(2) == second.zfill(2)):
        order = "day first"
    elif int(second) > 12:
        order = "month first"
    if order is None:
        written = f"{first}{parts['other_mark']}{second}{parts['other_mark']}{year}"
        readings = [f"{year}-{month:0>2}-{day:0>2}" for day, month in ((first, second), (second, first))]
        raise _TwoReadingsError(
            f"{written} can be the day {readings[0]} or {readings[1]} (year-month-day); write the one that is meant,"
            f" such as {readings[0]}T09:30:00Z"
        )
    return (second, first) if order == "day first" else (first, second)


def _date(year: str | None, month: str | None, day: str | None) -> date:
    return date(int(year or 0), int(month or 0), int(day or 0))


def _month(name: str) -> int:
    name = {"sept": "september"}.get(name.lower(), name.lower())
    for number, month in enumerate(_MONTHS, 1):
        if name in (month, month[:3]):
            return number
    raise ValueError(f"{name!r} is no month in English")


def _read_clock(parts: dict[str, str | None]) -> tuple[int, str]:
    """Return seconds since midnight, and the digits of the fraction."""
    hour = int(parts["hour"] or parts["basic_hour"] or 0)
    minute = int(parts["minute"] or parts["basic_minute"] or 0)
    second = int(parts["second_"] or parts["basic_second"] or 0)
    fraction = parts["fraction"] or parts["basic_fraction"] or ""
    if parts["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("hour must be in 1..12 with am or pm")
        hour = hour % 12 + (12 if parts["half"].lower() == "p" else 0)
    if hour > 23 and (hour, minute, second, int(fraction or 0)) != (24, 0, 0, 0):
        raise ValueError("hour must be in 0..23")
    if minute > 59:
        raise ValueError("minute must be in 0..59")
    if second > 60:
        raise ValueError("second must be in 0..60")
    return (hour * 60 + minute) * 60 + second, fraction


def _read_offset(parts: dict[str, str | None]) -> int:
    """Return how many seconds the zone is ahead of UTC."""
    ahead = 0
    zone = (parts["zone"] or "").upper()
    if zone:
        if zone not in _ZONES:
            raise ValueError(f"{zone} is no zone with one meaning; write its offset, such as +01:00")
        ahead = int(_ZONES[zone] * 3600)
    if parts["sign"]:
        if ahead or zone == "Z":
            raise ValueError("a zone and an offset")
        hours, minutes = int(parts["ahead_hours"] or 0), int(parts["ahead_minutes"] or 0)
        if hours > 23 or minutes > 59:
            raise ValueError("offset must be in -23:59..+23:59")
        ahead = (hours * 60 + minutes) * 60 * (1 if parts["sign"] == "+" else -1)
    return ahead


def _hint(text: str) -> str:
    if "/" in text and re.search(r"\d{4}.*/.*\d{4}", text):
        return "; of a span of time give one end"
    if re.match(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2}\b", text):
        return "; write the year with four digits"
    return ""
