from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.text import format_timestamp, parse_timestamp

DAY_S = 24 * 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-02T00:00:00Z", 1.0 * DAY_S),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1969-12-31T23:00:00-01:00", 0.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01t00:00:02z", 2.0),
        ("1970-01-01 00:00:03", 3.0),  # no offset: UTC
        ("1970-01-03", 2.0 * DAY_S),  # a date alone: its midnight
        ("1969-12-31T23:59:59.25Z", -0.75),
        ("1970-01-01T00:00:00.123456789Z", 0.123456789),
        ("1970-01-01T00:00:00.000000001Z", 1e-9),
        ("1970-01-02 00:00:00Z", 1.0 * DAY_S),
        ("1969-12-31T23:30:00-00:30", 0.0),
        ("1970-01-01 01:02", 3_720.0),  # no seconds, as spreadsheets write it
        ("1970-01-01T00:00:60Z", 60.0),  # a leap second
        ("0001-01-01T00:00:00+23:00", -62_135_596_800.0 - 23 * 3600),
    ],
)
def test_parse(text: str, seconds: float) -> None:
    assert parse_timestamp(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "20260101",
        "2026-13-01",
        "2026-1-31T12:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00+01:60",
        "２026-01-31T12:00:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an RFC 3339 time such as"):
        parse_timestamp(text)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))
def test_every_moment_comes_back(moment: datetime) -> None:
    # Whole minutes only: some historical zones have offsets with seconds, which RFC 3339 cannot write.
    utc = moment.astimezone(timezone.utc)
    assert parse_timestamp(utc.isoformat()) == pytest.approx(utc.timestamp(), abs=1e-6)


@given(st.integers(-62_135_596_800, 253_402_300_799))  # years 1 to 9999
def test_format_gives_the_seconds_back(seconds: int) -> None:
    assert parse_timestamp(format_timestamp(seconds)) == seconds


def test_format_writes_utc_and_only_needed_fractions() -> None:
    assert format_timestamp(0) == "1970-01-01T00:00:00Z"
    assert format_timestamp(0.5) == "1970-01-01T00:00:00.500000Z"
