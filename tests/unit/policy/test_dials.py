"""Novelty, coverage and margin: the formula, its floor, what has no value, contradictions, pages and explanations."""

import math
from typing import Any

import numpy as np
import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.policy.dials import (
    LEAST_PROBABILITY,
    Weighed,
    draw_gumbel,
    estimate_probabilities,
    value_products,
)
from mercato.policy.ranked import Ranked
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.dials import NO_DIALS, Cap, Dials, fill_dials
from mercato.requests.page import PageRequest, parse_recommend, parse_search
from mercato.requests.retrieval import SourceFlags
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import CONTEXT, make_pipeline, read, recommend, search

USER = b"u7"


def order(probabilities: list[float], floor: float = 0.0, **parts: list[float]) -> list[int]:
    weighed = Weighed(
        relevance=np.log(np.array(probabilities)),
        parts={name: np.array(part, np.float64) for name, part in parts.items()},
        unvalued=np.zeros(len(probabilities), np.bool_),
    )
    found: list[int] = weighed.order(floor).tolist()
    return found


def test_margin_1_is_the_expected_value() -> None:
    p, v = [0.5, 0.4, 0.1], [1.0, 2.0, 4.0]  # p * v: 0.5, 0.8, 0.4
    assert order(p, margin=[math.log(one) for one in v]) == [1, 0, 2]
    assert order(p, margin=[0.0, 0.0, 0.0]) == [0, 1, 2]


def test_novelty_1_is_how_much_likelier_a_product_is_than_popular() -> None:
    p, buyers = [0.5, 0.4, 0.1], [100.0, 10.0, 0.0]  # p / (1 + b): 0.00495, 0.0364, 0.1
    assert order(p, novelty=[-math.log(1 + one) for one in buyers]) == [2, 1, 0]


def test_what_is_below_the_floor_is_not_raised_past_what_is_above() -> None:
    raised = [0.0, 0.0, 9.0, 8.0]
    assert order([0.5, 0.1, 0.05, 0.04], novelty=raised) == [2, 3, 0, 1]
    # 0.1 of 0.5 is 0.05: the third is just above, the fourth is not
    assert order([0.5, 0.1, 0.05, 0.04], 0.1, novelty=raised) == [2, 0, 1, 3]
    assert order([0.5, 0.1, 0.05, 0.04], 1.0, novelty=raised) == [0, 1, 2, 3]


def test_equal_sums_keep_their_order() -> None:
    assert order([0.5, 0.5, 0.5], novelty=[0.0, 0.0, 0.0]) == [0, 1, 2]


def test_probabilities_are_calibrated_ones_or_fall_with_the_rank() -> None:
    assert estimate_probabilities([7, 8], {7: 0.2, 8: 0.0}).tolist() == [0.2, LEAST_PROBABILITY]
    assert estimate_probabilities([7, 8, 9, 3], {7: 0.2}).tolist() == [1.0, 1 / math.sqrt(2), 1 / math.sqrt(3), 0.5]


def test_draws_are_by_probability_and_always_the_same_for_a_shopper() -> None:
    products, p = ["a", "b", "c"], np.array([0.5, 0.3, 0.2])
    first = [int(np.argmax(np.log(p) + draw_gumbel(f"u{number}", products))) for number in range(4_000)]
    shares = np.bincount(first, minlength=3) / len(first)
    # three standard errors of a share of 4,000: 3 * sqrt(0.25 / 4000) = 0.024
    assert np.abs(shares - p).max() < 0.024
    assert draw_gumbel("u1", products).tolist() == draw_gumbel("u1", products).tolist()
    assert draw_gumbel("u1", products).tolist() != draw_gumbel("u2", products).tolist()


def ranked_of(catalog: LiveCatalog, *ids: str) -> Ranked:
    rows = catalog.rows_of(ids)
    return Ranked(rows=rows, scores=np.ones(len(rows), np.float32), sources=np.zeros(len(rows), SourceFlags))


def test_a_product_without_margin_goes_by_its_price_at_the_usual_rate(
    catalog: LiveCatalog, state: SqliteStateStore
) -> None:
    state.append_product_changes(
        [
            stores.upsert(stores.product("m1", "Cup one", price=10.0, attributes={"margin": 1.0})),
            stores.upsert(stores.product("m2", "Cup two", price=10.0, attributes={"margin": 3.0})),
            stores.upsert(stores.product("m3", "Cup three", price=40.0)),
            stores.upsert(stores.product("m4", "Cup four")),
        ]
    )
    catalog.refresh()
    ranked = ranked_of(catalog, "m1", "m2", "m3", "m4")
    margins = value_products(catalog, Dials(margin_field="margin"), ranked, 4)
    assert margins[:3].tolist() == [1.0, 3.0, 40.0 * (0.1 + 0.3) / 2]
    assert np.isnan(margins[3])
    prices = value_products(catalog, NO_DIALS, ranked, 4)
    assert prices[:3].tolist() == [10.0, 10.0, 40.0]


def test_what_has_neither_margin_nor_price_is_left_as_it_is_and_says_so(catalog: LiveCatalog) -> None:
    found = search(make_pipeline(catalog), "fine tea number 5", margin=0.5, explain=True, page_size=100)
    [notes] = [one["explanation"]["rules"] for one in found["results"] if one["id"] == "t005"]
    assert {"kind": "unvalued", "dial": "margin"} in notes
    [text] = [one["explanation"]["text"] for one in found["results"] if one["id"] == "t005"]
    assert "no margin or price of it is known" in text


def test_a_margin_raises_what_brings_more_and_says_so(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    mean = {}
    for dial in (0.0, 0.5, 1.0):
        found = search(pipeline, "fine tea", margin=dial, explain=True)
        prices = [one["price"] for one in found["results"] if "price" in one]
        mean[dial] = sum(prices) / len(prices)
        assert found["scores"] == sorted(found["scores"], reverse=True)
    assert mean[0.0] < mean[0.5] < mean[1.0]
    first = found["results"][0]["explanation"]
    assert first["rules"][0] == {"kind": "raised", "dial": "margin", "ranks": first["rules"][0]["ranks"]}
    assert "raised for what its sale brings" in first["text"]


def ask(pipeline: Any, offset: int = 0, page_size: int = 7, user: bytes = USER, **options: Any) -> list[str]:
    fields: dict[str, Any] = {"PLACEMENT": b"home-page", "CONTEXT": CONTEXT, "USER_ID": user}
    fields |= {"OFFSET": offset, "PAGE_SIZE": page_size}
    [answer] = pipeline.answer([parse_recommend({**fields, "OPTIONS": orjson.dumps(options)})])
    ids: list[str] = read(answer)["ids"]
    return ids


DIALS: dict[str, dict[str, Any]] = {
    "novelty": {"novelty": 0.5},
    "coverage": {"coverage": 1},
    "margin": {"margin": 1, "relevance_floor": 0},
    "caps": {"caps": [{"field": "brand", "share": 0.5}]},
    "all": {"novelty": 0.3, "coverage": 0.5, "margin": 0.5, "diversity": 0.3, "caps": [{"field": "brand", "count": 4}]},
}


@pytest.mark.parametrize("name", DIALS)
def test_pages_repeat_nothing_and_leave_nothing_out(catalog: LiveCatalog, name: str) -> None:
    pipeline = make_pipeline(catalog)
    paged = [one for offset in range(0, 294, 7) for one in ask(pipeline, offset, **DIALS[name])]
    assert len(paged) == len(set(paged)) == 290
    assert set(paged) == set(ask(pipeline, page_size=500))


def test_coverage_is_a_draw_of_each_shopper_and_none_of_nobody(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    plain = ask(pipeline)
    assert ask(pipeline, user=b"", coverage=1) == plain
    assert ask(pipeline, coverage=1) == ask(pipeline, coverage=1) != plain
    users = [f"u{number}".encode() for number in range(20)]
    shown = {dial: {one for user in users for one in ask(pipeline, user=user, coverage=dial)} for dial in (0, 0.3, 1)}
    assert len(shown[0]) < len(shown[0.3]) < len(shown[1])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"novelty": 1.1}, "OPTIONS.novelty: must be between 0 and 1, got 1.1"),
        ({"novelty": True}, "OPTIONS.novelty: must be between 0 and 1, got True"),
        ({"margin": -0.1}, "OPTIONS.margin: must be between 0 and 1"),
        ({"coverage": "1"}, "OPTIONS.coverage: must be between 0 and 1"),
        ({"relevance_floor": 2}, "OPTIONS.relevance_floor: must be between 0 and 1"),
        ({"margin_field": ""}, "OPTIONS.margin_field: must be the name of a field"),
        ({"caps": {"field": "brand"}}, "OPTIONS.caps: must be a list of at most 5 caps, got dict"),
        ({"caps": [{"field": "brand", "count": 0}]}, "OPTIONS.caps[0].count: must be a whole number from 1, got 0"),
        ({"caps": [{"field": "brand", "count": 1.5}]}, "OPTIONS.caps[0].count: must be a whole number"),
        ({"caps": [{"field": "brand", "share": 1.5}]}, "OPTIONS.caps[0].share: must be above 0 and at most 1, got 1.5"),
        ({"caps": [{"field": "brand", "share": 0}]}, "OPTIONS.caps[0].share: must be above 0"),
        ({"caps": [{"field": "brand", "share": 0.5, "count": 3}]}, "OPTIONS.caps[0]: must be an object with field and"),
        ({"caps": [{"field": "brand"}]}, "either count or share"),
        ({"caps": [{"field": "brand", "count": 1}, {"field": "brand", "share": 1}]}, "must cap a field once"),
        ({"margin": 0.5, "order_by": "price"}, "OPTIONS.margin: is an order of its own, and OPTIONS.order_by asks for"),
        ({"caps": [{"field": "brand", "count": 1}], "order_by": "price"}, "OPTIONS.caps: is an order of its own"),
        ({"adult": "yes"}, "OPTIONS.adult: must be true or false"),
    ],
)
def test_what_cannot_be_or_contradicts_is_refused(options: dict[str, Any], says: str) -> None:
    fields = {"OPTIONS": orjson.dumps(options)}
    for parse, given in ((parse_recommend, {"PLACEMENT": b"home-page"}), (parse_search, {"QUERY": b"tea"})):
        with pytest.raises(InvalidInputError) as caught:
            parse({**fields, **given})
        if not (given.get("QUERY") and "coverage" in options):
            assert says in str(caught.value)


def test_a_dial_at_0_contradicts_nothing_and_a_search_is_not_drawn() -> None:
    parse_search({"QUERY": b"tea", "OPTIONS": b'{"margin": 0, "order_by": "price"}'})
    parse_search({"QUERY": b"tea", "OPTIONS": b'{"coverage": 0}'})
    with pytest.raises(InvalidInputError, match="OPTIONS.coverage: is for recommendations"):
        parse_search({"QUERY": b"tea", "OPTIONS": b'{"coverage": 0.1}'})


def test_an_unknown_field_is_refused_and_harms_no_neighbour(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    bad = {"PLACEMENT": b"home-page", "OPTIONS": b'{"margin": 1, "margin_field": "weather"}'}
    refused, answered = pipeline.answer([parse_recommend(bad), parse_recommend({"PLACEMENT": b"home-page"})])
    assert isinstance(refused, InvalidInputError)
    assert refused.parameter == "OPTIONS.margin_field"
    assert read(answered)["ids"]


def dialled(rules: dict[str, Any], placement: str, **options: Any) -> PageRequest:
    fields = {"OPTIONS": orjson.dumps(options), "PLACEMENT": placement.encode(), "QUERY": b"tea"}
    request = parse_search(fields) if placement == "search" else parse_recommend(fields)
    return Rules(RuleFile.model_validate({"dials": rules})).apply(request)


def test_the_request_goes_before_the_placement_and_the_placement_before_recommend() -> None:
    rules = {"recommend": {"novelty": 0.2, "diversity": 0.3, "caps": [{"field": "brand", "share": 0.5}]},
             "cart": {"novelty": 0.6}, "search": {"margin": 0.1}}  # fmt: skip
    home = dialled(rules, "home-page")
    assert (home.novelty, home.diversity, home.margin, home.caps) == (0.2, 0.3, None, (Cap("brand", share=0.5),))
    cart = dialled(rules, "cart", diversity=0, caps=[])
    assert (cart.novelty, cart.diversity, cart.caps) == (0.6, 0.0, ())
    searched = dialled(rules, "search")
    assert (searched.novelty, searched.margin) == (None, 0.1)
    assert fill_dials(dialled(rules, "rank"), NO_DIALS).novelty is None
    assert dialled({"recommend": {}}, "home-page").weighs is dialled({}, "home-page").weighs is False


@pytest.mark.parametrize(
    ("dials", "says"),
    [
        ({"hom-page": {}}, "dials: are for recommend, search, home-page"),
        ({"recommend": {"novelty": 2}}, "recommend: novelty: must be between 0 and 1, got 2"),
        ({"recommend": {"novel": 1}}, "recommend: dials: are novelty, diversity"),
        ({"search": {"coverage": 0.5}}, "search: coverage is for recommendations"),
        ({"recommend": {"caps": [{"field": "brand", "count": 0}]}}, "recommend: caps[0].count: must be a whole number"),
    ],
)
def test_a_rules_file_with_impossible_dials_is_refused(dials: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match="1 validation error") as caught:
        RuleFile.model_validate({"dials": dials})
    assert says in str(caught.value) or says.removeprefix("dials: ") in str(caught.value)


def test_the_shops_dials_move_recommendations_and_leave_what_is_sorted(catalog: LiveCatalog) -> None:
    plain, turned = make_pipeline(catalog), make_pipeline(catalog, rules={"dials": {"recommend": {"margin": 1}}})
    assert recommend(turned)["ids"] == recommend(plain, margin=1)["ids"] != recommend(plain)["ids"]
    assert recommend(turned, margin=0)["ids"] == recommend(plain)["ids"]
    assert recommend(turned, order_by="price")["ids"] == recommend(plain, order_by="price")["ids"]
    assert search(turned, "fine tea")["ids"] == search(plain, "fine tea")["ids"]


def test_a_rules_field_that_no_product_has_yet_leaves_prices(catalog: LiveCatalog) -> None:
    dials = {"margin": 1, "margin_field": "attributes.yield", "caps": [{"field": "attributes.seller", "count": 1}]}
    turned = make_pipeline(catalog, rules={"dials": {"recommend": dials}})
    assert recommend(turned)["ids"] == recommend(make_pipeline(catalog), margin=1)["ids"]


def test_a_list_to_order_keeps_all_of_its_products(catalog: LiveCatalog) -> None:
    listed = [f"t{number:03d}" for number in range(200)] + ["gone"]
    options = {"novelty": 0.4, "margin": 1, "relevance_floor": 0, "caps": [{"field": "brand", "count": 1}]}
    fields = {"PLACEMENT": b"rank", "SEED_PRODUCT_IDS": orjson.dumps(listed), "CONTEXT": CONTEXT}
    [answer] = make_pipeline(catalog).answer([parse_recommend({**fields, "OPTIONS": orjson.dumps(options)})])
    ids = read(answer)["ids"]
    assert sorted(ids) == sorted(listed)
    assert ids[-1] == "gone"


def test_new_products_keep_their_slots(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    fresh = [stores.upsert(stores.product(f"n{number}", f"New kettle {number}", price=1.0)) for number in range(2)]
    state.append_product_changes(fresh)
    for options in ({}, {"novelty": 0.3}, {"margin": 1, "relevance_floor": 0}, {"coverage": 1}):
        ids = ask(make_pipeline(catalog, state), page_size=20, **options)
        assert {one for one in ids[:10] if one.startswith("n")}
        assert len([one for one in ids if one.startswith("n")]) == 2
