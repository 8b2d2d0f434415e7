"""A price feed over every product: words, vectors and all that was learned hold on, and only the price is another."""

import numpy as np
import orjson
import pytest

from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import Placement, Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.stores import delete, product, request, search_request, upsert
from tests.unit.retrieval.asking import ask, ask_all, ids_of

REQUESTS = [
    search_request("large frozen pizza"),
    search_request("coffee"),
    search_request("food dog", condition=parse_filter('brand: ANY("Acme")')),
    request(Placement.HOME_PAGE, user_id="u0"),
    request(Placement.HOME_PAGE),
    request(Placement.PRODUCT_PAGE, seed_ids=("p04",)),
    request(Placement.CART, seed_ids=("p04", "p20"), user_id="u1"),
]


def patch(product_id: str, **fields: object) -> ProductChange:
    return ProductChange("patch", product_id, orjson.dumps(fields))


def patch_all(catalog: LiveCatalog, store: SqliteStateStore, price: float) -> None:
    """Patch every product in the order of the snapshot, so that equal scores keep their order."""
    ids = catalog.snapshot.documents.ids()
    store.append_product_changes([patch(product_id, price=price) for product_id in ids])


def test_answers_are_those_of_before_but_for_the_price(
    retriever: Retriever, catalog: LiveCatalog, store: SqliteStateStore
) -> None:
    before = ask_all(retriever, REQUESTS)
    ids_before = [ids_of(retriever, answer) for answer in before if isinstance(answer, Retrieved)]
    signals = catalog.features()
    patch_all(catalog, store, 0.5)
    patch_all(catalog, store, 0.7)

    after = ask_all(retriever, REQUESTS)

    assert len(catalog.delta) == 2 * catalog.base
    assert not catalog.delta.postings, "their words are those of the snapshot"
    assert not len(catalog.delta.own_entries), "so are their vectors"
    for old, new, ids in zip(before, after, ids_before, strict=True):
        assert isinstance(old, Retrieved)
        assert isinstance(new, Retrieved)
        assert ids_of(retriever, new) == ids
        np.testing.assert_array_equal(new.sources, old.sources)
        np.testing.assert_allclose(new.fused, old.fused, rtol=1e-6)
        assert (new.rows >= catalog.base).all()
    features = catalog.features()
    now = catalog.current_row
    for name in ("log_popularity", "trend", "repeat_rate", "repeat_interval_days", "leaf_category", "brand"):
        np.testing.assert_array_equal(getattr(features, name)[now], getattr(signals, name)[: catalog.base])
    np.testing.assert_allclose(features.price[now], 0.7)


def test_a_text_that_changes_after_a_price_is_found_by_its_new_words(
    retriever: Retriever, store: SqliteStateStore
) -> None:
    thin = product("p05", "Sparkling water", price=3)
    store.append_product_changes(
        [patch("p05", price=1), patch("p05", title="Sparkling water"), patch("p05", price=2), patch("p06", price=2)]
    )

    assert ids_of(retriever, ask(retriever, search_request("sparkling"), encoder=False)) == ["p05"]
    pizzas = ids_of(retriever, ask(retriever, search_request("pizza"), encoder=False))
    assert set(pizzas) == {"p04", "p06", "p07"}
    store.append_product_changes([delete("p06"), upsert(thin), patch("p05", price=9), patch("p06", price=9)])
    assert ids_of(retriever, ask(retriever, search_request("sparkling"), encoder=False)) == ["p05"]
    assert set(ids_of(retriever, ask(retriever, search_request("pizza"), encoder=False))) == {"p04", "p07"}


@pytest.mark.parametrize("encoder", [False, True])
def test_a_filter_sees_the_new_price_of_what_words_find(
    retriever: Retriever, store: SqliteStateStore, encoder: bool
) -> None:
    asked = search_request("milk", condition=parse_filter("price < 2.5"))
    store.append_product_changes([patch("p03", price=1), patch("p00", price=3)])
    assert set(ids_of(retriever, ask(retriever, asked, encoder=encoder))) == {"p01", "p03"}
