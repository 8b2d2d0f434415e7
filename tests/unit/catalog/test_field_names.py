"""Names of fields: what is written is read back, whatever the key; and what a name that stands alone may mean."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mercato.catalog.field_names import (
    FIELD_LIMIT_CHARS,
    EscapeError,
    full_name,
    list_readings,
    parse_field,
    parse_text,
    write_field,
    write_text,
)

KEYS = st.text(min_size=1, max_size=12)


@given(KEYS)
@example("price")
@example("attributes.price")
@example('"."')
@example("a\\")
@example(".")
@example("..")
@example("NOT")
@example("max. °C")
def test_any_key_is_read_back(key: str) -> None:
    field = f"attributes.{key}"
    written = write_field(field)
    assert full_name(parse_field(written)) == field
    assert list_readings(written)[0] == field
    assert field in list_readings(key)


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("price", "price"),
        ("attributes.price", "attributes.price"),
        ("attributes.colour", "attributes.colour"),
        ("attributes.shoe-size.eu", "attributes.shoe-size.eu"),
        ("attributes.thread size", 'attributes."thread size"'),
        ("attributes.In stock?", 'attributes."In stock?"'),
        ("attributes.Größe", "attributes.Größe"),
        ('attributes.15"', r'attributes."15\""'),
        ("attributes.a\\b", r'attributes."a\\b"'),
        ("attributes.a..b", 'attributes."a..b"'),
        ("attributes.two\nlines", r'attributes."two\nlines"'),
    ],
)
def test_a_key_that_is_no_plain_word_stands_in_quotes(field: str, written: str) -> None:
    assert write_field(field) == written


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"thread size"', "thread size"),
        ('attributes."thread size"', "attributes.thread size"),
        ('attributes."max"."°C"', "attributes.max.°C"),
        ('dimensions."in cm"', "dimensions.in cm"),
        ('"attributes.size"', "attributes.attributes.size"),
        (r'"max. \u00b0C"', "max. °C"),
        (r'"\ud83d\ude00"', "😀"),
    ],
)
def test_quotes_may_stand_around_any_part(written: str, name: str) -> None:
    assert parse_field(written) == name


@given(st.text(max_size=20))
def test_texts_are_those_of_json(text: str) -> None:
    assert parse_text(json.dumps(text)) == parse_text(json.dumps(text, ensure_ascii=False)) == text
    assert parse_text(write_text(text)) == text


@pytest.mark.parametrize(
    ("quoted", "position", "says"),
    [(r'"ab\q"', 3, "is no escape"), (r'"\u12"', 1, "is no escape"), (r'"a\ud83d"', 2, "half of a surrogate pair")],
)
def test_a_wrong_escape_is_shown(quoted: str, position: int, says: str) -> None:
    with pytest.raises(EscapeError, match=says) as caught:
        parse_text(quoted)
    assert caught.value.position == position


def test_the_longest_key_fits_however_it_is_written() -> None:
    assert len('attributes."' + r"\u00b0" * 500 + '"') == FIELD_LIMIT_CHARS
