import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.retrieval.fusion import RRF_K, FusedList, RankedList, fuse_reciprocal_ranks, select_top


def ranked(*rows: int, weight: float = 1.0) -> RankedList:
    scores = np.arange(len(rows), 0, -1).astype(np.float32)
    return RankedList(rows=np.array(rows, np.int32), scores=scores, weight=weight)


def values(fused: FusedList) -> dict[int, float]:
    return dict(zip(fused.rows.tolist(), fused.fused.tolist(), strict=True))


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    fused = fuse_reciprocal_ranks([ranked(7, 3), ranked(3, 9, 7)])

    assert RRF_K == 60
    assert fused.rows.tolist() == [3, 7, 9]
    assert fused.fused.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61 + 1 / 63, 1 / 62])


def test_weights_multiply() -> None:
    fused = fuse_reciprocal_ranks([ranked(7, 3, weight=0.5), ranked(3, weight=2.0)])

    assert values(fused) == pytest.approx({3: 0.5 / 62 + 2.0 / 61, 7: 0.5 / 61})


def test_each_source_tells_score_and_rank_of_what_it_holds() -> None:
    fused = fuse_reciprocal_ranks([ranked(7, 3), ranked(3, 9)])

    assert fused.rows.tolist() == [3, 7, 9]
    assert fused.ranks.tolist() == [[2, 1, 0], [1, 0, 2]]
    assert fused.scores.tolist() == [[1, 2, 0], [2, 0, 1]]


def test_equal_scores_are_in_row_order() -> None:
    fused = fuse_reciprocal_ranks([ranked(8, 2), ranked(2, 8), ranked(5)])

    assert fused.rows.tolist() == [2, 8, 5]  # 1/61 + 1/62 twice, then 1/61
    assert fused.fused[0] == fused.fused[1]


@pytest.mark.parametrize("lists", [[], [ranked()], [ranked(), ranked()]])
def test_nothing_to_fuse(lists: list[RankedList]) -> None:
    fused = fuse_reciprocal_ranks(lists)

    assert fused.rows.tolist() == []
    assert fused.rows.dtype == np.int32
    assert fused.ranks.shape == fused.scores.shape == (len(lists), 0)


def test_an_empty_list_beside_another_changes_nothing() -> None:
    fused = fuse_reciprocal_ranks([ranked(), ranked(4, 1)])

    assert values(fused) == pytest.approx({4: 1 / 61, 1: 1 / 62})
    assert fused.ranks.tolist() == [[0, 0], [1, 2]]


row_lists = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=15), min_size=1, max_size=4)


@given(row_lists)
def test_fusion_is_the_formula(lists: list[list[int]]) -> None:
    fused = fuse_reciprocal_ranks([ranked(*rows) for rows in lists])

    expected = {
        row: sum(1 / (60 + rows.index(row) + 1) for rows in lists if row in rows) for row in set().union(*lists)
    }
    assert values(fused) == pytest.approx(expected)
    pairs = list(zip((-fused.fused).tolist(), fused.rows.tolist(), strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.parametrize(
    ("scores", "k", "positions"),
    [
        ([0.0, 3.0, 1.0, 2.0], 2, [1, 3]),
        ([0.0, 3.0, 1.0, 2.0], 9, [1, 3, 2]),  # a zero is no match
        ([2.0, 1.0, 2.0, 1.0, 1.0], 3, [0, 2, 1]),  # equal ones by index, at the cut too
        ([2.0, 1.0, 2.0, 1.0, 1.0], 4, [0, 2, 1, 3]),
        ([1.0, 1.0, 1.0], 2, [0, 1]),
        ([0.0, 0.0], 2, []),
        ([], 2, []),
        ([1.0, 2.0], 0, []),
    ],
)
def test_the_top_is_in_order_without_zeros(scores: list[float], k: int, positions: list[int]) -> None:
    assert select_top(np.array(scores, np.float32), k).tolist() == positions


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=40), st.integers(0, 45))
def test_a_smaller_top_is_the_start_of_a_larger_one(scores: list[float], k: int) -> None:
    array = np.array(scores, np.float32)
    everything = sorted((position for position, score in enumerate(scores) if score > 0), key=lambda p: (-scores[p], p))

    assert select_top(array, k).tolist() == everything[:k]


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 30), max_size=20, unique=True), st.sampled_from([0.1, 0.25, 1.0, 3.0])),
        max_size=6,
    )
)
def test_whatever_the_lists_each_row_has_the_sum_of_its_shares(given_lists: list[tuple[list[int], float]]) -> None:
    lists = [ranked(*rows, weight=weight) for rows, weight in given_lists]

    fused = fuse_reciprocal_ranks(lists)

    shares: dict[int, float] = {}
    for rows, weight in given_lists:
        for rank, row in enumerate(rows, start=1):
            shares[row] = shares.get(row, 0.0) + weight / (RRF_K + rank)
    rounded = {row: float(np.float32(share)) for row, share in shares.items()}
    assert list(values(fused).items()) == sorted(rounded.items(), key=lambda item: (-item[1], item[0]))
    for position, (rows, _) in enumerate(given_lists):
        held = {
            row: rank for row, rank in zip(fused.rows.tolist(), fused.ranks[position].tolist(), strict=True) if rank
        }
        assert held == {row: rank for rank, row in enumerate(rows, start=1)}
