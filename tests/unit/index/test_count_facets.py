"""Counting facets: against a plain count of the products' documents, with changes, and with many values."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.catalog.column_builder import field_values
from mercato.catalog.product import Product
from mercato.errors import InvalidInputError
from mercato.index.facet_counts import FacetCounter
from mercato.index.field_codes import Matches
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.facets import parse_facets
from mercato.state.sqlite import SqliteStateStore
from tests import stores


@pytest.fixture(scope="session")
def facet_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The forty products; every third has one or two widths, every fourth colours; p00 and p01 a grade each."""
    products = []
    for number, product in enumerate(stores.make_products()):
        attributes: dict[str, Any] = dict(product.attributes)
        if number % 3 == 0:
            attributes["width"] = [float(number), number + 0.5] if number % 2 else float(number)
        if number % 4 == 0:
            attributes["colour"] = ["red", "blue"] if number % 8 else ["red"]
        if number < 2:
            attributes["grade"] = 5 if number else "A"
        document = {**product.as_dict(), "attributes": attributes}
        if number == 7:
            del document["price"]
        products.append(stores.product(document.pop("id"), document.pop("title"), **document))
    folder = tmp_path_factory.mktemp("facets")
    stores.build(folder / "catalog", products)
    return folder / "catalog"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def catalog(facet_snapshot: Path, state: SqliteStateStore) -> LiveCatalog:
    return LiveCatalog(Snapshot(facet_snapshot), state)


def everything(catalog: LiveCatalog) -> np.ndarray[Any, Any]:
    allowed = catalog.allow(None)
    return np.concatenate([allowed.rows, allowed.entries])


def count(catalog: LiveCatalog, facet: Any, mask: np.ndarray[Any, Any] | None = None) -> dict[str, Any]:
    counter = FacetCounter(catalog)
    specs = parse_facets([facet])
    counter.check(specs)
    return counter.count(specs[0], Matches(everything(catalog) if mask is None else mask, catalog))


def products_of(catalog: LiveCatalog, rows: Sequence[int]) -> list[Product]:
    found = [catalog.product(catalog.id_of(row)) for row in rows]
    return [product for product in found if product is not None]


def expect_texts(products: Sequence[Product], field: str) -> list[tuple[str, int]]:
    counts = Counter(str(value) for product in products for value in set(field_values(product, field)))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))


def listed(facet: dict[str, Any]) -> list[tuple[str, int]]:
    return [(value["value"], value["count"]) for value in facet["values"]]


@pytest.mark.parametrize("field", ["brand", "categories", "availability", "attributes.size", "attributes.colour"])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_texts_are_counted_as_documents_have_them(catalog: LiveCatalog, field: str, share: float) -> None:
    mask = np.random.default_rng(1).random(catalog.base) < share
    products = products_of(catalog, np.flatnonzero(mask).tolist())
    found = count(catalog, field, mask)
    assert found["key"] == field
    assert listed(found) == expect_texts(products, field)
    assert found["distinct"] == len(found["values"])


def test_equal_counts_are_in_the_order_of_values_and_the_limit_cuts_there(catalog: LiveCatalog) -> None:
    assert listed(count(catalog, "size")) == [("family", 10), ("large", 10), ("organic", 10), ("small", 10)]
    cut = count(catalog, {"key": "size", "limit": 2})
    assert listed(cut) == [("family", 10), ("large", 10)]
    assert cut["distinct"] == 4


def test_values_can_be_in_their_own_order(catalog: LiveCatalog) -> None:
    found = listed(count(catalog, {"key": "categories", "order_by": "value", "limit": 3}))
    # Nine of the ten kinds' groups differ: Baby has four products, Drinks 3 * 4, all forty are in Store.
    assert found == [("Baby", 4), ("Canned", 4), ("Dairy", 4)]


def test_nothing_found_has_no_values(catalog: LiveCatalog) -> None:
    nobody = np.zeros(catalog.base, np.bool_)
    assert count(catalog, "brand", nobody) == {"key": "brand", "values": [], "distinct": 0}
    assert count(catalog, "price", nobody) == {"key": "price", "values": []}
    given = count(catalog, {"key": "price", "intervals": [{"maximum": 5}]}, nobody)
    assert given["values"] == [{"interval": {"maximum": 5.0}, "count": 0}]


def test_given_intervals_are_counted_with_their_bounds(catalog: LiveCatalog) -> None:
    # Prices are 1, 2, ... 40, without 8 (p07 has none).
    found = count(
        catalog,
        {
            "key": "price",
            "intervals": [
                {"exclusive_maximum": 10},
                {"minimum": 10, "maximum": 20},
                {"exclusive_minimum": 20},
                {"minimum": 5, "exclusive_maximum": 15},
                {},
            ],
        },
    )
    assert [value["count"] for value in found["values"]] == [9 - 1, 11, 20, 10 - 1, 39]
    assert found["values"][1] == {
        "interval": {"minimum": 10.0, "maximum": 20.0},
        "count": 11,
        "minimum": 10.0,
        "maximum": 20.0,
    }
    assert (found["minimum"], found["maximum"]) == (1.0, 40.0)


def test_intervals_made_cover_every_number_once(catalog: LiveCatalog) -> None:
    found = count(catalog, "price")
    assert sum(value["count"] for value in found["values"]) == 39
    assert len(found["values"]) == 5
    assert "minimum" not in found["values"][0]["interval"]
    assert set(found["values"][-1]["interval"]) == {"minimum"}
    for one, other in zip(found["values"], found["values"][1:], strict=False):
        assert one["interval"]["exclusive_maximum"] == other["interval"]["minimum"]


def test_a_product_with_several_numbers_counts_once_in_an_interval(catalog: LiveCatalog) -> None:
    # Widths: 0, 6, 12, ... alone; 3 and 3.5, 9 and 9.5, 15 and 15.5, ... in pairs.
    found = count(catalog, {"key": "width", "intervals": [{"maximum": 9.2}, {"minimum": 9.2, "maximum": 15}]})
    assert [value["count"] for value in found["values"]] == [len([0, 3, 6, 9]), len([9.5, 12, 15])]


def test_an_attribute_of_texts_and_numbers_is_counted_as_texts(catalog: LiveCatalog) -> None:
    assert listed(count(catalog, "grade")) == [("5", 1), ("A", 1)]
    assert count(catalog, {"key": "grade", "intervals": [{}]})["values"][0]["count"] == 1


def test_changed_products_count_as_they_are_now(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    count(catalog, "brand")  # what was kept from the snapshot must not go stale
    state.append_product_changes(
        [
            stores.upsert(
                stores.product("p00", "Whole milk", brand="Bolt", price=99.0, attributes={"colour": "mauve"})
            ),
            stores.upsert(stores.product("n1", "Rug", brand="Áro", attributes={"colour": ["red", "amber"], "pile": 3})),
            stores.delete("p01"),
        ]
    )
    catalog.refresh()
    products = products_of(catalog, np.flatnonzero(everything(catalog)).tolist())
    assert len(products) == 40 + 1 - 1
    for field in ("brand", "attributes.colour", "categories"):
        assert listed(count(catalog, field)) == expect_texts(products, field)
    assert listed(count(catalog, {"key": "colour", "order_by": "value"})) == sorted(
        expect_texts(products, "attributes.colour"), key=lambda item: item[0].encode()
    )
    # Without 1 (p00 costs 99 now), 2 (p01 is gone) and 8.
    assert count(catalog, {"key": "price", "intervals": [{"maximum": 10}, {"minimum": 40}]})["values"] == [
        {"interval": {"maximum": 10.0}, "count": 10 - 3, "minimum": 3.0, "maximum": 10.0},
        {"interval": {"minimum": 40.0}, "count": 2, "minimum": 40.0, "maximum": 99.0},
    ]
    assert listed(count(catalog, "pile")) == [("3", 1)], "an attribute that only a change has"
    state.append_product_changes([stores.upsert(stores.product("n2", "Mat", attributes={"colour": "beige"}))])
    catalog.refresh()
    assert ("beige", 1) in listed(count(catalog, "colour"))


def test_a_counter_that_was_used_sees_later_changes(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    counter = FacetCounter(catalog)
    [spec] = parse_facets(["brand"])
    before = counter.count(spec, Matches(everything(catalog), catalog))
    state.append_product_changes([stores.upsert(stores.product("n1", "Rug", brand="Aaro"))])
    catalog.refresh()
    after = counter.count(spec, Matches(everything(catalog), catalog))
    assert listed(after) == [*listed(before), ("Aaro", 1)]


def test_ten_thousand_values_have_a_stable_order(tmp_path: Path) -> None:
    products = [
        stores.product(f"p{number:05d}", "A thing", brand=f"B{number % 10_000:05d}") for number in range(10_003)
    ]
    stores.build(tmp_path / "catalog", products)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)
    # Three brands have two products, the others one.
    expected = [("B00000", 2), ("B00001", 2), ("B00002", 2), ("B00003", 1), ("B00004", 1)]
    few = count(catalog, {"key": "brand", "limit": 5})
    assert listed(few) == expected
    assert few["distinct"] == 10_000
    whole = count(catalog, {"key": "brand", "limit": 10_000})
    assert len(whole["values"]) == 10_000
    assert listed(whole)[:5] == expected
    assert listed(whole)[-1] == ("B09999", 1)


@pytest.mark.parametrize(
    ("facet", "parameter", "says"),
    [
        ("colr", "OPTIONS.facets[0].key", "did you mean attributes.colour?"),
        ({"key": "brand", "intervals": [{"minimum": 5}]}, "OPTIONS.facets[0].intervals", "brand holds texts"),
    ],
)
def test_what_cannot_be_counted_is_refused(catalog: LiveCatalog, facet: Any, parameter: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says.replace("?", "[?]")) as caught:
        count(catalog, facet)
    assert caught.value.parameter == parameter
