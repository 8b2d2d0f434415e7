import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.errors import InvalidInputError
from mercato.text import QUERY_LIMIT_CHARS, normalize_query


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("usb c charger", "usb c charger"),
        ("  usb \t c\n charger ", "usb c charger"),
        ("ＵＳＢ　Ｃ", "USB C"),  # full-width letters and the ideographic space
        ("ﬁsh", "fish"),  # a ligature
        ("cafe\u0301", "café"),  # a letter and its accent become one character
        ("usb\u200bc", "usb c"),  # zero-width space
        ("\ufeffusb\x00c\u202e", "usb c"),  # byte order mark, NUL, right-to-left override
        ("笔记本电脑", "笔记本电脑"),
        ("Büro STUHL", "Büro STUHL"),  # case is the encoder's and the analyser's business
    ],
)
def test_same_wish_becomes_same_text(raw: str, expected: str) -> None:
    assert normalize_query(raw) == expected
    assert normalize_query(raw.encode()) == expected


def test_invalid_utf8_is_named_by_its_byte() -> None:
    with pytest.raises(InvalidInputError, match="offset 3 is 0xff") as caught:
        normalize_query(b"abc\xffdef")
    assert caught.value.parameter == "QUERY"


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="character at 1 is half of a surrogate pair"):
        normalize_query("a\ud83d")


@pytest.mark.parametrize("blank", ["", "  ", "\n\t", "\u200b\ufeff", "\x00\x01", "\u3000"])
def test_blank_query_is_refused_with_a_remedy(blank: str) -> None:
    with pytest.raises(InvalidInputError, match="blank text; send what the shopper typed"):
        normalize_query(blank)


def test_limit_holds_exactly() -> None:
    assert len(normalize_query("x" * QUERY_LIMIT_CHARS)) == QUERY_LIMIT_CHARS
    with pytest.raises(InvalidInputError, match="at most 1,000 characters, got 1,001"):
        normalize_query("x" * (QUERY_LIMIT_CHARS + 1))
    with pytest.raises(InvalidInputError, match="got 100,000"):
        normalize_query("ab " * 33_333 + "c")


def test_limit_holds_for_what_normalisation_lengthens() -> None:
    ligature = "\ufdfa"
    length = len(unicodedata.normalize("NFKC", ligature))  # 18 characters
    with pytest.raises(InvalidInputError, match="characters, got"):
        normalize_query(ligature * (QUERY_LIMIT_CHARS // length + 1))


def test_name_of_the_parameter_is_the_callers() -> None:
    with pytest.raises(InvalidInputError, match="^CONTEXT:"):
        normalize_query("", parameter="CONTEXT")


@given(st.text(max_size=50))
def test_normalising_again_changes_nothing(raw: str) -> None:
    try:
        once = normalize_query(raw)
    except InvalidInputError:
        return
    assert normalize_query(once) == once
    assert once == once.strip() and "  " not in once
