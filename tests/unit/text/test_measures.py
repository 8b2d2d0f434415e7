import pytest

from mercato.text import WordAnalyzer
from mercato.text.measures import find_decimal_comma, split_number


@pytest.mark.parametrize(
    ("number", "with_point", "with_comma"),
    [
        ("1,5", ("1.5",), ("1.5",)),
        ("0,125", ("0.125",), ("0.125",)),
        ("1.5", ("1.5",), ("1.5",)),
        ("1,500", ("1500",), ("1.500",)),
        ("1.500", ("1.500",), ("1500",)),
        ("1.299,50", ("1299.50",), ("1299.50",)),
        ("1,299.50", ("1299.50",), ("1299.50",)),
        ("1,234,567", ("1234567",), ("1234567",)),
        ("10,100,1000", ("10", "100", "1000"), ("10", "100", "1000")),
        (".5", ("0.5",), ("0.5",)),
        ("2021", ("2021",), ("2021",)),
    ],
)
def test_decimals_and_groups(number: str, with_point: tuple[str, ...], with_comma: tuple[str, ...]) -> None:
    assert split_number(number, decimal_comma=False) == with_point
    assert split_number(number, decimal_comma=True) == with_comma


@pytest.mark.parametrize(
    ("texts", "comma"),
    [
        (["Kanne 0,75 l", "Kanne 1,5 l", "USB 2.0"], True),
        (["jug 0.75 l", "jug 1.5 l", "sizes 38,39"], False),
        (["flour 1,500 g", "sugar 1.500 g"], None),
        ([], None),
    ],
)
def test_a_catalogue_says_which_mark_it_writes(texts: list[str], comma: bool | None) -> None:
    assert find_decimal_comma(texts) is comma


@pytest.mark.parametrize("text", ["10x15", "10 x 15", "10*15", "10 × 15", "10X15 cm", "10 x 15cm", "10 ✕ 15"])
def test_sides_are_one_word_however_they_are_written(text: str) -> None:
    assert WordAnalyzer().analyze(text) == ["10x15"]


def test_sides_hold_less_beside() -> None:
    found = WordAnalyzer().read("60 x 40 x 2,5 cm")
    assert found.terms == ["60x40x2.5"]
    assert [term for term, _ in found.minor] == ["60", "40", "2.5", "60x40", "60cm", "40cm", "2.5cm"]


def test_packs_say_how_many_and_how_much_each() -> None:
    for text in ("6 x 330 ml", "6x330ml", "6 × 330 ml"):
        assert WordAnalyzer().analyze(text) == ["6", "x", "6x", "330", "ml", "330ml"]


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("1,5 l", "1.5l"),
        ("1.50 Liter", "1.5l"),
        ("500 мл", "500ml"),
        ("250克", "250g"),
        ("16 Zoll", "16inch"),
        ("٢٫٥ kg", "2.5kg"),
    ],
)
def test_units_of_other_languages(text: str, joined: str) -> None:
    assert WordAnalyzer("german").analyze(text)[-1] == joined
