"""Texts encoded in shards: each text in one, and the same snapshot as if one run had encoded them all."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.catalog.product import TEXT_FIELDS
from mercato.errors import DataError, InvalidInputError
from mercato.index import layout
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.indexing.encode import hash_texts
from mercato.indexing.encoded_shards import Shard, count_known, encode_shard, read_shards
from mercato.state.values import EventTable
from tests.stores import HashEncoder, make_products

TEXTS = [product.text(TEXT_FIELDS) for product in make_products()]


def encode(folder: Path, shard: str, encoder: HashEncoder | None = None, texts: list[str] = TEXTS) -> HashEncoder:
    encoder = encoder or HashEncoder()
    encode_shard(texts, Shard.parse(shard), encoder, folder, workers=1)
    return encoder


def build(out: Path, encoder: HashEncoder, *folders: Path) -> None:
    known, _ = read_shards(folders, encoder)
    build_snapshot(make_products(), EventTable.empty(), encoder, out, BuildOptions(vectors=tuple(known)))
    assert not folders or count_known(out.resolve(), known) == len(TEXTS)


@given(st.lists(st.text(max_size=8), max_size=30, unique=True), st.integers(1, 5))
def test_each_text_is_in_one_shard(texts: list[str], of: int) -> None:
    texts = [text for text in texts if text.isprintable()]
    selected = [Shard(of=of, number=number).select(hash_texts(texts)) for number in range(1, of + 1)]
    np.testing.assert_array_equal(np.sum(selected, axis=0), np.ones(len(texts)))


def test_three_shards_give_the_snapshot_that_one_gives_byte_by_byte(tmp_path: Path) -> None:
    asked = [encode(tmp_path / "three", f"{number}/3").asked for number in (3, 1, 2)]
    encode(tmp_path / "one", "1/1")
    assert sorted(sum(asked, [])) == sorted(TEXTS)
    assert all(asked)
    three, one, none = HashEncoder(), HashEncoder(), HashEncoder()

    build(tmp_path / "by-three", three, tmp_path / "three")
    build(tmp_path / "by-one", one, tmp_path / "one")
    build(tmp_path / "by-none", none)

    assert three.calls == one.calls == 0
    assert none.calls > 0
    for name in (layout.DENSE_INDEX, layout.TEXTS):
        built = {(tmp_path / out / name).read_bytes() for out in ("by-three", "by-one", "by-none")}
        assert len(built) == 1, name


def test_shards_may_lie_in_folders_of_their_own_and_what_they_lack_is_encoded(tmp_path: Path) -> None:
    encode(tmp_path / "first", "1/3")
    encode(tmp_path / "third", "3/3")

    known, missing = read_shards([tmp_path / "first", tmp_path / "third"], HashEncoder())

    assert [shard.name for shard in missing] == ["vectors-2-of-3"]
    encoder = HashEncoder()
    build_snapshot(make_products(), EventTable.empty(), encoder, tmp_path / "out", BuildOptions(vectors=tuple(known)))
    shard = Shard.parse("2/3").select(hash_texts(TEXTS))
    assert sorted(encoder.asked) == sorted(text for text, chosen in zip(TEXTS, shard, strict=True) if chosen)


def test_a_shard_that_is_run_again_encodes_what_it_lacks(tmp_path: Path) -> None:
    encode(tmp_path, "1/1")

    again = encode(tmp_path, "1/1", texts=[*TEXTS, "a new text", TEXTS[0]])

    assert again.asked == ["a new text"]
    (known,), _ = read_shards([tmp_path], again)
    np.testing.assert_array_equal(known.vectors, HashEncoder().encode([*TEXTS, "a new text"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vectors-1-of-1.json", "vectors-1-of-1.safetensors"]


def test_an_interrupted_shard_goes_on_where_it_stopped(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(5000)]
    with pytest.raises(OSError, match="the encoder stopped"):
        encode(tmp_path, "1/1", HashEncoder(fail_after=2), texts)
    with pytest.raises(DataError, match="has no vectors"):
        read_shards([tmp_path], HashEncoder())

    assert len(encode(tmp_path, "1/1", texts=texts).asked) == 5000 - 2 * 2048


def test_a_shard_without_texts_is_a_shard(tmp_path: Path) -> None:
    encode(tmp_path, "1/2", texts=[])
    (known,), missing = read_shards([tmp_path], HashEncoder())
    assert known.vectors.shape == (0, HashEncoder().dimension)
    assert missing == [Shard(of=2, number=2)]


@pytest.mark.parametrize("shard", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/10001", "a/b", "1/2/3"])
def test_a_wrong_shard_says_what_it_may_be(shard: str) -> None:
    with pytest.raises(
        InvalidInputError,
        match=re.escape(f"--shard: must be I/N with I from 1 to N and N at most 10000, got {shard!r}"),
    ):
        Shard.parse(shard)


def test_vectors_of_another_encoder_are_refused(tmp_path: Path) -> None:
    encode(tmp_path, "1/1", HashEncoder("hash-2"))
    with pytest.raises(
        DataError, match="vectors-1-of-1: was made by encoder hash-2, this is hash-1; run `mercato encode`"
    ):
        read_shards([tmp_path], HashEncoder())
    assert encode(tmp_path, "1/1").calls == 1  # and made anew by the command itself


def test_altered_vectors_are_refused(tmp_path: Path) -> None:
    encode(tmp_path, "1/1")
    path = tmp_path / "vectors-1-of-1.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"vectors-1-of-1\.safetensors has another checksum; run `mercato encode` for it again"
    ):
        read_shards([tmp_path], HashEncoder())
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        read_shards([tmp_path], HashEncoder())


def test_a_folder_without_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no vectors; write them with `mercato encode FILE --out"):
        read_shards([tmp_path / "nowhere"], HashEncoder())
