import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.text.letters import plain_letters


def fold(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("smørrebrød", "smorrebrod"),
        ("łódź", "lodz"),
        ("đorđe", "dorde"),
        ("straße", "strasse"),
        ("æble", "aeble"),
        ("œuvre", "oeuvre"),
        ("þór", "thor"),
        ("ışık", "isik"),
        ("ħobż", "hobz"),
        ("eŋŋa", "enna"),
        ("phở", "pho"),
        ("əlcək", "elcek"),
        ("παπούτσια", "παπουτσια"),
        ("ᾄδω", "αδω"),
        ("ёлка", "елка"),
        ("чайник", "чайник"),  # a letter of its own, not an "и" with an accent
        ("за́мок", "замок"),
        ("أحذية", "احذيه"),
        ("حِذَاء", "حذاء"),
        ("حـــذاء", "حذاء"),
        ("مقهى", "مقهي"),
        ("שָׁלוֹם", "שלום"),
        ("हिन्दी", "हिन्दी"),
        ("plain", "plain"),
    ],
)
def test_letters_that_everybody_can_type(word: str, plain: str) -> None:
    assert plain_letters(word) == plain


def test_every_latin_letter_with_a_mark_is_plain() -> None:
    letters = [chr(code) for code in (*range(0xC0, 0x180), *range(0x1E00, 0x1EFA)) if chr(code).isalpha()]
    odd = [letter for letter in letters if not plain_letters(fold(letter)).isascii()]
    assert odd == ["Ŀ", "ŀ", "ŉ", "ẚ", "ẟ"]  # with marks beside the letter; a letter of phonetics


@given(st.text())
def test_plain_letters_stay(text: str) -> None:
    plain = plain_letters(fold(text))
    assert plain_letters(plain) == plain
