"""Shapes of engines, and padding up to them."""

import numpy as np
import pytest

from mercato.errors import InvalidInputError
from mercato.models.engine.shapes import BatchRange, EngineShapes, choose_bucket, pad_to_bucket
from mercato.requests.retrieval import WINDOW
from mercato.triton_models.registry import ENGINES


def test_profiles_of_neighbouring_buckets_do_not_overlap() -> None:
    shapes = EngineShapes(axis="sequence", buckets=(16, 32, 128))
    assert [(profile.shortest, profile.longest) for profile in shapes.profiles()] == [(1, 16), (17, 32), (33, 128)]
    assert shapes.profiles()[1].bounds("sequence") == (17, 32, 32)
    assert shapes.profiles()[1].bounds("batch") == (1, 8, 64)


def test_every_bucket_gets_a_profile_for_each_range_of_the_batch() -> None:
    ranges = (BatchRange(minimum=1, typical=1, maximum=8), BatchRange(minimum=9, typical=32, maximum=64))
    shapes = EngineShapes(axis="sequence", buckets=(16, 32), batch_ranges=ranges)
    assert [(profile.batch.typical, profile.longest) for profile in shapes.profiles()] == [
        (1, 16),
        (1, 32),
        (32, 16),
        (32, 32),
    ]
    assert shapes.max_batch_size == 64


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"buckets": (32, 16)}, r"buckets must rise from 1 or more, given \[32, 16\]"),
        ({"buckets": ()}, "buckets must rise"),
        ({"buckets": (0, 16)}, "buckets must rise"),
        ({"graph_batches": (1, 128)}, "graph_batches must be at most 64, given 128"),
        ({"batch_ranges": ()}, "batch_ranges must not be empty"),
        ({"batch_ranges": (BatchRange(minimum=2),)}, "must follow each other from 1 on, 2 given for 1"),
        ({"batch_ranges": (BatchRange(typical=65),)}, "minimum <= typical <= maximum, given 1, 65, 64"),
    ],
)
def test_a_wrong_declaration_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError, match=f"engine shapes: .*{words}"):
        EngineShapes(**{"axis": "sequence", "buckets": (16,), **fields})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidInputError, match="buckets must rise.*; graph_batches must be at most 64"):
        EngineShapes(axis="sequence", buckets=(2, 1), graph_batches=(65,))


@pytest.mark.parametrize(("length", "bucket"), [(1, 16), (16, 16), (17, 32), (33, 33)])
def test_bucket_of_a_length(length: int, bucket: int) -> None:
    assert choose_bucket(length, (16, 32)) == bucket


def test_padding_is_zeros_on_the_right() -> None:
    array = np.arange(1, 7).reshape(2, 3)
    np.testing.assert_array_equal(pad_to_bucket(array, (2, 4)), [[1, 2, 3, 0], [4, 5, 6, 0]])
    assert pad_to_bucket(array, (3,)) is array
    assert pad_to_bucket(array, ()) is array
    assert pad_to_bucket(array, (2,)) is array, "beyond the last bucket the engine says no, and not the padding"


def test_padding_of_candidates_leaves_batch_and_width() -> None:
    assert pad_to_bucket(np.ones((2, 3, 5), np.float32), (4,)).shape == (2, 4, 5)


def test_the_ranked_window_fits_the_rankers_engine() -> None:
    assert ENGINES["ranker"].shapes.buckets[-1] == WINDOW
