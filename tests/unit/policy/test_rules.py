"""A shop's rules: what a file may hold, which queries a rule is for, and what becomes of an answer."""

from pathlib import Path
from typing import Any

import pytest

from mercato.errors import DataError
from mercato.index.live import LiveCatalog
from mercato.policy.rules import RuleFile, Rules, read_rules
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import all_ids, make_pipeline, recommend, search

PINS = [{"product": "p39", "position": 1}, {"product": "t200", "position": 3}]


def pinned(**more: Any) -> dict[str, Any]:
    return {"rules": [{"query": "Fine  TEA", "pins": PINS, **more}]}


def read(tmp_path: Path, text: str) -> RuleFile:
    path = tmp_path / "rules.json"
    path.write_text(text, encoding="utf-8")
    return read_rules(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    text = """{"blocked": ["x"], "boosts": [{"condition": "price < 5", "boost": 0.5}], "filter": "price > 0",
        "rules": [{"name": "tea", "query": "Green  Tea", "pins": [{"product": "p1", "position": 2}], "blocked": ["p2"],
                   "boosts": [{"condition": "price > 5", "boost": -1}], "filter": "price < 9"}]}"""
    rules = Rules(read(tmp_path, text))
    orders = rules.find_effects("green tea")
    assert orders.pins == (("p1", 2),)
    assert orders.hidden == ("x", "p2")
    assert [(boost.condition.text, boost.boost) for boost in orders.boosts] == [("price < 5", 0.5), ("price > 5", -1.0)]
    assert [condition.text for condition in orders.narrowing] == ["price > 0", "price < 9"]
    always = rules.find_effects("")
    assert (always.pins, always.hidden, len(always.boosts), len(always.narrowing)) == ((), ("x",), 1, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Invalid JSON"),
        ("[]", "rules"),
        ('{"ruls": []}', "ruls: Extra inputs are not permitted"),
        ('{"rules": [{"pins": []}]}', "rules.0: give either query (the whole query) or contains (words in it)"),
        ('{"rules": [{"query": "a", "contains": "b"}]}', "give either query"),
        ('{"rules": [{"query": " "}]}', "rules.0.query: must hold at least one visible character"),
        ('{"rules": [{"query": "a", "pins": [{"product": "p", "position": 0}]}]}', "rules.0.pins.0.position"),
        ('{"rules": [{"query": "a", "pins": [{"product": "p", "position": 101}]}]}', "less than or equal to 100"),
        (
            '{"rules": [{"query": "a", "pins": [{"product": "p", "position": 1}, {"product": "q", "position": 1}]}]}',
            "a position can be pinned once, 1 is pinned twice",
        ),
        (
            '{"rules": [{"query": "a", "pins": [{"product": "p", "position": 1}, {"product": "p", "position": 2}]}]}',
            "a product can be pinned once, 'p' is pinned twice",
        ),
        (
            '{"rules": [{"query": "a", "blocked": ["p"], "pins": [{"product": "p", "position": 1}]}]}',
            "product 'p' is pinned and blocked; decide for one",
        ),
        ('{"rules": [{"query": "a", "filter": "price <"}]}', "rules.0.filter:"),
        ('{"boosts": [{"condition": "price < 5", "boost": 2}]}', "boosts.0.boost: Input should be less than or equal"),
        ('{"boosts": [{"condition": "", "boost": 1}]}', "boosts.0.condition: must not be blank"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert "rules.json" in str(caught.value)
    assert "correct the file, such as" in str(caught.value)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, '{"boosts": [{"condition": "price <", "boost": 9}], "filter": "price"}')
    for position in ("boosts.0.condition", "boosts.0.boost", "filter"):
        assert position in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_rules(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("rule", "query", "holds"),
    [
        ({"query": "green tea"}, "Green TEA", True),
        ({"query": "green tea"}, "green tea cups", False),
        ({"contains": "tea"}, "green Tea cups", True),
        ({"contains": "green tea"}, "best green tea", True),
        ({"contains": "tea green"}, "green tea", False),
        ({"contains": "tea"}, "steamer", False),
        ({"contains": "绿茶"}, "新鲜绿茶叶", True),
        ({"contains": "ＴＥＡ"}, "tea", True),
    ],
)
def test_which_queries_a_rule_is_for(rule: dict[str, str], query: str, holds: bool) -> None:
    rules = Rules(RuleFile.model_validate({"rules": [{**rule, "blocked": ["p"]}]}))
    assert rules.find_effects(query).hidden == (("p",) if holds else ())


def test_of_several_rules_the_first_has_its_pin_and_a_block_beats_them_all() -> None:
    rules = Rules(
        RuleFile.model_validate(
            {
                "blocked": ["b"],
                "rules": [
                    {"contains": "tea", "pins": [{"product": "a", "position": 1}, {"product": "b", "position": 2}]},
                    {"query": "tea", "pins": [{"product": "c", "position": 1}, {"product": "a", "position": 3}]},
                    {"query": "tea", "pins": [{"product": "d", "position": 2}]},
                ],
            }
        )
    )
    assert rules.find_effects("tea").pins == (("a", 1), ("d", 2))


def test_pins_stand_where_the_shop_wants_them_and_count(catalog: LiveCatalog) -> None:
    plain = make_pipeline(catalog)
    pipeline = make_pipeline(catalog, rules=pinned())
    before, after = search(plain, "fine tea"), search(pipeline, "FINE tea ")
    assert (after["ids"][0], after["ids"][2]) == ("p39", "t200")
    assert [result.get("pinned", False) for result in after["results"][:4]] == [True, False, True, False]
    assert after["total"] == before["total"] + 1, "p39 matches nothing of the query, t200 did"
    assert search(pipeline, "green tea")["ids"] == search(plain, "green tea")["ids"], "another query"
    whole = all_ids(pipeline, "fine tea", page_size=7)
    assert sorted(whole) == sorted([*all_ids(plain, "fine tea"), "p39"])
    assert (after["scores"][0] >= after["scores"][1]) and sorted(after["scores"], reverse=True) == after["scores"]


def test_pins_count_in_facets(catalog: LiveCatalog) -> None:
    facet = search(make_pipeline(catalog, rules=pinned()), "fine tea", facets=["brand"])
    assert sum(value["count"] for value in facet["facets"][0]["values"]) == facet["total"]


def test_a_pin_obeys_the_filter_and_gone_products_are_not_pinned(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    pipeline = make_pipeline(catalog, state, pinned())
    assert search(pipeline, "fine tea", filter="price < 35")["ids"][0] != "p39", "p39 costs 40"
    state.append_product_changes([stores.delete("p39")])
    gone = search(pipeline, "fine tea")
    assert "p39" not in gone["ids"]
    assert gone["ids"][2] == "t200", "the other stays in its place"


def test_a_pin_beats_a_boost_that_contradicts_it(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog, rules=pinned())
    for amount in (-1, 1):
        boosts = [{"condition": 'id: ANY("p39", "t200")', "boost": amount}, {"condition": "price < 2", "boost": 1}]
        ids = search(pipeline, "fine tea", boosts=boosts)["ids"]
        assert (ids[0], ids[2]) == ("p39", "t200")
        assert len(set(ids)) == 20


def test_pins_hold_under_collapsing_and_diversity(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog, rules=pinned())
    for options in ({"collapse": True}, {"diversity": 0.8}, {"collapse": True, "diversity": 0.8}):
        ids = all_ids(pipeline, "fine tea", **options)
        assert (ids[0], ids[2]) == ("p39", "t200")
        assert len(ids) == len(set(ids)) == search(pipeline, "fine tea", **options)["total"]


def test_a_sorted_answer_has_no_pins_but_its_blocks(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog, rules=pinned(blocked=["t000"]))
    found = all_ids(pipeline, "fine tea", order_by="price")
    plain = all_ids(make_pipeline(catalog), "fine tea", order_by="price")
    assert found == [one for one in plain if one != "t000"]


def test_a_pin_behind_a_short_answer_comes_last(catalog: LiveCatalog) -> None:
    rules = {"rules": [{"query": "fine tea", "pins": [{"product": "p39", "position": 90}]}]}
    found = search(make_pipeline(catalog, rules=rules), "fine tea", filter='id: ANY("t001", "t002", "p39")')
    assert set(found["ids"][:2]) == {"t001", "t002"}
    assert found["ids"][2:] == ["p39"]


def test_blocked_products_are_nowhere(catalog: LiveCatalog) -> None:
    plain = make_pipeline(catalog)
    blocked = all_ids(plain, "fine tea")[:3]
    pipeline = make_pipeline(catalog, rules={"blocked": [*blocked, "never was"]})
    ids = all_ids(pipeline, "fine tea", page_size=50)
    assert ids and not set(blocked) & set(ids)
    before, after = search(plain, "fine tea", facets=["brand"]), search(pipeline, "fine tea", facets=["brand"])
    assert after["total"] == before["total"] - 3 == len(ids)
    assert sum(value["count"] for value in after["facets"][0]["values"]) == after["total"]
    hidden = recommend(make_pipeline(catalog, rules={"blocked": recommend(plain)["ids"][:5]}))
    assert not set(recommend(plain)["ids"][:5]) & set(hidden["ids"])


def test_a_rules_filter_holds_even_where_the_shoppers_is_relaxed(catalog: LiveCatalog) -> None:
    rules = {"rules": [{"contains": "tea", "filter": 'brand: ANY("Leaf")'}]}
    pipeline = make_pipeline(catalog, rules=rules)
    found = search(pipeline, "fine tea", filter="price > 1000", strict_filtering=False)
    assert found["filter_relaxed"] is True
    assert {result["brand"] for result in found["results"]} == {"Leaf"}
    assert {result["brand"] for result in search(pipeline, "fine tea")["results"]} == {"Leaf"}


def test_a_rule_about_a_field_that_no_product_has_is_left_out(catalog: LiveCatalog) -> None:
    rules = {"filter": "weather > 5", "boosts": [{"condition": "weather > 5", "boost": 1}]}
    found = search(make_pipeline(catalog, rules=rules), "fine tea")
    assert found["ids"] == search(make_pipeline(catalog), "fine tea")["ids"]
    assert found["degraded"] == []


def test_boosts_of_rules_move_products(catalog: LiveCatalog) -> None:
    rules = {"rules": [{"contains": "tea", "boosts": [{"condition": 'brand: ANY("Leaf")', "boost": 1}]}]}
    given = [{"condition": 'brand: ANY("Leaf")', "boost": 1}]
    assert (
        search(make_pipeline(catalog, rules=rules), "fine tea")["ids"]
        == search(make_pipeline(catalog), "fine tea", boosts=given)["ids"]
        != search(make_pipeline(catalog), "fine tea")["ids"]
    )
