"""What is wrong with one text, and what only looks so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.catalog_report.codes import find_gtin_fault
from mercato.catalog_report.duplicates import may_be_one
from mercato.catalog_report.prices import guess_power
from mercato.catalog_report.text_faults import (
    find_copy_mark,
    find_lost_letter,
    find_markup,
    find_misread,
    fold_name,
    fold_title,
    is_placeholder,
)
from mercato.catalog_report.titles import find_repeated_brand, is_shouted


@pytest.mark.parametrize(
    "text",
    ["<p>new</p>", "a<br/>b", "fish &amp; chips", "caf&#233;", "a <!-- x -->", "{{ product.title }}", "[b]new[/b]"],
)
def test_markup_is_found(text: str) -> None:
    assert find_markup(text)


@pytest.mark.parametrize(
    "text",
    [
        "< 5 mm",
        "a < b > c",
        "fish & chips",
        "AT&T; phones",
        "I <3 tea",
        "<Unknown>",
        "size [M]",
        "{3}",
        "Q&A",
    ],
)
def test_what_is_no_markup_is_left_alone(text: str) -> None:
    assert find_markup(text) == ""


@given(st.text(alphabet="äöüßéèñçåøœÄÖÜÉ“”’–€", min_size=1, max_size=4))
def test_what_was_read_as_windows_1252_is_found(text: str) -> None:
    read = f"ab {text} cd".encode().decode("cp1252", errors="replace")
    assert find_misread(read)


@pytest.mark.parametrize(
    "text",
    [
        "Tür", "Crème brûlée", "CAFÉ® grinder", "« DÉCOR À LA CARTE »", "señor, NIÑO", "20 °C ± 1", "Ångström",
        "smörgås – 3 × 4", "Здравствуйте", "ΑΒΓ", "寝具", "naïve “quote”", "Größe: ½″", "SÃO PAULO", "100 µm²",
        "Ray-Ban™ CHLOÉ™",
    ],
)  # fmt: skip
def test_texts_of_many_languages_are_not_misread(text: str) -> None:
    assert find_misread(text) == ""
    assert find_misread(text.upper()) == ""


@given(st.text(alphabet=st.characters(codec="cp1252"), max_size=20))
def test_a_text_has_a_fault_or_none_and_no_error(text: str) -> None:
    for check in (find_misread, find_markup, find_lost_letter, find_copy_mark, fold_name, fold_title):
        assert isinstance(check(text), str)


def test_a_question_mark_within_a_word_is_a_lost_letter() -> None:
    assert find_lost_letter("Lampe f?r drau?en") == "f?r"
    assert find_lost_letter("Why tea? Because.") == ""
    assert find_lost_letter("see shop.example/p?id=3") == ""


@pytest.mark.parametrize("text", ["test", "N/A", "tbd", "Lorem ipsum dolor sit amet", "-", "Test product 12", "None"])
def test_placeholders_are_told(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["pregnancy test", "Test tube", "Nana", "Sample bag, 10 pieces", "None Such cordial"])
def test_names_with_a_placeholders_word_are_none(text: str) -> None:
    assert not is_placeholder(text)


def test_an_attribute_may_be_none() -> None:
    assert not is_placeholder("None", name=False)
    assert is_placeholder("n/a", name=False)


def test_copies_are_told_from_what_is_called_a_copy() -> None:
    assert find_copy_mark("Copy of Desk lamp")
    assert find_copy_mark("Desk lamp - Kopie 2")
    assert not find_copy_mark("Hard copy holder")
    assert not find_copy_mark("The last hard copy")


def test_abbreviations_and_brands_are_not_shouted() -> None:
    assert is_shouted("GLASS STAR FROSTED HOLDER")
    assert is_shouted("RED WOOL SCARF")
    assert not is_shouted("USB HUB 4K")
    assert not is_shouted("HDMI WLAN BOX", abbreviations=frozenset({"hdmi"}))
    assert not is_shouted("ASUS ZENBOOK", "Asus")
    assert not is_shouted("SDRAM SDR SDRAM")
    assert not is_shouted("寝具 カバー")


def test_a_brand_may_stand_twice_where_it_says_what_the_product_is_for() -> None:
    assert find_repeated_brand("HP toner for HP LaserJet", "HP") == ""
    assert find_repeated_brand("HP toner compatible with the HP LaserJet", "HP") == ""
    assert find_repeated_brand("HP HP toner", "HP") == "HP, 2 times"
    assert find_repeated_brand("Air running shoe by Nike, Nike", "NIKE") == "NIKE, 2 times"
    assert find_repeated_brand("Old Spice spice rack", "Old Spice") == ""


@pytest.mark.parametrize("number", ["4006381333931", "036000291452", "96385074", "04006381333931", "0-306-40615-2"])
def test_right_numbers_pass(number: str) -> None:
    assert find_gtin_fault(number) == ""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("4006381333930", "wrong check digit"),
        ("36000291452", "zeros before it were lost"),
        ("4.00638E+12", "is no number"),
        ("0000000000000", "is a placeholder"),
        ("123", "has 3 digits"),
        ("400638133393112", "at most 14"),
    ],
)
def test_wrong_numbers_are_told_why(number: str, said: str) -> None:
    assert said in find_gtin_fault(number)


def test_a_price_is_explained_by_the_nearest_power_of_ten() -> None:
    assert guess_power(2500.0, 25.0, 40.0) == 2
    assert guess_power(0.25, 25.0, -40.0) == -2
    assert guess_power(20000.0, 25.0, 60.0) == 3  # 800 times
    assert guess_power(250.0, 25.0, 20.0) == 0  # ten may be a pack of ten
    assert guess_power(1250.0, 25.0, 30.0) == 0  # 50 times is neither ten nor a hundred
    assert guess_power(2499.99, 25.0, 40.0) == 0  # cents given as units are whole numbers


@pytest.mark.parametrize(
    ("first", "second"),
    [("Blue wool socks", "Wool socks blue"), ("Note book, A5", "Notebook A5"), ("Dinner plate", "Dinner plates"),
     ("Acme desk lamp", "Desk lamp"), ("Desk lamp", "Desk lamp, new"),
     ("Red wool scarf for women", "Women's red wool scarf")],
)  # fmt: skip
def test_other_words_for_one_product(first: str, second: str) -> None:
    assert may_be_one({"title": first, "brand": "Acme"}, {"title": second, "brand": "Acme"})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"title": "Tape, black on white"}, {"title": "Tape, white on black"}),
        ({"title": "HDMI to DVI cable"}, {"title": "DVI to HDMI cable"}),
        ({"title": "Cable 2 m"}, {"title": "Cable 3 m"}),
        ({"title": "Blue socks"}, {"title": "Red socks"}),
        ({"title": "Blue socks", "brand": "Acme"}, {"title": "Socks, blue", "brand": "Bolt"}),
        ({"title": "Socks blue", "attributes": {"size": "S"}}, {"title": "Blue socks", "attributes": {"size": "L"}}),
    ],
)  # fmt: skip
def test_like_words_of_two_products(first: dict[str, object], second: dict[str, object]) -> None:
    assert not may_be_one(first, second)
