"""What comes in from outside: JSON read leniently, files opened by their suffix, rejected rows counted."""

import math

import pytest

from mercato.errors import InvalidInputError
from mercato.incoming import (
    MAX_SHOWN,
    Rejected,
    RowReport,
    read_json_array,
    read_json_line,
    read_json_object,
)


def read(document: bytes) -> list[object]:
    return read_json_array(document, parameter="EVENTS", items="events", limit=3)


def test_what_clients_write_by_mistake_costs_one_item() -> None:
    first, second = read(b'[{"price": NaN}, {"price": 1}]')
    assert isinstance(first, dict) and math.isnan(first["price"])
    assert second == {"price": 1}
    assert read(b'["\\ud800"]') == ["\ud800"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "EVENTS: must be valid JSON in UTF-8"),
        (b"[1,", "EVENTS: must be valid JSON in UTF-8"),
        (b"[" * 100_000, "EVENTS: must be valid JSON in UTF-8"),
        (b"{}", r"EVENTS: must be a JSON array of events, got dict; put a single one in \[ \]"),
        (b"[1,2,3,4]", "EVENTS: must have at most 3 events in a call, got 4; send them in parts"),
    ],
)
def test_what_is_no_array_is_refused_as_a_whole(document: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read(document)


def test_lines_hold_objects_or_say_why_not() -> None:
    assert read_json_line(b'\xef\xbb\xbf{"a": 1}\n', 1) == {"a": 1}
    assert read_json_line(b" \n", 7) is None
    assert read_json_object("[1]") == "must be a JSON object, got '[1]'"
    assert str(read_json_object(b"{")).startswith("is not JSON: ")


def test_a_character_cut_in_half_is_shown_as_such() -> None:
    assert str(read_json_object(f'["{"x" * 37}é"]'.encode())).endswith("x\ufffd'")


def test_rejected_rows_are_counted_and_the_first_kept() -> None:
    report = RowReport()
    for line in range(MAX_SHOWN + 5):
        report.reject(Rejected(line, "is none"))
    assert report.rejected == MAX_SHOWN + 5
    assert [row.position for row in report.shown] == list(range(MAX_SHOWN))
