import numpy as np
import pytest

from mercato.signals.neighbours import DENSE_SHARE, Neighbours


def make_neighbours(count: int, rng: np.random.Generator) -> Neighbours:
    lengths = rng.integers(0, 9, count)
    lines = [rng.choice(count, length, replace=False) for length in lengths]
    return Neighbours(
        indptr=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        neighbours=np.concatenate(lines).astype(np.int32),
        scores=rng.random(int(lengths.sum())).astype(np.float32),
    )


@pytest.mark.parametrize("count", [30, 60 * DENSE_SHARE], ids=["few products", "many products"])
def test_both_ways_of_adding_up_give_the_plain_sums(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(count)
    matrix = make_neighbours(count, rng)
    seeds = np.array([3, 1, 17, -1, count + 5], np.int32)
    weights = np.array([1.0, 0.5, 2.0, 9.0, 9.0], np.float32)
    plain = np.zeros(count)
    for seed, weight in zip(seeds[:3], weights[:3], strict=True):
        part = slice(matrix.indptr[seed], matrix.indptr[seed + 1])
        plain[matrix.neighbours[part]] += weight * matrix.scores[part]
    candidates = np.array([count - 1, 3, 5, 0, count + 9, -1], np.int32)
    expected = [plain[c] if 0 <= c < count else 0.0 for c in candidates.tolist()]
    without_seeds = plain.copy()
    without_seeds[[3, 1, 17]] = 0.0
    best = np.lexsort((np.arange(count), -without_seeds))[:4]
    best = best[without_seeds[best] > 0]
    for share in (0, 10**9):
        monkeypatch.setattr("mercato.signals.neighbours.DENSE_SHARE", share)
        assert matrix.add_up(seeds, weights).score(candidates) == pytest.approx(expected, abs=1e-6)
        rows, scores = matrix.add_up(seeds, weights).find(4)
        assert rows.tolist() == best.tolist()
        assert scores == pytest.approx(without_seeds[best], abs=1e-6)


@pytest.mark.parametrize("share", [0, DENSE_SHARE, 10**9])
@pytest.mark.parametrize("equal_lines", [True, False])
def test_one_pass_is_the_plain_sums_whatever_the_shape(
    share: int, equal_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mercato.signals.neighbours.DENSE_SHARE", share)
    rng = np.random.default_rng(11)
    for count in (3, 40, 400):
        width = min(int(rng.integers(1, 9)), count)
        lengths = rng.permutation([0, width] * count)[:count] if equal_lines else rng.integers(0, width + 1, count)
        lines = [rng.choice(count, length, replace=False) for length in lengths]
        matrix = Neighbours(
            indptr=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            neighbours=np.concatenate(lines).astype(np.int32),
            scores=(rng.integers(1, 5, int(lengths.sum())) / 4).astype(np.float32),  # equal sums are likely, and exact
        )
        seeds = rng.integers(-2, count + 2, 25).astype(np.int32)
        weights = (rng.integers(1, 5, 25) / 4).astype(np.float32)
        plain = np.zeros(count)
        for seed, weight in zip(seeds.tolist(), weights.tolist(), strict=True):
            if 0 <= seed < count:
                np.add.at(plain, lines[seed], weight * matrix.scores[matrix.indptr[seed] : matrix.indptr[seed + 1]])
        near = matrix.add_up(seeds, weights)
        candidates = rng.permutation(np.arange(-1, count + 1)).astype(np.int32)
        expected = [plain[row] if 0 <= row < count else 0.0 for row in candidates.tolist()]
        assert near.score(candidates).tolist() == expected
        others = plain.copy()
        others[seeds[(seeds >= 0) & (seeds < count)]] = 0.0
        for limit in (0, 2, count):
            best = np.lexsort((np.arange(count), -others))[:limit]
            best = best[others[best] > 0]
            rows, scores = near.find(limit)
            assert rows.tolist() == best.tolist()
            assert scores.tolist() == others[best].tolist()


def test_products_of_which_nothing_is_known_have_no_neighbours() -> None:
    empty = Neighbours.empty(5)
    seeds, weights = np.array([0, 4], np.int32), np.ones(2, np.float32)
    assert empty.add_up(seeds, weights).score(np.array([1, 2], np.int32)).tolist() == [0, 0]
    assert len(empty.add_up(seeds, weights).find(3)[0]) == 0


def test_the_seed_with_the_largest_part_is_found_for_each_candidate() -> None:
    rng = np.random.default_rng(5)
    lists = [rng.choice(30, 6, replace=False) for _ in range(30)]
    known = Neighbours(
        indptr=np.arange(31, dtype=np.int64) * 6,
        neighbours=np.concatenate(lists).astype(np.int32),
        scores=rng.uniform(0.1, 1.0, 180).astype(np.float32),
    )
    seeds = np.array([4, -1, 17, 9, 99, 22], np.int32)  # one that is new, one that the matrix does not have
    weights = np.array([1.0, 3.0, 0.5, 0.9, 3.0, 0.7], np.float32)
    candidates = np.array([-1, *rng.permutation(30), -1], np.int32)
    parts = np.stack([known.add_up(seeds[i : i + 1], weights[i : i + 1]).score(candidates) for i in range(len(seeds))])
    parts[:, candidates < 0] = 0.0
    expected = np.where(parts.max(axis=0) > 0, parts.argmax(axis=0), -1)
    np.testing.assert_array_equal(known.find_largest(seeds, weights, candidates), expected)
    assert set(expected.tolist()) >= {-1, 0, 2, 3, 5}


def test_of_equal_parts_the_first_seed_is_the_largest() -> None:
    known = Neighbours(
        indptr=np.array([0, 1, 2, 2]), neighbours=np.array([2, 2], np.int32), scores=np.array([0.5, 0.5], np.float32)
    )
    found = known.find_largest(np.array([1, 0], np.int32), np.ones(2, np.float32), np.array([2], np.int32))
    assert found.tolist() == [0]
    nothing = known.find_largest(np.zeros(0, np.int32), np.zeros(0, np.float32), np.array([2], np.int32))
    assert nothing.tolist() == [-1]
