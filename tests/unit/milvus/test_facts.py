"""What of a filter Milvus is asked: nothing that should pass is kept out, and what can be asked is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.catalog.columns import build_columns
from mercato.catalog.product import Product
from mercato.filters import evaluate, parse_filter
from mercato.index.layout import TextLayout, group_texts
from mercato.milvus import facts as module
from mercato.milvus.facts import collect_facts, make_token, write_condition
from tests.stores import product
from tests.unit.milvus.asked import answer_expression

SIZES = ["small", "large"]


def shirt(number: int, **fields: Any) -> Product:
    return product(f"s{number}", f"Shirt {number // 2}", **fields)


SHIRTS = [
    shirt(0, brand="Acme", price=5.0, attributes={"size": "small", "weight": 120}),
    shirt(1, brand="Bolt", price=15.0, attributes={"size": "large"}),
    shirt(2, brand="Acme", attributes={"weight": 80}),
    shirt(3, brand="Bolt", price=3.5, attributes={"size": ["small", "large"], "weight": [10, 200]}),
    shirt(
        4,
        price=25.0,
        variants=[{"id": "v1", "price": 20.0}, {"id": "v2", "price": 30.0, "attributes": {"size": "small"}}],
    ),
    shirt(6, categories=["Store", "Shirts"]),
]


def layout_of(products: Sequence[Product]) -> TextLayout:
    return group_texts([one.title for one in products])[1]


def passing_texts(products: Sequence[Product], text: str) -> Any:
    layout = layout_of(products)
    rows = evaluate(parse_filter(text), build_columns(products))
    return np.unique(layout.text_of_row[rows])


def pushed(products: Sequence[Product], text: str) -> tuple[str, Any]:
    columns, layout = build_columns(products), layout_of(products)
    facts = collect_facts(columns, layout.text_of_row, len(layout.bounds) - 1)
    expression = write_condition(parse_filter(text).expression, columns, facts.fields)
    return expression, np.flatnonzero(answer_expression(expression, facts))


conditions = st.one_of(
    st.sampled_from(["Acme", "Bolt", "Nobody"]).map(lambda brand: f'brand: ANY("{brand}")'),
    st.sampled_from(SIZES).map(lambda size: f'attributes.size: ANY("{size}")'),
    st.just('categories: ANY("Shirts")'),
    st.just('id: ANY("s1", "v2")'),
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "="]), st.sampled_from([3.5, 0, 5, 15, 20, 1e300])).map(
        lambda one: f"price {one[0]} {one[1]}"
    ),
    st.tuples(st.sampled_from(["*", "5", "5e"]), st.sampled_from(["*", "20", "20i"])).map(
        lambda one: f"price: IN({one[0]}, {one[1]})"
    ),
    st.just("attributes.weight: IN(50, 130)"),
)
filters = st.recursive(
    conditions,
    lambda inner: st.one_of(
        inner.map(lambda one: f"NOT ({one})"),
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda one: f"({one[0]}) {one[1]} ({one[2]})"),
    ),
    max_leaves=5,
)


@given(filters)
def test_every_text_that_should_pass_does(text: str) -> None:
    _, found = pushed(SHIRTS, text)
    assert set(passing_texts(SHIRTS, text)) <= set(found)


@pytest.mark.parametrize(
    "text",
    [
        'brand: ANY("Acme")',
        "price < 10",
        "price: IN(10, *)",
        'attributes.size: ANY("large") OR categories: ANY("Shirts")',
        "price: IN(*, *)",
        "attributes.weight > 150",
    ],
)
def test_what_can_be_asked_leaves_what_passes_and_no_more(text: str) -> None:
    _, found = pushed(SHIRTS, text)
    np.testing.assert_array_equal(found, passing_texts(SHIRTS, text))


def test_both_of_what_two_products_of_a_text_have_lets_it_through() -> None:
    # Acme's costs 5 and Bolt's 15, and they share a text: it passes here, and is left out where products are known.
    text = 'brand: ANY("Acme") AND price > 10'
    _, found = pushed(SHIRTS[:2], text)
    assert (list(found), list(passing_texts(SHIRTS[:2], text))) == ([0], [])


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ('NOT brand: ANY("Acme")', ""),
        ('id: ANY("s1")', ""),
        ('words: ANY("shirt")', ""),
        ('brand: ANY("Acme") OR NOT price > 3', ""),
        ('NOT price > 3 AND brand: ANY("Acme")', f"(array_contains_any(tokens, [0, {make_token('brand', 'Acme')}]))"),
        ("price > 3", "high_0 > 3.0 and low_0 < 1.7e+308"),
        ("price: IN(3, 9)", "high_0 >= 3.0 and low_0 < 9.0 and low_0 < 1.7e+308"),
    ],
)
def test_what_cannot_be_asked_is_left_out(text: str, expression: str) -> None:
    assert pushed(SHIRTS, text)[0] == expression


def test_a_long_list_is_not_asked() -> None:
    values = ", ".join(f'"b{number}"' for number in range(module.MOST_VALUES + 1))
    assert pushed(SHIRTS, f"brand: ANY({values})")[0] == ""


def test_a_field_that_only_changed_products_have_is_not_asked() -> None:
    columns = build_columns(SHIRTS)
    assert write_condition(parse_filter('attributes.fit: ANY("slim")').expression, columns, ("price",)) == ""


def test_a_text_of_too_many_values_passes_every_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TOKENS", 3)
    many = [product(f"m{number}", "Many", brand=f"b{number}") for number in range(9)]
    products = [*many, product("n", "Few", brand="b1"), product("o", "Other", brand="b2")]
    assert list(pushed(products, 'brand: ANY("b1")')[1]) == [0, 1]


def test_a_token_is_never_the_one_that_passes_every_list() -> None:
    assert make_token("brand", "Acme") == make_token("brand", "Acme") != make_token("brand", "acme")
    assert make_token("a", "b c") != make_token("a b", "c")
    assert -(2**63) <= make_token("brand", "\ud800") < 2**63


def test_the_fields_that_most_products_have_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NUMBERS", 3)
    columns = build_columns([*SHIRTS, product("x", "X", attributes={"depth": 4})])
    assert module.choose_number_fields(columns) == ("price", "available_time", "attributes.weight")
