"""The result is what matches: counts, sorting, boosts and filters speak of it alone; codes come first."""

from pathlib import Path

import numpy as np
import pytest

from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.match_floor import MatchFloor
from mercato.index.snapshot import Snapshot
from mercato.requests.boost import parse_boosts
from mercato.requests.facets import parse_facets
from mercato.requests.order_by import parse_order_by
from mercato.requests.retrieval import Match, RetrievalRequest
from mercato.retrieval.retriever import Retriever
from tests.stores import build, product, search_request
from tests.unit.retrieval.asking import ask, ids_of


@pytest.fixture
def shop(tmp_path: Path) -> Retriever:
    """Ten lamps and thirty other things; only what shares a word with a query is near to it."""
    lamps = [
        product(
            f"l{n}", f"Desk lamp {n}", price=n + 1, categories=["Lighting"], attributes={"gtin": f"400638133393{n}"}
        )
        for n in range(10)
    ]
    words = "anvil bellows chisel dowel easel funnel gimlet hatchet inkwell jigger".split()
    others = [
        product(f"o{n}", f"{words[n % 10]} {words[n // 10]} {n}", price=100 - n, categories=["Tools"])
        for n in range(30)
    ]
    build(tmp_path / "catalog", [*lamps, *others])
    snapshot = Snapshot(tmp_path / "catalog")
    snapshot.floor = MatchFloor(meaning=0.6, words=0.3, chance=0.0)
    return Retriever(LiveCatalog(snapshot, None), None)


def search(text: str, **fields: object) -> RetrievalRequest:
    return search_request(text, depth=100, **fields)


def test_the_total_facets_and_the_order_speak_of_what_matches(shop: Retriever) -> None:
    facets = parse_facets(["categories"])
    answer = ask(shop, search("desk lamp", facets=facets))
    assert (answer.match, answer.total, answer.beyond) == (Match.WORDS, 10, 0)
    assert [value["value"] for value in answer.facets[0]["values"]] == ["Lighting"]
    dearest = ids_of(shop, ask(shop, search("desk lamp", order_by=parse_order_by("price desc"))))
    assert dearest == [f"l{n}" for n in reversed(range(10))]


def test_a_boost_brings_in_nothing_that_does_not_match(shop: Retriever) -> None:
    boosts = parse_boosts([{"condition": 'categories: ANY("Tools")', "boost": 1}])
    assert set(ids_of(shop, ask(shop, search("desk lamp", boosts=boosts)))) == {f"l{n}" for n in range(10)}


@pytest.mark.parametrize("text", ["xyzzy qwert", "brake lamp volvo", "🔥", "-"])
def test_what_the_shop_does_not_have_is_none_and_the_nearest_follow_if_asked(shop: Retriever, text: str) -> None:
    answer = ask(shop, search(text))
    assert (answer.match, answer.total, ids_of(shop, answer)) == (Match.NONE, 0, [])
    asked = ask(shop, search(text, beyond=True, facets=parse_facets(["categories"])))
    assert (asked.match, asked.total, asked.beyond) == (Match.NONE, 0, len(asked.tail))
    assert len(asked.tail) > 0
    assert asked.facets[0]["values"] == []


def test_what_is_beyond_follows_the_result_once_and_counts_nowhere(shop: Retriever) -> None:
    alone, more = ask(shop, search("desk lamp")), ask(shop, search("desk lamp", beyond=True))
    assert ids_of(shop, more)[: alone.total] == ids_of(shop, alone)
    assert more.total == alone.total
    assert len(set(ids_of(shop, more))) == more.total + more.beyond == 40


def test_a_filter_that_leaves_nothing_that_matches_may_go(shop: Retriever) -> None:
    tools = parse_filter('categories: ANY("Tools")')
    assert ask(shop, search("desk lamp", condition=tools)).total == 0
    relaxed = ask(shop, search("desk lamp", condition=tools, strict_filtering=False))
    assert (relaxed.relaxed, relaxed.total) == (True, 10)
    nothing = ask(shop, search("xyzzy", condition=tools, strict_filtering=False))
    assert (nothing.relaxed, nothing.match) == (False, Match.NONE)


@pytest.mark.parametrize("text", ["4006381333934", "#4006381-333934", "L4", " l-4 "])
def test_a_code_leads_and_says_so(shop: Retriever, text: str) -> None:
    answer = ask(shop, search(text, beyond=True))
    assert answer.match is Match.EXACT
    assert ids_of(shop, answer)[0] == "l4"
    assert shop.catalog.id_of(int(answer.exact[0])) == "l4"


def test_a_code_that_the_filter_refuses_leads_nothing(shop: Retriever) -> None:
    answer = ask(shop, search("l4", condition=parse_filter("price > 50")))
    assert len(answer.exact) == 0
    assert "l4" not in ids_of(shop, answer)


def test_words_decide_alone_without_a_vector(shop: Retriever) -> None:
    assert ask(shop, search("desk lamp"), encoder=False).match is Match.WORDS
    assert ask(shop, search("xyzzy"), encoder=False).match is Match.NONE
    assert ask(shop, search("brake lamp volvo"), encoder=False).match is Match.NONE


def test_what_holds_the_words_matches_however_far_its_meaning_is(shop: Retriever) -> None:
    shop.catalog.snapshot.floor = MatchFloor(meaning=2.0, words=0.0, chance=0.0)
    assert ask(shop, search("desk lamp")).total == 10
    np.testing.assert_array_equal(ask(shop, search("lamp 3")).total, 1)
