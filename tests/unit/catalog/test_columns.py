import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mercato.catalog.columns import ColumnSet, build_columns
from mercato.catalog.product import Product, parse_product
from mercato.errors import InvalidInputError, SnapshotError


def product(product_id: str, **fields: Any) -> Product:
    return parse_product({"id": product_id, "title": "t", **fields})


PRODUCTS = [
    product("c", brand="Zeta", categories=["Food", "Frozen"], price=2.5, attributes={"ml": 500, "vegan": True}),
    product("a", brand="Acme", categories=["Food"], availability="OUT_OF_STOCK", attributes={"size": [1, 2]}),
    product("b", brand="Acme", price=0, available_time="1970-01-02", attributes={"size": "XL"}),
    product("é", categories=["Frozen", "Food"], price=9, attributes={"size": [2, "S"]}),
]


@pytest.fixture(scope="module")
def columns() -> ColumnSet:
    return build_columns(PRODUCTS)


def test_text_column_is_a_sorted_dictionary_with_rows(columns: ColumnSet) -> None:
    brand = columns.text("brand")
    assert brand is not None
    assert brand.values() == ["Acme", "Zeta"]
    assert brand.rows_of("Acme").tolist() == [1, 2]
    assert brand.rows_of("Zeta").tolist() == [0]
    for absent in ("acme", "ACME", "", "Acm", "Acmee", "\ud800"):
        assert brand.rows_of(absent).tolist() == []


def test_several_values_a_product(columns: ColumnSet) -> None:
    categories = columns.text("categories")
    assert categories is not None
    assert {value: categories.rows_of(value).tolist() for value in categories.values()} == {
        "Food": [0, 1, 3],
        "Frozen": [0, 3],
    }


def test_codes_give_one_value_a_product(columns: ColumnSet) -> None:
    brand, categories = columns.text("brand"), columns.text("categories")
    assert brand is not None and categories is not None
    assert brand.codes(4).tolist() == [1, 0, 0, -1]
    assert categories.codes(4).tolist() == [0, 0, -1, 0]  # the least of several


def test_facets_count_the_products_of_a_mask(columns: ColumnSet) -> None:
    categories, currency = columns.text("categories"), columns.text("currency")
    assert categories is not None and currency is not None
    assert categories.count(np.array([True, True, True, True])).tolist() == [3, 2]
    assert categories.count(np.array([False, True, True, False])).tolist() == [1, 0]
    assert currency.count(np.array([True] * 4)).tolist() == []


def test_a_frequent_value_marks_what_a_rare_one_does() -> None:
    # 30 of 33 products are a mask of their own, 1 of 33 (below a sixteenth) is a scatter.
    many = build_columns([product(str(i), brand="A" if i < 30 else str(i)) for i in range(33)])
    brand = many.text("brand")
    assert brand is not None
    for _ in range(2):  # made, then known
        mask = np.zeros(33, np.bool_)
        mask[32] = True
        brand.mark("A", mask)
        brand.mark("31", mask)
        brand.mark("none", mask)
        assert np.flatnonzero(~mask).tolist() == [30]


def test_numbers_are_dense_where_frequent_and_pairs_where_not(columns: ColumnSet) -> None:
    price, size = columns.number("price"), columns.number("attributes.size")
    assert price is not None and size is not None
    assert price.rows is None
    np.testing.assert_array_equal(price.values, [2.5, np.nan, 0.0, 9.0])
    assert size.rows is not None  # several numbers a product
    assert list(zip(size.rows.tolist(), size.values.tolist(), strict=True)) == [(1, 1.0), (1, 2.0), (3, 2.0)]
    np.testing.assert_array_equal(size.dense(4), [np.nan, 2.0, np.nan, 2.0])


def test_a_rare_number_is_sparse() -> None:
    rare = build_columns([product(str(i), attributes={"ml": 7} if i == 5 else {}) for i in range(9)])
    ml = rare.number("attributes.ml")
    assert ml is not None and ml.rows is not None
    assert (ml.rows.tolist(), ml.values.tolist()) == ([5], [7.0])


def test_times_are_seconds(columns: ColumnSet) -> None:
    time = columns.number("available_time")
    assert time is not None
    np.testing.assert_array_equal(time.values, [np.nan, np.nan, 24 * 3600.0, np.nan])


def test_an_attribute_of_texts_and_numbers_is_both(columns: ColumnSet) -> None:
    size = columns.text("attributes.size")
    assert size is not None
    assert {value: size.rows_of(value).tolist() for value in size.values()} == {
        "1": [1],
        "2": [1, 3],
        "S": [3],
        "XL": [2],
    }


def test_a_value_that_a_product_repeats_counts_once() -> None:
    repeated = build_columns([product("1", attributes={"k": ["a", "a"], "m": ["2", 2.0, 2]}), product("2")])
    for key in ("k", "m"):
        column = repeated.text(f"attributes.{key}")
        assert column is not None
        assert column.count(np.array([True, True])).tolist() == [1]


def test_truths_are_texts(columns: ColumnSet) -> None:
    vegan = columns.text("attributes.vegan")
    assert vegan is not None
    assert vegan.rows_of("true").tolist() == [0]
    assert columns.number("attributes.vegan") is None


def test_row_of_an_id(columns: ColumnSet) -> None:
    assert [columns.row_of(item.id) for item in PRODUCTS] == [0, 1, 2, 3]
    assert columns.row_of("z") is None


def test_stored_and_mapped_columns_are_the_same(columns: ColumnSet, tmp_path: Path) -> None:
    save_file(columns.arrays(), tmp_path / "columns.safetensors")
    loaded = ColumnSet.from_arrays(load_file(tmp_path / "columns.safetensors"), json.loads(json.dumps(columns.meta())))
    assert loaded.count == 4
    assert loaded.fields == columns.fields
    for field in loaded.fields:
        before, after = columns.text(field), loaded.text(field)
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert [(v, before.rows_of(v).tolist()) for v in before.values()] == [
                (v, after.rows_of(v).tolist()) for v in after.values()
            ]
        numbers, again = columns.number(field), loaded.number(field)
        if numbers is not None and again is not None:
            np.testing.assert_array_equal(numbers.values, again.values)


def test_arrays_are_used_without_a_copy(columns: ColumnSet) -> None:
    arrays = columns.arrays()
    for array in arrays.values():
        array.flags.writeable = False
    again = ColumnSet.from_arrays(arrays, columns.meta())
    brand, price = again.text("brand"), again.number("price")
    assert brand is not None and price is not None
    assert np.shares_memory(brand.rows, arrays["text.rows"])
    assert np.shares_memory(price.values, arrays["number.dense"])


def test_incomplete_or_other_columns_are_refused(columns: ColumnSet) -> None:
    arrays = columns.arrays()
    del arrays["text.rows"]
    with pytest.raises(SnapshotError, match="incomplete .*text.rows"):
        ColumnSet.from_arrays(arrays, columns.meta())
    with pytest.raises(SnapshotError, match="version 99, this Mercato reads 1"):
        ColumnSet.from_arrays(columns.arrays(), {**columns.meta(), "version": 99})


def test_names_are_resolved(columns: ColumnSet) -> None:
    assert columns.resolve("brand") == "brand"
    assert columns.resolve("currency") == "currency"  # no product has one: a known field all the same
    assert columns.resolve("size") == columns.resolve("attributes.size") == "attributes.size"
    assert columns.resolve("colour", known=["attributes.colour"]) == "attributes.colour"


def test_a_fixed_field_goes_before_an_attribute_of_its_name() -> None:
    both = build_columns([product("1", brand="Acme", attributes={"brand": "Zeta"})])
    assert both.resolve("brand") == "brand"
    assert both.resolve("attributes.brand") == "attributes.brand"


@pytest.mark.parametrize(
    ("name", "near"),
    [("brnad", "brand"), ("Price", "price"), ("category", "categories"), ("veg", "attributes.vegan")],
)
def test_an_unknown_name_gets_near_ones(columns: ColumnSet, name: str, near: str) -> None:
    with pytest.raises(
        InvalidInputError, match=f"unknown field '{name}'; known fields: id, brand, .*did you mean {near}"
    ):
        columns.resolve(name)


def test_a_key_that_needs_quotes_is_offered_in_quotes() -> None:
    columns = build_columns([product("1", attributes={'screen "size"': 15})])
    with pytest.raises(InvalidInputError) as caught:
        columns.resolve("screen_size")
    assert str(caught.value).endswith('did you mean attributes."screen \\"size\\""?')


def test_many_fields_are_not_all_listed() -> None:
    columns = build_columns([product("1", attributes={f"key{i}": i for i in range(100)})])
    with pytest.raises(InvalidInputError, match=f"and {7 + 100 - 12} more"):  # 7 fixed fields, 12 listed
        columns.resolve("zzz")


def test_no_products_at_all() -> None:
    empty = build_columns([])
    assert empty.count == 0
    assert empty.row_of("a") is None
    loaded = ColumnSet.from_arrays(empty.arrays(), empty.meta())
    price = loaded.number("price")
    assert price is not None and price.values.shape == (0,)
