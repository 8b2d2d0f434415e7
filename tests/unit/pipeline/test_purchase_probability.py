"""The probability of purchase in answers: where it is told, of whom, and in which order."""

from typing import Any

import numpy as np
import orjson
import pytest

from mercato.arrays import Float32
from mercato.index.live import LiveCatalog
from mercato.models.ranker.calibration import Calibration
from mercato.models.stages import RetrieverStage
from mercato.pipeline.answer import Answer
from mercato.pipeline.pipeline import Pipeline
from mercato.requests.page import PageRequest, parse_recommend, parse_search
from mercato.retrieval.retriever import Retriever
from tests import stores
from tests.unit.policy.test_policy_behind_calls import over_the_wire

CONTEXT = orjson.dumps({"time": stores.NOW})
CALIBRATION = Calibration(event="bought", offset=-2.0, slope=0.5)


class PlaceRanker:
    """Scores candidates by their position, the last one highest."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        if self.broken:
            raise RuntimeError("broken")
        return np.tile(np.arange(candidates.shape[1], dtype=np.float32), (len(candidates), 1))


@pytest.fixture(params=["in process", "behind a call"])
def home(request: pytest.FixtureRequest, retriever: Retriever) -> RetrieverStage:
    return retriever if request.param == "in process" else over_the_wire(retriever)


def make_pipeline(
    catalog: LiveCatalog, home: RetrieverStage, calibration: Calibration | None = CALIBRATION, *, broken: bool = False
) -> Pipeline:
    return Pipeline(catalog, stores.HashEncoder(), home, PlaceRanker(broken=broken), calibration=calibration)


def answer(pipeline: Pipeline, *requests: PageRequest) -> list[dict[str, Any]]:
    pages = []
    for found in pipeline.answer(requests):
        assert isinstance(found, Answer)
        details = orjson.loads(found.details)
        pages.append({"scores": found.scores.tolist(), **details})
    return pages


def recommend(user: bytes, **fields: Any) -> PageRequest:
    return parse_recommend({"PLACEMENT": b"home-page", "USER_ID": user, "CONTEXT": CONTEXT, **fields})


def test_each_product_has_the_probability_of_its_score(catalog: LiveCatalog, home: RetrieverStage) -> None:
    [page] = answer(make_pipeline(catalog, home), recommend(b"u0", PAGE_SIZE=10))
    found = [result["purchase_probability"] for result in page["results"]]
    expected = 1 / (1 + np.exp(2.0 - 0.5 * np.array(page["scores"])))
    assert found == pytest.approx(expected.tolist(), abs=1e-6)
    assert found == sorted(found, reverse=True)


def test_it_is_told_of_the_right_product_on_any_page(catalog: LiveCatalog, home: RetrieverStage) -> None:
    pipeline = make_pipeline(catalog, home)
    [whole] = answer(pipeline, recommend(b"u0", PAGE_SIZE=20))
    [second] = answer(pipeline, recommend(b"u0", PAGE_SIZE=10, OFFSET=10))
    told = {result["id"]: result["purchase_probability"] for result in whole["results"]}
    assert [told[result["id"]] for result in second["results"]] == [
        result["purchase_probability"] for result in second["results"]
    ]


def test_nothing_is_told_where_nothing_was_fitted(catalog: LiveCatalog, home: RetrieverStage) -> None:
    batch = (
        recommend(b"u0"),
        recommend(b"nobody"),
        parse_search({"QUERY": b"coffee", "USER_ID": b"u0", "CONTEXT": CONTEXT}),
        parse_recommend({"PLACEMENT": b"cart", "SEED_PRODUCT_IDS": b'["p04"]', "USER_ID": b"u0", "CONTEXT": CONTEXT}),
    )
    known, *others = answer(make_pipeline(catalog, home), *batch)
    assert all("purchase_probability" in result for result in known["results"])
    for page in others:
        assert page["results"]
        assert not any("purchase_probability" in result for result in page["results"])


@pytest.mark.parametrize(("calibration", "broken"), [(None, False), (CALIBRATION, True)])
def test_without_calibration_or_scores_the_answer_does_without(
    catalog: LiveCatalog, home: RetrieverStage, calibration: Calibration | None, broken: bool
) -> None:
    [page] = answer(make_pipeline(catalog, home, calibration, broken=broken), recommend(b"u0"))
    assert page["results"]
    assert not any("purchase_probability" in result for result in page["results"])
    assert ("ranker" in page["degraded"]) == broken


def test_a_list_of_ones_own_has_probabilities_too(catalog: LiveCatalog, home: RetrieverStage) -> None:
    request = parse_recommend(
        {
            "PLACEMENT": b"rank",
            "SEED_PRODUCT_IDS": b'["p01", "p04", "unknown"]',
            "USER_ID": b"u0",
            "CONTEXT": CONTEXT,
        }
    )
    [page] = answer(make_pipeline(catalog, home), request)
    assert ["purchase_probability" in result for result in page["results"]] == [True, True, False]
