"""A field has one spelling: in filters, facets, sorting, boosts, rules, explanations and in what messages suggest."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mercato.catalog.columns import ColumnSet, build_columns
from mercato.catalog.field_names import FIELD_PATTERN, write_field, write_text
from mercato.catalog.product import Product
from mercato.errors import InvalidInputError
from mercato.explain.matches import compare_products
from mercato.explain.phrases import ENGLISH
from mercato.filters import Comparison, evaluate, parse_filter
from mercato.index.facet_counts import FacetCounter, Matches
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.policy.rules import RuleFile, list_unknown
from mercato.requests.boost import parse_boosts
from mercato.requests.facets import drop_fields, parse_facets
from mercato.requests.order_by import parse_order_by
from tests import stores

AWKWARD = [
    "thread size", "max. °C", "In stock?", 'screen 15"', "a\\b", "price", "id", "attributes.price", "attributes", "NOT",
    "12v", "a,b", "size desc", "a..b", ".", "Größe", "容量", "tab\there", 'a."b"', '"quoted"', "relevance",
]  # fmt: skip
KEYS = st.one_of(st.sampled_from(AWKWARD), st.text(min_size=1, max_size=10))


def with_attributes(*attributes: dict[str, Any]) -> list[Product]:
    try:
        return [stores.product(str(number), "Pipe", attributes=one) for number, one in enumerate(attributes)]
    except InvalidInputError:
        return []


def find(columns: ColumnSet, text: str) -> list[bool]:
    found: list[bool] = evaluate(parse_filter(text), columns).tolist()
    return found


@given(KEYS)
@example("thread size")
@example('a","b')
def test_a_written_name_means_the_field_wherever_it_stands(key: str) -> None:
    products = with_attributes({key: 5}, {key: 7}, {})
    if not products or not products[0].attributes:
        return  # blank, or no UTF-8
    [kept] = products[0].attributes
    field, columns = f"attributes.{kept}", build_columns(products)
    written = write_field(field)

    assert find(columns, f"{written} > 6") == [False, True, False]
    assert find(columns, f"NOT {written}: IN(5, 5i) AND price: IN(*, *) OR {written} = 5") == [True, False, False]
    [facet] = parse_facets([{"key": written, "excluded_filter_keys": [written]}])
    assert columns.resolve_written(facet.key) == field
    assert columns.resolve_written(facet.excluded_filter_keys[0]) == field
    for text, descending in ((written, False), (f"{written} desc", True), (f" {written}  ASC ", False)):
        order = parse_order_by(f"price, {text}, {written}")
        assert order is not None
        assert [columns.resolve_written(one.field) for one in order.keys] == ["price", field, field]
        assert order.keys[1].descending == descending
        assert parse_order_by(order.text) == order
    [boost] = parse_boosts([{"condition": f"{written} < 6", "boost": 1}])
    assert evaluate(boost.condition, columns).tolist() == [True, False, False]
    assert not list_unknown(RuleFile.model_validate({"filter": f"{written} >= 5"}), columns)


@given(KEYS)
def test_a_bare_key_means_the_field_where_it_stands_alone(key: str) -> None:
    products = with_attributes({key: 5})
    if not products or not products[0].attributes:
        return
    [kept] = products[0].attributes
    columns = build_columns(products)
    if kept in (*columns.fields, "relevance"):
        return  # what has a meaning already goes before
    assert columns.resolve_written(kept) == f"attributes.{kept}"
    if (
        re.fullmatch(r"[^\W\d][\w?.° -]*", kept)
        and not {"and", "or", "not"} & set(re.findall(r"\w+", kept.lower()))
        and not kept.startswith("attributes.")
    ):
        assert find(columns, f"price > 1 OR {kept} = 5") == [True]
    order = parse_order_by(f"{kept} desc") if '"' not in kept and "," not in kept else None
    assert order is None or columns.resolve_written(order.keys[0].field) == f"attributes.{kept}"


@given(KEYS, st.sampled_from(["x", "X", ""]))
def test_what_a_message_suggests_works(key: str, typo: str) -> None:
    products = with_attributes({key: "red", "weight": 1, "kind of wood": "oak"})
    if not products or key.strip() in ("weight", "kind of wood"):
        return
    columns = build_columns(products)
    for name in (key + typo, "wieght", "kind_of_wood"):
        try:
            columns.resolve_written(name)
        except InvalidInputError as error:
            message = str(error).partition("known fields: ")[2]
            fields, _, near = message.partition("; did you mean ")
            assert list_written(fields) == columns.fields
            assert set(list_written(near.removesuffix("?"))) <= set(columns.fields)


def list_written(text: str) -> list[str]:
    """Read the names that a message lists, each as a filter would."""
    found = []
    while text:
        name = re.match(FIELD_PATTERN, text)
        assert name is not None, f"no field can be read of {text!r}"
        condition = parse_filter(f"{name[0]} = 1").expression
        assert isinstance(condition, Comparison)
        found.append(condition.field)
        text = re.sub(r"^(, | or )", "", text[name.end() :])
    return found


def test_an_explanation_names_a_field_as_filters_do() -> None:
    [match] = compare_products(*with_attributes({"thread size": '1/2"'}, {"thread size": '1/2"'}))
    assert match.field == 'attributes."thread size"'
    assert ENGLISH.field(match.field) == "thread size"


def test_a_field_of_the_wrong_kind_is_told_as_it_is_written() -> None:
    columns = build_columns(with_attributes({"thread size": '1/2"', "max. °C": 90}))
    for asked, told in (
        ('attributes."thread size" > 1', 'write attributes."thread size": ANY("...")'),
        ('"max. °C": ANY("90")', 'write attributes."max. °C": IN(10, 50)'),
    ):
        with pytest.raises(InvalidInputError, match=re.escape(told)):
            find(columns, asked)


def test_a_condition_is_dropped_by_any_spelling_of_its_field() -> None:
    columns = build_columns(with_attributes({"thread size": "1"}))
    condition = parse_filter('"thread size": ANY("1") AND price > 1')
    for written in ("thread size", '"thread size"', 'attributes."thread size"', "attributes.thread size"):
        left = drop_fields(condition, {columns.resolve_written(written)}, columns.resolve)
        assert left is not None
        assert left.expression == parse_filter("price > 1").expression


VALUES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(['1/2"', '15.6" (16:9)', "a\\", "two\nlines", "5", "5.0", "true", "\t-", "x, y", '", "']),
    st.integers(-5, 5),
    st.floats(-5, 5, allow_nan=False),
    st.booleans(),
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["thread size", "max. °C", "mixed"]),
    st.one_of(VALUES, st.lists(VALUES.filter(lambda value: not isinstance(value, bool)), max_size=3)),
    max_size=3,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ATTRIBUTES, min_size=1, max_size=6), st.lists(ATTRIBUTES, max_size=4))
def test_a_value_of_a_facet_as_a_filter_finds_as_many_as_it_counts(
    tmp_path_factory: pytest.TempPathFactory, first: list[dict[str, Any]], later: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("facet")
    stores.build(folder / "catalog", with_attributes(*first) or with_attributes({}))
    state = stores.open_store(folder / "state.db")
    state.append_product_changes([stores.upsert(product) for product in with_attributes(*later)])
    catalog = LiveCatalog(Snapshot(folder / "catalog"), state)
    catalog.refresh()
    counter = FacetCounter(catalog)
    allowed = catalog.allow(None)
    found = Matches(np.concatenate([allowed.rows, allowed.entries]), catalog, allowed)
    for field in [*catalog.snapshot.columns.fields, *catalog.delta.fields]:
        [spec] = parse_facets([{"key": write_field(field), "limit": 100}])
        for value in counter.count(spec, found)["values"]:
            condition = f"{spec.key}: {write_condition(value)}"
            assert catalog.allow(parse_filter(condition)).count() == value["count"], condition
    state.close()


def write_condition(value: dict[str, Any]) -> str:
    if "value" in value:
        return f"ANY({write_text(value['value'])})"
    bounds = value["interval"]
    low = f"{bounds['minimum']!r}" if "minimum" in bounds else "*"
    high = f"{bounds['exclusive_maximum']!r}" if "exclusive_maximum" in bounds else "*"
    return f"IN({low}, {high})"
