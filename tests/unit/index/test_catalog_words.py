"""Words of a catalogue as numbers: lists that are spread, joined and counted as Python's own would be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mercato.index.catalog_words import KEY_CHARS, CatalogWords, NumberLists
from mercato.index.search_weights import WORD_FIELDS
from mercato.text.words import list_words
from tests.stores import product

NUMBERS = st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=6)


def read(lists: NumberLists) -> list[list[int]]:
    bounds = lists.bounds.tolist()
    return [lists.numbers[first:last].tolist() for first, last in zip(bounds, bounds[1:], strict=False)]


@given(NUMBERS)
def test_lists_are_kept(lists: list[list[int]]) -> None:
    kept = NumberLists.collect(lists)
    assert read(kept) == lists
    assert kept.owners.tolist() == [position for position, one in enumerate(lists) for _ in one]


@given(NUMBERS.filter(len), st.data())
def test_lists_are_taken_again_and_again(lists: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(lists) - 1)))
    taken = NumberLists.collect(lists).take(np.array(chosen, np.int64))
    assert read(taken) == [lists[position] for position in chosen]


@given(NUMBERS, st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=6, max_size=6))
def test_each_number_is_followed_to_its_list(lists: list[list[int]], others: list[list[int]]) -> None:
    spread = NumberLists.collect(lists).follow(NumberLists.collect(others))
    assert read(spread) == [[number for one in numbers for number in others[one]] for numbers in lists]


@given(NUMBERS)
def test_distinct_numbers_are_counted(lists: list[list[int]]) -> None:
    distinct = NumberLists.collect(lists).distinct()
    assert read(distinct) == [sorted(set(one)) for one in lists]
    assert distinct.count(6).tolist() == [sum(number in one for one in lists) for number in range(6)]


@given(NUMBERS)
def test_numbers_are_selected(lists: list[list[int]]) -> None:
    kept = NumberLists.collect(lists)
    assert read(kept.select(kept.numbers % 2 == 0)) == [[number for number in one if number % 2 == 0] for one in lists]


def test_lists_are_joined() -> None:
    assert read(NumberLists.collect([[1], [2, 3], [], [4]]).join(2)) == [[1, 2, 3], [4]]


def test_the_words_of_fields_are_those_of_their_texts() -> None:
    long = "Cast-iron pan, 24 cm, for every kind of stove, with a wooden handle and a lid"
    assert len(long) > KEY_CHARS
    products = [
        product("a1", "Oak desk lamp", brand="Lux", categories=("Home", "Lamps"), description=long),
        product("a2", "Oak desk lamp", brand="Lux", attributes={"colour": "black", "watts": 9}),
        product("a3", "Crème brûlée", description=long),
    ]

    words = CatalogWords(products)

    for field in WORD_FIELDS:
        found = [[words.words[number] for number in one] for one in read(words.list_words(field))]
        assert found == [list_words(one.field_text(field)) for one in products]
    assert words.fields["title"][0] == words.fields["title"][1] != words.fields["title"][2]
    assert words.fields["description"][0] == words.fields["description"][2]
    both = [[words.words[number] for number in one] for one in read(words.list_words("brand", "title"))]
    assert both[0] == ["lux", "oak", "desk", "lamp"]


def test_no_products_have_no_words() -> None:
    words = CatalogWords([])
    assert words.words == []
    assert read(words.list_words("title", "brand")) == []
