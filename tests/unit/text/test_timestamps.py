"""Times in every form that has one reading, and what is said of the others."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.text import find_day_order, format_timestamp, parse_timestamp, read_timestamp
from mercato.text.timestamps import DayOrder, has_two_readings

DAY_S = 24 * 3600
TEN = datetime(2024, 5, 1, 10, tzinfo=timezone.utc).timestamp()
MIDNIGHT = TEN - 10 * 3600


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
        ("1970-01-01T24:00", 1.0 * DAY_S),
        ("0001-01-01T00:00:00+23:00", -62_135_596_800.0 - 23 * 3600),
    ],
)
def test_parse(text: str, seconds: float) -> None:
    assert parse_timestamp(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        # ISO 8601
        " 2024-05-01 10:00:00 ",
        "\t2024-05-01T10:00Z\n",
        "2024-05-01\u00a010:00",
        "2024-05-01T10",
        "2024-05-01T12+02",
        "2024-05-01T12:00+0200",
        "2024-05-01 12:00:00 +0200",
        "2024-05-01 12:00:00 +02:00",
        "2024-05-01 10:00:00 UTC",
        "2024-05-01T10:00:00 gmt",
        "2024-05-01T10:00:00,0Z",
        "20240501T100000Z",
        "20240501T1000",
        "20240501 10:00",
        "2024-W18-3T10:00",
        "2024W183T10:00",
        "2024-122T10:00",
        "2024-5-1 10:00",
        "2024-05-01T12:00+02:00[Europe/Berlin]",
        # other orders and marks
        "2024/05/01 10:00:00",
        "2024/5/1 10:00",
        "2024.05.01 10:00",
        "01.05.2024 10:00",
        "1.5.2024 10:00",
        # e-mail, feeds and programs
        "Wed, 01 May 2024 12:00:00 +0200",
        "Wed, 1 May 2024 10:00:00 GMT",
        "Wed, 01 May 2024 03:00:00 PDT",
        "Wed May 01 2024 12:00:00 GMT+0200 (Central European Summer Time)",
        "Wed May  1 10:00:00 2024",
        "2024-05-01 12:00 CEST",
        # names of months
        "1 May 2024 10:00",
        "1st May 2024, 10:00",
        "01-May-2024 10:00",
        "May 1, 2024 10:00 AM",
        "May 1, 2024 at 10:00am",
        "1 MAY 2024 10:00 a.m.",
        # digits
        "1714557600",
        "1714557600.0",
        "1714557600000",
        "1714557600000000",
        "1714557600000000000",
        "1.7145576e9",
        "202405011000",
        "20240501100000",
    ],
)
def test_one_moment_in_many_forms(text: str) -> None:
    assert parse_timestamp(text) == TEN


@pytest.mark.parametrize(
    "text", ["2024-05-01", "20240501", "2024/05/01", "1 May 2024", "Sept 1, 2024", "31/05/2024", "05/31/2024"]
)
def test_a_date_alone_is_its_midnight(text: str) -> None:
    later = {"Sept 1, 2024": 123, "31/05/2024": 30, "05/31/2024": 30}.get(text, 0)  # days after the first of May
    assert parse_timestamp(text) == MIDNIGHT + later * DAY_S


def test_half_days_are_read_as_clocks_show_them() -> None:
    assert parse_timestamp("5/31/2024 12:30 AM") == MIDNIGHT + 30 * DAY_S + 30 * 60
    assert parse_timestamp("5/31/2024, 12:30:15 PM") == MIDNIGHT + 30 * DAY_S + 12 * 3600 + 30 * 60 + 15
    with pytest.raises(ValueError, match="1..12"):
        parse_timestamp("5/31/2024 13:30 PM")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026",
        "2026-05",
        "May 2026",
        "20260231",
        "2026-13-01",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-W54-1",
        "2026-366",
        "2026-01-01T25:00:00Z",
        "2026-01-31T24:00:01Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00+01:60",
        "2026-01-31T12:00:00 CST",  # of Chicago, or of Shanghai
        "1 Maerz 2026",
        "２026-01-31T12:00:00Z",
        "1e300",
        "nan",
        "inf",
        "31/31/2026",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an RFC 3339 time such as"):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2024-02-24T11:07+0100/2024-02-29T23:07+0100", "span of time"),
        ("01/05/24", "four digits"),
        ("2026-01-31T12:00:00 CST", "CST is no zone with one meaning"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_timestamp(text)


@pytest.mark.parametrize("text", ["01/05/2024", "1-5-2024 10:00", "01/05/2024 10:00:00 +0200"])
def test_two_readings_are_refused_with_both(text: str) -> None:
    assert has_two_readings(text)
    with pytest.raises(ValueError, match="2024-05-01 or 2024-01-05"):
        parse_timestamp(text)


@pytest.mark.parametrize(("order", "expected"), [("day first", "2024-05-01"), ("month first", "2024-01-05")])
def test_a_column_decides_two_readings(order: DayOrder, expected: str) -> None:
    for mark in "/-.":
        assert parse_timestamp(f"01{mark}05{mark}2024", day_order=order) == parse_timestamp(expected)
    assert parse_timestamp("2024-05-01", day_order=order) == MIDNIGHT  # of dates of this form alone


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["01/05/2024", "31/05/2024 10:00"], "day first"),
        (["01-05-2024", " 05-31-2024"], "month first"),
        (["01/05/2024", "02/03/2024"], None),
        (["31/05/2024", "05/31/2024"], None),  # they contradict each other
        (["2024-05-31", "", "31/05/24"], None),
        ([], None),
    ],
)
def test_the_order_of_a_column_is_what_its_clear_dates_show(texts: list[str], order: DayOrder | None) -> None:
    assert find_day_order(texts) == order


@given(st.dates(min_value=date(1000, 1, 1)), st.booleans())
def test_dates_in_either_order_come_back_or_are_refused(day: date, day_first: bool) -> None:
    text = day.strftime("%d/%m/%Y" if day_first else "%m/%d/%Y")
    seconds = float((day - date(1970, 1, 1)).days * DAY_S)
    if has_two_readings(text):
        with pytest.raises(ValueError, match="can be the day"):
            parse_timestamp(text)
    else:
        assert parse_timestamp(text) == seconds
    assert parse_timestamp(text, day_order="day first" if day_first else "month first") == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        (float("nan"), None),
        (TEN, TEN),
        (int(TEN), TEN),
        (int(TEN) * 1000, TEN),
        (int(TEN) * 10**9, TEN),
        (Decimal("1714557600.5"), TEN + 0.5),
        (20240501, MIDNIGHT),
        (20240501.0, MIDNIGHT),
        (datetime(2024, 5, 1, 10), TEN),
        (datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))), TEN),
        (date(2024, 5, 1), MIDNIGHT),
        ("01.05.2024 10:00", TEN),
        (b"2024-05-01", MIDNIGHT),
    ],
)
def test_values_of_every_type(value: object, seconds: float | None) -> None:
    assert read_timestamp(value) == seconds


@pytest.mark.parametrize("value", [True, [1], {}, float("inf"), 10**400, 2024, b"\xff"])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected an RFC 3339 time such as"):
        read_timestamp(value)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))
def test_every_moment_comes_back(moment: datetime) -> None:
    # Whole minutes only: some historical zones have offsets with seconds, which RFC 3339 cannot write.
    utc = moment.astimezone(timezone.utc)
    for text in (utc.isoformat(), utc.strftime("%a, %d %b %Y %H:%M:%S.%f +0000"), utc.strftime("%Y%m%dT%H%M%S.%fZ")):
        assert parse_timestamp(text) == pytest.approx(utc.timestamp(), abs=1e-6)


@given(st.text(alphabet="0123456789-/.:, TZWaMy+()", max_size=30))
def test_any_text_is_a_time_or_one_sentence(text: str) -> None:
    try:
        parse_timestamp(text)
    except ValueError as exc:
        assert "expected an RFC 3339 time" in str(exc) or "can be the day" in str(exc)


@given(st.integers(-62_135_596_800, 253_402_300_799))  # years 1 to 9999
def test_format_gives_the_seconds_back(seconds: int) -> None:
    assert parse_timestamp(format_timestamp(seconds)) == seconds


def test_format_writes_utc_and_only_needed_fractions() -> None:
    assert format_timestamp(0) == "1970-01-01T00:00:00Z"
    assert format_timestamp(0.5) == "1970-01-01T00:00:00.500000Z"
