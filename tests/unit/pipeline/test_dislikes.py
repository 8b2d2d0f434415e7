"""What a shopper says counts from the next answer on: dislikes, likes, resets, and what takes them back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mercato.events.event import parse_event
from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import RECOMMEND_PLACEMENTS, parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores

PLACEMENTS = [placement.label for placement in RECOMMEND_PLACEMENTS]
DISLIKES: list[dict[str, Any]] = [
    {"event_type": "dislike"},
    {"event_type": "not-interested"},
    {"event_type": "hide"},
    {"event_type": "rating", "rating": 1},
    {"event_type": "rating", "rating": 2},
]
DISLIKE = DISLIKES[0]
ALL = sorted(product.id for product in stores.make_products())


class Shop:
    """A shopper of the small shop who says things and looks again."""

    def __init__(self, catalog: LiveCatalog, retriever: Retriever, state: SqliteStateStore) -> None:
        self.catalog, self.retriever, self.state = catalog, retriever, state
        self.rules: dict[str, Any] | None = None

    def say(self, product: str, *, days_ago: float = 0.0, user: str = "u0", **fields: Any) -> None:
        named = {"product_id": product} if product else {}
        document = {"user_id": user, "time": stores.NOW - days_ago * stores.DAY, **named, **fields}
        self.state.append_events([parse_event(document, now=stores.NOW)])

    def show(
        self,
        placement: str = "home-page",
        *,
        user: str = "u0",
        days_ago: float = 0.0,
        seeds: list[str] | None = None,
        **asked: Any,
    ) -> dict[str, Any]:
        listed = ALL if placement == "rank" else seeds or []
        size, offset = asked.pop("size", 500), asked.pop("offset", 0)
        return self._ask(
            parse_recommend(
                {
                    "PLACEMENT": placement.encode(),
                    "USER_ID": user.encode(),
                    "SEED_PRODUCT_IDS": orjson.dumps(listed),
                    "PAGE_SIZE": size,
                    "OFFSET": offset,
                    "CONTEXT": orjson.dumps({"time": stores.NOW - days_ago * stores.DAY}),
                    "OPTIONS": orjson.dumps(asked),
                }
            )
        )

    def find(self, query: str, **asked: Any) -> list[str]:
        options = orjson.dumps({"understand": "off", **asked})
        fields = {"QUERY": query.encode(), "USER_ID": b"u0", "PAGE_SIZE": 500, "OPTIONS": options}
        ids: list[str] = self._ask(parse_search(fields))["ids"]
        return ids

    def _ask(self, page: Any) -> dict[str, Any]:
        rules = Rules(RuleFile.model_validate(self.rules)) if self.rules else None
        [answer] = Pipeline(self.catalog, stores.HashEncoder(), self.retriever, None, rules=rules).answer([page])
        assert isinstance(answer, Answer), answer
        found: dict[str, Any] = orjson.loads(answer.details)
        assert found["degraded"] == []
        return {**found, "ids": answer.product_ids}


@pytest.fixture
def shop(catalog: LiveCatalog, retriever: Retriever, state: SqliteStateStore) -> Shop:
    return Shop(catalog, retriever, state)


@pytest.mark.parametrize("said", DISLIKES, ids=lambda said: f"{said['event_type']}{said.get('rating', '')}")
def test_a_disliked_product_is_gone_from_the_next_answer(shop: Shop, said: dict[str, Any]) -> None:
    before = shop.show()
    assert "p20" in before["ids"]
    shop.say("p20", **said)
    after = shop.show()
    assert set(after["ids"]) == set(before["ids"]) - {"p20"}
    assert after["total"] == before["total"] - 1
    assert "p20" in shop.show(user="u1")["ids"]  # it is nobody else's dislike


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_it_is_gone_at_every_placement_but_a_list_that_the_caller_gives(shop: Shop, placement: str) -> None:
    shop.say("p20", **DISLIKE)
    found = shop.show(placement, seeds=["p21"] if placement in ("product-page", "cart") else None, facets=["brand"])
    assert ("p20" in found["ids"]) == (placement == "rank")
    counted = sum(value["count"] for value in found["facets"][0]["values"])
    assert counted == found["total"] == len(found["ids"])
    if placement == "rank":
        assert shop.show("rank", exclude_disliked=True)["ids"].count("p20") == 0


def test_a_request_may_want_it_all_the_same(shop: Shop) -> None:
    before = shop.show()["ids"]
    shop.say("p20", **DISLIKE)
    assert shop.show(exclude_disliked=False)["ids"] == before


def test_a_search_finds_what_is_asked_for(shop: Shop) -> None:
    before = shop.find("ground coffee")
    assert "p20" in before
    shop.say("p20", **DISLIKE)
    assert shop.find("ground coffee") == before
    without = shop.find("ground coffee", exclude_disliked=True)
    assert set(without) == set(before) - {"p20"}


def test_what_the_shop_pins_is_not_shown_to_who_wants_none_of_it(shop: Shop) -> None:
    shop.rules = {"rules": [{"query": "green tea", "pins": [{"product": "p20", "position": 1}]}]}
    shop.say("p20", **DISLIKE)
    assert shop.find("green tea")[0] == "p20"
    assert "p20" not in shop.find("green tea", exclude_disliked=True)


def test_its_kind_stands_lower_and_is_there(shop: Shop) -> None:
    shop.say("p21", event_type="detail-page-view", user="u9")
    before = shop.show(user="u9")["ids"]
    for disliked in ("p20", "p22", "p23"):
        shop.say(disliked, user="u9", **DISLIKE)
    after = shop.show(user="u9", explain=True)
    kind, others = "p21", [one for one in before if one not in ("p20", "p21", "p22", "p23")]
    assert kind in after["ids"]
    worse = sum(after["ids"].index(one) < after["ids"].index(kind) for one in others)
    assert worse >= sum(before.index(one) < before.index(kind) for one in others)
    note = next(one for one in after["results"] if one["id"] == kind)["explanation"]["rules"]
    assert note[0]["kind"] == "disliked"
    assert -0.5 <= note[0]["boost"] < 0
    assert "disliked" in next(one for one in after["results"] if one["id"] == kind)["explanation"]["text"]


def test_what_was_done_with_it_before_speaks_for_nothing_any_more(shop: Shop) -> None:
    shop.say("p33", event_type="detail-page-view", user="u9")
    shop.say("p33", user="u9", **DISLIKE)
    stranger, disliker = shop.show(user="nobody")["ids"], shop.show(user="u9")["ids"]
    assert [one for one in stranger if one != "p33"][:3] == disliker[:3]


def test_likes_and_wishes_are_evidence(shop: Shop) -> None:
    stranger = shop.show(user="u9")["ids"]
    for said in ({"event_type": "like"}, {"event_type": "rating", "rating": 5}, {"event_type": "wishlist-add"}):
        user = f"fan-{said['event_type']}"
        shop.say("p04", user=user, **said)
        found = shop.show(user=user, explain=True)
        assert found["ids"] != stranger
        assert found["results"][0]["explanation"]["because"].get("event_type", said["event_type"]) == said["event_type"]
    shop.say("p04", user="fan-wishlist-add", event_type="wishlist-remove")
    assert shop.show(user="fan-wishlist-add")["ids"] == stranger


def test_a_middling_rating_says_neither(shop: Shop) -> None:
    before = shop.show(user="u9")["ids"]
    shop.say("p04", user="u9", event_type="rating", rating=3)
    assert shop.show(user="u9")["ids"] == before


def test_the_last_word_counts(shop: Shop) -> None:
    shop.say("p20", days_ago=2, **DISLIKE)
    shop.say("p20", days_ago=1, event_type="rating", rating=5)
    assert "p20" in shop.show()["ids"]


def test_a_reset_forgets_taste_and_keeps_what_was_bought(shop: Shop) -> None:
    shop.say("p33", event_type="detail-page-view", days_ago=2)
    shop.say("p25", days_ago=1, **DISLIKE)
    shop.say("", event_type="reset")
    shown = shop.show()["ids"]
    assert "p25" in shown
    assert set(ALL) - set(shop.show(exclude_purchased_days=36_500)["ids"]) == {"p04", "p12", "p20"}
    shop.say("p25", **DISLIKE)  # what is said afterwards counts
    assert "p25" not in shop.show()["ids"]


def test_forget_takes_back_one_statement(shop: Shop) -> None:
    shop.say("p25", days_ago=1, **DISLIKE)
    shop.say("p26", days_ago=1, **DISLIKE)
    shop.say("p25", event_type="forget", statement="opinion")
    assert [one in shop.show()["ids"] for one in ("p25", "p26")] == [True, False]
    shop.say("p20", event_type="forget", statement="purchase")
    assert "p20" in shop.show(exclude_purchased_days=36_500)["ids"]


def test_as_of_a_moment_before_nothing_of_it_is_known(shop: Shop) -> None:
    shop.say("p25", days_ago=3, **DISLIKE)
    shop.say("", days_ago=1, event_type="reset")
    gone = ["p25" not in shop.show(days_ago=days)["ids"] for days in (4, 2, 0.5)]
    assert gone == [False, True, False]


def test_pages_repeat_nothing_when_something_is_disliked_between_them(shop: Shop) -> None:
    first = shop.show(size=5)
    whole = shop.show()["ids"]
    shop.say(first["ids"][1], **DISLIKE)  # of the page that was shown
    shop.say(whole[6], **DISLIKE)  # of the next one
    gone = {first["ids"][1], whole[6]}
    seen, token = list(first["ids"]), first["page_token"]
    for offset in range(5, 60, 5):
        page = shop.show(size=5, offset=offset, page_token=token)
        seen, token = seen + page["ids"], page["page_token"]
    assert len(seen) == len(set(seen))
    assert set(seen) == set(whole) - gone | {first["ids"][1]}


def test_a_dislike_of_an_unknown_product_takes_effect_when_it_comes(shop: Shop) -> None:
    before = shop.show()["ids"]
    shop.say("later", **DISLIKE)
    assert shop.show()["ids"] == before
    shop.state.append_product_changes([stores.upsert(stores.product("later", "Zebra lampshade", price=5.0))])
    assert "later" not in shop.show()["ids"]
    assert "later" in shop.show(user="u1")["ids"]


def test_a_dislike_is_not_buried_by_what_is_looked_at_afterwards(shop: Shop) -> None:
    shop.say("p25", days_ago=3, user="busy", **DISLIKE)
    views = [
        parse_event(
            {"event_type": "detail-page-view", "user_id": "busy", "product_id": "p01", "time": stores.NOW - number},
            now=stores.NOW,
        )
        for number in range(1_100)
    ]
    shop.state.append_events(views)
    assert "p25" not in shop.show(user="busy")["ids"]
