import math
from typing import Any

import orjson
import pytest

from mercato.catalog.product import PRODUCT_FIELDS, Product, format_value, parse_product
from mercato.errors import InvalidInputError

FULL: dict[str, Any] = {
    "id": "p-1",
    "title": "Frozen pizza",
    "description": "Thin crust.",
    "brand": "Acme",
    "categories": ["Grocery", "Frozen"],
    "price": 4.5,
    "currency": "USD",
    "availability": "PREORDER",
    "available_time": "2026-03-01T10:30:00+01:00",
    "attributes": {"size": "16 oz", "slices": 8, "vegan": True, "tags": ["new", 2]},
    "image_uri": "https://shop.example/p1.jpg",
    "uri": "https://shop.example/p1",
    "variants": [{"id": "p-1-large", "price": 6.0}],
}


def with_field(name: str, value: object) -> dict[str, Any]:
    return {"id": "p", "title": "t", name: value}


def test_a_full_document_is_kept_and_read_back() -> None:
    product = parse_product(FULL)
    assert product.available_time == "2026-03-01T09:30:00Z"
    assert product.available_seconds == 1_772_357_400.0
    assert list(orjson.loads(product.document())) == list(PRODUCT_FIELDS)
    assert parse_product(orjson.loads(product.document())) == product


def test_equal_products_give_equal_bytes() -> None:
    reordered = dict(reversed(FULL.items())) | {"attributes": dict(reversed(FULL["attributes"].items()))}
    assert parse_product(reordered).document() == parse_product(FULL).document()


def test_zero_has_one_spelling() -> None:
    assert parse_product(with_field("price", -0.0)).document() == parse_product(with_field("price", 0)).document()


def test_least_document() -> None:
    assert parse_product({"id": "p", "title": "t"}).document() == b'{"id":"p","title":"t","availability":"IN_STOCK"}'


def test_null_is_not_given() -> None:
    nothing = dict.fromkeys(PRODUCT_FIELDS)
    assert parse_product({**nothing, "id": "p", "title": "t"}) == Product(id="p", title="t")


def test_texts_are_trimmed_and_control_characters_become_spaces() -> None:
    product = parse_product({"id": "p", "title": " a\x00b ", "brand": b"Caf\xc3\xa9", "categories": [" x ", "", "x"]})
    assert (product.title, product.brand, product.categories) == ("a b", "Café", ("x",))


@pytest.mark.parametrize(
    ("document", "parameter", "message"),
    [
        ({"title": "t"}, "id", "must be given and not be empty, got nothing"),
        ({"id": "", "title": "t"}, "id", "must be given and not be empty, got ''"),
        ({"id": 7, "title": "t"}, "id", "must be text, got 7"),
        ({"id": "a\x07", "title": "t"}, "id", "no control or invisible characters"),
        ({"id": "a\u200b", "title": "t"}, "id", "no control or invisible characters"),
        ({"id": " a", "title": "t"}, "id", "no white space around it"),
        ({"id": "ü" * 129, "title": "t"}, "id", "at most 256 bytes of UTF-8, got 258"),
        ({"id": "p"}, "title", "must be given and not be blank, got nothing"),
        ({"id": "p", "title": " \t"}, "title", "must be given and not be blank"),
        ({"id": "p", "title": "t" * 2_001}, "title", "at most 2,000 characters, got 2,001"),
        ({"id": "p", "title": "\ud800"}, "title", "must be UTF-8"),
        ({"id": "p", "title": b"a\xff"}, "title", r"must be UTF-8 \(byte 1 is not\)"),
        (with_field("price", math.nan), "price", "finite number from 0 to 1e15, got nan"),
        (with_field("price", math.inf), "price", "finite number from 0 to 1e15, got inf"),
        (with_field("price", -0.01), "price", "finite number from 0 to 1e15, got -0.01"),
        (with_field("price", "4.50"), "price", "must be a number, got '4.50'"),
        (with_field("price", True), "price", "must be a number, got True"),
        (with_field("price", 10**400), "price", "finite number from 0 to 1e15"),
        (with_field("currency", "dollar"), "currency", "three capital letters"),
        (with_field("availability", "SOLD"), "availability", "must be one of IN_STOCK, OUT_OF_STOCK"),
        (with_field("availability", ["IN_STOCK"]), "availability", "must be one of"),
        (with_field("available_time", "soon"), "available_time", "expected an RFC 3339 time"),
        (with_field("available_time", True), "available_time", "seconds since 1970, got bool"),
        (with_field("categories", "Grocery"), "categories", "must be a list of texts"),
        (with_field("categories", [1]), "categories", "must be text, got 1"),
        (with_field("categories", ["x"] * 401), "categories", "must be at most 400, got 401"),
        (with_field("attributes", ["x"]), "attributes", "must be a JSON object"),
        (with_field("attributes", {"k": {"a": 1}}), "attributes.k", "must be text, a number, true, false or a list"),
        (with_field("attributes", {"k": [True]}), "attributes.k", "must hold texts and numbers only"),
        (with_field("attributes", {"k": math.nan}), "attributes.k", "must be a finite number"),
        (with_field("attributes", {"k": 2**63}), "attributes.k", "at most 64 bits"),
        (with_field("attributes", {" ": 1}), "attributes", "keys that are not blank"),
        (with_field("prise", 1), "prise", "did you mean price?"),
        (with_field("colour", "red"), "colour", "put it under attributes"),
        ("text", "product", "must be a JSON object, got 'text'"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_field(document: object, parameter: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        parse_product(document)
    assert caught.value.parameter == parameter


def test_limits_hold_exactly() -> None:
    product = parse_product({"id": "ü" * 128, "title": "t" * 2_000, "categories": [str(i) for i in range(400)]})
    assert (len(product.id.encode()), len(product.title), len(product.categories)) == (256, 2_000, 400)


def test_text_holds_the_fields_in_order() -> None:
    expected = "Frozen pizza. Acme. Grocery > Frozen. Thin crust.. size: 16 oz; slices: 8; tags: new, 2; vegan"
    assert parse_product(FULL).text() == expected
    assert parse_product(FULL).text(["brand", "title"]) == "Acme. Frozen pizza"


def test_text_is_clipped_between_words() -> None:
    product = parse_product(with_field("description", "word " * 300))  # 1,500 characters
    assert product.text() == "t. " + " ".join(["word"] * 200)  # 200 * 5 = 1,000


def test_field_text_is_what_the_word_index_counts() -> None:
    product = parse_product(FULL)
    assert product.field_text("categories") == "Grocery > Frozen"
    assert product.field_text("attributes") == "16 oz; 8; new, 2; vegan"
    assert parse_product({"id": "p", "title": "t"}).field_text("attributes") == ""
    with pytest.raises(InvalidInputError, match="fields: must be of id, title.*got 'price'"):
        product.field_text("price")


def test_addresses_and_what_is_false_are_no_text() -> None:
    product = parse_product(with_field("attributes", {"photo": "https://shop.example/1.jpg", "vegan": False}))
    assert product.text() == "t"


def test_patch_replaces_removes_and_merges_attributes() -> None:
    patched = parse_product(FULL).merged(
        {"price": 3, "brand": None, "attributes": {"size": None, "slices": 6, "oven": "stone"}}
    )
    assert patched.price == 3.0
    assert patched.brand == ""
    assert patched.attributes == {"oven": "stone", "slices": 6, "tags": ("new", 2), "vegan": True}
    assert patched.title == "Frozen pizza"
    assert parse_product(FULL).merged({"attributes": None}).attributes == {}
    assert parse_product(FULL).merged({}) == parse_product(FULL)


@pytest.mark.parametrize("patch", [{"id": "other"}, {"title": None}, {"price": math.nan}, {"colour": "red"}, []])
def test_a_patch_that_makes_no_product_is_refused(patch: Any) -> None:
    with pytest.raises(InvalidInputError):
        parse_product(FULL).merged(patch)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (True, "true"), (False, "false"), (8, "8"), (8.0, "8"), (-0.0, "0"), (0.5, "0.5"), (1e300, "1e+300")],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert format_value(value) == text


def test_a_product_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse_product(FULL).price = 0.0  # type: ignore[misc]


def test_a_type_before_an_attribute_is_no_word() -> None:
    attributes = {"b_dual_band": True, "t_type": "Wireless", "b_modem": False}
    item = parse_product({"id": "a", "title": "Router", "attributes": attributes})

    assert set(item.field_text("attributes").split("; ")) == {"dual band", "Wireless"}
