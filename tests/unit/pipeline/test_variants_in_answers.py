"""Products with variants in whole answers: one product, with the variant that matches best; ids of variants count."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from mercato.incoming import WriteResult
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.ingest.catalog import CatalogWriter
from mercato.requests.page import parse_recommend
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import make_pipeline, read, recommend, search


def variant(code: str, size: str, colour: str, price: float | None, availability: str, **more: Any) -> dict[str, Any]:
    attributes = {"size": size, "colour": colour}
    return {"id": code, "price": price, "availability": availability, "attributes": attributes, **more}


SHIRT = stores.product(
    "shirt",
    "Linen shirt",
    brand="Veld",
    attributes={"fabric": "linen"},
    variants=[
        variant("7710230", "S", "sand", 49, "IN_STOCK"),
        variant("7710231", "M", "sand", 45, "OUT_OF_STOCK"),
        variant("7710232", "L", "olive", 54, "IN_STOCK", image_uri="https://shop.example/olive.jpg"),
        variant("7710233", "XL", "olive", 49, "IN_STOCK"),
    ],
)
SCARF = stores.product("scarf", "Linen scarf", price=20, attributes={"size": "M", "colour": "sand"})
COAT = stores.product(
    "coat", "Coat", price=120, availability="OUT_OF_STOCK", variants=[{"id": "c-1"}, {"id": "c-2", "price": 90}]
)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture(params=["snapshot", "changes"])
def catalog(request: pytest.FixtureRequest, state: SqliteStateStore, tmp_path: Path) -> LiveCatalog:
    """The three products beside the small shop; built, or added and changed since."""
    shop = stores.make_products()
    if request.param == "snapshot":
        stores.build(tmp_path / "catalog", [*shop, SHIRT, SCARF, COAT])
    else:
        stores.build(tmp_path / "catalog", [*shop, stores.product("shirt", "Linen shirt, sizes to come")])
        state.append_product_changes([stores.upsert(product) for product in (SHIRT, SCARF, COAT)])
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), state)
    catalog.snapshot.floor = None  # whatever is near matches
    catalog.refresh()
    return catalog


def shown(page: Any, product_id: str = "shirt") -> Any:
    [result] = [result for result in page["results"] if result["id"] == product_id]
    assert "variants" not in result
    return result.get("variant")


def code(page: Any) -> str:
    return str(shown(page)["id"])


def test_one_product_comes_with_the_variant_as_it_was_given(catalog: LiveCatalog) -> None:
    page = search(make_pipeline(catalog), "linen shirt olive L")
    assert page["ids"].count("shirt") == 1
    assert shown(page) == {
        "id": "7710232",
        "price": 54.0,
        "availability": "IN_STOCK",
        "image_uri": "https://shop.example/olive.jpg",
        "attributes": {"colour": "olive", "size": "L"},
    }
    [result] = [result for result in page["results"] if result["id"] == "shirt"]
    whole = {key: value for key, value in SHIRT.as_dict().items() if key != "variants"}
    assert {key: result[key] for key in whole} == whole
    assert "variant" not in next(result for result in page["results"] if result["id"] == "scarf")


@pytest.mark.parametrize("wanted", [variant.id for variant in SHIRT.variants])
def test_a_code_finds_its_product_by_words_and_shows_its_variant(catalog: LiveCatalog, wanted: str) -> None:
    page = search(make_pipeline(catalog), wanted)
    assert page["ids"][0] == "shirt"
    assert "words" in page["results"][0]["sources"]
    assert code(page) == wanted


def test_the_variant_passes_the_filter_then_has_most_words(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    assert code(search(pipeline, "linen shirt", filter='size: ANY("L", "M")')) == "7710232"  # M is sold out
    assert code(search(pipeline, "olive linen shirt")) == "7710233"  # of two the cheaper
    assert code(search(pipeline, "olive linen shirt", filter='colour: ANY("sand")')) == "7710230"
    assert code(search(pipeline, "linen shirt M sand")) == "7710231"  # who asks for it sees that it is sold out
    assert code(search(pipeline, "linen shirt", filter="price > 50")) == "7710232"


def test_among_equals_stock_then_price_then_order_decide(catalog: LiveCatalog) -> None:
    assert code(search(make_pipeline(catalog), "linen shirt")) == "7710230"  # 45 is sold out, 49 stands twice
    assert shown(search(make_pipeline(catalog), "coat"), "coat") == {
        "id": "c-2", "price": 90.0, "availability": "OUT_OF_STOCK",
    }  # fmt: skip
    filtered = search(make_pipeline(catalog), "coat", filter="price > 100")
    assert shown(filtered, "coat") == {"id": "c-1", "price": 120.0, "availability": "OUT_OF_STOCK"}


def test_one_variant_has_to_pass_the_whole_filter(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)

    def found(condition: str) -> set[str]:
        return {one for one in search(pipeline, "linen", filter=condition)["ids"] if one in ("shirt", "scarf")}

    assert found('size: ANY("M")') == {"shirt", "scarf"}
    assert found('size: ANY("M") AND availability: ANY("IN_STOCK")') == {"scarf"}
    assert found('size: ANY("XL") AND colour: ANY("sand")') == set()
    assert found("price < 48 AND price > 40") == {"shirt"}
    assert found('fabric: ANY("linen") AND size: ANY("S")') == {"shirt"}


def test_a_rule_and_a_filter_ask_for_the_same_variant(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog, rules={"filter": 'availability: ANY("IN_STOCK")'})
    assert "shirt" not in search(pipeline, "linen shirt", filter='size: ANY("M")')["ids"]
    assert code(search(pipeline, "linen shirt M sand")) == "7710230"


def test_facets_count_products_and_agree_with_their_filter(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)

    def count(key: str, condition: str = "", **more: Any) -> dict[str, int]:
        both = 'id: ANY("shirt", "scarf")' + (f" AND {condition}" if condition else "")
        page = search(pipeline, "linen", filter=both, facets=[{"key": key, **more}])
        return {item.get("value", str(item.get("interval"))): item["count"] for item in page["facets"][0]["values"]}

    assert count("size") == {"L": 1, "M": 2, "S": 1, "XL": 1}
    assert count("colour", 'size: ANY("M", "L")') == {"sand": 2, "olive": 1}
    assert count("size", 'availability: ANY("IN_STOCK") AND colour: ANY("sand")') == {"M": 1, "S": 1}
    wider = count("colour", 'size: ANY("S") AND colour: ANY("olive")', excluded_filter_keys=["colour"])
    assert wider == {"sand": 1}
    intervals = [{"maximum": 48}, {"exclusive_minimum": 48, "maximum": 50}, {"exclusive_minimum": 50}]
    assert list(count("price", intervals=intervals).values()) == [2, 1, 1]


def test_a_dropped_filter_leaves_every_variant(catalog: LiveCatalog) -> None:
    page = search(make_pipeline(catalog), "linen shirt", filter='size: ANY("XXS")', strict_filtering=False)
    assert page["filter_relaxed"]
    assert code(page) == "7710230"


def test_sorting_goes_by_the_price_that_is_shown(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    assert SHIRT.price == 49.0
    ids = search(pipeline, "linen", order_by="price", filter='id: ANY("shirt", "scarf", "coat")')["ids"]
    assert ids == ["scarf", "shirt", "coat"]
    page = search(pipeline, "linen", order_by="price desc", page_size=100)
    prices = [result["price"] for result in page["results"]]
    assert prices == sorted(prices, reverse=True)
    assert prices[:2] == [120.0, 49.0]


def test_recommendations_show_a_variant_of_the_filter(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    request = {"PLACEMENT": b"home-page", "CONTEXT": orjson.dumps({"time": stores.NOW}), "PAGE_SIZE": 50}
    [answer] = pipeline.answer([parse_recommend({**request, "FILTER": b'colour: ANY("olive") AND price < 50'})])
    page = read(answer)
    assert page["ids"] == ["shirt"]
    assert code(page) == "7710233"


def test_a_list_may_name_variants_and_shows_them(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    listed = orjson.dumps(["7710232", "p04", "7710231", "nowhere"])
    request = {"PLACEMENT": b"rank", "SEED_PRODUCT_IDS": listed, "CONTEXT": orjson.dumps({"time": stores.NOW})}
    [answer] = pipeline.answer([parse_recommend(request)])
    page = read(answer)
    assert sorted(page["ids"]) == ["nowhere", "p04", "shirt"]
    assert page["missing_ids"] == ["nowhere"]
    assert page["variant_products"] == {"7710232": "shirt", "7710231": "shirt"}
    assert code(page) == "7710232"


def test_rules_may_name_variants(catalog: LiveCatalog) -> None:
    blocking = make_pipeline(catalog, rules={"blocked": ["7710231"]})
    assert "shirt" not in search(blocking, "linen shirt")["ids"]
    pins = [{"product": "7710232", "position": 1}]
    pinning = make_pipeline(catalog, rules={"rules": [{"query": "pizza", "pins": pins}]})
    page = search(pinning, "pizza")
    assert page["ids"][0] == "shirt"
    assert code(page) == "7710232"


def test_seeds_may_name_variants_and_are_left_out_as_products(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    request = {"PLACEMENT": b"product-page", "CONTEXT": orjson.dumps({"time": stores.NOW}), "PAGE_SIZE": 100}

    def like(seed: str) -> Any:
        [answer] = pipeline.answer([parse_recommend({**request, "SEED_PRODUCT_IDS": orjson.dumps([seed])})])
        return read(answer)

    assert like("7710231")["ids"] == like("shirt")["ids"]
    assert "shirt" not in like("7710231")["ids"]
    assert like("7710231")["missing_ids"] == []
    assert "variant_products" not in like("shirt")


def test_what_was_bought_as_a_variant_counts_for_the_product(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    state.append_events([stores.purchase("ana", "7710233", 2), stores.purchase("ana", "7710230", 1)])
    pipeline = make_pipeline(catalog, state)
    request = {"PLACEMENT": b"home-page", "USER_ID": b"ana", "CONTEXT": orjson.dumps({"time": stores.NOW})}

    def home(**options: Any) -> Any:
        [answer] = pipeline.answer([parse_recommend({**request, "OPTIONS": orjson.dumps(options)})])
        return read(answer)

    again = home()
    assert again["ids"].count("shirt") == 1
    assert "repeat" in next(result for result in again["results"] if result["id"] == "shirt")["sources"]
    assert "shirt" not in home(exclude_purchased_days=3)["ids"]


def test_signals_learn_from_the_ids_of_variants(tmp_path: Path) -> None:
    store = stores.open_store(tmp_path / "learned.db")
    bought = [(f"u{n}", SHIRT.variants[n % 4].id, n) for n in range(1, 9)]
    store.append_events([stores.purchase(user, product_id, days_ago) for user, product_id, days_ago in bought])
    stores.build(tmp_path / "catalog", [*stores.make_products(), SHIRT], store.event_columns())
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)
    assert catalog.id_of(0) == "shirt"  # rows are in the order of popularity
    assert recommend(make_pipeline(catalog))["ids"][0] == "shirt"
    store.close()


def test_a_variant_that_sells_out_is_no_longer_found_as_in_stock(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    change = {"operation": "patch", "id": "7710232", "product": {"availability": "OUT_OF_STOCK"}}
    [result] = CatalogWriter(catalog, state, stores.HashEncoder()).write([orjson.dumps([change])])
    assert isinstance(result, WriteResult) and result.rejected == []
    pipeline = make_pipeline(catalog, state)
    page = search(pipeline, "7710232")  # the words of the product are as they were
    assert (page["ids"][0], shown(page)["availability"]) == ("shirt", "OUT_OF_STOCK")
    in_stock = 'availability: ANY("IN_STOCK") AND colour: ANY("olive")'
    assert code(search(pipeline, "linen shirt", filter=in_stock)) == "7710233"
    facets = search(pipeline, "linen shirt", filter=in_stock, facets=["size"])["facets"]
    assert facets[0]["values"] == [{"value": "XL", "count": 1}]
