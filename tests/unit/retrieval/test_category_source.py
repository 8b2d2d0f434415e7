"""The source `category`: popular products of the categories in a history."""

import numpy as np
import pytest

from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.context import prepare_context
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from mercato.retrieval.sources.category import rank_category_favourites
from mercato.retrieval.sources.registry import FLAGS
from mercato.state.sqlite import SqliteStateStore
from tests.stores import delete, make_products, purchase, request, upsert
from tests.unit.retrieval.asking import ask, ids_of

OLD = {item.id: item for item in make_products()}


def rank(retriever: Retriever, asked: RetrievalRequest) -> tuple[list[str], RankedList]:
    [(history, _)] = retriever._read_state([asked], [])
    found = rank_category_favourites(retriever.catalog, prepare_context(retriever.catalog, asked, history, None), 0.5)
    return [retriever.catalog.id_of(row) for row in found.rows.tolist()], found


@pytest.fixture
def shopper(store: SqliteStateStore) -> RetrievalRequest:
    """Twice sweets (p08 to p11), once pets (p28 to p31), all today."""
    store.append_events([purchase("u9", product_id, 0) for product_id in ("p08", "p09", "p28")])
    return request(Placement.CATEGORY, user_id="u9", depth=50)


def test_each_category_brings_its_popular_ones_by_its_share(retriever: Retriever, shopper: RetrievalRequest) -> None:
    ids, found = rank(retriever, shopper)

    # Of pets p30 was bought before, by u1; sweets never were, and go by id.
    assert ids == ["p08", "p30", "p09", "p10", "p11", "p28", "p29", "p31"]
    scores = [2 / 3, 1 / 3, 2 / 3 / 2, 2 / 3 / 3, 2 / 3 / 4, 1 / 3 / 2, 1 / 3 / 3, 1 / 3 / 4]
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)
    assert found.weight == 0.5


def test_changed_products_stay_and_deleted_or_refused_ones_go(
    retriever: Retriever, store: SqliteStateStore, shopper: RetrievalRequest, catalog: LiveCatalog
) -> None:
    store.append_product_changes([delete("p09"), upsert(OLD["p10"])])
    retriever.catalog.refresh()
    # Of the history p08 and p28 are left: both categories count the same.
    assert rank(retriever, shopper)[0] == ["p30", "p08", "p28", "p10", "p11", "p29", "p31"]

    dear = request(Placement.CATEGORY, user_id="u9", condition=parse_filter("price > 30"))
    assert rank(retriever, dear)[0] == ["p30", "p31"]


def test_what_moved_to_another_category_is_of_neither(
    retriever: Retriever, store: SqliteStateStore, shopper: RetrievalRequest
) -> None:
    store.append_product_changes([upsert(OLD["p30"].merged({"categories": ["Store", "Sweets"]}))])
    retriever.catalog.refresh()
    assert rank(retriever, shopper)[0] == ["p08", "p09", "p28", "p10", "p11", "p29", "p31"]


def test_without_a_history_there_is_nothing(retriever: Retriever) -> None:
    assert rank(retriever, request(Placement.CATEGORY, user_id="nobody"))[0] == []


def test_it_is_named_where_it_brought_a_product(
    retriever: Retriever, catalog: LiveCatalog, store: SqliteStateStore, shopper: RetrievalRequest
) -> None:
    answer = ask(retriever, shopper)
    position = ids_of(retriever, answer).index("p31")
    assert int(answer.sources[position]) & FLAGS["category"]

    home = request(Placement.HOME_PAGE, user_id="u9", depth=50)
    assert not np.any(ask(retriever, home).sources & FLAGS["category"])
    asked = Retriever(catalog, store, change_weights({"home-page.category": 0.25}))
    assert np.any(ask(asked, home).sources & FLAGS["category"])
