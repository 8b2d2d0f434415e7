"""Stages behind calls pad up to the engine's buckets, and nobody else sees it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.pipeline.remote import RemoteEncoder, RemoteRanker

Arrays = Mapping[str, np.ndarray]


class Wire:
    """Keeps the shapes that went out, and answers like the models."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}

    def __call__(self, model: str, inputs: Arrays, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.shapes = {name: array.shape for name, array in inputs.items()}
        if model == "encoder":
            return {"embedding": (inputs["input_ids"] * inputs["attention_mask"]).sum(axis=1, keepdims=True)}
        return {"score": inputs["features"].sum(axis=2)}


@pytest.fixture
def tokenizer(tmp_path: Path) -> TextTokenizer:
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "green": 7, "tea": 8}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "tokenizer.json"))
    return TextTokenizer(tmp_path / "tokenizer.json", max_tokens=8)


@pytest.mark.parametrize(("buckets", "width"), [((), 3), ((4, 8), 4), ((2, 3), 3)])
def test_tokens_are_padded_to_the_bucket_of_the_longest(
    tokenizer: TextTokenizer, buckets: tuple[int, ...], width: int
) -> None:
    wire = Wire()
    vectors = RemoteEncoder(wire, tokenizer, buckets).encode(["green tea tea", "tea"])
    assert wire.shapes == {"input_ids": (2, width), "attention_mask": (2, width)}
    assert vectors.tolist() == [[7 + 8 + 8], [8]]


@pytest.mark.parametrize(("buckets", "width"), [((), 3), ((4, 8), 4)])
def test_candidates_are_padded_and_their_scores_cut(buckets: tuple[int, ...], width: int) -> None:
    arrays: dict[str, Any] = {
        "query": np.ones((2, 4), np.float32),
        "history": np.zeros((2, 4), np.float32),
        "candidates": np.ones((2, 3, 4), np.float32),
        "features": np.ones((2, 3, 5), np.float32),
    }
    wire = Wire()
    scores = RemoteRanker(wire, buckets).score(**arrays)
    assert wire.shapes["candidates"] == (2, width, 4)
    assert wire.shapes["features"] == (2, width, 5)
    assert wire.shapes["query"] == (2, 4)
    assert scores.tolist() == [[5.0] * 3] * 2
