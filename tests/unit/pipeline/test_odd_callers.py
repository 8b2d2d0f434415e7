"""Every kind of caller gets a full list: all that its filter and the shop's rules leave, from every placement."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from mercato.arrays import Float32
from mercato.errors import InvalidInputError
from mercato.events.event import Event, parse_event
from mercato.features.features import COLUMN
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import RECOMMEND_PLACEMENTS, parse_recommend
from mercato.requests.retrieval import Placement
from mercato.retrieval.retriever import HISTORY_LIMIT, Retriever
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import EventTable
from tests import stores

ALL = [product.id for product in stores.make_products()]
PLACEMENTS = [placement.label for placement in RECOMMEND_PLACEMENTS if placement is not Placement.RANK]


class FiniteRanker:
    """Scores by one feature, and sees that all of them are numbers."""

    def __init__(self) -> None:
        self.features: list[Float32] = []

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        for array in (query, history, candidates, features):
            assert np.isfinite(array).all()
        self.features.append(features)
        scores: Float32 = features[:, :, COLUMN["fused"]]
        return scores


@pytest.fixture
def ranker() -> FiniteRanker:
    return FiniteRanker()


@pytest.fixture
def pipeline(catalog: LiveCatalog, retriever: Retriever, ranker: FiniteRanker) -> Pipeline:
    return Pipeline(catalog, stores.HashEncoder(), retriever, ranker)


def recommend(pipeline: Pipeline, placement: str = "home-page", **fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "PLACEMENT": placement.encode(),
        "CONTEXT": orjson.dumps({"time": stores.NOW}),
        "PAGE_SIZE": 500,
        **fields,
    }
    [answer] = pipeline.answer([parse_recommend(given)])
    assert isinstance(answer, Answer), answer
    found: dict[str, Any] = orjson.loads(answer.details)
    assert found["degraded"] == []
    assert len(set(answer.product_ids)) == len(answer.product_ids)
    assert np.isfinite(answer.scores).all()
    return {**found, "ids": answer.product_ids}


EXPLAINED = b'{"explain": true, "facets": ["brand"]}'


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("options", [b"", EXPLAINED])
@pytest.mark.parametrize("who", [{}, {"USER_ID": b"nobody"}, {"VISITOR_ID": b"new"}, {"USER_ID": b"once"}])
def test_strangers_and_who_did_one_thing_get_everything(
    pipeline: Pipeline, state: SqliteStateStore, placement: str, options: bytes, who: dict[str, bytes]
) -> None:
    state.append_events([stores.event("detail-page-view", "p33", 1, user_id="once")])

    found = recommend(pipeline, placement, OPTIONS=options, **who)

    assert sorted(found["ids"]) == ALL
    assert found["total"] == 40
    if who != {"USER_ID": b"once"}:
        assert found["ids"][0] == "p04"  # what sells best
    elif placement == "home-page":
        assert found["ids"][0] == "p33"  # what was looked at


def test_of_a_history_of_100_000_events_the_last_thousand_are_read(
    pipeline: Pipeline, state: SqliteStateStore, catalog: LiveCatalog
) -> None:
    asked: list[int] = []

    class CountingStore:
        def __getattr__(self, name: str) -> Any:
            return getattr(state, name)

        def recent_events(self, actors: Any, limit: int, *, products_only: bool = True) -> Any:
            found = state.recent_events(actors, limit, products_only=products_only)
            asked.extend(len(events) for events in found)
            return found

    # The last thousand are of p30 to p39; what came before, of p00 to p29, is not read.
    events = [
        Event(
            event_type="purchase-complete",
            user_id="shop next door",
            product_id=f"p{30 + number % 10}" if number >= 99_000 else f"p{number % 30:02d}",
            time=stores.NOW - 100_000 + number,
        )
        for number in range(100_000)
    ]
    state.append_events(events)
    counting = Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, CountingStore()), FiniteRanker())

    found = recommend(counting, USER_ID=b"shop next door", OPTIONS=EXPLAINED)

    assert sorted(found["ids"]) == ALL
    assert set(found["ids"][:10]) == {f"p{number}" for number in range(30, 40)}
    assert asked == [HISTORY_LIMIT]


TEN = ALL[7:17]


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("user", [b"", b"u0"])
def test_all_blocked_but_ten(
    catalog: LiveCatalog, retriever: Retriever, ranker: FiniteRanker, placement: str, user: bytes
) -> None:
    rules = Rules(RuleFile.model_validate({"blocked": [product_id for product_id in ALL if product_id not in TEN]}))
    pipeline = Pipeline(catalog, stores.HashEncoder(), retriever, ranker, rules=rules)

    found = recommend(pipeline, placement, USER_ID=user, OPTIONS=EXPLAINED, SEED_PRODUCT_IDS=b'["p20"]')

    assert sorted(found["ids"]) == TEN
    assert found["total"] == 10
    assert sum(value["count"] for value in found["facets"][0]["values"]) == 10


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("user", [b"", b"u0"])
def test_all_filtered_but_ten(pipeline: Pipeline, placement: str, user: bytes) -> None:
    found = recommend(
        pipeline, placement, USER_ID=user, OPTIONS=EXPLAINED, FILTER=b"price: IN(8, 17i)", SEED_PRODUCT_IDS=b'["p20"]'
    )

    assert (sorted(found["ids"]), found["total"]) == (TEN, 10)


def test_all_of_a_large_shop_blocked_but_the_ten_that_sell_least(tmp_path: Path, ranker: FiniteRanker) -> None:
    many = [stores.product(f"m{number:04d}", f"Thing {number}", price=1.0 + number) for number in range(1_500)]
    sold = [stores.purchase(f"u{number % 7}", f"m{number:04d}", 1 + number % 9) for number in range(1_490)]
    store = stores.open_store(tmp_path / "state.db", sold)
    stores.build(tmp_path / "many", many, events=store.event_columns())
    catalog = LiveCatalog(Snapshot(tmp_path / "many"), store)
    rules = Rules(RuleFile.model_validate({"blocked": [item.id for item in many[:1_490]]}))
    blocked = Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, store), ranker, rules=rules)
    free = Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, store), ranker)

    for placement in PLACEMENTS:
        for user in (b"", b"u3"):
            found = recommend(blocked, placement, USER_ID=user, SEED_PRODUCT_IDS=b'["m0003"]', OPTIONS=EXPLAINED)
            assert (sorted(found["ids"]), found["total"]) == ([item.id for item in many[1_490:]], 10)
            filtered = recommend(free, placement, USER_ID=user, SEED_PRODUCT_IDS=b'["m0003"]', FILTER=b"price > 1490")
            assert sorted(filtered["ids"]) == sorted(found["ids"])
            assert len(recommend(free, placement, USER_ID=user, SEED_PRODUCT_IDS=b'["m0003"]')["ids"]) == 500
    store.close()


def test_all_blocked(catalog: LiveCatalog, retriever: Retriever, ranker: FiniteRanker) -> None:
    rules = Rules(RuleFile.model_validate({"blocked": ALL}))
    pipeline = Pipeline(catalog, stores.HashEncoder(), retriever, ranker, rules=rules)

    found = recommend(pipeline, USER_ID=b"u0", OPTIONS=EXPLAINED)

    assert (found["ids"], found["total"]) == ([], 0)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_who_bought_what_is_all_deleted(pipeline: Pipeline, state: SqliteStateStore, placement: str) -> None:
    bought = ["p04", "p12", "p20"]
    state.append_product_changes([stores.delete(product_id) for product_id in bought])

    found = recommend(pipeline, placement, USER_ID=b"u0", OPTIONS=EXPLAINED, SEED_PRODUCT_IDS=b'["p20"]')

    assert sorted(found["ids"]) == sorted(set(ALL) - set(bought))
    assert found["missing_ids"] == ["p20"]


def test_every_product_of_the_shop_is_deleted(pipeline: Pipeline, state: SqliteStateStore) -> None:
    state.append_product_changes([stores.delete(product_id) for product_id in ALL])

    for placement in PLACEMENTS:
        found = recommend(pipeline, placement, USER_ID=b"u0", OPTIONS=EXPLAINED)
        assert (found["ids"], found["total"]) == ([], 0)


ODD: dict[str, dict[str, Any]] = {
    "unknown product": {"product_id": "never sold"},
    "in an hour": {"product_id": "p25", "time": stores.NOW + 3_600},
    "at the beginning of time": {"product_id": "p25", "time": 0},
    "a large quantity": {"product_id": "p25", "quantity": 2**31 - 1},
    "free": {"product_id": "p25", "price": 0},
    "dear": {"product_id": "p25", "price": 1e12},
    "no order": {"product_id": "p25", "order_id": ""},
    "long context": {"product_id": "p25", "context": {"note": "x" * 8_000}},
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_odd_events_make_no_odd_answers(pipeline: Pipeline, state: SqliteStateStore, name: str, placement: str) -> None:
    odd = parse_event(
        {"event_type": "purchase-complete", "user_id": "odd", "time": stores.NOW - 60, **ODD[name]}, now=stores.NOW
    )
    state.append_events([odd])

    found = recommend(pipeline, placement, USER_ID=b"odd", OPTIONS=EXPLAINED)

    assert sorted(found["ids"]) == ALL


def test_events_out_of_order_and_twice_count_as_in_order_and_once(pipeline: Pipeline, state: SqliteStateStore) -> None:
    days = {"p25": 9.0, "p31": 1.0, "p08": 4.0, "p17": 30.0}
    for user, products in (("sorted", sorted(days, key=lambda item: -days[item])), ("mixed", list(days))):
        events = [
            stores.event("purchase-complete", item, days[item], user_id=user, event_id=f"{user}-{item}")
            for item in products
        ]
        state.append_events(events if user == "sorted" else [*events, *reversed(events)])

    one, other = (recommend(pipeline, USER_ID=user) for user in (b"sorted", b"mixed"))

    assert one["ids"] == other["ids"]
    assert one["ids"][0] == "p31"


@pytest.mark.parametrize("quantity", [0, -(2**40), 0.5])
def test_a_quantity_of_nothing_is_refused_and_changes_nothing(
    pipeline: Pipeline, state: SqliteStateStore, quantity: float
) -> None:
    with pytest.raises(InvalidInputError, match="quantity: must be a whole number in 1"):
        stores.event("purchase-complete", "p25", 1, user_id="u9", quantity=quantity)


@pytest.mark.parametrize("name", ["USER_ID", "VISITOR_ID"])
def test_an_id_of_10_000_characters_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name}: must have at most 256 bytes, got 10000"):
        parse_recommend({"PLACEMENT": b"home-page", name: b"x" * 10_000})


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_seed_of_10_000_characters_is_missing(pipeline: Pipeline, placement: str) -> None:
    found = recommend(pipeline, placement, SEED_PRODUCT_IDS=orjson.dumps(["x" * 10_000, "p04"]))

    assert found["missing_ids"] == ["x" * 10_000]
    assert len(found["ids"]) == (39 if placement in ("product-page", "cart") else 40)


def test_a_shop_without_events_recommends(tmp_path: Path, ranker: FiniteRanker) -> None:
    stores.build(tmp_path / "quiet", events=EventTable.empty())
    catalog = LiveCatalog(Snapshot(tmp_path / "quiet"), None)
    pipeline = Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, None), ranker)

    for placement in PLACEMENTS:
        found = recommend(pipeline, placement, USER_ID=b"u0", OPTIONS=EXPLAINED, SEED_PRODUCT_IDS=b'["gone"]')
        assert found["ids"] == ALL


def test_a_snapshot_learned_from_odd_events_alone_recommends(tmp_path: Path, ranker: FiniteRanker) -> None:
    odd = [
        stores.purchase("u1", "never sold", 3),
        stores.purchase("u1", "p25", -0.5),  # half a day after the moment that is learned for
        stores.purchase("u2", "p31", 19_000),
        *(stores.purchase("u3", f"p{number:02d}", 2, order="all") for number in range(40)),
    ]
    store = stores.open_store(tmp_path / "state.db", [*odd, *odd])
    stores.build(tmp_path / "catalog", events=store.event_columns())
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), store)
    pipeline = Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, store), ranker)

    for user in (b"u1", b"u2", b"u3", b"u4"):
        assert sorted(recommend(pipeline, USER_ID=user, OPTIONS=EXPLAINED)["ids"]) == ALL
    store.close()
