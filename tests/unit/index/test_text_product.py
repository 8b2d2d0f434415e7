"""Comparing with every text finds what comparing in full finds, whatever the vectors and whoever shares the batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.arrays import Bool, Float32
from mercato.index.dense import DenseIndex, build_dense_index
from mercato.index.text_product import BLOCK, MARGIN, TextProduct


def draw(count: int, dimension: int = 32, seed: int = 0) -> Float32:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def compare_all(vectors: Float32, queries: Float32, k: int, allowed: Bool | None = None) -> Float32:
    """The k best inner products of each query, descending."""
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    best: Float32 = -np.sort(-scores, axis=1)[:, :k].astype(np.float32)
    return best


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 40 * BLOCK),
    k=st.integers(1, 200),
    batch=st.integers(1, 5),
    seed=st.integers(0, 1_000),
    share=st.floats(0, 1),
)
def test_the_best_of_all_are_found(count: int, k: int, batch: int, seed: int, share: float) -> None:
    vectors, queries = draw(count, seed=seed), draw(batch, seed=seed + 1)
    product, k = TextProduct(vectors), min(k, count)
    scores, found = product.search(queries, k)
    assert scores.shape == found.shape == (batch, k)
    np.testing.assert_allclose(scores, compare_all(vectors, queries, k), atol=2e-6)
    np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", queries, vectors[found]), atol=2e-6)
    assert all(len(set(row)) == k for row in found.tolist())

    allowed = np.random.default_rng(seed).random(count) < share
    some = min(k, int(allowed.sum()))
    if some:
        scores, found = product.search(queries, some, allowed)
        assert allowed[found].all()
        np.testing.assert_allclose(scores, compare_all(vectors, queries, some, allowed), atol=2e-6)


def test_many_texts_and_few_wanted() -> None:
    vectors, queries = draw(9_000, 64), draw(20, 64, seed=9)
    scores, _ = TextProduct(vectors).search(queries, 10)
    assert 10 + MARGIN < len(vectors) // BLOCK  # a bound is taken from the blocks
    np.testing.assert_allclose(scores, compare_all(vectors, queries, 10), atol=2e-6)


def test_a_query_is_answered_alike_alone_and_beside_any_other() -> None:
    product, queries = TextProduct(draw(500)), draw(4, seed=2)
    neighbours = np.stack([queries[0], 1e6 * queries[1], np.zeros(32, np.float32), 1e-6 * queries[2]])
    together, alone = product.search(neighbours, 30), product.search(queries[:1], 30)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    assert (together[0][2] == 0).all()


def test_equal_texts_come_in_their_order() -> None:
    vectors = np.repeat(draw(3), 50, axis=0)
    _, found = TextProduct(vectors).search(draw(3)[1:2], 50)
    assert found[0].tolist() == list(range(50, 100))


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_the_index_answers_alike_by_product_and_by_walk(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = tmp_path_factory.mktemp("dense") / "dense.faiss"
    build_dense_index(draw(600), path)
    walking, comparing = DenseIndex(path), DenseIndex(path, most_compared=600)
    allowed = np.random.default_rng(3).random(600) < share
    for query in draw(20, seed=5):
        scores, found = walking.search_allowed(query, 40, allowed, exact=True)
        same_scores, same = comparing.search_allowed(query, 40, allowed)
        np.testing.assert_array_equal(found, same)
        np.testing.assert_allclose(scores, same_scores, atol=1e-6)
    assert DenseIndex(path, most_compared=599).search(draw(1), 5)[1].shape == (1, 5)
