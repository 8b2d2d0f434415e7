"""``order_by``: the whole result, missing values last, ties by relevance, pages that fit together."""

import numpy as np
import pytest

from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.requests.order_by import OrderBy, SortKey, parse_order_by
from mercato.retrieval.ordering import sort_products
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import all_ids, make_pipeline, recommend, search


def test_an_order_is_read() -> None:
    assert parse_order_by(None) is parse_order_by("") is parse_order_by("relevance") is None
    assert parse_order_by("price") == parse_order_by(" price asc ") == OrderBy((SortKey("price"),))
    assert parse_order_by("available_time DESC, price") == OrderBy(
        (SortKey("available_time", descending=True), SortKey("price"))
    )
    order = parse_order_by("price desc, attributes.width")
    assert order is not None
    assert parse_order_by(order.text) == order


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (5, "must be a text"),
        ("price,,size", "1 to 3 fields joined by commas"),
        ("a, b, c, d", "1 to 3 fields"),
        ("price down", "one of asc, desc, got 'down'"),
        ("price, relevance", "it breaks ties anyway"),
        ("p" * 9_070, "at most 9,069 characters"),
    ],
)
def test_what_is_no_order_is_refused(value: object, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_order_by(value)


def test_the_first_of_many_are_the_same_as_of_all_sorted() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 20, 500).astype(np.float64)
    numbers[rng.random(500) < 0.1] = np.nan
    relevance = rng.permutation(500)
    for descending in (False, True):
        expected = sorted(
            range(500),
            key=lambda position: (
                np.isnan(numbers[position]),
                0.0 if np.isnan(numbers[position]) else -numbers[position] if descending else numbers[position],
                relevance[position],
            ),
        )
        for limit in (1, 7, 100, 499, 500, 600):
            found = sort_products([(numbers, descending)], relevance, limit)
            assert found.tolist() == expected[:limit]


def test_later_keys_decide_among_equals() -> None:
    first, second = np.array([1.0, 1.0, 0.0, np.nan]), np.array([5.0, 7.0, 1.0, 9.0])
    assert sort_products([(first, False), (second, True)], np.arange(4), 4).tolist() == [2, 1, 0, 3]
    assert sort_products([(first[:0], False)], np.arange(0), 4).tolist() == []


def prices(catalog: LiveCatalog, ids: list[str]) -> list[float]:
    products = [catalog.product(product_id) for product_id in ids]
    return [np.inf if product is None or product.price is None else product.price for product in products]


@pytest.mark.parametrize("page_size", [30, 128, 500])
def test_the_whole_result_is_sorted_over_all_pages(catalog: LiveCatalog, page_size: int) -> None:
    pipeline = make_pipeline(catalog)
    total = search(pipeline, "fine tea")["total"]
    assert total >= 250, "more than the window"
    ids = all_ids(pipeline, "fine tea", page_size=page_size, order_by="price")
    assert len(ids) == len(set(ids)) == total
    asked = prices(catalog, ids)
    assert asked == sorted(asked)
    assert ids[-1] == "t005", "who has no price comes last"
    dear = all_ids(pipeline, "fine tea", page_size=page_size, order_by="price desc")
    assert set(dear) == set(ids)
    assert prices(catalog, dear)[:-1] == sorted(asked[:-1], reverse=True)
    assert dear[-1] == "t005"


def test_equal_prices_stay_in_the_order_of_relevance(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    pipeline = make_pipeline(catalog, state)
    relevant = search(pipeline, "green tea", page_size=5)["ids"]
    state.append_product_changes(
        [stores.upsert(stores.product(product_id, "Green tea", price=0.5)) for product_id in reversed(relevant)]
    )
    again = search(pipeline, "green tea", page_size=5)["ids"]
    assert search(pipeline, "green tea", page_size=5, order_by="price")["ids"] == again
    assert set(again) == set(relevant)


def test_scores_fall_with_the_order(catalog: LiveCatalog) -> None:
    scores = search(make_pipeline(catalog), "fine tea", page_size=200, order_by="price")["scores"]
    assert (np.diff(scores) < 0).all()


def test_times_and_attributes_can_be_sorted_by(catalog: LiveCatalog) -> None:
    found = search(make_pipeline(catalog), "fine tea", page_size=5, order_by="available_time desc")
    assert [result["available_time"][:10] for result in found["results"]] == ["2020-01-28"] * 5


def test_a_sorted_answer_is_not_ranked(catalog: LiveCatalog) -> None:
    class NoRanker:
        def score(self, *_: object) -> None:
            raise AssertionError("asked")

    found = search(make_pipeline(catalog, ranker=NoRanker()), "fine tea", order_by="price")
    assert found["degraded"] == []


def test_recommendations_can_be_sorted(catalog: LiveCatalog) -> None:
    ids = recommend(make_pipeline(catalog), order_by="price desc")["ids"]
    assert ids[:3] == ["p39", "p38", "p37"], "40, 39 and 38; the dearest tea costs 30.9"


@pytest.mark.parametrize(
    ("order", "says"), [("brand", "brand holds texts"), ("colour desc", "unknown field 'colour'"), ("prise", "price")]
)
def test_an_order_that_the_catalogue_has_not_is_refused(catalog: LiveCatalog, order: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        search(make_pipeline(catalog), "tea", order_by=order)
    assert caught.value.parameter == "OPTIONS.order_by"
