"""The table "Rules" of docs/recommendation.md, row by row, at every placement and for every kind of shopper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from mercato.events.event import parse_event
from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import RECOMMEND_PLACEMENTS, parse_recommend
from mercato.requests.retrieval import Placement
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores

ALL = {product.id for product in stores.make_products()}
OUT_OF_STOCK = {"p09", "p19", "p29", "p39"}
SESSION = ("p08", "p25", "p33")
WHO: dict[str, dict[str, bytes]] = {
    "stranger": {},
    "household": {"USER_ID": b"u0"},
    "session": {"VISITOR_ID": b"tab"},
    "both": {"USER_ID": b"u0", "VISITOR_ID": b"tab"},
}
PLACEMENTS = [placement.label for placement in RECOMMEND_PLACEMENTS]
everywhere = pytest.mark.parametrize("placement", PLACEMENTS)
everybody = pytest.mark.parametrize("who", WHO.values(), ids=WHO)


@pytest.fixture(autouse=True)
def _session(state: SqliteStateStore) -> None:
    """Somebody without an account looks at three products."""
    views = [stores.event("detail-page-view", item, 0.01 * n, visitor_id="tab") for n, item in enumerate(SESSION)]
    state.append_events(views)


def ask(
    catalog: LiveCatalog,
    retriever: Retriever,
    placement: str,
    who: Mapping[str, bytes],
    *,
    rules: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    seeds: tuple[str, ...] = (),
    **fields: Any,
) -> dict[str, Any]:
    """Ask for everything; `rank` is given the whole shop to order."""
    listed = (*sorted(ALL), *seeds) if placement == "rank" else seeds
    asked = {"facets": ["brand"], "explain": True, **(options or {})}
    given: dict[str, Any] = {
        "PLACEMENT": placement.encode(),
        "CONTEXT": orjson.dumps({"time": stores.NOW}),
        "PAGE_SIZE": 500,
        "SEED_PRODUCT_IDS": orjson.dumps(listed),
        "OPTIONS": orjson.dumps(asked),
        **who,
        **fields,
    }
    served = Rules(RuleFile.model_validate(rules)) if rules else None
    pipeline = Pipeline(catalog, stores.HashEncoder(), retriever, None, rules=served)
    [answer] = pipeline.answer([parse_recommend(given)])
    assert isinstance(answer, Answer), answer
    found: dict[str, Any] = orjson.loads(answer.details)
    ids = answer.product_ids
    assert found["degraded"] == []
    assert found["total"] == len(ids) == len(set(ids))
    assert all(result["explanation"]["text"] for result in found["results"] if "explanation" in result)
    known = [item for item in ids if item not in found.get("missing_ids", [])]
    assert sum(value["count"] for value in found["facets"][0]["values"]) == len(known)
    return {**found, "ids": ids}


@everywhere
@everybody
def test_bought_before_is_shown_and_left_out_on_request(
    catalog: LiveCatalog, retriever: Retriever, placement: str, who: dict[str, bytes]
) -> None:
    # u0 bought p20 5 days ago, p04 and p12 10 days ago; the session bought nothing.
    known = "USER_ID" in who
    for days, gone in ((0, set()), (7, {"p20"}), (30, {"p20", "p04", "p12"}), (36_500, {"p20", "p04", "p12"})):
        options = {"exclude_purchased_days": days} if days else {}
        found = ask(catalog, retriever, placement, who, options=options)
        assert set(found["ids"]) == ALL - (gone if known else set())


@everywhere
@everybody
def test_seeds_are_never_in_the_answer_around_them(
    catalog: LiveCatalog, retriever: Retriever, placement: str, who: dict[str, bytes]
) -> None:
    found = ask(catalog, retriever, placement, who, seeds=("p04", "p12"))
    around = placement in (Placement.PRODUCT_PAGE.label, Placement.CART.label)
    assert set(found["ids"]) == ALL - ({"p04", "p12"} if around else set())
    if placement != "rank":
        dearest = ask(catalog, retriever, placement, who, seeds=("p04", "p39"), options={"order_by": "price desc"})
        assert dearest["ids"][0] == ("p38" if around else "p39")


@everywhere
@everybody
def test_blocked_products_and_those_that_fail_a_filter(
    catalog: LiveCatalog, retriever: Retriever, placement: str, who: dict[str, bytes]
) -> None:
    rules = {"blocked": ["p04", "p20", "p25"], "filter": "price > 3"}
    found = ask(catalog, retriever, placement, who, rules=rules, FILTER=b"price < 30")
    # p00 costs 1, p39 40; the shop's filter holds besides the request's.
    expected = {f"p{n:02d}" for n in range(3, 29)} - {"p04", "p20", "p25"}
    assert set(found["ids"]) == expected
    relaxed = {"strict_filtering": False}
    found = ask(catalog, retriever, placement, who, rules=rules, options=relaxed, FILTER=b"price > 1000")
    assert set(found["ids"]) == {f"p{n:02d}" for n in range(3, 40)} - {"p04", "p20", "p25"}
    assert found["filter_relaxed"] is True


@everywhere
@everybody
def test_what_is_out_of_stock_is_shown_unless_a_filter_refuses_it(
    catalog: LiveCatalog, retriever: Retriever, placement: str, who: dict[str, bytes]
) -> None:
    stock = 'availability: ANY("IN_STOCK")'
    assert set(ask(catalog, retriever, placement, who)["ids"]) == ALL
    assert set(ask(catalog, retriever, placement, who, FILTER=stock.encode())["ids"]) == ALL - OUT_OF_STOCK
    assert set(ask(catalog, retriever, placement, who, rules={"filter": stock})["ids"]) == ALL - OUT_OF_STOCK


@everywhere
@everybody
def test_deleted_products_are_gone_and_what_was_learned_through_them_stays(
    catalog: LiveCatalog, retriever: Retriever, state: SqliteStateStore, placement: str, who: dict[str, bytes]
) -> None:
    state.append_product_changes([stores.delete("p04"), stores.delete("p33")])
    found = ask(catalog, retriever, placement, who)
    expected = ALL - {"p04", "p33"}
    if placement == "rank":
        assert found["ids"][-2:] == ["p04", "p33"] == found["missing_ids"]
        found["ids"] = found["ids"][:-2]
    assert set(found["ids"]) == expected


@everywhere
@everybody
def test_what_is_newer_than_the_snapshot_is_shown_to_all(
    catalog: LiveCatalog, retriever: Retriever, state: SqliteStateStore, placement: str, who: dict[str, bytes]
) -> None:
    state.append_product_changes([stores.upsert(stores.product("new", "Small red wine", price=5.0, brand="Acme"))])
    found = ask(catalog, retriever, placement, who, seeds=("new",) if placement == "rank" else ())
    assert set(found["ids"]) == ALL | {"new"}
    if placement in ("home-page", "category"):
        assert found["ids"].index("new") <= 9


@pytest.mark.parametrize("placement", ["home-page", "category", "rank"])
def test_a_session_of_three_views_leads_its_page(catalog: LiveCatalog, retriever: Retriever, placement: str) -> None:
    found = ask(catalog, retriever, placement, WHO["session"])
    assert set(found["ids"][:3]) == set(SESSION)
    sources = {result["id"]: result["sources"] for result in found["results"]}
    assert all("repeat" in sources[item] and "similar" in sources[item] for item in SESSION)
    texts = {result["id"]: result["explanation"]["text"] for result in found["results"]}
    assert texts["p08"] == "you looked at it on 14 Nov"
    # What is like the viewed coffee, chocolate and paper towels comes before what is not.
    assert "similar" in sources[found["ids"][3]]


def test_a_session_is_forgotten_with_its_visitor(catalog: LiveCatalog, retriever: Retriever) -> None:
    other = ask(catalog, retriever, "home-page", {"VISITOR_ID": b"other tab"})
    assert other["ids"] == ask(catalog, retriever, "home-page", {})["ids"]


def test_the_time_of_the_request_decides_what_was_bought_lately(catalog: LiveCatalog, retriever: Retriever) -> None:
    later = orjson.dumps({"time": stores.NOW + 4 * stores.DAY})
    options = {"exclude_purchased_days": 7}
    found = ask(catalog, retriever, "home-page", WHO["household"], options=options, CONTEXT=later)
    assert set(found["ids"]) == ALL, "p20 was bought nine days before"


def test_what_was_bought_without_a_time_is_left_out_with_everything_alone(
    catalog: LiveCatalog, retriever: Retriever, state: SqliteStateStore
) -> None:
    who = {"USER_ID": b"in order alone"}
    document = {"event_type": "purchase-complete", "user_id": "in order alone", "product_id": "p20", "order": 1}
    state.append_events([parse_event(document, now=stores.NOW)])
    for days, gone in ((3_650, set()), (36_500, {"p20"})):
        found = ask(catalog, retriever, "home-page", who, options={"exclude_purchased_days": days, "explain": True})
        assert set(found["ids"]) == ALL - gone
