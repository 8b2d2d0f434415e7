"""Weights by coordinate search: what knows is heard, what does not is not, and chance gains nothing certain."""

import numpy as np
import pytest

from mercato.arrays import Int32
from mercato.indexing.fit_weights import fit_weights
from mercato.indexing.source_lists import line_up, measure
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks
from mercato.retrieval.source_weights import Weighing

LABELS = ("knows", "noise", "silent")
START = {"knows": 0.1, "noise": 3.0, "silent": 0.5}


def ranked(rows: list[int], scores: list[float] | None = None) -> RankedList:
    given = scores or [1.0 / (place + 1) for place in range(len(rows))]
    return RankedList(rows=np.array(rows, np.int32), scores=np.array(given, np.float32))


def draw(visits: int, chance: float, seed: int = 3) -> tuple[list[dict[str, RankedList]], list[Int32]]:
    """What was bought leads the list of `knows` with a chance, and stands anywhere in that of `noise`."""
    random = np.random.default_rng(seed)
    lists, bought = [], []
    for _ in range(visits):
        rows = random.permutation(200)
        right = int(rows[0] if random.random() < chance else random.integers(200))
        lists.append({"knows": ranked(rows[:60].tolist()), "noise": ranked(random.permutation(200)[:60].tolist())})
        bought.append(np.array([right], np.int32))
    return lists, bought


def test_what_knows_is_heard() -> None:
    lists, bought = draw(300, 0.6)
    fit = fit_weights(line_up(lists, bought, LABELS), Weighing(weights=START), np.random.default_rng(0))
    assert fit.gain.low > 0.2
    assert fit.gain.after > fit.gain.before + 0.2
    loud = fit.weights["knows"] / 61 + fit.slopes["knows"]
    assert loud > fit.weights["noise"] / 61 + fit.slopes["noise"]
    assert (fit.weights["silent"], fit.slopes["silent"]) == (0.5, 0.0), "of what nobody heard nothing is learned"


def test_chance_gains_nothing_certain() -> None:
    lists, bought = draw(300, 0.0)
    assert fit_weights(line_up(lists, bought, LABELS), Weighing(weights=START), np.random.default_rng(0)).gain.low <= 0


@pytest.mark.parametrize("visits", [0, 1])
def test_hardly_any_visit(visits: int) -> None:
    lists, bought = draw(visits, 1.0)
    fit = fit_weights(line_up(lists, bought, LABELS), Weighing(weights=START), np.random.default_rng(0))
    assert not fit.gain.low > 0
    assert set(fit.weights) == set(LABELS)


def test_the_same_visits_give_the_same_weights() -> None:
    lines = line_up(*draw(80, 0.5), LABELS)
    first, second = (fit_weights(lines, Weighing(weights=START), np.random.default_rng(5)) for _ in range(2))
    assert first == second


def test_lists_are_measured_as_the_fusion_orders_them() -> None:
    lists, bought = draw(40, 0.5)
    lines = line_up(lists, bought, LABELS)
    weights, slopes = np.array([0.7, 0.4, 0.0]), np.array([0.002, 0.03, 0.0])
    scores = np.einsum("svc,s->vc", lines.parts, np.concatenate([weights, slopes]).astype(np.float32))
    for number, own in enumerate(lists):
        fused = fuse_reciprocal_ranks(
            [
                RankedList(rows=item.rows, scores=item.scores, weight=weights[at], slope=slopes[at])
                for at, item in enumerate(own.values())
            ]
        )
        rank = np.flatnonzero(fused.rows == bought[number][0])
        expected = 0.0
        if len(rank) and rank[0] < 20:
            expected = (1 / np.log2(rank[0] + 2) + 1) / 2
        assert measure(lines, scores, 20)[number] == pytest.approx(expected)


def test_few_and_many_right_ones_are_counted_alike() -> None:
    random = np.random.default_rng(2)
    lists = [{"knows": ranked(random.permutation(300)[:90].tolist())} for _ in range(20)]
    bought = [np.sort(random.permutation(300)[:30]).astype(np.int32) for _ in range(20)]
    lines = line_up(lists, bought, ("knows",))
    assert len(lines.right) > 3 * len(lines)
    found = measure(lines, lines.parts[0], 20)
    for own, wanted, value in zip(lists, bought, found, strict=True):
        hits = np.isin(own["knows"].rows[:20], wanted)
        gain = (hits / np.log2(np.arange(2, 22))).sum() / (1 / np.log2(np.arange(2, 22))).sum()
        assert value == pytest.approx((gain + hits.sum() / 30) / 2)


@pytest.mark.parametrize("bought", [1, 2, 7, 40])
@pytest.mark.parametrize("cutoff", [3, 20, 128])
def test_measures_are_those_of_a_full_sort(bought: int, cutoff: int) -> None:
    random = np.random.default_rng(bought * cutoff)
    own = [random.permutation(300)[:150].tolist() for _ in range(20)]
    wanted = [np.sort(random.permutation(300)[:bought]).astype(np.int32) for _ in range(20)]
    lines = line_up([{"knows": ranked(rows)} for rows in own], wanted, ["knows"])
    scores = np.round(random.random(lines.parts[0].shape), 1).astype(np.float32) * (
        lines.parts[0] > 0
    )  # many are equal
    found = measure(lines, scores, cutoff)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, cutoff + 2)))
    for visit in range(20):
        right = lines.right[lines.visit == visit] % scores.shape[1]
        places = [int((scores[visit] >= scores[visit, one]).sum()) for one in right if scores[visit, one] > 0]
        hits = [place for place in places if place <= cutoff]  # of equal scores the right one stands last
        gain = sum(1.0 / np.log2(place + 1) for place in hits) / ideal[min(bought, cutoff) - 1]
        assert found[visit] == pytest.approx((gain + len(hits) / bought) / 2)
