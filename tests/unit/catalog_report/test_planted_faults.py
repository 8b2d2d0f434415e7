"""Every kind of fault is found where it was planted, and nothing is found in a shop without one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.catalog_report.shop import find, make_gtin, make_shop, plant, show

# kind of fault -> a product changed so, and what is said of it
ONE_PRODUCT: dict[str, tuple[dict[str, Any], str]] = {
    "missing-description": ({"description": None}, "no description"),
    "missing-brand": ({"brand": None}, "no brand"),
    "missing-categories": ({"categories": None}, "no category"),
    "missing-price": ({"price": None}, "no price"),
    "missing-image-uri": ({"image_uri": None}, "no picture"),
    "missing-attributes": ({"attributes": {"colour": None, "weight_g": None, "gtin": None}}, "no attributes"),
    "missing-uri": ({"uri": None}, "no page address"),
    "price-zero": ({"price": 0}, "price 0"),
    "price-unit": (
        {"price": 2500.0},
        "2,500.00, 100 times dearer than the usual 25.00 of 30 in Lighting > Lamps; as if cents were given as units:"
        " 25.00?",
    ),
    "price-far-above": (
        {"price": 500.0},
        "500.00, 20 times dearer than the usual 25.00 of 30 in Lighting > Lamps",
    ),
    "price-far-below": (
        {"price": 2.0},
        "2.00, 12 times cheaper than the usual 25.00 of 30 in Lighting > Lamps",
    ),
    "currencies-mixed": ({"currency": "USD"}, "USD"),
    "time-of-nothing": ({"available_time": "1970-01-01T00:00:00Z"}, "1970-01-01T00:00:00Z"),
    "address-odd": ({"image_uri": "lamp 0.jpg"}, "image_uri: lamp 0.jpg"),
    "title-in-capitals": ({"title": "BLACK DESK LAMP WITH CLAMP, MODEL 0"}, "BLACK DESK LAMP WITH CLAMP, MODEL 0"),
    "title-too-short": ({"title": "Lamp"}, "Lamp"),
    "title-too-long": ({"title": f"Black desk lamp {'x' * 150}"}, "166 characters"),
    "title-repeats-brand": ({"title": "Lumio Lumio desk lamp"}, "Lumio, 2 times"),
    "title-repeats-word": ({"title": "Lamp, desk lamp, clamp lamp, model 0"}, "lamp, 3 times"),
    "title-placeholder": ({"title": "Test product 3"}, "Test product 3"),
    "title-of-a-copy": ({"title": "Black desk lamp, model 0 (Copy)"}, "(Copy)"),
    "title-is-a-code": ({"title": "4711-08"}, "4711-08"),
    "markup": ({"description": "Clamps to {{ product.place }}."}, "description: {{ product.place }}"),
    "misread": ({"title": "Lampe fÃ¼r den Schreibtisch"}, "title: Lampe fÃ¼r den Sc"),
    "lost-letters": ({"title": "Lampe f?r den Schreibtisch"}, "title: f?r"),
    "placeholder": ({"description": "TBD"}, "description: TBD"),
    "gtin-wrong": ({"attributes": {"gtin": "4000000000005"}}, "gtin: 4000000000005 has a wrong check digit"),
    "category-of-one": ({"categories": ["Lighting", "Torches"]}, "Lighting > Torches"),
    "category-too-deep": ({"categories": ["Lighting", *"abcdefg"]}, "Lighting > a > b > c > d > e > f > g"),
    "category-odd": ({"categories": ["Lighting > Lamps"]}, "a path that was not split: Lighting > Lamps"),
    "category-spellings": ({"categories": ["Lighting", "lamps"]}, "lamps beside Lamps in Lighting"),
    "brand-spellings": ({"brand": "LUMIO"}, "LUMIO beside Lumio"),
    "attribute-of-one": ({"attributes": {"voltage": 12}}, "voltage"),
    "attribute-missing": ({"attributes": {"colour": None}}, "no colour"),
    "attribute-names": ({"attributes": {"Colour": "black"}}, "Colour beside colour"),
    "value-spellings": ({"attributes": {"colour": "Black"}}, "colour: Black beside black"),
    "attribute-types": ({"attributes": {"weight_g": "light"}}, "weight_g: 'light', in others numbers"),
    "picture-shared": (
        {"image_uri": "https://shop.example/no-image.png"},
        "https://shop.example/no-image.png",
    ),
    "description-repeats-title": (
        {"title": "Black desk lamp", "description": "black desk lamp."},
        "black desk lamp.",
    ),
}  # fmt: skip


# kinds of fault that take several products, planted below and in test_catalog_report.py
SEVERAL_PRODUCTS = {"duplicate-code", "duplicate-text", "same-title", "near-duplicate", "units-mixed", "never-seen",
                    "description-shared"}  # fmt: skip


def test_the_document_names_what_can_be_found() -> None:
    document = Path(__file__).parents[3] / "docs" / "catalog-report.md"
    rows = [line for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "`" in line]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(rows))) == ONE_PRODUCT.keys() | SEVERAL_PRODUCTS


def test_a_clean_shop_is_not_blamed() -> None:
    assert find(make_shop()) == {}
    assert find(make_shop(), demand=[1.0] * 90) == {}


@pytest.mark.parametrize("name", ONE_PRODUCT)
def test_a_fault_is_found_in_the_product_that_has_it(name: str) -> None:
    change, said = ONE_PRODUCT[name]
    shop = plant(Lamps_0=change)
    assert show(shop, find(shop)[name]) == {"Lamps-0": said}


def test_products_that_share_a_code_are_named_together() -> None:
    code = make_gtin(999)
    shop = plant(Lamps_0={"attributes": {"gtin": code}}, Kettles_4={"attributes": {"gtin": f"0{code}"}})
    found = find(shop)["duplicate-code"]
    assert show(shop, found) == {
        "Lamps-0": f"gtin 0{code} of Lamps-0, Kettles-4",
        "Kettles-4": f"gtin 0{code} of Lamps-0, Kettles-4",
    }
    assert found.groups == 1


def test_a_makers_code_counts_within_its_brand() -> None:
    same = {"attributes": {"MPN": "X-1"}}
    # numbers 0 and 3 are Lumio's, 1 is Hydra's
    shop = plant(Lamps_0=same, Lamps_1=same, Lamps_3=same)
    assert set(show(shop, find(shop)["duplicate-code"])) == {"Lamps-0", "Lamps-3"}


def test_equal_products_are_told_from_variants() -> None:
    first = make_shop()[0]
    same = {name: first[name] for name in ("description", "brand", "attributes")} | {
        "title": "BLACK desk lamp - model 0"
    }
    shop = plant(Lamps_3=same, Lamps_6={"title": first["title"]})
    found = find(shop)
    said = "alike: Lamps-0, Lamps-3"
    assert show(shop, found["duplicate-text"]) == {"Lamps-0": said, "Lamps-3": said}
    assert set(show(shop, found["same-title"])) == {"Lamps-0", "Lamps-3", "Lamps-6"}


def test_a_text_among_texts_written_like_numbers_is_found_where_nearly_all_are() -> None:
    shop = make_shop()
    for number, product in enumerate(shop):
        product["attributes"] |= {"weight_g": "heavy" if number == 4 else str(100 + number)}
        product["attributes"] |= {"size": "M" if number % 3 == 0 else str(36 + number % 3)}
    found = find(shop)["attribute-types"]
    assert show(shop, found) == {"Lamps-4": "weight_g: 'heavy', in others numbers"}


def test_what_variants_say_is_the_products() -> None:
    small, large = ({"id": f"L0-{size}", "attributes": {"size": size, "colour": "black"}} for size in "sl")
    shop = plant(
        Lamps_0={
            "attributes": {"colour": None},
            "image_uri": None,
            "variants": [{**small, "image_uri": "https://shop.example/s.jpg"}, large],
        },
        Lamps_1={"variants": [{"id": "L0-S"}]},
    )
    found = find(shop)
    assert set(found) == {"duplicate-code", "attribute-of-one"}
    assert show(shop, found["duplicate-code"])["Lamps-1"] == "variant l0-s of Lamps-0, Lamps-1"
    assert show(shop, found["attribute-of-one"]) == {"Lamps-0": "size"}


def test_a_category_that_several_paths_lead_to_is_not_of_one_product() -> None:
    shop = plant(
        Lamps_0={"categories": ["Lighting", "Lamps", "Gifts", "Under 20"]},
        Linen_0={"categories": ["Bedroom", "Linen", "Gifts", "Under 20"]},
        Linen_1={"categories": ["Bedroom", "Linen", "Gifts"]},
    )
    assert "category-of-one" not in find(shop)


def test_units_that_measure_one_thing_are_mixed_and_others_are_not() -> None:
    shop = make_shop()
    for number, product in enumerate(shop):
        product["attributes"]["volume"] = "1.5 l" if number != 7 else "150 cl"
        product["attributes"]["box"] = "12 cm" if number % 2 else "3 kg"
    found = find(shop)["units-mixed"]
    assert show(shop, found) == {shop[7]["id"]: "volume: 150 cl, in others l"}


def test_what_products_of_several_kinds_share_says_nothing_of_them() -> None:
    same = {"image_uri": "https://shop.example/a.jpg", "description": "Delivered within three days."}
    shop = plant(
        Lamps_0=same, Linen_1=same, Kettles_2=same, Kettles_3={"image_uri": "https://shop.example/Kettles-4.jpg"}
    )
    found = find(shop)
    assert set(show(shop, found["picture-shared"])) == {"Lamps-0", "Linen-1", "Kettles-2"}
    assert show(shop, found["description-shared"])["Lamps-0"] == "shared by 3 products: Delivered within three days."


def test_what_nobody_saw_is_told_where_events_were_learned() -> None:
    shop = make_shop()
    found = find(shop, demand=[0.0, *([2.0] * 89)])
    assert show(shop, found["never-seen"]) == {"Lamps-0": "no event"}


def test_a_field_that_no_product_has_is_one_sentence() -> None:
    shop = [{**product, "brand": None} for product in make_shop()]
    found = find(shop)["missing-brand"]
    assert found.title == "no product has a brand"
    assert "--map brand=COLUMN" in found.remedy
    assert len(found.rows) == 90
    assert not found.listed  # ninety times the same sentence helps nobody


def test_paths_that_were_not_split_are_told_from_names_with_a_slash() -> None:
    shop = make_shop()
    for number, product in enumerate(shop):
        product["categories"] = [f"Home/{product['categories'][0]}/{number % 2}"]
    assert len(find(shop)["category-odd"].rows) == 90
    assert "category-odd" not in find(plant(Lamps_0={"categories": ["Lighting", "Indoor/outdoor"]}))


def test_a_shop_of_relative_addresses_is_left_alone() -> None:
    shop = [{**product, "image_uri": f"{product['id']}.jpg"} for product in make_shop()]
    assert find(shop) == {}


def test_what_the_shops_system_calls_a_category_is_none() -> None:
    shop = plant(Lamps_0={"categories": ["Default Category/Lamps"]}, Lamps_1={"categories": ["Uncategorized"]})
    assert set(show(shop, find(shop)["category-odd"])) == {"Lamps-0", "Lamps-1"}


def test_what_the_shop_writes_in_capitals_anyway_is_an_abbreviation() -> None:
    shop = plant(Lamps_0={"title": "SDRAM DIMM 16"})
    assert "title-in-capitals" in find(shop)
    for product in shop[1:]:
        product["title"] += ", SDRAM"
    assert "title-in-capitals" not in find(shop)


def test_a_shop_of_short_titles_is_left_alone() -> None:
    names = ["Apple", "Pear", "Plum", "Oat milk", "Rye bread"]
    shop = [{"id": f"p{number}", "title": name} for number, name in enumerate(names)]
    assert "title-too-short" not in find(shop)


def test_prices_in_another_currency_are_compared_among_themselves() -> None:
    shop = make_shop()
    yen = [
        {**product, "id": f"{product['id']}-y", "title": f"{product['title']}, Japan", "price": product["price"] * 160,
         "currency": "JPY", "attributes": {**product["attributes"], "gtin": make_gtin(5000 + number)}}
        for number, product in enumerate(shop)
    ]  # fmt: skip
    yen[0]["price"] = 400_000
    found = find([*shop, *yen])
    assert set(found) == {"currencies-mixed", "price-unit"}
    assert show([*shop, *yen], found["price-unit"]).keys() == {"Lamps-0-y"}


def test_the_shops_own_thresholds_hold() -> None:
    shop = plant(Lamps_0={"price": 100.0})
    assert "price-far-above" not in find(shop)
    assert show(shop, find(shop, price_factor=3)["price-far-above"])["Lamps-0"].startswith("100.00, 4 times dearer")
    assert "title-too-long" in find(shop, title_chars=20)
    assert "category-too-deep" in find(shop, category_levels=1)
