"""Boosts: what they may be, how far they move a product, and whom they bring into the window."""

from typing import Any

import numpy as np
import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.policy.apply import BOOST_SPAN
from mercato.requests.boost import Boost, parse_boosts
from mercato.requests.page import parse_search
from mercato.requests.retrieval import WINDOW
from mercato.retrieval.ordering import weigh_rows
from mercato.state.sqlite import SqliteStateStore
from mercato.zscore import standardize_scores
from tests import stores
from tests.unit.policy.shop import all_ids, make_pipeline, search

LEAF = 'brand: ANY("Leaf")'


def boost(condition: str, amount: float) -> dict[str, Any]:
    return {"condition": condition, "boost": amount}


def test_boosts_are_read() -> None:
    assert parse_boosts(None) == parse_boosts([]) == ()
    assert parse_boosts([boost("price < 5", -1)]) == (Boost(parse_filter("price < 5"), -1.0),)


@pytest.mark.parametrize(
    ("value", "parameter", "says"),
    [
        ({"condition": "price < 5", "boost": 1}, "OPTIONS.boosts", "must be a list of at most 20, got dict"),
        ([boost("price < 5", 0)] * 21, "OPTIONS.boosts", "got 21"),
        (["price < 5"], "OPTIONS.boosts[0]", "an object with condition and boost"),
        ([{"condition": "price < 5"}], "OPTIONS.boosts[0]", "an object with condition and boost"),
        ([boost("price < 5", 1), boost("price < 5", 1.5)], "OPTIONS.boosts[1].boost", "between -1 and 1, got 1.5"),
        ([boost("price < 5", True)], "OPTIONS.boosts[0].boost", "got True"),
        ([{"condition": 5, "boost": 1}], "OPTIONS.boosts[0].condition", "must be a filter, got 5"),
        ([boost("price <", 1)], "OPTIONS.boosts[0].condition", "a number"),
        ([boost("", 1)], "OPTIONS.boosts[0].condition", "must not be blank"),
    ],
)
def test_what_is_no_boost_is_refused(value: object, parameter: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_boosts(value)
    assert caught.value.parameter == parameter
    assert says in str(caught.value)


def test_weights_are_summed_and_kept_between_minus_one_and_one(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    state.append_product_changes([stores.upsert(stores.product("n1", "Mug", brand="Leaf", price=3.0))])
    catalog.refresh()
    boosts = parse_boosts(
        [boost(LEAF, 0.75), boost("price < 5", 0.5), boost("price < 2", -1), boost('nil: ANY("x")', 1)]
    )
    rows = catalog.rows_of(["n1", "p00", "p01", "p02", "p39"])
    # n1: Leaf at 3 -> 1.25, kept at 1; p00 at 1: 0.5 - 1; p01 at 2 and p02 at 3: 0.5; p39 at 40: nothing.
    assert weigh_rows(catalog, boosts, rows).tolist() == [1.0, -0.5, 0.5, 0.5, 0.0]


def test_standard_scores_are_the_same_for_every_scale() -> None:
    scores = np.array([3.0, 1.0, 2.0], np.float32)
    assert standardize_scores(scores) == pytest.approx([1.5**0.5, -(1.5**0.5), 0.0])
    assert standardize_scores(1000 * scores + 5) == pytest.approx(standardize_scores(scores), abs=1e-4)
    assert standardize_scores(np.full(4, 0.1, np.float32)).tolist() == [0.0] * 4


class FallingRanker:
    """Gives the candidates 1, 0.99, 0.98, ..."""

    def score(self, query: Any, history: Any, candidates: Any, features: Any) -> Any:
        scores = 1 - np.arange(candidates.shape[1], dtype=np.float32) / 100
        return np.tile(scores, (len(candidates), 1))


def test_a_boost_moves_a_product_by_standard_deviations(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog, ranker=FallingRanker())
    before = search(pipeline, "fine tea", page_size=WINDOW)
    chosen = before["ids"][60]
    after = search(pipeline, "fine tea", page_size=WINDOW, boosts=[boost(f'id: ANY("{chosen}")', 0.1)])
    assert set(before["ids"]) == set(after["ids"])
    # Scores 0, 1, ... 127 steps apart have a standard deviation of sqrt((128^2 - 1) / 12) = 36.9 steps.
    moved = 0.1 * BOOST_SPAN * ((WINDOW**2 - 1) / 12) ** 0.5
    assert 60 - after["ids"].index(chosen) == int(moved) == 11
    others = [product for product in before["ids"] if product != chosen]
    assert [product for product in after["ids"] if product != chosen] == others


def test_boost_lifts_and_bury_sinks(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog, ranker=FallingRanker())
    plain = search(pipeline, "fine tea", page_size=40)["results"]
    lifted = search(pipeline, "fine tea", page_size=40, boosts=[boost(LEAF, 1)])["results"]
    buried = search(pipeline, "fine tea", page_size=40, boosts=[boost(LEAF, -1)])["results"]
    share = [sum(result["brand"] == "Leaf" for result in results) for results in (plain, lifted, buried)]
    assert share[1] > share[0] > share[2]
    assert share[1] >= 38
    assert share[2] == 0


def test_boosted_products_from_beyond_the_window_enter_it_and_no_page_repeats_or_skips(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    plain = all_ids(pipeline, "fine tea")
    wanted = next(product for product in reversed(plain) if product.startswith("t") and product != "t005")
    assert plain.index(wanted) >= WINDOW
    boosted = all_ids(pipeline, "fine tea", boosts=[boost(f'id: ANY("{wanted}")', 1)])
    assert boosted.index(wanted) < 10
    assert sorted(boosted) == sorted(plain)
    # A boost of half of all products takes a quarter of the window at most.
    half = all_ids(pipeline, "fine tea", boosts=[boost("price > 15", 0.5)])
    assert sorted(half) == sorted(plain)
    assert len(set(half[:WINDOW]) - set(plain[:WINDOW])) == WINDOW // 4


def test_a_boost_of_nothing_changes_nothing(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    plain = search(pipeline, "fine tea")
    for amount in (1, -1, 0):
        found = search(pipeline, "fine tea", boosts=[boost("price > 1000", amount)])
        assert (found["ids"], found["total"]) == (plain["ids"], plain["total"])


def test_a_sorted_answer_is_not_boosted(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    assert (
        search(pipeline, "fine tea", order_by="price", boosts=[boost(LEAF, 1)])["ids"]
        == search(pipeline, "fine tea", order_by="price")["ids"]
    )


def test_a_boost_that_the_catalogue_cannot_answer_is_refused_alone(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    bad = {"QUERY": b"tea", "OPTIONS": orjson.dumps({"boosts": [boost("price < 1", 1), boost("weather < 5", 1)]})}
    refused, answered = pipeline.answer([parse_search(bad), parse_search({"QUERY": b"fine tea"})])
    assert isinstance(refused, InvalidInputError)
    assert refused.parameter == "OPTIONS.boosts[1].condition"
    assert "weather" in str(refused)
    assert not isinstance(answered, Exception)
    assert len(answered.product_ids) == 20
