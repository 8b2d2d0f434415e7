"""Filters, facets and ids over products with variants: in a snapshot, and as changes since."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.errors import InvalidInputError
from mercato.filters import matches, parse_filter
from mercato.index.allowed import Allowed
from mercato.index.facet_counts import FacetCounter
from mercato.index.field_codes import Matches
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.requests.facets import FacetSpec, Interval
from tests import stores

SIZES, COLOURS = ["S", "M", "L", 38, 39.5], ["grey", "navy", "rust"]


def garment(number: int, draw: np.random.Generator) -> Product:
    """A product with none to four variants, each of which says some of size, colour, price and stock."""
    variants = []
    for position in range(int(draw.integers(0, 5))):
        variant: dict[str, Any] = {"id": f"v{number}-{position}", "attributes": {}}
        if draw.random() < 0.8:
            variant["attributes"]["size"] = SIZES[draw.integers(len(SIZES))]
        if draw.random() < 0.8:
            variant["attributes"]["colour"] = COLOURS[draw.integers(len(COLOURS))]
        if draw.random() < 0.3:
            variant["attributes"]["weight"] = [int(weight) for weight in draw.integers(1, 9, 2)]
        if draw.random() < 0.7:
            variant["price"] = int(draw.integers(10, 60))
        if draw.random() < 0.7:
            variant["availability"] = ["IN_STOCK", "OUT_OF_STOCK"][draw.integers(2)]
        variants.append(variant)
    attributes = {"size": "one size", "weight": 5} if draw.random() < 0.4 else {}
    return stores.product(
        f"g{number}", f"Garment {number}", brand=["Veld", "Norda"][number % 2], variants=variants,
        attributes=attributes, **({"price": 25} if draw.random() < 0.5 else {}),
    )  # fmt: skip


def garments(count: int, seed: int) -> list[Product]:
    draw = np.random.default_rng(seed)
    return [garment(number, draw) for number in range(count)]


@pytest.fixture(scope="module")
def products() -> list[Product]:
    return garments(80, 7)


@pytest.fixture(scope="module")
def folder(products: list[Product], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("garments")
    stores.build(folder / "catalog", products)
    return folder


@pytest.fixture
def built(folder: Path) -> LiveCatalog:
    return LiveCatalog(Snapshot(folder / "catalog"), None)


@pytest.fixture
def changed(folder: Path, products: list[Product], tmp_path: Path) -> LiveCatalog:
    """Half of the products changed to what others are, some are gone, some are new."""
    store = stores.open_store(tmp_path / "state.db")
    others = garments(120, 8)
    changes = [stores.upsert(other) for other in others[:40]] + [stores.upsert(other) for other in others[110:]]
    store.append_product_changes([*changes, *(stores.delete(f"g{number}") for number in range(5, 9))])
    catalog = LiveCatalog(Snapshot(folder / "catalog"), store)
    catalog.refresh()
    return catalog


def present(catalog: LiveCatalog) -> list[Product]:
    ids = [f"g{number}" for number in range(120)]
    return [product for product in (catalog.product(product_id) for product_id in ids) if product is not None]


def allowed_ids(catalog: LiveCatalog, allowed: Allowed) -> list[str]:
    rows = [*np.flatnonzero(allowed.rows), *(np.flatnonzero(allowed.entries) + catalog.base)]
    return sorted(catalog.id_of(int(row)) for row in rows)


def find(catalog: LiveCatalog, text: str) -> list[str]:
    return allowed_ids(catalog, catalog.allow(parse_filter(text)))


CONDITIONS = [
    'size: ANY("M")',
    'size: ANY("38", "one size")',
    'size: ANY("M") AND availability: ANY("IN_STOCK")',
    'size: ANY("S") AND colour: ANY("grey", "navy") AND price < 30',
    'NOT size: ANY("M") AND price >= 40',
    'colour: ANY("rust") OR size: IN(38, 39.5i)',
    'brand: ANY("Veld") AND NOT (size: ANY("L") OR availability: ANY("OUT_OF_STOCK"))',
    "weight >= 6 AND weight < 8",
    'id: ANY("v3-0", "v12-1", "g5", "g44")',
]


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize("shop", ["built", "changed"])
def test_a_product_is_found_if_one_variant_passes_the_whole_filter(
    shop: str, text: str, request: pytest.FixtureRequest
) -> None:
    catalog: LiveCatalog = request.getfixturevalue(shop)
    condition = parse_filter(text)
    expected = [
        product.id
        for product in present(catalog)
        if any(matches(condition, one) for one in product.as_variants())  # each view has one variant alone
    ]
    assert find(catalog, text) == sorted(expected)
    assert 0 < len(expected) < len(present(catalog))


@pytest.mark.parametrize("shop", ["built", "changed"])
def test_two_filters_ask_for_the_same_variant(shop: str, request: pytest.FixtureRequest) -> None:
    catalog: LiveCatalog = request.getfixturevalue(shop)
    one, other = 'size: ANY("M")', 'colour: ANY("navy") AND price < 40'
    both = catalog.allow_both(catalog.allow(parse_filter(one)), catalog.allow(parse_filter(other)))
    assert allowed_ids(catalog, both) == find(catalog, f"{one} AND {other}")
    assert allowed_ids(catalog, both) != sorted(set(find(catalog, one)) & set(find(catalog, other)))
    everything = catalog.allow_both(catalog.allow(None), catalog.allow(parse_filter(one)))
    assert allowed_ids(catalog, everything) == find(catalog, one)


def count(catalog: LiveCatalog, spec: FacetSpec, text: str | None) -> dict[str, Any]:
    allowed = catalog.allow(parse_filter(text) if text else None)
    matched = Matches(np.concatenate([allowed.rows, allowed.entries]), catalog, allowed)
    return FacetCounter(catalog).count(spec, matched)


@pytest.mark.parametrize("text", [None, *CONDITIONS])
@pytest.mark.parametrize("key", ["size", "colour", "availability", "brand", "id"])
@pytest.mark.parametrize("shop", ["built", "changed"])
def test_a_value_counts_as_many_products_as_it_finds(
    shop: str, key: str, text: str | None, request: pytest.FixtureRequest
) -> None:
    catalog: LiveCatalog = request.getfixturevalue(shop)
    facet = count(catalog, FacetSpec(key=key, limit=1000), text)
    for item in facet["values"]:
        condition = f'{key}: ANY("{item["value"]}")'
        assert item["count"] == len(find(catalog, f"({text}) AND {condition}" if text else condition)), item
    values = {str(value) for product in present(catalog) for value in _values(product, key)}
    told = {item["value"] for item in facet["values"]}
    untold = [value for value in values - told if find(catalog, f'({text or "price >= 0"}) AND {key}: ANY("{value}")')]
    assert untold == []
    assert facet["distinct"] == len(told)


def _values(product: Product, key: str) -> Sequence[object]:
    if key == "id":
        return [product.id, *(variant.id for variant in product.variants)]
    views = product.as_variants()
    return [view.attributes.get(key, "none") if key in ("size", "colour") else getattr(view, key) for view in views]


@pytest.mark.parametrize("text", [None, 'size: ANY("M")', 'availability: ANY("IN_STOCK") AND colour: ANY("navy")'])
@pytest.mark.parametrize("key", ["price", "weight"])
@pytest.mark.parametrize("shop", ["built", "changed"])
def test_an_interval_counts_as_many_products_as_it_finds(
    shop: str, key: str, text: str | None, request: pytest.FixtureRequest
) -> None:
    catalog: LiveCatalog = request.getfixturevalue(shop)
    bounds = [0, 4, 7, 20, 30, 45, 60]
    spec = FacetSpec(
        key=key,
        intervals=tuple(Interval(lower=low, upper=high) for low, high in zip(bounds, bounds[1:], strict=False)),
    )
    for low, high, item in zip(bounds, bounds[1:], count(catalog, spec, text)["values"], strict=False):
        condition = f"{key}: IN({low}, {high})"
        assert item["count"] == len(find(catalog, f"({text}) AND {condition}" if text else condition)), (low, high)


def test_a_size_that_three_products_have_in_every_variant_counts_three(tmp_path: Path) -> None:
    sizes = [{"id": size, "attributes": {"size": size}} for size in ("S", "M", "L")]
    shop = [
        stores.product(f"p{number}", "Tee", variants=[{**size, "id": f"{number}{size['id']}"} for size in sizes])
        for number in range(3)
    ]
    stores.build(tmp_path / "catalog", shop)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)
    facet = count(catalog, FacetSpec(key="size"), None)
    assert facet["values"] == [{"value": size, "count": 3} for size in ("L", "M", "S")]


def test_mistakes_are_said_of_the_whole_catalogue(built: LiveCatalog) -> None:
    with pytest.raises(InvalidInputError, match="unknown field 'sise'.*attributes.size"):
        built.allow(parse_filter('sise: ANY("M")'))
    with pytest.raises(InvalidInputError, match="weight holds numbers"):
        built.allow(parse_filter('weight: ANY("5")'))
    with pytest.raises(InvalidInputError, match="colour holds texts"):
        built.allow(parse_filter("colour > 3"))


def test_without_variants_the_columns_are_those_they_always_were(folder: Path, tmp_path: Path) -> None:
    stores.build(tmp_path / "catalog")
    plain, garments = Snapshot(tmp_path / "catalog").columns, Snapshot(folder / "catalog").columns
    assert (plain.meta()["version"], garments.meta()["version"]) == (1, 2)
    assert "variants" not in plain.meta()
    assert not any(name.startswith("variants.") for name in plain.arrays())
    assert plain.variants is None


def test_an_id_of_a_variant_leads_to_its_product(tmp_path: Path) -> None:
    coat = stores.product("coat", "Coat", variants=[{"id": "c-1"}, {"id": "c-2"}, {"id": "scarf"}])
    scarf = stores.product("scarf", "Scarf", variants=[{"id": "scarf"}, {"id": "s-1"}])
    stores.build(tmp_path / "catalog", [coat, scarf])
    store = stores.open_store(tmp_path / "state.db")
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), store)

    def owners(*ids: str) -> list[str]:
        rows = catalog.rows_of(ids).tolist()
        assert rows == [catalog.row_of(product_id) for product_id in ids]
        return [catalog.id_of(row) if row >= 0 else "" for row in rows]

    assert owners("c-1", "c-2", "coat", "s-1", "hat") == ["coat", "coat", "coat", "scarf", ""]
    assert owners("scarf") == ["scarf"]  # a product's own id goes before another's variant
    assert catalog.product("c-1") is None

    def change(*changes: object) -> None:
        store.append_product_changes(changes)  # type: ignore[arg-type]
        catalog.refresh()

    change(stores.upsert(stores.product("coat", "Long coat", variants=[{"id": "c-2"}, {"id": "c-3"}])))
    assert catalog.row_of("coat") >= catalog.base
    assert owners("c-1", "c-2", "c-3") == ["coat"] * 3  # what was bought as c-1 was a coat
    change(stores.upsert(stores.product("cape", "Cape", variants=[{"id": "c-2"}, {"id": "scarf"}])))
    assert owners("c-2", "c-3", "scarf") == ["cape", "coat", "scarf"]
    change(stores.delete("coat"))
    assert owners("coat", "c-1", "c-2", "c-3") == ["", "", "cape", ""]
    change(stores.upsert(stores.product("c-3", "A product of its own")))
    assert owners("c-3") == ["c-3"]
    change(stores.upsert(stores.product("s-1", "A product of its own, too")))
    assert owners("s-1", "scarf") == ["s-1", "scarf"]  # the scarf stays what and where it was
    assert catalog.row_of("scarf") == catalog.snapshot.row_by_id["scarf"]
    change(stores.delete("s-1"))
    assert owners("s-1", "scarf") == ["", "scarf"]
    store.close()


def test_codes_of_variants_are_words_in_snapshot_and_changes(built: LiveCatalog, changed: LiveCatalog) -> None:
    code = next(p.variants[0].id for p in present(built) if p.variants)
    terms = built.analyzer.analyze(code)
    assert all(term in built.snapshot.words for term in terms)
    new = next(product for product in present(changed) if product.id == "g115" or product.variants)
    row = changed.row_of(new.id)
    assert row >= changed.base
    for term in changed.analyzer.analyze(new.variants[0].id):
        assert row - changed.base in changed.delta.postings[term].entries
