"""Facets, sorting, boosts, rules, collapsing and diversity answer alike where the retriever is behind a call."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.pipeline.pipeline import Pipeline
from mercato.pipeline.remote import RemoteRetriever, retrieve_batch
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import parse_search
from mercato.retrieval.retriever import Retriever
from mercato.state.sqlite import SqliteStateStore
from tests import stores
from tests.unit.policy.shop import CONTEXT, read

RULES = {
    "blocked": ["t004"],
    "rules": [
        {
            "contains": "tea",
            "pins": [{"product": "p39", "position": 2}, {"product": "gone", "position": 1}],
            "boosts": [{"condition": 'brand: ANY("Leaf")', "boost": 0.5}],
            "filter": "price < 50",
        }
    ],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "facets": {
        "facets": [
            "brand",
            "categories",
            {"key": "price", "intervals": [{"maximum": 10}, {"exclusive_minimum": 10}]},
            {"key": "size", "excluded_filter_keys": ["price"], "order_by": "value", "limit": 3},
        ]
    },
    "order": {"order_by": "price desc, available_time"},
    "boosts": {"boosts": [{"condition": "price > 20", "boost": 1}, {"condition": "price < 5", "boost": -0.5}]},
    "diversity": {"diversity": 0.5},
    "collapse": {"collapse": True},
    "everything": {"collapse": True, "diversity": 0.2, "facets": ["brand"], "spelling": False, "explain": True},
}


def over_the_wire(retriever: Retriever) -> RemoteRetriever:
    def call(model: str, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        answer = retrieve_batch(retriever, inputs["REQUEST"], inputs.get("QUERY_VECTOR"))
        return {name: np.array(answer[name]) for name in outputs}

    return RemoteRetriever(call)


@pytest.fixture
def pipelines(catalog: LiveCatalog, state: SqliteStateStore) -> tuple[Pipeline, Pipeline]:
    rules = Rules(RuleFile.model_validate(RULES))
    retriever = Retriever(catalog, state)
    near = Pipeline(catalog, stores.HashEncoder(), retriever, None, rules=rules)
    far = Pipeline(catalog, stores.HashEncoder(), over_the_wire(retriever), None, rules=rules)
    return near, far


def ask(pipeline: Pipeline, options: dict[str, Any], **fields: Any) -> Any:
    request = {"QUERY": b"fine tea", "CONTEXT": CONTEXT, "OPTIONS": orjson.dumps(options), **fields}
    [answer] = pipeline.answer([parse_search(request)])
    found = read(answer)
    return {name: value for name, value in found.items() if name not in ("token", "timings")}


@pytest.mark.parametrize("name", OPTIONS)
def test_both_homes_answer_alike(pipelines: tuple[Pipeline, Pipeline], name: str) -> None:
    near, far = pipelines
    for fields in ({}, {"FILTER": b'brand: ANY("Leaf") AND price > 3'}, {"OFFSET": 130, "PAGE_SIZE": 50}):
        one, other = ask(near, OPTIONS[name], **fields), ask(far, OPTIONS[name], **fields)
        assert one == other
        assert one["ids"]


def test_a_bad_request_harms_no_neighbour(pipelines: tuple[Pipeline, Pipeline]) -> None:
    bad = [{"order_by": "weather"}, {"facets": ["weather"]}, {"boosts": [{"condition": "weather > 1", "boost": 1}]}]
    for pipeline in pipelines:
        requests = [
            parse_search({"QUERY": b"fine tea", "CONTEXT": CONTEXT, "OPTIONS": orjson.dumps(options)})
            for options in (*bad, OPTIONS["facets"])
        ]
        *refused, answered = pipeline.answer(requests)
        for error, parameter in zip(
            refused, ("OPTIONS.order_by", "OPTIONS.facets[0].key", "OPTIONS.boosts[0].condition"), strict=True
        ):
            assert isinstance(error, InvalidInputError)
            assert error.parameter == parameter
            assert "weather" in str(error)
        alone = ask(pipeline, OPTIONS["facets"])
        assert read(answered)["ids"] == alone["ids"]
        assert read(answered)["facets"] == alone["facets"]


def test_excluded_keys_count_what_the_other_values_would_have(pipelines: tuple[Pipeline, Pipeline]) -> None:
    near, _ = pipelines
    filtered = ask(
        near,
        {"facets": [{"key": "brand", "excluded_filter_keys": ["brand"]}, "availability"]},
        FILTER=b'brand: ANY("Leaf") AND price > 3',
    )
    wider = ask(near, {"facets": ["brand"]}, FILTER=b"price > 3")
    assert filtered["facets"][0] == wider["facets"][0]
    assert {value["value"] for value in filtered["facets"][0]["values"]} >= {"Acme", "Leaf"}
    assert sum(value["count"] for value in filtered["facets"][1]["values"]) == filtered["total"] < wider["total"]
