"""Many texts in batches of similar length."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from mercato.errors import InvalidInputError
from mercato.models.encoder.batching import iterate_batches, order_by_length, split_by_tokens

TEXTS = ["ccc", "a", "", "bb", "dddd", "e", "ffffff"]


def encode(texts: Sequence[str]) -> np.ndarray:
    """Encode a text as its length and its first character."""
    return np.array([[len(text), ord(text[0]) if text else 0] for text in texts], dtype=np.float32)


def test_order_is_by_length_and_then_as_given() -> None:
    assert order_by_length(TEXTS).tolist() == [2, 1, 5, 3, 0, 4, 6]
    assert order_by_length([]).tolist() == []


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_every_text_is_encoded_once_beside_texts_of_its_length(workers: int, batch_size: int) -> None:
    batches = list(iterate_batches(encode, TEXTS, batch_size=batch_size, workers=workers))
    assert [position for batch in batches for position in batch.positions] == [2, 1, 5, 3, 0, 4, 6]
    assert all(len(batch.positions) <= batch_size for batch in batches)
    for batch in batches:
        np.testing.assert_array_equal(batch.vectors, encode([TEXTS[position] for position in batch.positions]))


def test_workers_encode_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def encode_together(texts: Sequence[str]) -> np.ndarray:
        meeting.wait()  # breaks unless two batches are encoded at once
        return encode(texts)

    assert len(list(iterate_batches(encode_together, TEXTS[:4], batch_size=1, workers=2))) == 4


def test_no_text_no_batch() -> None:
    assert list(iterate_batches(encode, [], batch_size=8, workers=2)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_batch_reaches_the_caller(workers: int) -> None:
    def fail(texts: Sequence[str]) -> np.ndarray:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(iterate_batches(fail, TEXTS, batch_size=1, workers=workers))


@pytest.mark.parametrize(("parameter", "values"), [("batch_size", (0, 1)), ("workers", (1, 0))])
def test_sizes_below_one_are_refused(parameter: str, values: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match=f"{parameter}: must be at least 1, got 0"):
        iterate_batches(encode, TEXTS, batch_size=values[0], workers=values[1])


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
