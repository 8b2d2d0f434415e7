"""What is asked for, in which order: nothing twice, or few things most of the time; queries of a shop's own words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.bench.subjects import Subjects, make_queries, weigh_ranks
from mercato.errors import InvalidInputError

TITLES = ["Green tea with mint", "Coffee beans, dark roast", "Rolled oats", "  "]


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@given(st.integers(1, 50), st.lists(st.integers(0, 40), max_size=8))
def test_unique_subjects_come_in_turn(count: int, takes: list[int]) -> None:
    subjects = [str(number) for number in range(count)]
    draw = Subjects(subjects, "unique", rng())
    taken = [subject for take in takes for subject in draw.take(take)]
    assert taken == [subjects[number % count] for number in range(sum(takes))]


@given(st.integers(1, 1000), st.floats(0, 3))
def test_weights_are_a_falling_distribution(count: int, exponent: float) -> None:
    weights = weigh_ranks(count, exponent)
    assert weights.sum() == pytest.approx(1.0)
    assert (np.diff(weights) <= 0).all()
    assert weights[0] / weights[-1] == pytest.approx(count**exponent)


def test_zipf_asks_for_each_rank_as_often_as_the_law_says() -> None:
    subjects = [str(number) for number in range(100)]
    taken = Subjects(subjects, "zipf", rng(), exponent=1.0).take(50_000)
    shares = np.array([taken.count(subject) for subject in subjects[:5]]) / len(taken)
    # Five standard deviations of a share of one fifth in 50,000 draws: 5 * sqrt(.2 * .8 / 50,000) = .009
    assert shares == pytest.approx(weigh_ranks(100, 1.0)[:5], abs=0.009)


def test_draws_repeat_with_their_seed() -> None:
    subjects = [str(number) for number in range(100)]
    assert Subjects(subjects, "zipf", rng()).take(50) == Subjects(subjects, "zipf", rng()).take(50)
    assert make_queries(TITLES, 20, rng()) == make_queries(TITLES, 20, rng())


def test_queries_are_words_of_titles_and_none_is_there_twice() -> None:
    queries = make_queries(TITLES, 40, rng())
    words = {word for title in TITLES for word in title.lower().split()}
    assert len(queries) == len(set(queries)) > 20
    assert all(set(query.split()) <= words and 1 <= len(query.split()) <= 5 for query in queries)


def test_few_titles_make_few_queries() -> None:
    assert sorted(make_queries(["Tea"], 10, rng())) == ["tea"]
    assert make_queries(["", "  "], 10, rng()) == []


@pytest.mark.parametrize(
    ("subjects", "draw", "exponent", "said"),
    [
        ([], "unique", 1.0, "has nothing of it"),
        (["a"], "random", 1.0, "must be one of unique, zipf, got 'random'"),
        (["a"], "zipf", -1.0, "must be 0 or more"),
        (["a"], "zipf", float("nan"), "must be 0 or more"),
    ],
)
def test_what_cannot_be_drawn_is_said(subjects: list[str], draw: str, exponent: float, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Subjects(subjects, draw, rng(), exponent)
