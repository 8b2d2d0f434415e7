"""Age-restricted and sensitive products: who may be recommended them, who finds them, and that no reason names them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import RECOMMEND_PLACEMENTS, parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.test_policy_behind_calls import over_the_wire

# Coffee, tea and juice: u0 bought p20 four times, nobody else any. Baby shampoo: u0 to u4 bought p12.
DRINKS = {f"p{number:02d}" for number in (*range(20, 28), *range(36, 40))}
BABY = {"p12", "p13", "p14", "p15"}
ALL = {product.id for product in stores.make_products()}
ADULTS: dict[str, Any] = {"age_restricted": 'categories: ANY("Drinks")'}
SENSITIVE: dict[str, Any] = {"sensitive": 'categories: ANY("Baby")'}
PLACEMENTS = [placement.label for placement in RECOMMEND_PLACEMENTS]
AROUND = ("product-page", "cart", "rank")
everywhere = pytest.mark.parametrize("placement", PLACEMENTS)


@pytest.fixture(params=["in process", "behind a call"])
def home(request: pytest.FixtureRequest, retriever: Retriever) -> Any:
    return retriever if request.param == "in process" else over_the_wire(retriever)


def ask(
    catalog: LiveCatalog,
    home: Any,
    rules: dict[str, Any],
    placement: str,
    user: str = "",
    *,
    query: str = "",
    condition: str = "",
    **options: Any,
) -> dict[str, Any]:
    given: dict[str, Any] = {
        "CONTEXT": orjson.dumps({"time": stores.NOW}),
        "PAGE_SIZE": 500,
        "USER_ID": user.encode(),
        "FILTER": condition.encode(),
        "OPTIONS": orjson.dumps(options),
    }
    if placement == "search":
        request = parse_search({**given, "QUERY": query.encode()})
    else:
        seeds = sorted(ALL) if placement == "rank" else ["p04"] if placement in AROUND else []
        request = parse_recommend({**given, "PLACEMENT": placement.encode(), "SEED_PRODUCT_IDS": orjson.dumps(seeds)})
    pipeline = Pipeline(catalog, stores.HashEncoder(), home, None, rules=Rules(RuleFile.model_validate(rules)))
    [answer] = pipeline.answer([request])
    assert isinstance(answer, Answer), answer
    found: dict[str, Any] = orjson.loads(answer.details)
    assert found["degraded"] == []
    return {**found, "ids": set(answer.product_ids)}


@everywhere
def test_strangers_are_never_recommended_what_is_restricted(catalog: LiveCatalog, home: Any, placement: str) -> None:
    rules = {**ADULTS, **SENSITIVE}
    for user in ("", "nobody"):
        found = ask(catalog, home, rules, placement, user)
        assert found["ids"] == ALL - DRINKS - BABY - ({"p04"} if placement in ("product-page", "cart") else set())
        assert found["total"] == len(found["ids"])


@everywhere
@pytest.mark.parametrize(
    ("user", "adult", "let_in"),
    [
        ("", None, False),
        ("", True, True),
        ("u0", None, True),  # bought coffee
        ("u0", False, False),  # what is said goes before what was bought
        ("u1", None, False),  # bought other things
        ("u1", True, True),
    ],
)
def test_who_says_to_be_an_adult_or_bought_such_a_thing_gets_what_is_age_restricted(
    catalog: LiveCatalog, home: Any, placement: str, user: str, adult: bool | None, let_in: bool
) -> None:
    options: dict[str, Any] = {} if adult is None else {"adult": adult}
    found = ask(catalog, home, ADULTS, placement, user, **options)
    assert (found["ids"] & DRINKS == DRINKS) is let_in
    assert bool(found["ids"] & DRINKS) is let_in


@everywhere
def test_what_is_sensitive_comes_from_ones_own_purchases_alone(catalog: LiveCatalog, home: Any, placement: str) -> None:
    found = ask(catalog, home, SENSITIVE, placement, "u0")
    assert found["ids"] & BABY == (BABY if placement in AROUND else {"p12"})
    # adult is about age
    assert not ask(catalog, home, SENSITIVE, placement, adult=True)["ids"] & BABY


def test_searches_find_them_unless_the_shop_says_otherwise(catalog: LiveCatalog, home: Any) -> None:
    def search(rules: dict[str, Any], user: str = "", **options: Any) -> set[str]:
        found: set[str] = ask(catalog, home, rules, "search", user, query="green tea", **options)["ids"]
        return found & {"p24", "p25", "p26", "p27"}

    assert len(search(ADULTS)) == 4
    closed = {"age_restricted": {"filter": ADULTS["age_restricted"], "search": False}}
    assert search(closed) == set()
    assert len(search(closed, "u0")) == len(search(closed, adult=True)) == 4


def test_a_pin_holds_in_searches_that_find_what_is_restricted(catalog: LiveCatalog, home: Any) -> None:
    pins = {"rules": [{"query": "milk", "pins": [{"product": "p24", "position": 1}]}]}
    assert "p24" in ask(catalog, home, {**ADULTS, **pins}, "search", query="milk")["ids"]
    closed = {"age_restricted": {"filter": ADULTS["age_restricted"], "search": False}, **pins}
    assert "p24" not in ask(catalog, home, closed, "search", query="milk")["ids"]
    assert "p24" in ask(catalog, home, closed, "search", query="milk", adult=True)["ids"]


def test_facets_do_not_count_what_is_not_shown(catalog: LiveCatalog, home: Any) -> None:
    facets = [{"key": "categories", "excluded_filter_keys": ["price"]}]
    closed = {"age_restricted": {"filter": ADULTS["age_restricted"], "search": False}}
    for placement, query in (("home-page", ""), ("search", "green tea")):
        found = ask(catalog, home, closed, placement, query=query, facets=facets)
        assert "Drinks" not in {value["value"] for value in found["facets"][0]["values"]}


def test_facets_count_what_a_purchase_lets_in_though_it_is_disliked_since(
    catalog: LiveCatalog, home: Any, state: SqliteStateStore
) -> None:
    state.append_events([stores.event("dislike", "p20", 1, user_id="u0")])
    facets = [{"key": "categories", "excluded_filter_keys": ["brand"]}]
    whole = ask(catalog, home, ADULTS, "home-page", "u0")["ids"]
    found = ask(catalog, home, ADULTS, "home-page", "u0", condition='brand: ANY("Bolt")', facets=facets)
    counts = {value["value"]: value["count"] for value in found["facets"][0]["values"]}
    assert len(found["ids"] & DRINKS) < counts["Drinks"] == len(whole & DRINKS)


def test_no_explanation_names_a_restricted_product(catalog: LiveCatalog, home: Any) -> None:
    secret = DRINKS | BABY
    titles = {product.id: product.title for product in stores.make_products()}
    plain = ask(catalog, home, {}, "home-page", "u0", explain=True)
    named = {result["explanation"].get("because", {}).get("product_id") for result in plain["results"]}
    assert named & secret  # the rule has something to hide
    found = ask(catalog, home, {**ADULTS, **SENSITIVE}, "home-page", "u0", explain=True)
    shown = {result["id"] for result in found["results"]}
    assert shown & DRINKS  # u0 is let in
    assert "p12" in shown
    for result in found["results"]:
        explanation = result["explanation"]
        assert explanation.get("because", {}).get("product_id") not in secret
        assert not any(titles[one] in explanation["text"] for one in secret)
        assert explanation["text"]
        if result["id"] in secret:
            assert explanation["features"] == []
            assert set(explanation["because"]) == {"source"}


def test_a_product_that_a_live_change_restricts_is_gone_from_the_next_answer(
    catalog: LiveCatalog, home: Any, state: SqliteStateStore
) -> None:
    assert "p05" in ask(catalog, home, ADULTS, "home-page")["ids"]
    state.append_product_changes([stores.upsert(stores.product("p05", "Pizza with wine", categories=["Drinks"]))])
    assert "p05" not in ask(catalog, home, ADULTS, "home-page")["ids"]
    assert "p05" in ask(catalog, home, ADULTS, "home-page", adult=True)["ids"]


def test_a_field_that_no_product_has_restricts_nothing(catalog: LiveCatalog, home: Any) -> None:
    rules = {"age_restricted": 'attributes.proof: ANY("40")'}
    assert ask(catalog, home, rules, "home-page")["ids"] == ALL
