"""Answers that are given again: only to nobody in particular, only while nothing that they show has changed."""

from typing import Any

import orjson
import pytest

from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer
from mercato.pipeline.answer_cache import OVERHEAD_BYTES, AnswerCache
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Counted:
    """An encoder that counts what it is asked, and fails where it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False
        self._encoder = stores.HashEncoder()

    def encode(self, texts: Any, role: str = "query") -> Any:
        self.asked += list(texts)
        if self.fails:
            raise RuntimeError("the encoder is gone")
        return self._encoder.encode(texts)


class Shop:
    def __init__(self, catalog: LiveCatalog, retriever: Retriever, *, most_bytes: int = 1 << 20) -> None:
        self.clock, self.encoder = Clock(), Counted()
        self.cache = AnswerCache(catalog, most_bytes=most_bytes, seconds=10.0, clock=self.clock)
        self.pipeline = Pipeline(catalog, self.encoder, retriever, None, cache=self.cache)  # type: ignore[arg-type]

    def search(self, query: str = "green tea", **fields: Any) -> tuple[Answer, dict[str, Any]]:
        (answer,) = self.pipeline.answer([parse_search({"QUERY": query.encode(), **fields})])
        assert isinstance(answer, Answer)
        return answer, orjson.loads(answer.details)


@pytest.fixture
def shop(catalog: LiveCatalog, retriever: Retriever) -> Shop:
    return Shop(catalog, retriever)


def without(details: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name not in names}


def test_what_is_asked_again_is_answered_again_with_a_token_of_its_own(shop: Shop) -> None:
    (first, told), (second, again) = shop.search(), shop.search()
    assert shop.encoder.asked == ["green tea"]
    assert first.product_ids == second.product_ids
    assert without(told, "token", "timings") == without(again, "token", "timings")
    assert told["token"] != again["token"]
    assert len(told["token"]) == len(again["token"])
    assert set(again["timings"]) == {"cache_us", "total_us"}


@pytest.mark.parametrize(
    "fields",
    [
        {"PAGE_SIZE": 3},
        {"OFFSET": 2},
        {"FILTER": b'brand: ANY("Bolt")'},
        {"OPTIONS": b'{"explain": true}'},
        {"CONTEXT": b'{"language": "de"}'},
    ],
)
def test_whatever_else_is_asked_for_is_another_answer(shop: Shop, fields: dict[str, Any]) -> None:
    shop.search()
    _, told = shop.search(**fields)
    assert len(shop.encoder.asked) == 2
    _, again = shop.search(**fields)
    assert len(shop.encoder.asked) == 2
    assert without(told, "token", "timings") == without(again, "token", "timings")


@pytest.mark.parametrize("fields", [{"USER_ID": b"u0"}, {"VISITOR_ID": b"v0"}, {"CONTEXT": b'{"time": 1700000000}'}])
def test_who_is_known_and_who_asks_as_of_a_moment_is_always_answered_anew(shop: Shop, fields: dict[str, Any]) -> None:
    shop.search()
    for _ in range(2):
        shop.search(**fields)
    assert len(shop.encoder.asked) == 3


def test_a_changed_product_is_seen_by_the_very_next_answer(shop: Shop, state: SqliteStateStore) -> None:
    before = {one["id"]: one["price"] for one in shop.search()[1]["results"]}
    for price in (99.5, 98.5):
        changed = next(iter(before))
        title = f"Small green tea of {price}"
        state.append_product_changes([stores.upsert(stores.product(changed, title, price=price))])
        after = {one["id"]: one["price"] for one in shop.search()[1]["results"]}
        assert after[changed] == price
    state.append_product_changes([stores.delete(changed)])
    assert changed not in shop.search()[0].product_ids


def test_an_answer_grows_old(shop: Shop) -> None:
    shop.search()
    shop.clock.now += 9.9
    shop.search()
    assert len(shop.encoder.asked) == 1
    shop.clock.now += 0.2
    shop.search()
    assert len(shop.encoder.asked) == 2


def test_what_lacks_a_stage_is_not_given_again(shop: Shop) -> None:
    shop.encoder.fails = True
    assert shop.search()[1]["degraded"]
    shop.encoder.fails = False
    assert shop.search()[1]["degraded"] == []
    assert len(shop.encoder.asked) == 2


def test_what_was_not_asked_for_longest_makes_room(catalog: LiveCatalog, retriever: Retriever) -> None:
    probe = Shop(catalog, retriever)
    size = len(probe.search("tea")[0].details) + OVERHEAD_BYTES + 500
    shop = Shop(catalog, retriever, most_bytes=2 * size)
    for query in ("tea", "milk", "tea", "soup", "tea", "milk"):
        shop.search(query, PAGE_SIZE=len(probe.search("tea")[0].product_ids))
    assert shop.encoder.asked == ["tea", "milk", "soup", "milk"]


def test_a_batch_mixes_known_and_new_requests_and_errors(shop: Shop) -> None:
    shop.search("milk")
    queries = [b"soup", b"milk", b"green tea"]
    answers = shop.pipeline.answer(
        [*(parse_search({"QUERY": query}) for query in queries), parse_recommend({"PLACEMENT": b"home-page"})]
    )
    assert shop.encoder.asked == ["milk", "soup", "green tea"]
    for query, answer in zip(queries, answers[:3], strict=True):
        assert isinstance(answer, Answer)
        assert answer.product_ids == shop.search(query.decode())[0].product_ids
    assert isinstance(answers[3], Answer)


def test_where_state_cannot_be_read_nothing_is_given_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.search()

    def fail() -> None:
        from mercato.errors import StateError

        raise StateError("gone")

    monkeypatch.setattr(shop.pipeline.catalog, "refresh", fail)
    shop.search()
    assert len(shop.encoder.asked) == 2
