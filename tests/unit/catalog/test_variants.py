from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.catalog.product import Product, parse_product
from mercato.catalog.variant import VARIANTS_LIMIT, Variant
from mercato.errors import InvalidInputError

SMALL: dict[str, Any] = {
    "id": "40017",
    "title": "Rain jacket, small",
    "price": 79.0,
    "availability": "OUT_OF_STOCK",
    "image_uri": "https://shop.example/40017.jpg",
    "uri": "https://shop.example/jacket?v=40017",
    "attributes": {"colour": "moss", "size": "S"},
}
LARGE: dict[str, Any] = {"id": "40018", "price": 84.0, "availability": "IN_STOCK", "attributes": {"size": "L"}}


def jacket(*variants: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"id": "jacket", "title": "Rain jacket", "variants": list(variants), **fields}


def test_variants_are_the_last_field_and_read_back() -> None:
    product = parse_product(jacket(SMALL, LARGE))
    document = orjson.loads(product.document())
    assert list(document)[-1] == "variants"
    assert document["variants"] == [SMALL, LARGE]
    assert parse_product(document) == product


def test_a_product_without_variants_has_the_document_it_always_had() -> None:
    expected = b'{"id":"jacket","title":"Rain jacket","availability":"IN_STOCK"}'
    assert parse_product(jacket()).document() == expected
    assert parse_product({"id": "jacket", "title": "Rain jacket", "variants": None}).document() == expected


def test_null_and_blank_are_not_given() -> None:
    (variant,) = parse_product(jacket({"id": "v", "title": " ", "price": None, "attributes": {"size": None}})).variants
    assert variant == Variant(id="v")
    assert variant.as_dict() == {"id": "v"}


def test_the_price_is_the_lowest_in_stock() -> None:
    assert parse_product(jacket(SMALL, LARGE)).price == 84.0  # 79 is sold out
    assert parse_product(jacket(SMALL, {**LARGE, "availability": "OUT_OF_STOCK"})).price == 79.0
    assert parse_product(jacket(SMALL, LARGE, price=90)).price == 90.0
    assert parse_product(jacket({"id": "v"})).price is None


@pytest.mark.parametrize(
    ("of_variants", "of_product"),
    [
        (("OUT_OF_STOCK", "IN_STOCK"), "IN_STOCK"),
        (("OUT_OF_STOCK", "PREORDER"), "PREORDER"),
        (("PREORDER", "BACKORDER"), "BACKORDER"),
        (("OUT_OF_STOCK", "OUT_OF_STOCK"), "OUT_OF_STOCK"),
        (("OUT_OF_STOCK", None), "IN_STOCK"),  # who says nothing is in stock, as ever
    ],
)
def test_the_availability_is_the_best_of_the_variants(of_variants: tuple[str | None, ...], of_product: str) -> None:
    variants = [{"id": str(number), "availability": said} for number, said in enumerate(of_variants)]
    assert parse_product(jacket(*variants)).availability == of_product
    assert parse_product(jacket(*variants, availability="OUT_OF_STOCK")).availability == "OUT_OF_STOCK"


def test_a_variant_has_from_its_product_what_it_does_not_say() -> None:
    product = parse_product(jacket(SMALL, LARGE, brand="Veld", attributes={"colour": "slate", "lining": "mesh"}))
    small, large = product.as_variants()
    assert (small.title, small.brand, small.price) == ("Rain jacket, small", "Veld", 79.0)
    assert small.attributes == {"colour": "moss", "lining": "mesh", "size": "S"}
    assert (large.title, large.availability) == ("Rain jacket", "IN_STOCK")
    assert large.attributes == {"colour": "slate", "lining": "mesh", "size": "L"}
    assert (large.id, large.variants) == ("jacket", product.variants[1:])


def test_a_product_without_variants_stands_for_itself() -> None:
    product = Product(id="p", title="t")
    assert product.as_variants() == (product,)


@pytest.mark.parametrize(
    ("variants", "parameter", "message"),
    [
        ("S, M, L", "variants", "must be a list of JSON objects, got 'S, M, L'"),
        (["S"], "variants[0]", "must be a JSON object, got 'S'"),
        ([SMALL, {"title": "no code"}], "variants[1].id", "must be given"),
        ([SMALL, LARGE, {"id": "x", "price": "12"}], "variants[2].price", "must be a number, got '12'"),
        ([{"id": "x", "availability": "maybe"}], "variants[0].availability", "must be one of IN_STOCK"),
        ([{"id": "x", "attributes": {"size": {}}}], "variants[0].attributes.size", "must be text, a number"),
        ([{"id": "x", "sku": "y"}], "variants[0].sku", "put it under attributes"),
        ([{"id": "x", "prize": 3}], "variants[0].prize", "did you mean price?"),
        ([SMALL, LARGE, {"id": "40017"}], "variants[2].id", "must not be that of variants[0], got '40017'"),
        ([{"id": str(n)} for n in range(VARIANTS_LIMIT + 1)], "variants", "must be at most 2,500, got 2,501"),
    ],
)
def test_mistakes_are_named_with_the_variant(variants: object, parameter: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_product({"id": "p", "title": "t", "variants": variants})
    assert raised.value.parameter == parameter
    assert message in str(raised.value)
    assert str(raised.value).count(parameter) == 1


def test_a_patch_replaces_the_list_and_what_was_taken_of_it() -> None:
    product = parse_product(jacket(SMALL, LARGE))
    sold_out = product.merged({"variants": [SMALL, {**LARGE, "availability": "OUT_OF_STOCK"}]})
    assert (sold_out.price, sold_out.availability) == (79.0, "OUT_OF_STOCK")
    assert product.merged({"variants": None}).variants == ()
    assert product.merged({"brand": "Veld"}).variants == product.variants


def test_a_patch_of_variants_keeps_what_the_product_says_itself() -> None:
    product = parse_product(jacket(SMALL, LARGE, price=99, availability="PREORDER"))
    patched = product.merged({"variants": [LARGE]})
    assert (patched.price, patched.availability) == (99.0, "PREORDER")


def test_codes_values_and_titles_of_variants_are_words_once_each() -> None:
    third = {"id": "40019", "attributes": {"size": "L", "gtin": "0042100005264", "photo": "https://shop.example/3"}}
    product = parse_product(jacket(SMALL, LARGE, third, attributes={"lining": "mesh", "size": "one size"}))
    assert product.field_text("id") == "jacket; 40017; 40018; 40019"
    assert product.field_text("attributes") == "moss; 0042100005264; mesh; one size, S, L; Rain jacket, small"


def test_the_encoder_reads_sizes_and_colours_but_no_codes() -> None:
    third = {"id": "40019", "attributes": {"size": "L", "gtin": "0042100005264"}}
    product = parse_product(jacket(SMALL, LARGE, third, attributes={"model": "RJ-2024"}))
    assert product.text() == "Rain jacket. colour: moss; model: RJ-2024; size: S, L"


scalars = st.one_of(st.booleans(), st.integers(-5, 5), st.text("abÄ7", max_size=3))
documents = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "price": st.floats(0, 100, allow_nan=False),
            "availability": st.sampled_from(["IN_STOCK", "OUT_OF_STOCK", "PREORDER", "BACKORDER"]),
            "title": st.text("ab ", max_size=4),
            "attributes": st.dictionaries(st.sampled_from("xyz"), scalars, max_size=3),
        },
    ),
    max_size=4,
)


@given(documents, st.dictionaries(st.sampled_from("xyz"), scalars, max_size=3))
def test_any_variants_come_back_equal(variants: list[dict[str, Any]], attributes: dict[str, Any]) -> None:
    numbered = [{"id": str(number), **variant} for number, variant in enumerate(variants)]
    product = parse_product(jacket(*numbered, attributes=attributes))
    assert parse_product(orjson.loads(product.document())) == product
    assert product.merged({}) == product
    assert [view.variants for view in product.as_variants()] == [(v,) for v in product.variants] or not variants
