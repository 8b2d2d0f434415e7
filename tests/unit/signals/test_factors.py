import numpy as np
import pytest

from mercato.signals.events import EventColumns
from mercato.signals.factors import Factors, compute_factors, weigh_purchases

DAY = 86_400.0
HALF_LIFE = 90.0


def make_events(triples: list[tuple[int, int, float]]) -> EventColumns:
    """Events as actor, product and day."""
    actor, product, day = zip(*triples, strict=True)
    return EventColumns(
        actor=np.array(actor, np.int32),
        product=np.array(product, np.int32),
        order=np.full(len(triples), -1, np.int32),
        time=np.array(day) * DAY,
        weight=np.ones(len(triples), np.float32),
    )


def draw_two_crowds(rng: np.random.Generator) -> list[tuple[int, int, float]]:
    """Draw 40 actors who buy of products 0 to 4, and 40 who buy of 5 to 9."""
    return [
        (actor, product, rng.uniform(0, 100))
        for actor in range(80)
        for product in range(5 * (actor % 2), 5 * (actor % 2) + 5)
        if rng.random() < 0.7
    ]


def expect(factors: Factors, rows: list[int], count: int) -> np.ndarray:
    """Score all products for someone who bought some just now, once each."""
    have = np.array(rows, np.int32)
    amounts = weigh_purchases(np.arange(len(rows)), np.zeros(len(rows)), np.ones(len(rows)), len(rows))
    return factors.score(factors.fold_in(have, amounts), np.arange(count, dtype=np.int32))


def test_what_a_shopper_has_falls_with_age_and_rises_less_and_less_with_repeats() -> None:
    index, age = np.array([0, 1, 1, 3]), np.array([HALF_LIFE, 0.0, 0.0, 0.0])
    amounts = weigh_purchases(index, age, np.array([1.0, 1.0, 1.0, 0.3]), 4)
    assert amounts == pytest.approx(np.log1p([4 * 0.5, 4 * 2.0, 0.0, 4 * 0.3]))
    assert amounts.dtype == np.float32


def test_scores_are_those_of_the_plain_decomposition() -> None:
    rng = np.random.default_rng(3)
    events = make_events(draw_two_crowds(rng))
    factors = compute_factors(events, 10, until=100 * DAY, factors=4)

    amounts = np.zeros((80, 10))
    np.add.at(amounts, (events.actor, events.product), 0.5 ** ((100 - events.time / DAY) / HALF_LIFE))
    amounts = np.log1p(4 * amounts)
    columns, rows = np.linalg.norm(amounts, axis=0), np.linalg.norm(amounts, axis=1)
    scaled = amounts / np.sqrt(rows)[:, None] / np.sqrt(columns)
    vectors = np.linalg.svd(scaled)[2][:4]
    wanted = (amounts / np.sqrt(columns)) @ vectors.T @ vectors * np.sqrt(columns)

    everything = np.arange(10, dtype=np.int32)
    found = np.stack([factors.score(factors.fold_in(everything, line), everything) for line in amounts])
    assert found == pytest.approx(wanted, abs=1e-4)
    assert (factors.rows.dtype, factors.vectors.dtype, factors.norms.dtype) == (np.int32, np.float32, np.float32)
    assert factors.vectors.shape == (10, 4)


def test_both_ways_of_decomposing_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    events = make_events(draw_two_crowds(np.random.default_rng(4)))
    dense = compute_factors(events, 10, until=100 * DAY, factors=3)
    monkeypatch.setattr("mercato.signals.factors.DENSE_FACTORS", 0)
    sparse = compute_factors(events, 10, until=100 * DAY, factors=3)
    again = compute_factors(events, 10, until=100 * DAY, factors=3)
    assert expect(sparse, [0, 1], 10) == pytest.approx(expect(dense, [0, 1], 10), abs=1e-4)
    assert again.vectors.tobytes() == sparse.vectors.tobytes()


def test_a_crowd_is_told_from_another() -> None:
    factors = compute_factors(make_events(draw_two_crowds(np.random.default_rng(5))), 10, until=100 * DAY, factors=2)
    scores = expect(factors, [1, 3], 10)
    assert scores[[0, 2, 4]].min() > 0.1
    assert np.abs(scores[5:]).max() < 0.01


def test_the_future_is_not_learned_from() -> None:
    past = draw_two_crowds(np.random.default_rng(6))
    future = [(actor, 9, 150.0) for actor in range(0, 80, 2)]
    alone = compute_factors(make_events(past), 10, until=100 * DAY, factors=3)
    with_future = compute_factors(make_events(past + future), 10, until=100 * DAY, factors=3)
    assert with_future.vectors.tobytes() == alone.vectors.tobytes()
    later = compute_factors(make_events(past + future), 10, until=200 * DAY, factors=3)
    assert expect(later, [1], 10)[9] > expect(alone, [1], 10)[9] + 0.05


def test_rare_and_unknown_products_take_no_part() -> None:
    rare = [(0, 10, 5.0), (1, 10, 5.0), (2, -1, 5.0), (3, 99, 5.0)]
    factors = compute_factors(make_events(draw_two_crowds(np.random.default_rng(7)) + rare), 11, until=100 * DAY)
    assert factors.rows.tolist() == list(range(10))
    assert factors.score(np.ones(factors.vectors.shape[1], np.float32), np.array([10, -1], np.int32)).tolist() == [0, 0]
    assert not factors.fold_in(np.array([10, -1], np.int32), np.ones(2, np.float32)).any()


def test_directions_that_nobody_goes_are_left_out() -> None:
    # All buy the same: one factor, however many are asked for.
    same = make_events([(actor, product, 1.0) for actor in range(9) for product in range(5)])
    factors = compute_factors(same, 5, until=2 * DAY, factors=4)
    assert factors.vectors.shape == (5, 1)
    assert np.ptp(expect(factors, [0, 1], 5)) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("triples", [[(0, 0, 50.0)], [(a, 0, 1.0) for a in range(5)], [(0, p, 1.0) for p in range(5)]])
def test_too_little_to_decompose_is_no_error(triples: list[tuple[int, int, float]]) -> None:
    factors = compute_factors(make_events(triples), 5, until=10 * DAY)
    assert len(factors.rows) == 0
    assert expect(factors, [0], 5).tolist() == [0.0] * 5


def test_no_factors_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="factors must be positive, given 0"):
        compute_factors(make_events([(0, 0, 0.0)]), 1, until=DAY, factors=0)
