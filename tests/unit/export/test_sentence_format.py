"""How an encoder reads texts: from its folder, from its name, from options."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

from mercato.models.encoder import OnnxEncoder, read_manifest
from mercato_export.encoder import SentenceEncoder, describe_encoder
from mercato_export.errors import ExportError
from mercato_export.pipeline import export_model
from mercato_export.sentence_format import FORMAT_FILES, SentenceFormat, find_format, write_format
from tests.unit.export.tiny_encoder import MAX_TOKENS, make_texts, make_weights

E5 = SentenceFormat(query_prefix="query: ", product_prefix="passage: ")
BGE = SentenceFormat(pooling="cls", query_prefix="Represent this sentence for searching relevant passages: ")
SAME_VECTOR = 1e-5
"""float32, the same network computed in another order."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intfloat/multilingual-e5-small", replace(E5, multilingual=True)),
        ("intfloat/e5-base-v2", E5),
        ("BAAI/bge-small-en-v1.5", BGE),
        ("BAAI/bge-m3", SentenceFormat(pooling="cls", multilingual=True)),
        ("sentence-transformers/all-MiniLM-L6-v2", SentenceFormat()),
        ("somebody/their-encoder", SentenceFormat()),
    ],
)
def test_families_are_known_by_name(tmp_path: Path, name: str, expected: SentenceFormat) -> None:
    assert find_format(tmp_path, name) == expected


def test_chinese_bge_has_a_chinese_instruction(tmp_path: Path) -> None:
    found = find_format(tmp_path, "BAAI/bge-base-zh-v1.5")
    assert (found.pooling, found.product_prefix) == ("cls", "")
    assert found.query_prefix.endswith("\uff1a")


def test_what_the_folder_says_counts_before_the_name_and_options_before_both(tmp_path: Path) -> None:
    write_format(tmp_path, SentenceFormat(pooling="cls", query_prefix="find: ", product_prefix="text: "))
    found = find_format(tmp_path, "intfloat/e5-small")
    assert found == SentenceFormat(pooling="cls", query_prefix="find: ", product_prefix="text: ")
    found = find_format(tmp_path, "intfloat/e5-small", pooling="mean", query_prefix="")
    assert found == SentenceFormat(pooling="mean", query_prefix="", product_prefix="text: ")


def test_an_empty_prompt_does_not_hide_the_family(tmp_path: Path) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text('{"prompts": {"query": "", "document": ""}}')
    assert find_format(tmp_path, "intfloat/e5-small") == E5


def test_what_is_not_exported_is_said(tmp_path: Path) -> None:
    write_format(tmp_path, SentenceFormat())
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_lasttoken": true}')
    with pytest.raises(ExportError, match="pooling must be one of mean, cls, got 'lasttoken'"):
        find_format(tmp_path, "a/b")
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ExportError, match="has a layer Dense after the token states"):
        find_format(tmp_path, "a/b")
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(ExportError, match="is not JSON"):
        find_format(tmp_path, "a/b")
    with pytest.raises(ExportError, match="--pooling: pooling must be one of mean, cls, got 'max'"):
        find_format(tmp_path / "empty", "a/b", pooling="max")


def test_written_files_are_those_that_are_loaded(tmp_path: Path) -> None:
    write_format(tmp_path, BGE)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json")) == sorted(FORMAT_FILES)


def test_prefixes_and_pooling_reach_serving_and_change_the_identity(tmp_path: Path) -> None:
    weights = make_weights(tmp_path / "weights")
    formats = {
        "plain": SentenceFormat(),
        "prefixed": SentenceFormat(query_prefix="fresh ", product_prefix="baby "),
        "first": SentenceFormat(pooling="cls"),
    }
    for name, text_format in formats.items():
        exportable = describe_encoder(weights, make_texts(), max_tokens=MAX_TOKENS, text_format=text_format)
        export_model(exportable, target="onnx", out=tmp_path / name, parity_source={"texts": "tests"})
    encoders = {name: OnnxEncoder(tmp_path / name) for name in formats}
    assert len({encoder.identity for encoder in encoders.values()}) == 3
    assert read_manifest(tmp_path / "first").serving.pooling == "cls"
    plain, prefixed = encoders["plain"], encoders["prefixed"]
    np.testing.assert_allclose(prefixed.encode(["tea"]), plain.encode(["fresh tea"]), atol=SAME_VECTOR)
    np.testing.assert_allclose(prefixed.encode(["tea"], "product"), plain.encode(["baby tea"]), atol=SAME_VECTOR)
    np.testing.assert_allclose(prefixed.encode_many(["tea"]), plain.encode(["baby tea"]), atol=SAME_VECTOR)


def test_positions_of_roberta_begin_after_padding() -> None:
    torch.manual_seed(3)
    config = XLMRobertaConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
        pad_token_id=1,
    )
    trunk = XLMRobertaModel(config, add_pooling_layer=False).eval()
    ids, mask = torch.tensor([[0, 7, 8, 2]]), torch.ones((1, 4), dtype=torch.int64)
    with torch.inference_mode():
        # the trunk finds positions by itself where none are given
        states = trunk(input_ids=ids, attention_mask=mask).last_hidden_state
        for pooling, pooled in (("mean", states.mean(1)), ("cls", states[:, 0])):
            vectors = SentenceEncoder(trunk, pooling)(ids, mask)  # type: ignore[arg-type]
            torch.testing.assert_close(vectors, torch.nn.functional.normalize(pooled, dim=-1))
