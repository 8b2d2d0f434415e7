import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mercato.signals import next_clicks as module
from mercato.signals.events import EventColumns
from mercato.signals.neighbours import Neighbours
from mercato.signals.next_clicks import (
    SMOOTHING_CLICKS,
    STEP_DECAY,
    TOGETHER_SMOOTHING_CLICKS,
    WALK_SHARE,
    NextClicks,
    compute_next_clicks,
)

NOW = 1_700_000_000.0


def learn(sessions: list[list[int]], products: int, actors: list[int] | None = None) -> NextClicks:
    """Learn from sessions, an hour apart, each of an actor of its own unless given."""
    lines = [
        ((actors or list(range(len(sessions))))[number], product, NOW - 3_600.0 * (len(sessions) - number) + index)
        for number, session in enumerate(sessions)
        for index, product in enumerate(session)
    ]
    actor, product, time = (np.array(column) for column in zip(*lines, strict=True))
    events = EventColumns(
        actor=actor.astype(np.int32),
        product=product.astype(np.int32),
        order=np.full(len(lines), -1, np.int32),
        time=time.astype(np.float64),
        weight=np.full(len(lines), 0.3, np.float32),
        type=np.ones(len(lines), np.uint8),
    )
    return compute_next_clicks(events, products, until=NOW)


def to_dense(found: Neighbours) -> NDArray[np.float64]:
    count = len(found.indptr) - 1
    dense = np.zeros((count, count))
    dense[np.repeat(np.arange(count), np.diff(found.indptr)), found.neighbours] = found.scores
    return dense


def test_lifts_are_those_of_the_formula() -> None:
    found = learn([[0, 1], [0, 1], [0, 2]], 3)
    # Three clicks followed another: two on 1, one on 2; every product is taken to have had one more.
    assert found.counts.log_clicks == pytest.approx(np.log1p([0, 2, 1]))
    assert found.counts.left.tolist() == [3, 0, 0]
    share = np.array([1, 3, 2]) / (3 + 3)
    # Nothing follows 1 and 2, so two steps lead nowhere. The prior counts no more than the three clicks of 0.
    prior = 3 * (1 - WALK_SHARE) * share
    expected = np.zeros((3, 3))
    expected[0, 1:] = np.log1p(np.array([2, 1]) / prior[1:])
    assert to_dense(found.following) == pytest.approx(expected, rel=1e-6)
    # Clicked in one session, in whatever order.
    together = np.array([[0, 2, 1], [2, 0, 0], [1, 0, 0]])
    assert to_dense(found.together) == pytest.approx(np.log1p(together / (TOGETHER_SMOOTHING_CLICKS * share)), rel=1e-6)


def test_a_click_further_on_counts_less_and_two_steps_lead_on() -> None:
    following = to_dense(learn([[0, 1, 2]], 4).following)
    assert following[0, 3] == 0.0
    # 0 leads to 1, and half as much to 2: of 1.5 clicks two thirds go over 1, from where all go to 2.
    over_one = WALK_SHARE * 1 / 1.5
    prior = (1 - WALK_SHARE) * 2 / (2 + 4)
    assert following[0, 1] == pytest.approx(np.log1p(1 / 1.5 / prior), rel=1e-6)
    assert following[0, 2] == pytest.approx(np.log1p((STEP_DECAY / 1.5 + over_one) / prior), rel=1e-6)
    # Nobody went from 0 to 2 in one session.
    apart = to_dense(learn([[0, 1], [1, 2]], 4).following)
    assert apart[0, 2] == pytest.approx(np.log1p(WALK_SHARE / prior), rel=1e-6)


def test_the_prior_counts_as_so_many_clicks_at_most() -> None:
    found = to_dense(learn([[0, 1]] * 150 + [[0, 2]] * 50, 3).following)
    prior = SMOOTHING_CLICKS * (1 - WALK_SHARE) * np.array([1, 151, 51]) / (200 + 3)
    assert found[0, 1:] == pytest.approx(np.log1p(np.array([150, 50]) / prior[1:]), rel=1e-6)


def test_who_does_the_same_every_day_counts_once() -> None:
    often = learn([[0, 1]] * 30 + [[0, 2], [0, 2]], 3, actors=[7] * 30 + [1, 2])
    once = learn([[0, 1], [0, 2], [0, 2]], 3, actors=[7, 1, 2])
    # How much is clicked at all counts clicks, what follows what counts people.
    for before, after in ((once.following, often.following), (once.together, often.together)):
        assert np.array_equal(np.sort(before.neighbours), np.sort(after.neighbours))
    share = np.array([1, 31, 3]) / (32 + 3)
    prior = 3 * (1 - WALK_SHARE) * share
    assert to_dense(often.following)[0, 1:] == pytest.approx(np.log1p(np.array([1, 2]) / prior[1:]), rel=1e-6)


def test_a_shop_without_two_clicks_in_a_session_learns_nothing() -> None:
    for found in (learn([[0], [1], [1]], 3), learn([[2, 2, 2]], 3)):
        assert not len(found.counts.log_clicks)
        assert not len(found.following.neighbours)
        assert not len(found.together.neighbours)
        assert len(found.following.indptr) == 4


def test_what_is_left_out_counts_as_its_rest_does_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = [[0, 1]] * 9 + [[0, 2]] * 5 + [[0, 3]] * 2 + [[0, 4]] * 2
    whole = to_dense(learn(sessions, 5).following)[0]
    monkeypatch.setattr(module, "NEIGHBOURS", 2)
    cut = to_dense(learn(sessions, 5).following)[0]
    assert cut[3] == cut[4] == 0.0
    # 3 and 4 have as many clicks of one kind, so that their rest says of both what each says.
    share = np.array([1, 10, 6, 3, 3]) / (18 + 5)
    prior = 18 * (1 - WALK_SHARE) * share
    rest = np.log1p(4 / (prior[3] + prior[4] + prior[0]))
    assert cut[1:3] == pytest.approx(whole[1:3] - rest, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=9), min_size=1, max_size=12))
def test_small_blocks_give_the_same_and_no_product_follows_itself(sessions: list[list[int]]) -> None:
    whole = learn(sessions, 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_PAIRS", 1)
        blocks = learn(sessions, 7)
    for one, other in ((whole.following, blocks.following), (whole.together, blocks.together)):
        assert to_dense(one) == pytest.approx(to_dense(other), abs=1e-6)
        assert not np.diag(to_dense(one)).any()
        assert np.isfinite(one.scores).all()
