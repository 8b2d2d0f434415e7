"""Bundles in an answer: products, price and evidence, from both homes of the retriever; bad input is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.stages import RetrieverStage
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.test_policy_behind_calls import over_the_wire
from tests.unit.retrieval.test_bundles import PURCHASES


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundled")
    store = stores.open_store(folder / "learned.db", PURCHASES)
    stores.build(folder / "catalog", events=store.event_columns())
    store.close()
    return folder / "catalog"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db", PURCHASES)
    yield store
    store.close()


@pytest.fixture(params=["in process", "behind a call"])
def pipeline(request: pytest.FixtureRequest, bundled: Path, state: SqliteStateStore) -> Pipeline:
    return make(bundled, state, wire=request.param == "behind a call")


def make(bundled: Path, state: SqliteStateStore, *, wire: bool = False, rules: Rules | None = None) -> Pipeline:
    catalog = LiveCatalog(Snapshot(bundled), state)
    retriever = Retriever(catalog, state)
    home: RetrieverStage = over_the_wire(retriever) if wire else retriever
    return Pipeline(catalog, stores.HashEncoder(), home, None, rules=rules)


def ask(pipeline: Pipeline, *seeds: str, **options: Any) -> dict[str, Any]:
    request = {
        "PLACEMENT": b"cart",
        "SEED_PRODUCT_IDS": orjson.dumps(seeds),
        "CONTEXT": orjson.dumps({"time": stores.NOW}),
        "OPTIONS": orjson.dumps(options),
    }
    [answer] = pipeline.answer([parse_recommend(request)])
    assert isinstance(answer, Answer), answer
    details: dict[str, Any] = orjson.loads(answer.details)
    return details


def test_a_bundle_with_its_evidence(pipeline: Pipeline) -> None:
    [bundle] = ask(pipeline, "p01", bundles=3)["bundles"]
    assert bundle["product_ids"] == ["p01", "p02", "p03"]
    assert [(one["id"], one["title"], one["added"]) for one in bundle["products"]] == [
        ("p01", "Large whole milk", False),
        ("p02", "Organic whole milk", True),
        ("p03", "Family whole milk", True),
    ]
    assert (bundle["people"], bundle["share"]) == (8, 0.6667)  # 8 of the 12 who bought p01
    assert bundle["price"] == 2.0 + 3.0 + 4.0
    assert "explanation" not in bundle


def test_the_evidence_in_words(pipeline: Pipeline) -> None:
    [bundle] = ask(pipeline, "p01", bundles=3, explain=True)["bundles"]
    assert bundle["explanation"] == {
        "text": "8 shoppers bought these together, 67% of the times that Large whole milk was bought"
    }


def test_nobody_asks_nothing_is_said(pipeline: Pipeline) -> None:
    assert "bundles" not in ask(pipeline, "p01")
    assert "bundles" not in ask(pipeline, "p01", bundles=0)
    assert ask(pipeline, "p10", bundles=3)["bundles"] == []


def test_a_price_that_is_not_known_or_of_another_currency(bundled: Path, state: SqliteStateStore) -> None:
    pipeline = make(bundled, state)
    state.append_product_changes([stores.upsert(stores.product("p03", "Milk", price=0.2, currency="EUR"))])
    assert "price" not in ask(pipeline, "p01", bundles=3)["bundles"][0]
    others = [stores.product(item, "Milk", price=0.1, currency="EUR") for item in ("p01", "p02")]
    state.append_product_changes([stores.upsert(one) for one in others])
    [bundle] = ask(pipeline, "p01", bundles=3)["bundles"]
    assert (bundle["price"], bundle["currency"]) == (0.4, "EUR")  # and not 0.4000000000000001
    state.append_product_changes([stores.upsert(stores.product("p02", "Milk"))])
    assert "price" not in ask(pipeline, "p01", bundles=3)["bundles"][0]


def test_what_a_rule_blocks_is_not_offered(bundled: Path, state: SqliteStateStore) -> None:
    pipeline = make(bundled, state, rules=Rules(RuleFile(blocked=("p02",))))
    [bundle] = ask(pipeline, "p01", bundles=3)["bundles"]
    assert bundle["product_ids"] == ["p01", "p03"]


@pytest.mark.parametrize("given", [-1, 11, 1.5, True, "3", [1]])
def test_numbers_that_are_refused(given: object) -> None:
    request = {"PLACEMENT": b"cart", "OPTIONS": orjson.dumps({"bundles": given})}
    with pytest.raises(InvalidInputError, match=r"OPTIONS.bundles: must be a whole number between 0 and 10, got"):
        parse_recommend(request)


@pytest.mark.parametrize("placement", ["home-page", "category", "rank", "search"])
def test_placements_without_bundles(placement: str) -> None:
    request = {"OPTIONS": b'{"bundles": 2}'}
    with pytest.raises(InvalidInputError, match=rf"bundles: is for placements product-page and cart, got {placement}"):
        if placement == "search":
            parse_search({"QUERY": b"milk", **request})
        else:
            parse_recommend({"PLACEMENT": placement.encode(), **request})
