"""Many texts in batches of similar length, and work side by side."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from mercato.errors import InvalidInputError
from mercato.models.encoder.batching import PARTS_A_WORKER, order_by_length, run_side_by_side, split_by_tokens

TEXTS = ["ccc", "a", "", "bb", "dddd", "e", "ffffff"]


def test_order_is_by_length_and_then_as_given() -> None:
    assert order_by_length(TEXTS).tolist() == [2, 1, 5, 3, 0, 4, 6]
    assert order_by_length([]).tolist() == []


@pytest.mark.parametrize("workers", [1, 3])
def test_every_part_is_worked_on_once_in_order(workers: int) -> None:
    assert list(run_side_by_side(len, TEXTS, workers=workers)) == [len(text) for text in TEXTS]


def test_workers_work_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def meet(text: str) -> str:
        meeting.wait()  # breaks unless two parts are worked on at once
        return text

    assert list(run_side_by_side(meet, TEXTS[:4], workers=2)) == TEXTS[:4]


def test_parts_are_made_as_they_are_needed() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    assert next(run_side_by_side(str, make(), workers=2)) == "0"
    assert len(made) == 2 * PARTS_A_WORKER


@pytest.mark.parametrize("workers", [1, 2])
def test_no_part_no_work(workers: int) -> None:
    assert list(run_side_by_side(len, [], workers=workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_part_reaches_the_caller(workers: int) -> None:
    def fail(text: str) -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(run_side_by_side(fail, TEXTS, workers=workers))


def test_workers_below_one_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="workers: must be at least 1, got 0"):
        run_side_by_side(len, TEXTS, workers=0)


def split(lengths: list[int], limit: int) -> list[list[int]]:
    return [group.tolist() for group in split_by_tokens(np.array(lengths, dtype=np.int64), limit)]


def test_groups_hold_at_most_the_limit_padding_included() -> None:
    # sorted: 2 3 3 5 9; 3 texts of 3 are 9 tokens <= 10, with the 5 they would be 4 * 5 = 20
    assert split([5, 3, 9, 2, 3], 10) == [[3, 1, 4], [0], [2]]
    # a text above the limit stands alone
    assert split([50, 2, 60], 10) == [[1], [0], [2]]
    assert split([4, 4, 4], 12) == [[0, 1, 2]]
    assert split([], 10) == []
    assert split([0, 0], 10) == [[0, 1]]
