"""A router of shards answers as one server of the whole does: products, order, scores, totals, facets, spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from mercato.catalog.product import parse_product
from mercato.errors import InvalidInputError, MercatoError
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from mercato.shards.cut import cut_snapshot
from tests.stores import NOW, HashEncoder, build
from tests.unit.shards.conftest import OpenRouter, open_router

SCORE_TOLERANCE = 1e-5
"""Scores are sums of the same float32 numbers; only those of the ranker depend on who is in a batch."""
FACETS = [
    {"key": "brand"},
    {"key": "price"},
    {"key": "weight"},
    {"key": "colour", "order_by": "value", "limit": 3},
]
REQUESTS: dict[str, dict[str, Any]] = {
    "one word": {"QUERY": "lamp"},
    "several words": {"QUERY": "red coffee mug"},
    "four words of which three are enough": {"QUERY": "black office chair leather"},
    "words that no product has together": {"QUERY": "coffee lamp"},
    "meaning alone": {"QUERY": "porcelain"},
    "nothing": {"QUERY": "the for with"},
    "chosen by others": {"QUERY": "coffee mug"},
    "a code": {"QUERY": "xk0123"},
    "an id": {"QUERY": "p555"},
    "a variant's id": {"QUERY": "v14-S"},
    "misspelt": {"QUERY": "cofee mug"},
    "misspelt, only asked": {"QUERY": "gardn chair", "OPTIONS": {"spelling": "suggest"}},
    "a price": {"QUERY": "lamp under 30"},
    "a brand that is not wanted": {"QUERY": "chair not acme"},
    "filter": {"QUERY": "chair", "FILTER": 'brand: ANY("Acme") AND price < 40'},
    "filter of variants": {"QUERY": "mug", "FILTER": 'size: ANY("M") AND price > 30'},
    "filter that leaves nothing": {"QUERY": "mug", "FILTER": "price > 1000"},
    "filter that may go": {"QUERY": "mug", "FILTER": "price > 1000", "OPTIONS": {"strict_filtering": False}},
    "facets": {"QUERY": "chair", "OPTIONS": {"facets": FACETS}},
    "facets of a filter": {
        "QUERY": "lamp",
        "FILTER": 'brand: ANY("Bolt")',
        "OPTIONS": {"facets": [{"key": "brand", "excluded_filter_keys": ["brand"]}, *FACETS[1:]]},
    },
    "facet of given intervals": {
        "QUERY": "mug",
        "OPTIONS": {"facets": [{"key": "price", "intervals": [{"maximum": 20}, {"minimum": 20, "maximum": 60}]}]},
    },
    "sorted": {"QUERY": "chair", "OPTIONS": {"order_by": "price"}, "OFFSET": 10, "PAGE_SIZE": 30},
    "sorted by two": {"QUERY": "lamp", "OPTIONS": {"order_by": "weight desc, price"}, "PAGE_SIZE": 50},
    "boosted": {"QUERY": "chair", "OPTIONS": {"boosts": [{"condition": 'brand: ANY("Dune")', "boost": 0.6}]}},
    "a deep page": {"QUERY": "chair", "OFFSET": 120, "PAGE_SIZE": 100},
    "beyond the floor": {"QUERY": "tea pot", "PAGE_SIZE": 200, "OPTIONS": {"beyond": True}},
    "collapsed": {"QUERY": "red mug", "OPTIONS": {"collapse": True}},
    "collapsed by a field": {"QUERY": "mug", "OPTIONS": {"collapse": "item_group_id"}},
    "diverse": {"QUERY": "lamp", "OPTIONS": {"diversity": 0.7}},
}


def ask(pipeline: Pipeline, request: dict[str, Any]) -> Answer | MercatoError:
    fields = {name: json.dumps(value).encode() if isinstance(value, dict) else value for name, value in request.items()}
    fields = {name: value.encode() if isinstance(value, str) else value for name, value in fields.items()}
    [answer] = pipeline.answer([parse_search({"CONTEXT": json.dumps({"time": NOW}).encode(), **fields})])
    return answer


def read_details(answer: Answer) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(answer.details)
    return {name: value for name, value in details.items() if name not in ("timings", "token")}


def check_same(one: Answer | MercatoError, other: Answer | MercatoError) -> None:
    assert isinstance(one, Answer), one
    assert isinstance(other, Answer), other
    assert other.product_ids == one.product_ids
    np.testing.assert_allclose(other.scores, one.scores, atol=SCORE_TOLERANCE)
    assert read_details(other) == read_details(one)


@pytest.fixture(scope="module")
def routed(open_routed: OpenRouter) -> Pipeline:
    return open_routed()


@pytest.mark.parametrize("name", REQUESTS)
def test_shards_answer_as_one_server_does(name: str, whole: Pipeline, routed: Pipeline) -> None:
    check_same(ask(whole, REQUESTS[name]), ask(routed, REQUESTS[name]))


def test_the_requests_find_something_of_each_kind(whole: Pipeline) -> None:
    details = {
        name: read_details(answer) for name in REQUESTS if isinstance(answer := ask(whole, REQUESTS[name]), Answer)
    }
    assert {one["match"] for one in details.values()} == {"exact", "words", "meaning", "none"}
    assert details["misspelt"]["corrected_applied"]
    assert details["filter that may go"]["filter_relaxed"]
    assert details["a price"]["conditions"]
    assert any("chosen" in one["sources"] for one in details["chosen by others"]["results"])
    assert details["a deep page"]["total"] > 128


def test_a_batch_is_answered_as_its_requests_are_alone(routed: Pipeline) -> None:
    names = ["lamp", "red coffee mug", "xk0123", "chair"]
    together = routed.answer([parse_search({"QUERY": name.encode()}) for name in names])
    for name, answer in zip(names, together, strict=True):
        check_same(routed.answer([parse_search({"QUERY": name.encode()})])[0], answer)


def test_without_an_encoder_words_decide_alike(shop: Path, cut: Path) -> None:
    catalog = LiveCatalog(Snapshot(shop), None)
    one, router = Retriever(catalog, None), open_router(cut)
    requests = [parse_search({"QUERY": text}).retrieval for text in (b"red lamp", b"coffee lamp chair pot")]
    for found, joined in zip(one.retrieve(requests, None), router.retrieve(requests, None), strict=True):
        assert not isinstance(found, MercatoError)
        assert not isinstance(joined, MercatoError)
        assert joined.rows.tolist() == found.rows.tolist()
        assert (joined.total, joined.match, joined.degraded) == (found.total, found.match, found.degraded)
        np.testing.assert_array_equal(joined.features, found.features)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"QUERY": "lamp", "FILTER": "depth > 3"}, "unknown field 'depth'"),
        ({"QUERY": "lamp", "OPTIONS": {"order_by": "brand"}}, "holds texts"),
        ({"QUERY": "lamp", "OPTIONS": {"explain": True}}, "router of shards does not explain"),
    ],
)
def test_what_cannot_be_asked_is_said(routed: Pipeline, request_: dict[str, Any], message: str) -> None:
    answer = ask(routed, request_)
    assert isinstance(answer, InvalidInputError)
    assert message in str(answer)


@pytest.mark.slow
def test_icecat_in_three_shards_answers_as_one_server_does(tmp_path: Path, shared_data: Path) -> None:
    """The evaluation data's catalogue; words and columns are its own, and a hash stands in for the encoder."""
    table = pq.read_table(shared_data / "icecat_chorus" / "products.parquet")
    names = [name for name in ("id", "title", "brand", "price", "description") if name in table.column_names]
    products = [
        parse_product({key: value for key, value in row.items() if value is not None})
        for row in table.select(names).to_pylist()
    ]
    build(tmp_path / "catalog", products)
    cut_snapshot(tmp_path / "catalog", tmp_path / "cut", 3)
    catalog = LiveCatalog(Snapshot(tmp_path / "catalog"), None)
    one = Pipeline(catalog, HashEncoder(), Retriever(catalog, None), None)
    router = open_router(tmp_path / "cut")
    routed = Pipeline(router.catalog, HashEncoder(), router, None)
    queries = pq.read_table(shared_data / "icecat_chorus" / "judgements.parquet")["query"].to_pylist()
    for query in dict.fromkeys(queries):
        request = {"QUERY": query, "OPTIONS": {"facets": [{"key": "brand"}, {"key": "price"}]}}
        check_same(ask(one, request), ask(routed, request))
