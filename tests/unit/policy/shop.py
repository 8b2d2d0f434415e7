"""How the tests of policies ask: whole pages through the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from mercato.errors import MercatoError
from mercato.index.live import LiveCatalog
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.policy.rules import RuleFile, Rules
from mercato.requests.page import parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from mercato.state.store import StateStore
from tests import stores

CONTEXT = orjson.dumps({"time": stores.NOW})


def make_pipeline(
    catalog: LiveCatalog, state: StateStore | None = None, rules: Mapping[str, Any] | None = None, ranker: Any = None
) -> Pipeline:
    given = Rules(RuleFile.model_validate(rules)) if rules is not None else None
    return Pipeline(catalog, stores.HashEncoder(), Retriever(catalog, state), ranker, rules=given)


def search(
    pipeline: Pipeline, query: str, *, offset: int = 0, page_size: int = 20, filter: str = "", **options: Any
) -> Any:
    """Ask and return the details, with the ids in ``ids`` and the scores in ``scores``."""
    [answer] = pipeline.answer(
        [
            parse_search(
                {
                    "QUERY": query.encode(),
                    "CONTEXT": CONTEXT,
                    "OFFSET": offset,
                    "PAGE_SIZE": page_size,
                    "FILTER": filter.encode(),
                    "OPTIONS": orjson.dumps(options),
                }
            )
        ]
    )
    return read(answer)


def recommend(pipeline: Pipeline, placement: str = "home-page", **options: Any) -> Any:
    [answer] = pipeline.answer(
        [parse_recommend({"PLACEMENT": placement.encode(), "CONTEXT": CONTEXT, "OPTIONS": orjson.dumps(options)})]
    )
    return read(answer)


def read(answer: Answer | MercatoError) -> Any:
    if isinstance(answer, MercatoError):
        raise answer
    details = orjson.loads(answer.details)
    assert [result["id"] for result in details["results"]] == answer.product_ids
    return {**details, "ids": answer.product_ids, "scores": answer.scores.tolist()}


def all_ids(pipeline: Pipeline, query: str, *, page_size: int = 30, **options: Any) -> list[str]:
    """Read every page of a search, one after the other."""
    ids: list[str] = []
    while True:
        page = search(pipeline, query, offset=len(ids), page_size=page_size, **options)["ids"]
        if not page:
            return ids
        ids += page
