"""Times as text."""

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.events.event_time import MAX_FUTURE_S, check_event_time, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1),
        ("1970-01-02 00:00:00Z", 86_400),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00-00:30", 0),
        ("1970-01-01T00:00:00.25Z", 0.25),
        ("1970-01-01T00:00:00.000000001Z", 1e-9),
        ("1970-01-01T00:00:60Z", 60),
    ],
)
def test_rfc3339_is_read(text: str, seconds: float) -> None:
    assert parse_rfc3339(text) == seconds


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))
def test_every_moment_comes_back(moment: datetime) -> None:
    # Whole minutes only: some historical zones have offsets with seconds, which RFC 3339 cannot write.
    utc = moment.astimezone(timezone.utc)
    assert parse_rfc3339(utc.isoformat()) == pytest.approx(utc.timestamp(), abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-1-31T12:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00+01:60",
        "0001-01-01T00:00:00+23:00",
        "２026-01-31T12:00:00Z",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_rfc3339(text)


def test_without_offset_only_where_it_is_said_to_be_utc() -> None:
    with pytest.raises(ValueError, match="must have an offset"):
        parse_rfc3339("1970-01-01T00:00:05")
    assert parse_rfc3339("1970-01-01T00:00:05", naive_is_utc=True) == 5


def test_future_ends_after_a_day() -> None:
    assert check_event_time(100.0 + MAX_FUTURE_S, now=100.0) is None
    assert "at most one day in the future" in str(check_event_time(101.0 + MAX_FUTURE_S, now=100.0))
