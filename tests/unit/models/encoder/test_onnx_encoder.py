"""The encoder stage over a tiny exported encoder."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mercato.models.encoder.onnx_encoder as onnx_encoder
from mercato.errors import InvalidInputError, ModelError
from mercato.models.encoder import OnnxEncoder, read_manifest
from tests.unit.export.tiny_encoder import HIDDEN_SIZE, make_texts

# One run and several add in another order.
TOLERANCE = 1e-6
TEXTS = make_texts()


@pytest.fixture(scope="module", params=["int8", "fp32"])
def encoder(encoder_folder: Path, request: pytest.FixtureRequest) -> OnnxEncoder:
    return OnnxEncoder(encoder_folder, precision=request.param)


@pytest.fixture
def copied(encoder_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(encoder_folder, tmp_path / "encoder")


def test_vectors_are_float32_and_of_unit_length(encoder: OnnxEncoder) -> None:
    vectors = encoder.encode(TEXTS[:5])
    assert vectors.shape == (5, encoder.dimension) == (5, HIDDEN_SIZE)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_text_gives_no_row(encoder: OnnxEncoder) -> None:
    assert encoder.encode([]).shape == (0, HIDDEN_SIZE)
    assert encoder.encode_many([]).shape == (0, HIDDEN_SIZE)
    nothing = np.zeros((0, 4), dtype=np.int64)
    assert encoder.embed_tokens(nothing, nothing).shape == (0, HIDDEN_SIZE)


@pytest.mark.parametrize("tokens_per_run", [1, 20, 10_000])
def test_a_text_alone_is_its_row_in_a_batch(
    encoder: OnnxEncoder, monkeypatch: pytest.MonkeyPatch, tokens_per_run: int
) -> None:
    monkeypatch.setattr(onnx_encoder, "TOKENS_PER_RUN", tokens_per_run)
    batched = encoder.encode([*TEXTS[:40], ""])
    for row in (0, 17, 39):
        np.testing.assert_allclose(batched[row], encoder.encode([TEXTS[row]])[0], atol=TOLERANCE)
    np.testing.assert_allclose(batched[40], encoder.encode([""])[0], atol=TOLERANCE)


def test_padding_does_not_change_a_vector(encoder: OnnxEncoder) -> None:
    ids, mask = encoder.tokenizer(TEXTS[:3])
    wider = [np.pad(array, ((0, 0), (0, 5))) for array in (ids, mask)]
    np.testing.assert_allclose(encoder.embed_tokens(*wider), encoder.embed_tokens(ids, mask), atol=TOLERANCE)


def test_a_row_of_padding_is_finite_and_harms_no_neighbour(encoder: OnnxEncoder) -> None:
    ids, mask = encoder.tokenizer(TEXTS[:2])
    expected = encoder.embed_tokens(ids, mask)[0]
    mask[1] = 0
    vectors = encoder.embed_tokens(ids, mask)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], expected, atol=TOLERANCE)


def test_many_texts_keep_their_order_and_report_progress(encoder: OnnxEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_encoder, "TEXTS_PER_SORT", 50)
    done: list[int] = []

    def progress(what: str, count: int, total: int) -> None:
        assert (what, total) == ("encoding texts", len(TEXTS))
        done.append(count)

    vectors = encoder.encode_many(TEXTS, tokens_per_run=64, workers=2, progress=progress)
    assert done[-1] == len(TEXTS)
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS), atol=TOLERANCE)


def test_a_run_holds_as_many_tokens_as_asked_and_texts_of_one_length_need_no_padding(encoder: OnnxEncoder) -> None:
    lengths = encoder.tokenizer(TEXTS)[1].sum(axis=1)
    batches = [batch.positions for batch in encoder.iterate(TEXTS, tokens_per_run=64)]
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(TEXTS)))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= 64 for batch in batches)
    assert np.concatenate([lengths[batch] for batch in batches]).tolist() == sorted(lengths.tolist())
    with pytest.raises(InvalidInputError, match="tokens_per_run: must be at least 1, got 0"):
        encoder.iterate(TEXTS, tokens_per_run=0)


def test_int8_is_near_fp32_and_not_the_same(encoder_folder: Path) -> None:
    int8, fp32 = (OnnxEncoder(encoder_folder, precision=name).encode(TEXTS) for name in ("int8", "fp32"))
    cosines = (int8 * fp32).sum(axis=1)
    assert 0.97 <= cosines.min() < 0.99999


def test_identity_comes_from_the_manifest(encoder: OnnxEncoder, encoder_folder: Path) -> None:
    written = json.loads((encoder_folder / "manifest.json").read_text())["serving"]["identity"]
    assert encoder.identity == written == read_manifest(encoder_folder).serving.identity


def test_tokens_of_the_wrong_shape_are_refused(encoder: OnnxEncoder) -> None:
    ids = np.ones((2, 3), dtype=np.int64)
    with pytest.raises(InvalidInputError, match=r"attention_mask: must have the shape of input_ids"):
        encoder.embed_tokens(ids, ids[:, :2])
    with pytest.raises(InvalidInputError, match=r"got \(3,\) and \(3,\)"):
        encoder.embed_tokens(ids[0], ids[0])
    with pytest.raises(InvalidInputError, match="at least one token"):
        encoder.embed_tokens(ids[:, :0], ids[:, :0])


def test_an_id_beyond_the_vocabulary_is_refused(encoder: OnnxEncoder) -> None:
    ids = np.full((1, 3), 10**6)
    with pytest.raises(ModelError, match="ONNX Runtime refused input_ids"):
        encoder.embed_tokens(ids, np.ones_like(ids))


@pytest.mark.parametrize(("parameter", "value"), [("precision", "fp16"), ("threads", 0)])
def test_bad_arguments(encoder_folder: Path, parameter: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"{parameter}: must be"):
        OnnxEncoder(encoder_folder, **{parameter: value})


def test_a_missing_folder_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read.*mercato export encoder --out"):
        OnnxEncoder(tmp_path / "absent")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 1, "files": {}}'])
def test_a_malformed_manifest(copied: Path, content: str) -> None:
    (copied / "manifest.json").write_text(content)
    with pytest.raises(ModelError, match=r"manifest\.json is not a manifest"):
        OnnxEncoder(copied)


def test_a_manifest_of_another_version(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 2}))
    with pytest.raises(ModelError, match="schema version 2, this Mercato reads 1"):
        OnnxEncoder(copied)


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json"])
def test_an_altered_file_is_noticed_by_its_hash(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} has another checksum"):
        OnnxEncoder(copied)


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json"])
def test_a_truncated_or_missing_file_is_noticed_without_hashing(copied: Path, name: str) -> None:
    size = (copied / name).stat().st_size
    with (copied / name).open("r+b") as stream:
        stream.truncate(size - 1)
    with pytest.raises(ModelError, match=f"{name} has {size - 1} bytes instead of {size}"):
        OnnxEncoder(copied, verify_hashes=False)
    (copied / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        OnnxEncoder(copied, verify_hashes=False)


def test_a_precision_that_was_not_exported(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    del manifest["files"]["model.int8.onnx"]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"model\.int8\.onnx is not in .*mercato export encoder"):
        OnnxEncoder(copied, precision="int8")
    assert OnnxEncoder(copied).precision == OnnxEncoder(copied, precision="fp32").precision
