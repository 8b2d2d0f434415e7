"""Diversity: maximal marginal relevance over the window, by one dial."""

import numpy as np
import pytest

from mercato.index.live import LiveCatalog
from mercato.policy.diversity import diversify
from tests.unit.policy.shop import all_ids, make_pipeline, search

# Two alike, one at a right angle to both.
VECTORS = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
SCORES = np.array([3.0, 2.0, 1.0], np.float32)


def test_a_different_product_passes_a_like_one_from_some_dial_on() -> None:
    # Relevance 1, 0.5 and 0. After the first: (1 - d) * 0.5 - d * 1 against (1 - d) * 0 - 0: equal at d = 1 / 3.
    assert diversify(VECTORS, SCORES, 0.0).tolist() == [0, 1, 2]
    assert diversify(VECTORS, SCORES, 0.32).tolist() == [0, 1, 2]
    assert diversify(VECTORS, SCORES, 0.34).tolist() == [0, 2, 1]
    assert diversify(VECTORS, SCORES, 1.0).tolist() == [0, 2, 1]


def test_equal_scores_and_vectors_of_zeros_keep_their_order() -> None:
    assert diversify(np.zeros((4, 2), np.float32), np.ones(4, np.float32), 0.5).tolist() == [0, 1, 2, 3]
    assert diversify(VECTORS[:1], SCORES[:1], 0.5).tolist() == [0]


def test_answers_get_more_diverse_and_keep_their_products(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    plain = all_ids(pipeline, "fine tea")
    spread = []
    for dial in (0.0, 0.3, 0.9):
        ids = all_ids(pipeline, "fine tea", diversity=dial)
        assert sorted(ids) == sorted(plain)
        assert ids[0] == plain[0]
        vectors = catalog.vectors(catalog.rows_of(ids[:10]))
        spread.append(1 - float((vectors @ vectors.T).mean()))
    assert all_ids(pipeline, "fine tea", diversity=0.0) == plain
    assert spread[2] > spread[1] >= spread[0]


def test_scores_still_fall(catalog: LiveCatalog) -> None:
    scores = search(make_pipeline(catalog), "fine tea", page_size=200, diversity=0.7)["scores"]
    assert (np.diff(scores) <= 0).all()


def test_a_sorted_answer_stays_sorted(catalog: LiveCatalog) -> None:
    pipeline = make_pipeline(catalog)
    plain = search(pipeline, "fine tea", order_by="price")["ids"]
    assert search(pipeline, "fine tea", order_by="price", diversity=1)["ids"] == plain


@pytest.mark.parametrize("dial", [0.0, 0.5, 1.0])
def test_nothing_found_stays_nothing(catalog: LiveCatalog, dial: float) -> None:
    found = search(make_pipeline(catalog), "tea", filter="price > 1000", diversity=dial, collapse=True)
    assert (found["ids"], found["total"], found["degraded"]) == ([], 0, [])
