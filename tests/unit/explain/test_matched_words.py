"""Words of a query found in a product, field by field, as the word index splits them."""

from __future__ import annotations

import pytest

from mercato.explain.matches import QueryWords, collect_words, compare_products
from mercato.query.word_query import Alternative, WordGroup
from mercato.text.stopwords import list_stopwords
from mercato.text.words import WordAnalyzer
from tests.stores import product

ANALYZER = WordAnalyzer()
STOPWORDS = list_stopwords(ANALYZER, "english")


def find(query: str, **fields: object) -> dict[str, tuple[str, ...]]:
    words = QueryWords([query], ANALYZER, STOPWORDS)
    given = product("p1", **{"title": "thing", **fields})  # type: ignore[arg-type]
    return {match.field: match.words for match in words.find(given)}


def test_words_are_found_in_the_fields_that_hold_them() -> None:
    found = find(
        "acme frozen pizza",
        title="Frozen thing",
        brand="Acme",
        categories=["Food", "Frozen pizza"],
        attributes={"kind": "pizza", "acme_club": True, "count": 3},
        description="Nothing of note",
    )
    assert found == {
        "title": ("frozen",),
        "brand": ("acme",),
        "categories": ("frozen", "pizza"),
        "attributes.acme_club": ("acme",),
        "attributes.kind": ("pizza",),
    }


@pytest.mark.parametrize(
    ("query", "title", "words"),
    [
        ("pizzas", "Frozen pizza", ("pizzas",)),
        ("Crème", "creme brulee", ("crème",)),
        ("16oz cola", "Cola, 16 ounces", ("16oz", "cola")),
        ("16 oz cola", "Cola 16oz", ("16 oz", "cola")),
        ("16 oz", "Pack of 16", ("16",)),
        ('15.6" screen', "Screen 15.6 inches", ('15.6"', "screen")),
        ("wi-fi router", "Wifi box", ("wi-fi",)),
        ("usb3.1 hub", "USB 2.0 hub", ("usb", "hub")),
        ("the pizza of it", "The meal of it", ()),
        ("pizza", "Milk", ()),
    ],
)
def test_a_word_is_found_as_the_index_finds_it_and_named_as_it_was_typed(
    query: str, title: str, words: tuple[str, ...]
) -> None:
    assert find(query, title=title).get("title", ()) == words


def test_words_of_a_correction_are_found_too() -> None:
    words = QueryWords(["forzen piza", "frozen pizza"], ANALYZER, STOPWORDS)
    assert words.find(product("p", "Frozen pizza"))[0].words == ("frozen", "pizza")


def test_what_says_it_otherwise_is_named_with_what_it_stands_for() -> None:
    couch, bag = (
        WordGroup(chunks=tuple(ANALYZER.split("couch")), alternatives=(Alternative(terms=("sofa",)),)),
        WordGroup(
            chunks=tuple(ANALYZER.split("notebookbag")),
            alternatives=(Alternative(terms=(*ANALYZER.analyze("notebook"), *ANALYZER.analyze("bag"))),),
        ),
    )
    words = QueryWords(["couch notebookbag"], ANALYZER, STOPWORDS, [couch, bag])
    [title] = words.find(product("p", "Notebook bags for sofas"))
    assert title.words == ("sofas", "notebook bags")
    assert title.stands_for == {"sofas": "couch", "notebook bags": "notebookbag"}
    [same] = words.find(product("p", "Couch, a sofa"))
    assert (same.words, same.stands_for) == (("couch",), {}), "the word itself is there"
    assert words.find(product("p", "A notebook")) == [], "half of another spelling is nothing"


def test_each_word_is_collected_once() -> None:
    words = QueryWords(["frozen pizza"], ANALYZER, STOPWORDS)
    found = words.find(product("p", "Pizza", categories=["Frozen", "Pizza"]))
    assert collect_words(found) == ["pizza", "frozen"]
    assert collect_words([]) == []


def test_products_have_brand_category_and_attributes_in_common() -> None:
    one = product("p1", "A", brand="Acme", categories=["Food", "Soup"], attributes={"size": "large", "n": 2, "x": "a"})
    other = product("p2", "B", brand="Acme", categories=["Shop", "Soup"], attributes={"size": "large", "n": 3})
    shared = {match.field: match.words for match in compare_products(one, other)}
    assert shared == {"brand": ("Acme",), "categories": ("Soup",), "attributes.size": ("large",)}
    assert compare_products(product("p1", "A"), product("p2", "B")) == []
