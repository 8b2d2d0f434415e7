from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.catalog.columns import build_columns
from mercato.catalog.product import Product, parse_product
from mercato.errors import InvalidInputError
from mercato.filters import (
    And,
    AnyOf,
    Comparison,
    Expression,
    Filter,
    InRange,
    Not,
    Or,
    evaluate,
    matches,
    parse_filter,
)


def product(product_id: str, **fields: Any) -> Product:
    return parse_product({"id": product_id, "title": "t", **fields})


PRODUCTS = [
    product("0", brand="Acme", price=10, categories=["Food", "Frozen"], attributes={"ml": [250, 500], "size": 16}),
    product("1", brand="acme", price=50, availability="OUT_OF_STOCK", attributes={"size": "XL", "vegan": True}),
    product("2", brand="Zeta", categories=["Food"], available_time="2026-03-01", attributes={"size": "16"}),
    product("3", price=50.01, attributes={"ml": 1000, "vegan": False}),
]
COLUMNS = build_columns(PRODUCTS)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('brand: ANY("Acme")', "0"),  # case counts
        ('brand: ANY("Acme", "Zeta", "none")', "02"),
        ('categories: ANY("Food")', "02"),
        ('categories: ANY("Frozen", "Food")', "02"),
        ('id: ANY("3", "1")', "13"),
        ("price: IN(10, 50)", "0"),
        ("price: IN(10, 50i)", "01"),
        ("price: IN(10e, 50i)", "1"),
        ("price: IN(*, *)", "013"),  # a missing price passes no filter on it
        ("price >= 50", "13"),
        ("price > 50", "3"),
        ("price <= 10", "0"),
        ("price < 10", ""),
        ("price = 50", "1"),
        ("NOT price >= 50", "02"),  # plain negation: what has no price passes
        ('NOT brand: ANY("Acme")', "123"),
        ("ml > 300", "03"),  # one of its numbers
        ("attributes.ml: IN(200, 300)", "0"),
        ("ml > 300 AND ml < 300", "0"),  # each term for itself: 500 passes one, 250 the other
        ('vegan: ANY("true")', "1"),
        ('vegan: ANY("false")', "3"),
        ('size: ANY("16")', "02"),  # an attribute of texts and numbers: the number's text, too
        ("size > 15", "0"),
        ('currency: ANY("USD")', ""),  # a known field that no product has
        ('available_time > "2026-02-28T23:59:59Z"', "2"),
        ("available_time > 0", "2"),
        ('brand: ANY("Acme") OR price > 50', "03"),
        ('brand: ANY("Acme") AND price > 50', ""),
        ('price > 50 OR brand: ANY("Acme") AND price = 10', "03"),
        ('(brand: ANY("Acme", "acme")) AND price: IN(10, 50i) AND NOT availability: ANY("OUT_OF_STOCK")', "0"),
    ],
)
def test_who_passes(text: str, ids: str) -> None:
    wanted = parse_filter(text)
    passed = evaluate(wanted, COLUMNS)
    assert passed.dtype == np.bool_ and passed.shape == (4,)
    assert "".join(str(row) for row in np.flatnonzero(passed)) == ids
    assert "".join(item.id for item in PRODUCTS if matches(wanted, item)) == ids


@pytest.mark.parametrize(
    ("text", "message", "pointed"),
    [
        (
            'price > 1 AND colour: ANY("x")',
            "line 1, column 15: unknown field 'colour'; known fields: id, brand",
            "colour",
        ),
        ('brnad: ANY("x")', "did you mean brand?", "brnad"),
        ('price: ANY("10")', "price holds numbers, ANY asks for texts; write price: IN(10, 50)", "price"),
        (
            "NOT brand > 3",
            'brand holds texts, a range or comparison asks for numbers; write brand: ANY("...")',
            "brand",
        ),
        ("vegan: IN(0, 1)", "vegan holds texts", "vegan"),
        ('price > "2026-01-01"', "price holds no times; times are in available_time", "price"),
        ('price: IN("2026-01-01", *)', "price holds no times", "price"),
    ],
)
def test_mistakes_point_at_the_field(text: str, message: str, pointed: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        evaluate(parse_filter(text), COLUMNS)
    assert caught.value.parameter == "FILTER"
    assert message in str(caught.value)
    *_, line, caret = str(caught.value).split("\n")
    assert line[caret.index("^") :].startswith(pointed)


def test_a_mistake_is_found_where_nothing_could_pass_anyway() -> None:
    with pytest.raises(InvalidInputError, match="unknown field 'colour'"):
        evaluate(parse_filter('brand: ANY("none") AND colour: ANY("x")'), COLUMNS)


def test_a_field_known_elsewhere_passes_nothing() -> None:
    known = ["attributes.colour"]
    assert not evaluate(parse_filter('colour: ANY("x") OR colour > 3'), COLUMNS, known).any()
    assert evaluate(parse_filter('NOT colour: ANY("x")'), COLUMNS, known).all()


def test_the_answer_is_the_callers_to_change() -> None:
    wanted = parse_filter('availability: ANY("IN_STOCK")')  # frequent: answered from a kept mask
    evaluate(wanted, COLUMNS)[:] = False
    assert np.flatnonzero(evaluate(wanted, COLUMNS)).tolist() == [0, 2, 3]


def test_truths_are_no_numbers_and_whole_numbers_have_no_fraction() -> None:
    products = [product("0", attributes={"k": True}), product("1", attributes={"k": 1.0}), product("2")]
    columns = build_columns(products)
    for text, rows in [("k >= 0", [1]), ('k: ANY("1")', [1]), ('k: ANY("true")', [0])]:
        wanted = parse_filter(text)
        assert np.flatnonzero(evaluate(wanted, columns)).tolist() == rows
        assert [row for row, item in enumerate(products) if matches(wanted, item)] == rows


def test_no_products() -> None:
    assert evaluate(parse_filter('brand: ANY("Acme") AND price > 1'), build_columns([])).shape == (0,)


TEXTS = st.sampled_from(["Acme", "acme", "a b", 'q"', "联想", "1", "2.5", "true"])
NUMBERS = st.sampled_from([-1, 0, 1, 2.5, 3, 1e20, 2**60])
# k is text, numbers or both as it comes, m numbers only.
TEXT_NAMES = st.sampled_from(["brand", "categories", "availability", "k", "attributes.k"])
NUMBER_NAMES = st.sampled_from(["price", "available_time", "m", "k"])
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "brand": TEXTS,
        "categories": st.lists(TEXTS, max_size=3),
        "price": st.sampled_from([0, 1, 2.5, 3]),
        "availability": st.sampled_from(["IN_STOCK", "PREORDER"]),
        "available_time": st.sampled_from(["1970-01-01T00:00:01Z", "1970-01-01T00:00:03Z"]),
        "attributes": st.fixed_dictionaries(
            {},
            optional={
                "k": st.one_of(TEXTS, NUMBERS, st.booleans(), st.lists(st.one_of(TEXTS, NUMBERS), max_size=3)),
                "m": st.one_of(NUMBERS, st.lists(NUMBERS, max_size=3)),
            },
        ),
    },
)
LEAVES: st.SearchStrategy[Expression] = st.one_of(
    st.builds(AnyOf, TEXT_NAMES, st.lists(TEXTS, min_size=1, max_size=3).map(tuple)),
    st.builds(InRange, NUMBER_NAMES, NUMBERS.map(float), NUMBERS.map(float), st.booleans(), st.booleans()),
    st.builds(Comparison, NUMBER_NAMES, st.sampled_from(["<", "<=", ">", ">=", "="]), NUMBERS.map(float)),
)


def _nested(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, several), st.builds(Or, several))


EXPRESSIONS = st.recursive(LEAVES, _nested, max_leaves=6)


@settings(deadline=None, max_examples=200)
@given(st.lists(DOCUMENTS, max_size=20), EXPRESSIONS)
def test_all_at_once_and_one_by_one_agree(documents: list[dict[str, Any]], expression: Expression) -> None:
    products = [product(str(row), **document) for row, document in enumerate(documents)]
    wanted = Filter(expression)
    try:
        passed = evaluate(wanted, build_columns(products), known=["attributes.k", "attributes.m"])
    except InvalidInputError:
        return  # a mistake against this catalogue's fields
    assert passed.tolist() == [matches(wanted, item) for item in products]
