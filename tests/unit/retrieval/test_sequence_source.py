"""The sequence model as a source of recommendations: when it is asked, what it may bring, and when it fails."""

from pathlib import Path

import numpy as np
import pytest

from mercato.errors import ModelError
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.models.sequence import NextProducts, SequenceModel
from mercato.requests.retrieval import Kind, Placement, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from mercato.retrieval.sources.registry import FLAGS
from mercato.state.sqlite import SqliteStateStore
from tests.adapters.tiny_models import write_sequence
from tests.stores import delete, purchase, request
from tests.unit.retrieval.asking import ask, ids_of

HOME = Placement.HOME_PAGE


@pytest.fixture
def model(tmp_path: Path) -> SequenceModel:
    return SequenceModel(write_sequence(tmp_path / "sequence", {"p33": "p36", "p34": "p37", "old": "gone"}))


@pytest.fixture
def predicting(catalog: LiveCatalog, store: SqliteStateStore, model: SequenceModel) -> Retriever:
    store.append_events([purchase("u9", "p33", 2.0), purchase("u9", "old", 1.0)])
    following = NextProducts(model, catalog.snapshot.row_by_id, catalog.base)
    # nothing else is asked, and so nothing else is told apart
    weights = change_weights({"repeat": 0, "popular": 0, "similar": 0, "trending": 0, "arrival": 0, "cooccurrence": 0})
    return Retriever(catalog, store, weights, following)


def sources(retriever: Retriever, found: Retrieved, product_id: str) -> int:
    return int(found.sources[ids_of(retriever, found).index(product_id)])


def retrieve(retriever: Retriever, **fields: object) -> Retrieved:
    found = ask(retriever, request(HOME, **{"user_id": "u9", "depth": 50, **fields}))
    assert isinstance(found, Retrieved)
    return found


def test_what_follows_is_predicted(predicting: Retriever) -> None:
    found = retrieve(predicting)
    assert ids_of(predicting, found)[0] == "p36"
    assert FLAGS["sequence"] & sources(predicting, found, "p36")
    assert found.degraded == []


def test_what_is_deleted_or_filtered_is_not_predicted(predicting: Retriever, store: SqliteStateStore) -> None:
    store.append_product_changes([delete("p36")])
    found = retrieve(predicting)
    assert "p36" not in ids_of(predicting, found)
    assert any(FLAGS["sequence"] & int(flags) for flags in found.sources)
    only = retrieve(predicting, condition=parse_filter('id: ANY("p37", "p01")'))
    assert set(ids_of(predicting, only)) == {"p01", "p37"}


def test_nobody_and_a_seed_get_no_prediction(predicting: Retriever) -> None:
    for fields in ({"user_id": ""}, {"user_id": "nobody"}, {"seed_ids": ("p04",)}):
        found = retrieve(predicting, **fields)
        assert not any(FLAGS["sequence"] & int(flags) for flags in found.sources)


def test_a_shop_switches_it_off(
    catalog: LiveCatalog, store: SqliteStateStore, model: SequenceModel, predicting: Retriever
) -> None:
    following = NextProducts(model, catalog.snapshot.row_by_id, catalog.base)
    without = Retriever(catalog, store, change_weights({"sequence": 0}), following)
    assert not any(FLAGS["sequence"] & int(flags) for flags in retrieve(without).sources)


@pytest.mark.parametrize(("kind", "asked"), [(Kind.BOTH, True), (Kind.SIMILAR, False), (Kind.COMPLEMENTARY, False)])
def test_one_kind_of_product_page_asks_its_own_sources_alone(
    catalog: LiveCatalog, store: SqliteStateStore, model: SequenceModel, predicting: Retriever, kind: Kind, asked: bool
) -> None:
    following = NextProducts(model, catalog.snapshot.row_by_id, catalog.base)
    everywhere = Retriever(catalog, store, change_weights({"product-page.sequence": 1}), following)
    page = request(Placement.PRODUCT_PAGE, user_id="u9", seed_ids=("gone-long-ago",), kind=kind)  # the history is left
    assert any(FLAGS["sequence"] & int(flags) for flags in ask(everywhere, page).sources) == asked


def test_a_model_that_fails_is_left_out(predicting: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: SequenceModel, product_codes: object) -> None:
        raise ModelError("sequence: out of order")

    monkeypatch.setattr(SequenceModel, "encode", fail)
    found = retrieve(predicting)
    assert found.degraded == ["sequence"]
    assert len(ids_of(predicting, found)) == 40


def test_ids_of_one_products_variants_bring_it_once(catalog: LiveCatalog, model: SequenceModel) -> None:
    row_of = catalog.snapshot.row_by_id
    following = NextProducts(model, {**row_of, "p37": row_of["p36"]}, catalog.base)
    history = np.array([model.products.ids.index("p33") + 1])
    [(rows, scores)] = following.rank([history], [lambda rows: rows >= 0], 10)
    assert rows[0] == row_of["p36"]
    assert len(set(rows.tolist())) == len(rows) == len(scores)
