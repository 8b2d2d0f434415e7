"""What each placement offers, from both homes of the retriever: the kinds of a product page, carts, categories."""

from typing import Any

import numpy as np
import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.index.live import LiveCatalog
from mercato.models.stages import RetrieverStage
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import parse_recommend
from mercato.retrieval.retriever import Retriever
from tests import stores
from tests.unit.policy.test_policy_behind_calls import over_the_wire

CONTEXT = orjson.dumps({"time": stores.NOW})


@pytest.fixture(params=["in process", "behind a call"])
def pipeline(request: pytest.FixtureRequest, catalog: LiveCatalog, retriever: Retriever) -> Pipeline:
    home: RetrieverStage = retriever if request.param == "in process" else over_the_wire(retriever)
    return Pipeline(catalog, stores.HashEncoder(), home, None)


def recommend(pipeline: Pipeline, placement: bytes, *seeds: str, **fields: Any) -> dict[str, Any]:
    options = orjson.dumps(fields.pop("options", {}))
    request = {"PLACEMENT": placement, "SEED_PRODUCT_IDS": orjson.dumps(seeds), "CONTEXT": CONTEXT, "OPTIONS": options}
    [answer] = pipeline.answer([parse_recommend({**request, **fields})])
    assert isinstance(answer, Answer), answer
    found: dict[str, Any] = orjson.loads(answer.details)
    return {**found, "ids": answer.product_ids}


def test_a_product_page_has_two_kinds(pipeline: Pipeline, catalog: LiveCatalog) -> None:
    similar = recommend(pipeline, b"product-page", "p04", options={"kind": "similar"})
    together = recommend(pipeline, b"product-page", "p04", options={"kind": "complementary"})
    both = recommend(pipeline, b"product-page", "p04")

    # p12 is bought with p04, and nothing else.
    cosines = catalog.vectors(np.arange(40)) @ catalog.vectors(catalog.rows_of(["p04"]))[0]
    nearest = [catalog.id_of(row) for row in np.argsort(-cosines).tolist()]
    assert similar["ids"] == nearest[1:21]
    assert all(result["sources"] == ["similar"] for result in similar["results"])
    assert together["ids"][0] == "p12"
    assert "cooccurrence" in together["results"][0]["sources"]
    assert not any("similar" in result["sources"] for result in together["results"])
    assert {*nearest[1:4], "p12"} <= set(both["ids"][:6])
    for found in (similar, together, both):
        assert "p04" not in found["ids"]
        assert (len(found["ids"]), found["total"]) == (20, 39)
    assert both["ids"] == recommend(pipeline, b"product-page", "p04", options={"kind": "both"})["ids"]


@pytest.mark.parametrize("placement", [b"home-page", b"cart", b"category", b"rank"])
def test_other_placements_have_no_kinds(placement: bytes) -> None:
    request = {"PLACEMENT": placement, "OPTIONS": b'{"kind": "similar"}'}
    with pytest.raises(InvalidInputError, match=r"OPTIONS.kind: 'similar' is for placement product-page, got"):
        parse_recommend(request)
    assert parse_recommend({**request, "OPTIONS": b'{"kind": "both"}'}).offset == 0


@pytest.mark.parametrize("value", ['"same"', "1", "true", "[]"])
def test_an_unknown_kind_is_refused(value: str) -> None:
    options = f'{{"kind": {value}}}'.encode()
    with pytest.raises(InvalidInputError, match=r"OPTIONS.kind: must be one of both, similar, complementary"):
        parse_recommend({"PLACEMENT": b"product-page", "OPTIONS": options})


def test_a_cart_never_shows_what_is_in_it(pipeline: Pipeline) -> None:
    cart = ["p04", "p20", "p05", "p39"]
    found = recommend(pipeline, b"cart", *cart, USER_ID=b"u0", PAGE_SIZE=50, options={"facets": ["brand"]})

    assert found["ids"][0] == "p12"
    assert not set(cart) & set(found["ids"])
    assert (len(found["ids"]), found["total"]) == (36, 36)
    assert sum(value["count"] for value in found["facets"][0]["values"]) == 36


def test_facets_count_without_what_was_bought_whichever_filter_they_leave_out(pipeline: Pipeline) -> None:
    facets = [{"key": "brand", "excluded_filter_keys": ["brand"]}, {"key": "size", "excluded_filter_keys": []}]
    options = {"facets": facets, "exclude_purchased_days": 36_500}
    found = recommend(pipeline, b"home-page", USER_ID=b"u0", FILTER=b'brand: ANY("Bolt")', options=options)
    brand, size = found["facets"]

    # u0 bought p04, p12 and p20, three of Acme's twenty.
    assert brand["values"] == [{"value": "Bolt", "count": 20}, {"value": "Acme", "count": 17}]
    assert sum(value["count"] for value in size["values"]) == found["total"] == 20


@pytest.mark.parametrize("user", [b"", b"nobody", b"u0"])
def test_a_category_shows_itself_alone_the_popular_first(pipeline: Pipeline, user: bytes) -> None:
    found = recommend(pipeline, b"category", USER_ID=user, FILTER=b'categories: ANY("Drinks")', PAGE_SIZE=50)

    # Coffee, tea and juice; p20 is the only one that was bought, p30 has no buyers of this category.
    drinks = {f"p{number:02d}" for number in [*range(20, 28), *range(36, 40)]}
    assert set(found["ids"]) == drinks
    assert found["ids"][0] == "p20"
    assert found["total"] == 12
