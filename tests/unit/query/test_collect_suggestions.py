"""What a catalogue and past queries suggest, and the form in which texts are compared."""

import math

import pytest

from mercato.errors import InvalidInputError
from mercato.query.suggest.collect import KINDS, Suggestible, collect_entries, collect_queries
from mercato.query.suggest.request import fold_prefix, list_starts


def kinds(products: list[Suggestible], **options: frozenset[str]) -> dict[str, tuple[str, float]]:
    return {entry.text: (KINDS[entry.kind], entry.weight) for entry in collect_entries(products, **options)}


def titles(*texts: str) -> list[Suggestible]:
    return [Suggestible(text, "", ()) for text in texts]


def test_names_count_the_products_that_have_them() -> None:
    products = [
        Suggestible("Whole milk", "Acme", ("Food", "Dairy")),
        Suggestible("Butter", "ACME", ("Food", "Dairy")),
        Suggestible("Soap", "Bolt", ("Home",)),
    ]
    found = kinds(products)
    assert found["acme"] == ("brand", math.log1p(2))
    assert found["food"] == ("category", math.log1p(2))
    assert found["home"] == ("category", math.log1p(1))
    assert found["whole milk"] == ("product", math.log1p(1))


def test_the_heaviest_come_first_and_equal_ones_by_text() -> None:
    entries = collect_entries([Suggestible("b", "x", ("Z",)), Suggestible("a", "x", ("Y",))])
    assert [entry.text for entry in entries] == ["x", "a", "b", "y", "z"]


def test_shared_phrases_are_taken_between_punctuation_marks() -> None:
    found = kinds(titles("Frozen pizza, salami", "Frozen pizza - ham", "Salami (fresh)", "Ham: cooked"))
    assert found["frozen pizza"] == ("product", math.log1p(2))
    assert found["salami"] == ("product", math.log1p(2))
    assert "pizza salami" not in found
    # "frozen" and "pizza" stand within "frozen pizza" only.
    assert "frozen" not in found
    assert "pizza" not in found


def test_a_phrase_that_stands_alone_often_enough_is_taken_beside_the_longer_one() -> None:
    found = kinds(titles("green tea one", "green tea two", "tea three", "tea four", "tea five"))
    assert found["tea"] == ("product", math.log1p(5)), "2 of 5 are in a longer phrase: below four fifths"
    assert found["green tea"] == ("product", math.log1p(2))


def test_stop_words_units_and_numbers_are_no_ends_of_phrases() -> None:
    found = kinds(titles("Milk with honey 12 oz", "Tea with honey 12 oz"), stopwords=frozenset({"with"}))
    assert "honey" in found
    assert not {"with", "with honey", "12", "oz", "honey 12", "12 oz"} & set(found)


def test_a_text_of_several_kinds_is_named_by_the_strongest() -> None:
    found = kinds([Suggestible("Tea", "", ("Tea",)), Suggestible("Tea", "Tea", ())])
    assert found["tea"] == ("category", math.log1p(2))


def test_long_titles_are_left_out_and_their_phrases_taken() -> None:
    long = "solid oak table " + "very " * 20
    assert [text for text in kinds(titles(long, long)) if len(text) > 60] == []
    assert "solid oak table very" in kinds(titles(long, long))


def test_a_catalogue_of_one_product_suggests_it() -> None:
    assert kinds(titles("Oolong")) == {"oolong": ("product", math.log1p(1))}
    assert collect_entries([]) == []


def test_queries_weigh_twice_and_need_two_shoppers() -> None:
    found = collect_queries({"oat milk": 3, "my secret": 1, "q" * 61: 9})
    assert [(entry.text, entry.weight, KINDS[entry.kind]) for entry in found] == [
        ("oat milk", 2 * math.log1p(3), "query")
    ]


@pytest.mark.parametrize(
    ("typed", "prefix"),
    [
        ("Fro", "fro"),
        (" Frozen  P", "frozen p"),
        ("frozen ", "frozen "),
        ("  ", ""),
        ("", ""),
        ("ＦＲＯ", "fro"),
        ("牛奶", "牛奶"),
    ],
)
def test_prefixes_are_folded(typed: str, prefix: str) -> None:
    assert fold_prefix(typed) == prefix


def test_a_prefix_longer_than_a_query_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="PREFIX: must be at most 1,000 characters"):
        fold_prefix("a" * 1001)


@pytest.mark.parametrize(
    ("phrase", "starts"),
    [
        ("frozen pizza", [0, 7]),
        ("usb-c cable", [0, 4, 6]),
        ("有机牛奶 1l", [0, 1, 2, 3, 5]),
        ("(new) tea", [0, 1, 6]),
        ("a", [0]),
    ],
)
def test_words_begin_where_a_person_sees_them(phrase: str, starts: list[int]) -> None:
    assert list_starts(phrase) == starts
