"""One in ten positions of a home page is a cold-start product's: what is never shown is never bought."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from mercato.features.features import COLUMN
from mercato.index.live import LiveCatalog
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.cold_start import SLOT_EVERY
from mercato.requests.page import parse_recommend
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.source_weights import change_weights
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import CONTEXT, make_pipeline, read

DRINK = "Sparkling water"


class NewestLast:
    """A ranker that puts what is cheap last: cold-start products of these tests cost nearly nothing."""

    def score(self, query: Any, history: Any, candidates: Any, features: Any) -> Any:
        return features[..., COLUMN["log_price"]].astype(np.float32)


def add(state: SqliteStateStore, *ids: str, price: float = 0.01, **fields: Any) -> None:
    state.append_product_changes(
        [stores.upsert(stores.product(item, f"{DRINK} {item}", price=price, **fields)) for item in ids]
    )


def ask(pipeline: Pipeline, placement: str = "home-page", *, options: Any = None, **fields: Any) -> Any:
    given = {"PLACEMENT": placement.encode(), "CONTEXT": CONTEXT, "PAGE_SIZE": 40, **fields}
    [answer] = pipeline.answer([parse_recommend({**given, "OPTIONS": orjson.dumps(options or {})})])
    return read(answer)


@pytest.mark.parametrize("ranker", [None, NewestLast()])
@pytest.mark.parametrize("placement", ["home-page", "category"])
@pytest.mark.parametrize("who", [{}, {"USER_ID": b"nobody"}, {"VISITOR_ID": b"looks"}])
def test_what_was_added_minutes_ago_is_on_the_first_page(
    catalog: LiveCatalog, state: SqliteStateStore, ranker: Any, placement: str, who: dict[str, bytes]
) -> None:
    state.append_events([stores.event("detail-page-view", "p20", 0, visitor_id="looks")])
    pipeline = make_pipeline(catalog, state, ranker=ranker)
    before = ask(pipeline, placement, **who)
    add(state, "new")

    found = ask(pipeline, placement, **who)

    assert SLOT_EVERY == 10
    assert found["ids"].index("new") <= 9
    others = [item for item in found["ids"] if item != "new"]
    assert others[:9] == before["ids"][:9]
    assert "VISITOR_ID" in who or others == before["ids"][:39], "a session's similar products may be others now"
    assert (np.diff(found["scores"]) <= 0).all()
    assert found["total"] == before["total"] + 1
    [new] = [result for result in found["results"] if result["id"] == "new"]
    assert "arrival" in new["sources"]


def test_every_tenth_position_is_one_of_theirs_and_pages_stay_whole(
    catalog: LiveCatalog, state: SqliteStateStore
) -> None:
    pipeline = make_pipeline(catalog, state, ranker=NewestLast())
    add(state, *(f"new{number}" for number in range(12)))
    found = ask(pipeline, PAGE_SIZE=128)["ids"]
    positions = [position for position, item in enumerate(found, start=1) if item.startswith("new")]
    assert positions[:4] == [10, 20, 30, 40]
    pages = [item for offset in range(0, 300, 30) for item in ask(pipeline, OFFSET=offset, PAGE_SIZE=30)["ids"]]
    assert pages[:128] == found
    assert len(pages) == len(set(pages))


def test_a_cold_start_product_that_stands_higher_stays_there(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    add(state, "dear", price=10_000.0)
    add(state, "new")
    found = ask(make_pipeline(catalog, state, ranker=NewestLast()))["ids"]
    assert (found[0], found[19]) == ("dear", "new")  # the first of them has its slot, the second the second's


@pytest.mark.parametrize(
    ("placement", "options", "fields"),
    [
        ("home-page", {"order_by": "price desc"}, {}),
        ("product-page", {}, {"SEED_PRODUCT_IDS": b'["p20"]'}),
        ("cart", {}, {"SEED_PRODUCT_IDS": b'["p20"]'}),
        ("rank", {}, {"SEED_PRODUCT_IDS": orjson.dumps([*(f"p{n:02d}" for n in range(20)), "new"])}),
    ],
)
def test_where_an_order_is_asked_for_nothing_moves(
    catalog: LiveCatalog, state: SqliteStateStore, placement: str, options: Any, fields: Any
) -> None:
    add(state, "new")
    found = ask(make_pipeline(catalog, state, ranker=NewestLast()), placement, options=options, **fields)["ids"]
    assert "new" not in found[:20]


def test_a_shop_can_do_without(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    add(state, "new")
    retriever = Retriever(catalog, state, change_weights({"arrival": 0}))
    assert "new" not in ask(Pipeline(catalog, stores.HashEncoder(), retriever, NewestLast()))["ids"]


def test_blocked_and_filtered_cold_start_products_have_no_slot(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    add(state, "new", "other")
    pipeline = make_pipeline(catalog, state, rules={"blocked": ["new"]}, ranker=NewestLast())
    found = ask(pipeline)["ids"]
    assert "new" not in found
    assert found[9] == "other"
    assert "other" not in ask(pipeline, FILTER=b"price > 1")["ids"]


def test_a_place_is_explained(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    add(state, "new")
    add(state, "dated", available_time="2023-11-10T00:00:00Z")
    found = ask(make_pipeline(catalog, state, ranker=NewestLast()), options={"explain": True})
    said = {result["id"]: result["explanation"] for result in found["results"]}
    assert said["new"]["rules"] == [{"kind": "seated"}]
    assert said["new"]["because"] == {"source": "arrival"}
    assert said["new"]["text"].startswith("shown here for being new; new in the shop")
    assert said["dated"]["text"].startswith("shown here for being new; new in the shop since 10 Nov")
    assert said["new"]["stages"]["ranker"]["rank"] > 40, "its rank is the ranker's"
    assert "rules" not in said["p39"]


def test_without_cold_start_products_nothing_moves(catalog: LiveCatalog, state: SqliteStateStore) -> None:
    loud = ask(make_pipeline(catalog, state, ranker=NewestLast()))
    retriever = Retriever(catalog, state, change_weights({"arrival": 0}))
    quiet = ask(Pipeline(catalog, stores.HashEncoder(), retriever, NewestLast()))
    assert loud["ids"] == quiet["ids"]
