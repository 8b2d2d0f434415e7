"""Product changes in: partial refusals, patches on what is there, vectors kept or made, all of a write or nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from mercato.errors import InvalidInputError, ModelError, StateError
from mercato.incoming import WriteResult
from mercato.index.current import CurrentProducts
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.ingest.catalog import ENCODE_BATCH, MAX_OPERATIONS, CatalogWriter
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from mercato.text import TextRole
from tests import stores


class NotingEncoder:
    def __init__(self, failure: Exception | None = None) -> None:
        self.batches: list[list[str]] = []
        self.failure = failure

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch]

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> npt.NDArray[np.float32]:
        assert role == "product"
        self.batches.append(list(texts))
        if self.failure is not None:
            raise self.failure
        return stores.HashEncoder().encode(texts)


def upsert(product_id: str, title: str, **fields: Any) -> dict[str, Any]:
    return {"operation": "upsert", "product": {"id": product_id, "title": title, **fields}}


def patch(product_id: str, **fields: Any) -> dict[str, Any]:
    return {"operation": "patch", "product": {"id": product_id, **fields}}


def delete(product_id: str) -> dict[str, Any]:
    return {"operation": "delete", "id": product_id}


def document(*operations: object) -> bytes:
    return orjson.dumps(list(operations))


@pytest.fixture
def encoder() -> NotingEncoder:
    return NotingEncoder()


@pytest.fixture
def writer(catalog: LiveCatalog, state: SqliteStateStore, encoder: NotingEncoder) -> CatalogWriter:
    return CatalogWriter(catalog, state, encoder)


def write_one(writer: CatalogWriter, *operations: object) -> WriteResult:
    [result] = writer.write([document(*operations)])
    assert isinstance(result, WriteResult), result
    return result


def vector_of(catalog: LiveCatalog, product_id: str) -> npt.NDArray[np.float32]:
    return catalog.vectors(np.array([catalog.row_of(product_id)]))[0]


def text_vector(catalog: LiveCatalog, product_id: str) -> npt.NDArray[np.float32]:
    product = catalog.product(product_id)
    assert product is not None
    return stores.HashEncoder().encode([product.text()])[0]


def test_upsert_patch_and_delete_in_one_write(
    writer: CatalogWriter, catalog: LiveCatalog, encoder: NotingEncoder
) -> None:
    result = write_one(writer, upsert("new", "Rye bread"), patch("p04", title="Thin pizza"), delete("p05"))
    assert (result.accepted, result.rejected, result.sequence) == (3, [], 3)
    catalog.refresh()
    new, changed = catalog.product("new"), catalog.product("p04")
    assert new is not None
    assert changed is not None
    assert (new.title, changed.title, changed.price) == ("Rye bread", "Thin pizza", 5.0)
    assert catalog.product("p05") is None
    assert len(encoder.texts) == 2
    np.testing.assert_array_equal(vector_of(catalog, "new"), text_vector(catalog, "new"))
    np.testing.assert_array_equal(vector_of(catalog, "p04"), text_vector(catalog, "p04"))


def test_price_patch_keeps_the_vector_and_asks_no_encoder(
    writer: CatalogWriter, catalog: LiveCatalog, encoder: NotingEncoder
) -> None:
    before = vector_of(catalog, "p04").copy()
    write_one(writer, patch("p04", price=0.5, availability="OUT_OF_STOCK"))
    catalog.refresh()
    product = catalog.product("p04")
    assert product is not None
    assert (product.price, product.availability, product.title) == (0.5, "OUT_OF_STOCK", "Small frozen pizza")
    np.testing.assert_array_equal(vector_of(catalog, "p04"), before)
    assert encoder.batches == []


def test_a_patch_is_kept_as_the_fields_that_it_changes(writer: CatalogWriter, state: SqliteStateStore) -> None:
    write_one(
        writer,
        patch("p04", price=0.50, currency="EUR"),
        patch("p04", attributes={" colour ": "red", "size": None}),
        patch("p04", attributes=None, availability=None),
    )
    changes = state.product_changes_since(0)
    assert [change.operation for change in changes] == ["patch"] * 3
    assert [orjson.loads(change.document or b"") for change in changes] == [
        {"price": 0.5, "currency": "EUR"},
        {"attributes": {"colour": "red", "size": None}},
        {"attributes": None, "availability": "IN_STOCK"},
    ]
    assert [change.vector is None for change in changes] == [True, False, False]


def test_a_patch_that_asks_for_it_is_written_as_far_as_it_changes_something(
    writer: CatalogWriter, state: SqliteStateStore
) -> None:
    result = write_one(
        writer,
        {**patch("p04", price=5.0, brand="Acme", attributes={"size": "small"}), "if_changed": True},
        {**patch("p04", price=5, brand="Bolt", attributes={"size": "small", "crust": "thin"}), "if_changed": True},
        {**patch("p04", brand="Bolt", image_uri=None), "if_changed": True},
        {**patch("p06", price=7.0), "if_changed": False},
        {**patch("gone", price=7.0), "if_changed": True},
    )
    assert (result.accepted, result.unchanged, len(result.rejected), result.sequence) == (4, 2, 1, 2)
    assert orjson.loads(result.document())["unchanged"] == 2
    assert [orjson.loads(change.document or b"") for change in state.product_changes_since(0)] == [
        {"brand": "Bolt", "attributes": {"crust": "thin"}},
        {"price": 7.0},
    ]


def test_upsert_of_the_same_text_keeps_the_vector(
    writer: CatalogWriter, catalog: LiveCatalog, encoder: NotingEncoder
) -> None:
    product = catalog.product("p04")
    assert product is not None
    write_one(writer, {"operation": "upsert", "product": {**product.as_dict(), "price": 77.0}})
    assert encoder.batches == []


def test_later_operations_see_earlier_ones_of_the_same_write(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    result = write_one(
        writer,
        upsert("new", "Rye bread", price=3.0),
        patch("new", price=4.0),
        delete("new"),
        patch("new", price=5.0),
        upsert("new", "White bread"),
    )
    assert result.accepted == 4
    assert [(item.position, "there is no product 'new' to patch" in item.reason) for item in result.rejected] == [
        (3, True)
    ]
    catalog.refresh()
    product = catalog.product("new")
    assert product is not None
    assert (product.title, product.price) == ("White bread", None)
    np.testing.assert_array_equal(vector_of(catalog, "new"), text_vector(catalog, "new"))


@pytest.mark.parametrize(
    "operations",
    [
        [patch("p04", price=1.0), patch("p04", title="Thin pizza")],
        [patch("p04", title="Thin pizza"), patch("p04", price=1.0)],
        [patch("p04", title="Thin pizza"), patch("p04", title="Small frozen pizza"), patch("p04", price=1.0)],
        [delete("p04"), upsert("p04", "Small frozen pizza"), patch("p04", price=1.0)],
    ],
    ids=["price then text", "text then price", "text and back", "deleted and again"],
)
def test_vector_belongs_to_the_text_in_every_order(
    operations: list[dict[str, Any]], writer: CatalogWriter, catalog: LiveCatalog
) -> None:
    write_one(writer, *operations)
    catalog.refresh()
    for entry, there in enumerate(catalog.delta.products):
        if there is not None:
            expected = stores.HashEncoder().encode([there.text()])[0]
            np.testing.assert_array_equal(catalog.vectors(np.array([catalog.base + entry]))[0], expected)
    product = catalog.product("p04")
    assert product is not None
    assert product.price == 1.0


def test_changes_of_an_earlier_write_are_built_upon(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    write_one(writer, patch("p04", brand="Third"))
    write_one(writer, patch("p04", price=1.0))
    catalog.refresh()
    product = catalog.product("p04")
    assert product is not None
    assert (product.brand, product.price) == ("Third", 1.0)


def test_patch_merges_attributes_and_null_removes_a_field(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    write_one(writer, patch("p04", attributes={"colour": "red"}, price=None))
    catalog.refresh()
    product = catalog.product("p04")
    assert product is not None
    assert product.attributes == {"colour": "red", "size": "small"}
    assert product.price is None


REFUSED: list[tuple[object, str]] = [
    ("upsert", "operation: must be a JSON object, got str"),
    ({}, "operation: must be one of upsert, patch, delete, got 'None'"),
    ({"operation": "replace"}, "operation: must be one of upsert, patch, delete, got 'replace'"),
    ({"operation": "delete", "id": "p04", "when": 1}, "when: is no field of an operation"),
    ({"operation": "upsert"}, "product: must be a JSON object, got nothing"),
    (upsert("", "Bread"), "id: must be given and not be empty"),
    ({"operation": "upsert", "product": {"title": "Bread"}}, "id: must be given and not be empty"),
    ({"operation": "upsert", "product": {"id": "x"}}, "title: must be given and not be blank"),
    (upsert("x", "  "), "title: must be given and not be blank"),
    (upsert("x", "Bread", price=-1), "price: must be a finite number"),
    (upsert("x", "Bread", weight=1), "weight: is no field of a product"),
    (patch("gone", price=1.0), "id: there is no product 'gone' to patch; upsert it first"),
    (delete("gone"), "id: there is no product 'gone' to delete; upsert it first"),
    ({"operation": "delete"}, "id: of the product to delete must be given"),
    ({"operation": "delete", "id": 7}, "id: of the product to delete must be given, got '7'"),
    ({"operation": "patch", "id": "p04"}, "product: must be an object with the fields to patch"),
    ({"operation": "patch", "id": "p04", "product": {"id": "p05"}}, "id: of a patch must be the product's, 'p04'"),
    (patch("p04", price="cheap"), "price: must be a number, got 'cheap'"),
    (patch("p04", title=None), "title: must be given and not be blank"),
]


@pytest.mark.parametrize(("operation", "reason"), REFUSED, ids=[reason[:48] for _, reason in REFUSED])
def test_bad_operation_is_named_and_its_neighbours_are_taken(
    operation: object, reason: str, writer: CatalogWriter, catalog: LiveCatalog
) -> None:
    result = write_one(writer, patch("p06", price=9.0), operation, delete("p07"))
    assert result.accepted == 2
    assert [item.position for item in result.rejected] == [1]
    assert result.rejected[0].reason.startswith(reason)
    catalog.refresh()
    untouched = catalog.product("p04")
    assert untouched is not None
    assert (untouched.title, untouched.price) == ("Small frozen pizza", 5.0)
    assert catalog.product("p07") is None


def test_nan_price_costs_its_operation_only(writer: CatalogWriter, state: SqliteStateStore) -> None:
    written_by_python = json.dumps([upsert("x", "Bread", price=float("nan")), upsert("y", "Rye bread")]).encode()
    [result] = writer.write([written_by_python])
    assert isinstance(result, WriteResult)
    assert [(item.position, item.reason) for item in result.rejected] == [
        (0, "price: must be a finite number from 0 to 1e15, got nan; leave it out where it is not known")
    ]
    assert [change.product_id for change in state.product_changes_since(0)] == ["y"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"{", "OPERATIONS: must be valid JSON in UTF-8"),
        (b"\xff[]", "OPERATIONS: must be valid JSON in UTF-8"),
        (b"{}", "OPERATIONS: must be a JSON array of operations, got dict; put a single one in [ ]"),
        (document(*[delete("p04")] * (MAX_OPERATIONS + 1)), "at most 1000 operations in a call, got 1001"),
    ],
    ids=["cut off", "not UTF-8", "one object", "too many"],
)
def test_bad_document_is_its_callers_error_and_nobody_elses(bad: bytes, message: str, writer: CatalogWriter) -> None:
    refused = ModelError("could not be read")
    answers = writer.write([document(delete("p04")), bad, refused, document(delete("p05"))])
    assert isinstance(answers[1], InvalidInputError)
    assert message in str(answers[1])
    assert answers[2] is refused
    assert answers[0] == answers[3] == WriteResult(accepted=1, rejected=[], sequence=2)


def test_callers_of_a_batch_are_written_in_their_order(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    writer.write([document(patch("p04", price=1.0)), document(patch("p04", price=2.0))])
    catalog.refresh()
    product = catalog.product("p04")
    assert product is not None
    assert product.price == 2.0


@pytest.mark.parametrize("failure", [ModelError("encoder: gone"), RuntimeError("a bug")])
def test_nothing_is_written_when_the_encoder_fails(
    failure: Exception, catalog: LiveCatalog, state: SqliteStateStore
) -> None:
    writer = CatalogWriter(catalog, state, NotingEncoder(failure))
    with pytest.raises(type(failure)):
        writer.write([document(delete("p04"), upsert("new", "Rye bread"))])
    assert state.product_sequence() == 0
    catalog.refresh()
    assert catalog.product("p04") is not None
    [result] = CatalogWriter(catalog, state, NotingEncoder()).write([document(delete("p04"))])
    assert result == WriteResult(accepted=1, rejected=[], sequence=1), "the next write is not harmed"


class RefusingStore:
    """Can be read, cannot be written."""

    def product_sequence(self) -> int:
        return 0

    def product_changes_since(self, sequence: int, *, limit: int | None = None) -> list[ProductChange]:
        return []

    def append_product_changes(self, changes: Sequence[ProductChange]) -> int:
        raise StateError("state: the disk is full")


def test_nothing_is_acknowledged_when_state_refuses(ingest_snapshot: Path, encoder: NotingEncoder) -> None:
    state: Any = RefusingStore()
    catalog = LiveCatalog(Snapshot(ingest_snapshot), state)
    with pytest.raises(StateError, match="the disk is full"):
        CatalogWriter(catalog, state, encoder).write([document(delete("p04"))])
    assert catalog.product("p04") is not None


def test_long_write_is_encoded_in_batches_of_similar_length(
    writer: CatalogWriter, catalog: LiveCatalog, encoder: NotingEncoder
) -> None:
    titles = [f"Bread {'of rye ' * (number % 7)}number {number}" for number in range(2 * ENCODE_BATCH + 3)]
    write_one(writer, *[upsert(f"new{number}", title) for number, title in enumerate(titles)])
    assert [len(batch) for batch in encoder.batches] == [ENCODE_BATCH, ENCODE_BATCH, 3]
    assert [len(text) for text in encoder.texts] == sorted(len(text) for text in encoder.texts)
    catalog.refresh()
    for number, title in enumerate(titles):
        expected = stores.HashEncoder().encode([title])[0]
        np.testing.assert_array_equal(vector_of(catalog, f"new{number}"), expected)


def test_text_that_several_products_share_is_encoded_once(writer: CatalogWriter, encoder: NotingEncoder) -> None:
    write_one(writer, upsert("a", "Rye bread"), upsert("b", "Rye bread"))
    assert encoder.texts == ["Rye bread"]


def test_nothing_to_write_reports_where_the_log_is(writer: CatalogWriter, encoder: NotingEncoder) -> None:
    write_one(writer, delete("p04"))
    assert writer.write([b"[]"]) == [WriteResult(accepted=0, rejected=[], sequence=1)]
    assert encoder.batches == []


KETTLE = upsert(
    "kettle",
    "Kettle",
    variants=[
        {"id": "k-1", "price": 30, "availability": "IN_STOCK", "attributes": {"colour": "red", "litres": 1}},
        {"id": "k-2", "price": 25, "availability": "OUT_OF_STOCK", "attributes": {"colour": "blue"}},
    ],
)


def test_a_patch_of_a_variant_changes_that_alone(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    changes = (
        KETTLE,
        patch("k-2", availability="IN_STOCK", attributes={"colour": "navy", "lid": True}),
        patch("k-1", price=28, attributes={"litres": None}),
    )
    assert write_one(writer, *changes).rejected == []
    catalog.refresh()
    product = catalog.product("kettle")
    assert product is not None
    first, second = product.variants
    assert (first.price, first.attributes) == (28.0, {"colour": "red"})
    assert (second.price, second.availability) == (25.0, "IN_STOCK")
    assert second.attributes == {"colour": "navy", "lid": True}
    assert (product.price, product.availability) == (25.0, "IN_STOCK")  # the lowest that is in stock now


def test_a_patch_of_a_variants_price_keeps_the_vector(
    writer: CatalogWriter, catalog: LiveCatalog, encoder: NotingEncoder
) -> None:
    write_one(writer, KETTLE)
    before = len(encoder.texts)
    write_one(writer, patch("k-1", price=27.5, availability="OUT_OF_STOCK"))
    assert encoder.texts[before:] == []
    catalog.refresh()
    product = catalog.product("kettle")
    assert product is not None
    assert (product.price, product.availability) == (25.0, "OUT_OF_STOCK")


def test_a_variant_can_be_taken_away(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    write_one(writer, KETTLE)
    result = write_one(writer, delete("k-1"), patch("k-1", price=3), patch("k-2", brand="Acme"))
    assert result.accepted == 1
    assert [rejected.position for rejected in result.rejected] == [1, 2]
    assert "there is no product 'k-1' to patch" in result.rejected[0].reason
    assert "variants[0].brand: is no field of a variant" in result.rejected[1].reason
    catalog.refresh()
    product = catalog.product("kettle")
    assert product is not None
    assert [variant.id for variant in product.variants] == ["k-2"]


def test_a_product_of_that_id_goes_before_a_variant(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    write_one(writer, KETTLE, upsert("k-1", "A product of its own", price=5), patch("k-1", price=6))
    catalog.refresh()
    own, kettle = catalog.product("k-1"), catalog.product("kettle")
    assert own is not None and kettle is not None
    assert (own.price, kettle.variants[0].price) == (6.0, 30.0)


def test_a_patch_of_a_product_may_patch_its_variants_by_id(writer: CatalogWriter, catalog: LiveCatalog) -> None:
    result = write_one(
        writer,
        KETTLE,
        patch("kettle", brand="Acme", variants={"k-2": {"price": 20, "availability": "IN_STOCK"}, "k-1": None}),
        patch("kettle", variants={"k-3": {"price": 5}}),
        patch("kettle", variants={"k-2": {"price": -1}}),
        patch("kettle", variants={"k-2": 5}),
    )
    assert [rejected.position for rejected in result.rejected] == [2, 3, 4]
    assert "has none with the id 'k-3'" in result.rejected[0].reason
    assert "variants[0].price: must be" in result.rejected[1].reason
    assert "variants.k-2: must be a JSON object" in result.rejected[2].reason
    catalog.refresh()
    product = catalog.product("kettle")
    assert product is not None
    assert (product.brand, product.price) == ("Acme", 20.0)
    assert [variant.as_dict() for variant in product.variants] == [
        {"id": "k-2", "price": 20.0, "availability": "IN_STOCK", "attributes": {"colour": "blue"}}
    ]


def test_what_a_variants_patch_repeats_of_the_product_is_no_mistake(
    writer: CatalogWriter, catalog: LiveCatalog
) -> None:
    kettle = {**KETTLE["product"], "currency": "EUR"}
    same, other = patch("k-1", price=21, currency="EUR"), patch("k-1", price=22, currency="USD")
    result = write_one(writer, {"operation": "upsert", "product": kettle}, same, other)
    assert [rejected.position for rejected in result.rejected] == [2]
    assert "variants[0].currency: is no field of a variant" in result.rejected[0].reason
    catalog.refresh()
    product = catalog.product("kettle")
    assert product is not None
    assert product.variants[0].price == 21.0
    assert write_one(writer, KETTLE, patch("k-2", price=23, currency="EUR")).rejected == []
    catalog.refresh()
    product = catalog.product("kettle")
    assert product is not None
    assert (product.currency, product.variants[1].price) == ("EUR", 23.0)


def test_what_reads_documents_alone_knows_variants_too(
    writer: CatalogWriter, catalog: LiveCatalog, state: SqliteStateStore, encoder: NotingEncoder
) -> None:
    write_one(writer, KETTLE)
    documents = CurrentProducts(catalog.snapshot, state)
    documents.refresh()
    assert (documents.owner_of("k-1"), documents.owner_of("nobody")) == ("kettle", None)
    result = write_one(CatalogWriter(documents, state, encoder), patch("k-1", price=22))
    assert result.rejected == []
    catalog.refresh()
    product = catalog.product("kettle")
    assert product is not None
    assert (product.price, product.variants[0].price) == (22.0, 22.0)
