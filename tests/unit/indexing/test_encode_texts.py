import os
from pathlib import Path

import numpy as np
import pytest

from mercato.arrays import Float32
from mercato.errors import ModelError
from mercato.indexing.encode import KnownVectors, count_workers, encode_texts, hash_texts
from tests.stores import DIMENSION, HashEncoder

TEXTS = ["a long text of many words", "tea", "green tea", "whole milk", "oat milk with barley", "soup"]
NONE_KNOWN = KnownVectors(hashes=np.zeros(0, np.uint64), vectors=np.zeros((0, DIMENSION), np.float32))


def encode(
    texts: list[str], encoder: HashEncoder, work: Path, known: KnownVectors = NONE_KNOWN, chunk: int = 2
) -> Float32:
    return encode_texts(texts, encoder, work, known=[known], chunk_texts=chunk)


def test_vectors_come_in_the_order_of_the_texts_which_are_encoded_by_length(tmp_path: Path) -> None:
    encoder = HashEncoder()

    vectors = encode(TEXTS, encoder, tmp_path)

    np.testing.assert_array_equal(vectors, HashEncoder().encode(TEXTS))
    assert encoder.asked == sorted(TEXTS, key=len)
    assert encoder.calls == 6 / 2


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the encoder stopped"):
        encode(TEXTS, HashEncoder(fail_after=1), tmp_path)
    second = HashEncoder()

    vectors = encode(TEXTS, second, tmp_path)

    assert second.asked == sorted(TEXTS, key=len)[2:]
    np.testing.assert_array_equal(vectors, HashEncoder().encode(TEXTS))


def test_another_encoder_takes_nothing_from_an_interrupted_run(tmp_path: Path) -> None:
    encode(TEXTS, HashEncoder("hash-1"), tmp_path)
    other = HashEncoder("hash-2")

    encode(TEXTS, other, tmp_path)

    assert len(other.asked) == len(TEXTS)


def test_known_texts_are_not_encoded(tmp_path: Path) -> None:
    known = np.array([[3.0] * DIMENSION, [5.0] * DIMENSION], np.float32)
    encoder = HashEncoder()

    vectors = encode(TEXTS, encoder, tmp_path, KnownVectors(hashes=hash_texts(["soup", "tea"]), vectors=known))

    assert encoder.asked == ["green tea", "whole milk", "oat milk with barley", "a long text of many words"]
    assert vectors[5].tolist() == [3.0] * DIMENSION
    assert vectors[1].tolist() == [5.0] * DIMENSION


def test_nothing_is_encoded_where_all_is_known(tmp_path: Path) -> None:
    encoder = HashEncoder()

    vectors = encode(
        TEXTS, encoder, tmp_path, KnownVectors(hashes=hash_texts(TEXTS), vectors=HashEncoder().encode(TEXTS))
    )

    assert encoder.calls == 0
    np.testing.assert_array_equal(vectors, HashEncoder().encode(TEXTS))


def test_progress_counts_known_texts_as_done(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    known = KnownVectors(hashes=hash_texts(TEXTS[:1]), vectors=HashEncoder().encode(TEXTS[:1]))

    encode_texts(
        TEXTS, HashEncoder(), tmp_path, known=[known],
        chunk_texts=2, progress=lambda _, done, total: told.append((done, total)),
    )  # fmt: skip

    assert told == [(1 + 2, 6), (1 + 4, 6), (1 + 5, 6)]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_refused_and_not_kept(tmp_path: Path, bad: float) -> None:
    class BrokenEncoder(HashEncoder):
        def encode(self, texts: object, role: object = "query") -> Float32:
            return np.full((2, DIMENSION), bad, np.float32)

    with pytest.raises(ModelError, match="a vector is not finite; export the encoder again"):
        encode(TEXTS, BrokenEncoder(), tmp_path)
    vectors = encode(TEXTS, HashEncoder(), tmp_path)

    np.testing.assert_array_equal(vectors, HashEncoder().encode(TEXTS))


def test_a_kept_chunk_cut_short_is_encoded_again(tmp_path: Path) -> None:
    encode(TEXTS, HashEncoder(), tmp_path)
    for kept in tmp_path.iterdir():
        kept.write_bytes(kept.read_bytes()[:-7])
    again = HashEncoder()

    vectors = encode(TEXTS, again, tmp_path)

    assert again.calls == 3
    np.testing.assert_array_equal(vectors, HashEncoder().encode(TEXTS))


def test_equal_texts_have_equal_hashes() -> None:
    hashes = hash_texts(["a", "b", "a", "ä"])

    assert hashes.dtype == np.uint64
    assert hashes[0] == hashes[2]
    assert len(set(hashes.tolist())) == 3


def test_of_several_that_know_a_text_the_first_counts(tmp_path: Path) -> None:
    encoder = HashEncoder()
    known = [
        KnownVectors(hashes=hash_texts(["tea"]), vectors=np.full((1, DIMENSION), 3, np.float32)),
        KnownVectors(hashes=hash_texts(["soup", "tea"]), vectors=np.full((2, DIMENSION), 5, np.float32)),
    ]

    vectors = encode_texts(TEXTS, encoder, tmp_path, known=known)

    assert (vectors[1, 0], vectors[5, 0]) == (3, 5)
    assert sorted(encoder.asked) == sorted(set(TEXTS) - {"tea", "soup"})


def test_there_is_a_worker_for_each_core_at_most() -> None:
    assert 1 <= count_workers() <= len(os.sched_getaffinity(0))
