"""Placement `rank`: a given list comes back in order, whatever is in it, from both homes of the retriever."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from mercato.arrays import Float32
from mercato.errors import InvalidInputError, MercatoError
from mercato.features.features import COLUMN
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.stages import RankerStage, RetrieverStage
from mercato.pipeline.answer import Answer
from mercato.pipeline.batched_ranker import BatchedRanker
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import parse_recommend
from mercato.requests.retrieval import MAX_RANKED, WINDOW
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.test_policy_behind_calls import over_the_wire

CONTEXT = orjson.dumps({"time": stores.NOW})


class PriceRanker:
    """The dearest first; knows the widths it was asked."""

    def __init__(self) -> None:
        self.widths: list[int] = []

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        self.widths.append(candidates.shape[1])
        scores: Float32 = features[:, :, COLUMN["log_price"]]
        return scores


@pytest.fixture(params=["in process", "behind a call"])
def home(request: pytest.FixtureRequest, retriever: Retriever) -> RetrieverStage:
    return retriever if request.param == "in process" else over_the_wire(retriever)


def make(
    catalog: LiveCatalog, home: RetrieverStage, ranker: RankerStage | None = None, rules: dict[str, Any] | None = None
) -> Pipeline:
    given = Rules(RuleFile.model_validate(rules)) if rules is not None else None
    return Pipeline(catalog, stores.HashEncoder(), home, ranker, rules=given)


def rank(pipeline: Pipeline, product_ids: list[str], **fields: Any) -> dict[str, Any]:
    options = orjson.dumps(fields.pop("options", {}))
    request = {"PLACEMENT": b"rank", "SEED_PRODUCT_IDS": orjson.dumps(product_ids), "CONTEXT": CONTEXT, **fields}
    [answer] = pipeline.answer([parse_recommend({**request, "OPTIONS": options})])
    return read(answer)


def read(answer: Answer | MercatoError) -> dict[str, Any]:
    assert isinstance(answer, Answer), answer
    found: dict[str, Any] = orjson.loads(answer.details)
    assert [result["id"] for result in found["results"]] == answer.product_ids
    assert len(answer.scores) == len(answer.product_ids)
    assert (np.diff(answer.scores) <= 0).all()
    return {**found, "ids": answer.product_ids}


def test_a_list_is_ordered_by_the_ranker(catalog: LiveCatalog, home: RetrieverStage) -> None:
    found = rank(make(catalog, home, PriceRanker()), ["p05", "p31", "p12", "p20"])

    # Product number n costs n + 1.
    assert found["ids"] == ["p31", "p20", "p12", "p05"]
    assert (found["total"], found["missing_ids"]) == (4, [])


def test_without_a_ranker_the_order_is_that_of_the_home_page(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = make(catalog, home)
    listed = ["p39", "p30", "p21", "p04", "p20"]
    for user in (b"u0", b"u1", b"nobody", b""):
        request = {"PLACEMENT": b"home-page", "USER_ID": user, "CONTEXT": CONTEXT, "PAGE_SIZE": 40}
        [whole] = pipeline.answer([parse_recommend(request)])
        expected = [product_id for product_id in read(whole)["ids"] if product_id in listed]

        assert rank(pipeline, listed, USER_ID=user)["ids"] == expected


def test_the_order_is_the_shoppers_own(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = make(catalog, home)

    # u0 bought p20 four times, the last one of all five days ago; to a stranger p04 sells more.
    assert rank(pipeline, ["p04", "p20", "p39"], USER_ID=b"u0")["ids"][0] == "p20"
    assert rank(pipeline, ["p39", "p20", "p04"])["ids"] == ["p04", "p20", "p39"]


def test_who_is_unknown_or_deleted_ends_the_list_in_the_order_given(
    catalog: LiveCatalog, home: RetrieverStage, state: SqliteStateStore
) -> None:
    state.append_product_changes([stores.delete("p12")])
    long = "x" * 10_000
    found = rank(make(catalog, home, PriceRanker()), ["nope", "p05", "p12", "p31", long, "nope", "p05"])

    assert found["ids"] == ["p31", "p05", "nope", "p12", long]
    assert found["missing_ids"] == ["nope", "p12", long]
    assert found["total"] == 5
    assert found["results"][2] == {"id": "nope", "sources": []}


@pytest.mark.parametrize("ids", [[], ["a", "b", "c"]])
def test_a_list_of_nothing_known_is_no_error(catalog: LiveCatalog, home: RetrieverStage, ids: list[str]) -> None:
    found = rank(make(catalog, home, PriceRanker()), ids, options={"explain": True, "facets": ["brand"]})

    assert (found["ids"], found["missing_ids"], found["total"]) == (ids, ids, len(ids))
    assert found["degraded"] == []


def test_pages_go_through_the_known_and_then_the_unknown(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = make(catalog, home, PriceRanker())
    listed = ["a", "p01", "b", "p02", "p03", "c"]
    pages = [rank(pipeline, listed, PAGE_SIZE=2, OFFSET=offset)["ids"] for offset in (0, 2, 4, 6)]

    assert pages == [["p03", "p02"], ["p01", "a"], ["b", "c"], []]


def test_what_the_filter_refuses_is_left_out_and_the_unknown_stay(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = make(catalog, home, PriceRanker())

    found = rank(pipeline, ["p03", "gone", "p04", "p06"], FILTER=b'brand: ANY("Acme")')
    assert (found["ids"], found["total"]) == (["p06", "p04", "gone"], 3)
    # Of the list nothing is dear, though of the catalogue much is.
    nothing = rank(pipeline, ["p03", "p04"], FILTER=b"price > 30")
    assert (nothing["ids"], nothing["total"]) == ([], 0)
    relaxed = rank(pipeline, ["p03", "p04"], FILTER=b"price > 30", options={"strict_filtering": False})
    assert (relaxed["ids"], relaxed["filter_relaxed"]) == (["p04", "p03"], True)


def test_what_is_blocked_or_bought_is_left_out(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = make(catalog, home, PriceRanker(), {"blocked": ["p31", "gone"]})
    found = rank(
        pipeline, ["p31", "gone", "p20", "p21", "x"], USER_ID=b"u0", options={"exclude_purchased_days": 36_500}
    )

    assert found["ids"] == ["p21", "x"]


def test_facets_and_sorting_keep_to_the_list(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = make(catalog, home, PriceRanker())
    listed = ["p03", "p04", "p06", "gone"]

    found = rank(pipeline, listed, options={"facets": ["brand"], "order_by": "price"})
    assert found["ids"] == ["p03", "p04", "p06", "gone"]
    assert found["facets"][0]["values"] == [{"value": "Acme", "count": 2}, {"value": "Bolt", "count": 1}]
    boosted = rank(pipeline, listed, options={"boosts": [{"condition": "price < 5", "boost": 1}]})
    assert boosted["ids"] == ["p03", "p06", "p04", "gone"]


def test_a_list_longer_than_the_window_is_ranked_to_its_end(tmp_path: Path) -> None:
    many = [stores.product(f"m{number:03d}", f"Thing {number}", price=1.0 + number) for number in range(MAX_RANKED)]
    stores.build(tmp_path / "many", many)
    catalog = LiveCatalog(Snapshot(tmp_path / "many"), None)
    for home in (Retriever(catalog, None), over_the_wire(Retriever(catalog, None))):
        ranker = PriceRanker()
        found = rank(make(catalog, home, ranker), [item.id for item in many], options={"explain": True})

        assert found["ids"] == [item.id for item in reversed(many)]
        assert found["total"] == MAX_RANKED
        assert max(ranker.widths) <= WINDOW
        assert found["degraded"] == []
        assert found["results"][0]["explanation"]["stages"]["ranker"]["rank"] == 1


def test_a_list_has_a_limit() -> None:
    listed = [f"p{number}" for number in range(MAX_RANKED + 1)]
    request = {"PLACEMENT": b"rank", "SEED_PRODUCT_IDS": orjson.dumps(listed)}
    with pytest.raises(InvalidInputError, match=r"SEED_PRODUCT_IDS: at most 500 products at placement rank, got 501"):
        parse_recommend(request)
    assert parse_recommend({**request, "SEED_PRODUCT_IDS": orjson.dumps([*listed[:-1], "p0"])}).page_size == MAX_RANKED


def test_a_wide_list_scores_as_its_pieces_do() -> None:
    rng = np.random.default_rng(7)
    query, history = rng.normal(size=(2, 5, 8)).astype(np.float32)
    candidates = rng.normal(size=(5, 11, 8)).astype(np.float32)
    features = rng.normal(size=(5, 11, 3)).astype(np.float32)

    class Cosines:
        def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
            assert len(query) <= 2
            assert candidates.shape[1] <= 4
            scores: Float32 = (candidates @ (query + 2 * history)[:, :, None])[:, :, 0] + features.sum(axis=2)
            return scores

    found = BatchedRanker(Cosines(), width=4, batch=2).score(query, history, candidates, features)

    expected = np.einsum("bnd,bd->bn", candidates, query + 2 * history) + features.sum(axis=2)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
