import numpy as np
import pytest

from mercato.signals.ease import EaseOptions, compute_ease
from mercato.signals.events import EventColumns
from mercato.signals.neighbours import Neighbours

DAY = 86_400.0
COUNT = 9


def make_events(pairs: list[tuple[int, int]], *, day: float = 0.0) -> EventColumns:
    actor, product = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    length = len(pairs)
    return EventColumns(
        actor=actor,
        product=product,
        order=np.full(length, -1, np.int32),
        time=np.full(length, day * DAY),
        weight=np.ones(length, np.float32),
    )


def join(*parts: EventColumns) -> EventColumns:
    names = ("actor", "product", "order", "time", "weight")
    return EventColumns(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def draw_events(actors: int, rng: np.random.Generator) -> EventColumns:
    pairs = [(actor, product) for actor in range(actors) for product in range(COUNT) if rng.random() < 0.4]
    events = make_events(pairs)
    return EventColumns(
        actor=events.actor,
        product=events.product,
        order=events.order,
        time=rng.uniform(0, 50, len(events)) * DAY,
        weight=events.weight,
    )


def solve_plainly(history: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Solve each column by itself with its own product left out of the history: what a zero diagonal means."""
    count = history.shape[1]
    weights = np.zeros((count, count))
    for column in range(count):
        others = np.delete(np.arange(count), column)
        part = history[:, others]
        gram = part.T @ part + penalty * np.eye(count - 1)
        weights[others, column] = np.linalg.solve(gram, part.T @ target[:, column])
    return weights


def to_dense(found: Neighbours) -> np.ndarray:
    count = len(found.indptr) - 1
    dense = np.zeros((count, count))
    dense[np.repeat(np.arange(count), np.diff(found.indptr)), found.neighbours] = found.scores
    return dense


def presence(events: EventColumns, actors: int) -> np.ndarray:
    matrix = np.zeros((actors, COUNT))
    matrix[events.actor, events.product] = 1.0
    return matrix


@pytest.mark.parametrize("actors", [40, 6], ids=["more actors than products", "fewer"])
@pytest.mark.parametrize("lately_days", [None, 20.0])
def test_weights_are_those_of_a_regression_without_the_product_itself(actors: int, lately_days: float | None) -> None:
    events = draw_events(actors, np.random.default_rng(actors))
    options = EaseOptions(regularization=2.0, min_buyers=1, lately_days=lately_days)
    found = compute_ease(events, COUNT, until=50 * DAY, options=options)
    history = presence(events, actors)
    lately = history if lately_days is None else presence(events.select(events.time >= 30 * DAY), actors)
    expected = np.maximum(solve_plainly(history, lately, 2.0), 0.0)
    assert to_dense(found) == pytest.approx(expected, abs=1e-5)
    assert (found.indptr.dtype, found.neighbours.dtype, found.scores.dtype) == (np.int64, np.int32, np.float32)


def test_only_the_best_are_kept_and_rare_products_take_no_part() -> None:
    # Product 0 goes with 1 in ten histories, with 2 in five; 8 has one buyer.
    events = make_events(
        [(a, 0) for a in range(10)] + [(a, 1) for a in range(10)] + [(a, 2) for a in range(5)] + [(0, 8)]
    )
    found = compute_ease(events, COUNT, until=DAY, options=EaseOptions(regularization=1.0, neighbours=1))
    assert np.diff(found.indptr).tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert found.neighbours[found.indptr[0]] == 1
    assert 8 not in found.neighbours


def test_the_most_bought_products_take_part() -> None:
    events = make_events([(a, p) for a in range(12) for p in (0, 3)] + [(a, 5) for a in range(6)])
    found = compute_ease(events, COUNT, until=DAY, options=EaseOptions(regularization=1.0, max_products=2))
    assert set(found.neighbours.tolist()) == {0, 3}


def test_the_future_is_not_learned_from() -> None:
    past = draw_events(30, np.random.default_rng(1))
    future = make_events([(a, p) for a in range(30) for p in (7, 8)], day=60)
    options = EaseOptions(regularization=2.0, min_buyers=1, lately_days=25.0)
    alone = compute_ease(past, COUNT, until=50 * DAY, options=options)
    with_future = compute_ease(join(past, future), COUNT, until=50 * DAY, options=options)
    assert to_dense(with_future) == pytest.approx(to_dense(alone), abs=0)
    later = compute_ease(join(past, future), COUNT, until=70 * DAY, options=options)
    assert to_dense(later) != pytest.approx(to_dense(alone))


def test_lately_prefers_what_is_bought_now() -> None:
    # All ten bought 0 in the past; five went on to 1 then, the other five to 2 now.
    old = make_events([(a, 0) for a in range(10)] + [(a, 1) for a in range(5)], day=10)
    new = make_events([(a, 2) for a in range(5, 10)], day=95)
    events = join(old, new)
    whole = to_dense(compute_ease(events, 3, until=100 * DAY, options=EaseOptions(regularization=1.0)))
    lately = to_dense(
        compute_ease(events, 3, until=100 * DAY, options=EaseOptions(regularization=1.0, lately_days=35.0))
    )
    assert whole[0, 1] == pytest.approx(whole[0, 2], abs=1e-6)
    assert lately[0, 2] > 0
    assert lately[0, 1] == 0


def test_nothing_to_learn_from_is_no_error() -> None:
    found = compute_ease(make_events([(0, 0)]), 3, until=0.0)
    assert found.indptr.tolist() == [0, 0, 0, 0]
    assert len(found.neighbours) == 0


def test_unknown_rows_and_weightless_events_are_left_out() -> None:
    events = make_events([(a, p) for a in range(5) for p in (-1, 0, 1, 99)])
    weightless = make_events([(a, 2) for a in range(5)])
    weightless = EventColumns(
        actor=weightless.actor,
        product=weightless.product,
        order=weightless.order,
        time=weightless.time,
        weight=np.zeros(5, np.float32),
    )
    found = compute_ease(join(events, weightless), 3, until=DAY, options=EaseOptions(regularization=1.0))
    assert set(found.neighbours.tolist()) == {0, 1}


def test_a_penalty_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"regularization must be positive, given 0\.0"):
        compute_ease(make_events([(0, 0)]), 1, until=DAY, options=EaseOptions(regularization=0.0))
