import gc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mercato.arrays import Float32
from mercato.errors import SnapshotError
from mercato.index import dense
from mercato.index.dense import DenseIndex, build_dense_index, expand_groups

COUNT, DIMENSION = 600, 24
# The approximate graph may miss a few of the nearest; the project asks for at least this share.
RECALL_AT_100 = 0.98


def make_vectors(count: int = COUNT, seed: int = 0) -> Float32:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> DenseIndex:
    path = tmp_path_factory.mktemp("dense") / "dense.faiss"
    build_dense_index(make_vectors(), path)
    return DenseIndex(path)


def nearest(query: Float32, rows: npt.NDArray[np.int64], k: int) -> tuple[Float32, list[int]]:
    """Brute force: the k best of some rows, and their inner products."""
    scores = make_vectors()[rows] @ query
    order = np.argsort(-scores, kind="stable")[:k]
    return scores[order], rows[order].tolist()


def test_the_graph_finds_what_comparing_with_all_finds(index: DenseIndex) -> None:
    queries = make_vectors(100, seed=1)

    scores, found = index.search(queries, 100)
    exact_scores, exact = index.search_exact(queries, 100)

    shares = [len(set(a) & set(b)) / 100 for a, b in zip(found.tolist(), exact.tolist(), strict=True)]
    assert np.mean(shares) >= RECALL_AT_100
    assert (np.diff(scores, axis=1) <= 0).all()
    assert exact[0].tolist() == nearest(queries[0], np.arange(COUNT), 100)[1]
    np.testing.assert_allclose(exact_scores[0], nearest(queries[0], np.arange(COUNT), 100)[0], atol=1e-6)


def test_a_query_is_answered_alike_alone_and_in_a_batch(index: DenseIndex) -> None:
    queries = make_vectors(5, seed=2)

    scores, found = index.search(queries, 20)

    for number in range(5):
        alone_scores, alone = index.search(queries[number][None], 20)
        np.testing.assert_array_equal(alone[0], found[number])
        np.testing.assert_array_equal(alone_scores[0], scores[number])


def test_asking_for_more_than_there_is(index: DenseIndex) -> None:
    _, found = index.search(make_vectors(1, seed=3), COUNT + 50)

    assert found.shape == (1, COUNT)
    assert len(set(found[0].tolist()) - {-1}) >= RECALL_AT_100 * COUNT


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_a_filtered_search_is_exact(index: DenseIndex, share: float) -> None:
    rng = np.random.default_rng(4)
    for query in make_vectors(10, seed=5):
        allowed = rng.random(COUNT) < share

        scores, found = index.search_allowed(query, 20, allowed)

        expected_scores, expected = nearest(query, np.flatnonzero(allowed), 20)
        assert found.tolist() == expected
        np.testing.assert_allclose(scores, expected_scores, atol=1e-6)


def test_a_filter_that_leaves_much_goes_through_the_graph_unless_told_otherwise(
    index: DenseIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "EXACT_LIMIT", 10)
    allowed = np.arange(COUNT) % 2 == 0
    queries = make_vectors(30, seed=6)

    found = [index.search_allowed(query, 50, allowed)[1] for query in queries]
    exact = [index.search_allowed(query, 50, allowed, exact=True)[1] for query in queries]

    assert all(allowed[texts].all() for texts in found)
    shares = [len(set(a.tolist()) & set(b.tolist())) / 50 for a, b in zip(found, exact, strict=True)]
    assert np.mean(shares) >= RECALL_AT_100
    for query, texts in zip(queries, exact, strict=True):
        assert texts.tolist() == nearest(query, np.flatnonzero(allowed), 50)[1]


def test_a_filter_that_most_texts_pass_is_applied_to_what_the_whole_graph_finds(
    index: DenseIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "WIDE_LEAST", 10)
    allowed = np.arange(COUNT) % 2 == 0
    queries = make_vectors(30, seed=6)

    for query in queries:
        # k of half the texts, and half again as many: 3 * k of all.
        scores, everything = index.search(query[None], 3 * 50)
        keep = allowed[everything[0]]
        found_scores, found = index.search_allowed(query, 50, allowed)
        assert found.tolist() == everything[0][keep][:50].tolist()
        np.testing.assert_array_equal(found_scores, scores[0][keep][:50])


def test_a_wide_filter_that_leaves_out_the_nearest_falls_back(
    index: DenseIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "WIDE_LEAST", 10)
    (query,) = make_vectors(1, seed=6)
    near = index.search_exact(query[None], COUNT // 2)[1][0]
    allowed = np.ones(COUNT, np.bool_)
    allowed[near] = False

    found = index.search_allowed(query, 20, allowed)[1]

    assert found.tolist() == nearest(query, np.flatnonzero(allowed), 20)[1]


def test_few_or_no_allowed_texts(index: DenseIndex) -> None:
    (query,) = make_vectors(1, seed=7)
    one = np.arange(COUNT) == 599

    assert index.search_allowed(query, 20, one)[1].tolist() == [599]
    scores, found = index.search_allowed(query, 20, np.zeros(COUNT, np.bool_))
    assert (scores.tolist(), found.tolist()) == ([], [])


def test_an_index_of_one(tmp_path: Path) -> None:
    build_dense_index(make_vectors(1), tmp_path / "one")
    index = DenseIndex(tmp_path / "one")

    scores, found = index.search(make_vectors(1), 100)

    assert found.tolist() == [[0]]
    assert scores[0].tolist() == pytest.approx([1.0])


def test_vectors_outlive_the_index_that_mapped_them(tmp_path: Path) -> None:
    build_dense_index(make_vectors(3_000), tmp_path / "dense")
    vectors = DenseIndex(tmp_path / "dense").vectors
    gc.collect()

    np.testing.assert_array_equal(vectors, make_vectors(3_000))
    with pytest.raises(ValueError, match="read-only"):
        vectors[0] = 0


@pytest.mark.parametrize("kept", [0, 10, 5_000])
def test_a_truncated_index_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "dense.faiss"
    build_dense_index(make_vectors(), path)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(SnapshotError, match=r"dense\.faiss: truncated or altered; build the snapshot again"):
        DenseIndex(path)


@pytest.mark.parametrize(
    ("groups", "positions", "origin"),
    [
        ([0, 2], [0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 1]),
        ([2, 0], [3, 4, 5, 0, 1, 2], [0, 0, 0, 1, 1, 1]),
        ([1, 2, 1], [3, 4, 5], [1, 1, 1]),  # group 1 is empty
        ([], [], []),
    ],
)
def test_groups_are_listed_one_after_the_other(groups: list[int], positions: list[int], origin: list[int]) -> None:
    bounds = np.array([0, 3, 3, 6], np.int32)

    found, came_from = expand_groups(groups, bounds)

    assert found.tolist() == positions
    assert came_from.tolist() == origin


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> DenseIndex:
    path = tmp_path_factory.mktemp("compact") / "dense.faiss"
    build_dense_index(make_vectors(), path, most_whole=COUNT - 1)
    return DenseIndex(path, most_compared=COUNT)


# Numbers below 1 in half precision are off by 2**-12 of themselves at most, and so is their sum with a unit vector.
HALF = 2.0**-11


def test_a_compact_index_finds_what_comparing_with_all_finds_and_compares_in_full(compact: DenseIndex) -> None:
    queries = make_vectors(100, seed=1)

    scores, found = compact.search(queries, 100)
    exact_scores, exact = compact.search_exact(queries, 100)

    assert compact.is_compact
    shares = [len(set(a) & set(b)) / 100 for a, b in zip(found.tolist(), exact.tolist(), strict=True)]
    assert np.mean(shares) >= RECALL_AT_100
    assert (np.diff(scores, axis=1) <= 0).all()
    np.testing.assert_allclose(scores, np.einsum("ij,ikj->ik", queries, make_vectors()[found]), atol=HALF)
    np.testing.assert_allclose(exact_scores[0], nearest(queries[0], np.arange(COUNT), 100)[0], atol=HALF)
    np.testing.assert_allclose(compact.compare(queries[0], exact[0]), exact_scores[0], atol=1e-6)


def test_a_compact_index_answers_alike_alone_and_in_a_batch(compact: DenseIndex) -> None:
    queries = make_vectors(5, seed=2)

    scores, found = compact.search(queries, 20)

    for number in range(5):
        alone_scores, alone = compact.search(queries[number][None], 20)
        np.testing.assert_array_equal(alone[0], found[number])
        np.testing.assert_array_equal(alone_scores[0], scores[number])


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_a_filtered_search_of_a_compact_index_is_exact(compact: DenseIndex, share: float) -> None:
    rng = np.random.default_rng(4)
    for query in make_vectors(10, seed=5):
        allowed = rng.random(COUNT) < share

        scores, found = compact.search_allowed(query, 20, allowed, exact=True)

        expected_scores, expected = nearest(query, np.flatnonzero(allowed), 20)
        assert set(found.tolist()) == set(expected)
        np.testing.assert_allclose(scores, expected_scores, atol=HALF)


def test_a_compact_index_asked_for_more_than_there_is(compact: DenseIndex) -> None:
    scores, found = compact.search(make_vectors(1, seed=3), COUNT + 50)

    assert found.shape == (1, COUNT)
    assert len(set(found[0].tolist()) - {-1}) >= RECALL_AT_100 * COUNT
    assert (scores[found == -1] == -np.inf).all()


def test_vectors_of_a_compact_index_are_handed_out_in_single_precision(compact: DenseIndex) -> None:
    taken = compact.take(np.array([5, 3]))

    assert taken.dtype == np.float32
    np.testing.assert_allclose(taken, make_vectors()[[5, 3]], atol=HALF)


def test_a_compact_index_without_its_vectors_or_with_those_of_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dense.faiss"
    build_dense_index(make_vectors(), path, most_whole=0)
    np.save(tmp_path / "dense.npy", np.zeros((COUNT, 1), np.float16))

    with pytest.raises(SnapshotError, match=r"dense\.npy: belongs to another index"):
        DenseIndex(path)
    (tmp_path / "dense.npy").unlink()
    with pytest.raises(SnapshotError, match=r"dense\.npy: cannot be read"):
        DenseIndex(path)
