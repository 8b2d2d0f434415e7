"""The text encoder: a BERT-like model with pooling and L2 normalisation inside the graph."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mercato.checksum import hash_file
from mercato.models.encoder.tokenizer import DEFAULT_MAX_TOKENS, TextTokenizer
from mercato.models.engine.shapes import EngineShapes
from mercato.triton_models.registry import ENGINES
from mercato_export.exportable import Exportable, Tensors
from mercato_export.options import DEFAULT_TOLERANCE
from mercato_export.parity import CosineGate
from mercato_export.ratings import compare_on_ratings, compare_on_texts
from mercato_export.sentence_format import Pooling, SentenceFormat, find_format
from mercato_export.weights import LocatedWeights

CALIBRATION_TOKENS = 1024
CALIBRATION_SEED = 20240229


# Models whose positions are counted from the one after padding's, as fairseq did.
POSITIONS_AFTER_PADDING = ("camembert", "roberta", "xlm-roberta")


class SentenceEncoder(torch.nn.Module):
    """Token ids to unit vectors: the trunk, its token states pooled, L2 normalisation."""

    def __init__(self, trunk: torch.nn.Module, pooling: Pooling = "mean") -> None:
        """Wrap a trunk that returns ``last_hidden_state``.

        Args:
            trunk: the network, with its ``config``.
            pooling: the mean of the states of real tokens, or the state of the first.
        """
        super().__init__()
        self.trunk = trunk
        self.pooling = pooling
        self.first_position = find_first_position(trunk.config)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Encode: int64 [batch, sequence] twice -> float32 [batch, dimension], unit length."""
        # Given and not left to the trunk, whose way to the same values is 15 nodes of shape arithmetic in the graph.
        positions = torch.arange(input_ids.shape[1], device=input_ids.device).unsqueeze(0) + self.first_position
        states = self.trunk(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=torch.zeros_like(input_ids),
            position_ids=positions,
        ).last_hidden_state
        if self.pooling == "cls":
            return torch.nn.functional.normalize(states[:, 0], dim=-1)
        weights = attention_mask.unsqueeze(-1).to(states.dtype)
        # The mean's divisor goes away in the normalisation.
        return torch.nn.functional.normalize((states * weights).sum(1), dim=-1)


def find_first_position(config: Any) -> int:
    """Return the position of a text's first token: 0, or the one after that of padding."""
    after_padding = config.model_type in POSITIONS_AFTER_PADDING
    return int(config.pad_token_id) + 1 if after_padding else 0


def describe_encoder(
    weights: LocatedWeights,
    texts: Sequence[str],
    *,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    ratings: Path | None = None,
    product_limit: int = 0,
    tolerance: float = DEFAULT_TOLERANCE,
    text_format: SentenceFormat | None = None,
) -> Exportable:
    """Load an encoder's weights and describe how to export them.

    Args:
        weights: where they are.
        texts: real product texts for the parity gate.
        max_tokens: where serving cuts a text; at the network's last position where that comes first.
        ratings: folder of rated products to compare smaller precisions on; None compares the top tens of ``texts``.
        product_limit: see `mercato_export.ratings.compare_on_ratings`.
        tolerance: most that a smaller precision may lose.
        text_format: how it reads texts; None to find out from its folder and name.

    Raises:
        ExportError: it is no encoder of token states, or its pooling is not exported.
    """
    from transformers import AutoModel

    found = text_format or find_format(weights.folder, weights.model.repository)
    trunk = AutoModel.from_pretrained(weights.folder, attn_implementation="eager", dtype=torch.float32)
    max_tokens = min(max_tokens, int(trunk.config.max_position_embeddings) - find_first_position(trunk.config))
    tokenizer_file = weights.folder / "tokenizer.json"
    tokenizer = TextTokenizer(tokenizer_file, max_tokens=max_tokens, prefixes=found.prefixes)
    first, last = (int(token) for token in TextTokenizer(tokenizer_file)([""])[0][0, [0, -1]])
    dimension = int(trunk.config.hidden_size)
    tokenizer_sha256 = hash_file(tokenizer_file)
    # as it was before there were prefixes, for encoders without: their catalogues stay valid
    prefix_parts = [repr(found.prefixes)] if any(found.prefixes.values()) else []
    identity = identify(weights.sha256, tokenizer_sha256, found.pooling, str(max_tokens), *prefix_parts)
    return Exportable(
        name="encoder",
        module=SentenceEncoder(trunk, found.pooling).eval(),
        inputs=("input_ids", "attention_mask"),
        outputs=("embedding",),
        axes={
            "input_ids": ("batch", "sequence"),
            "attention_mask": ("batch", "sequence"),
            "embedding": ("batch", "dimension"),
        },
        sizes={"dimension": dimension},
        items=[
            {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            for ids in (tokenizer([text], "product")[0] for text in texts)
        ],
        gates={
            "fp32": CosineGate(mean=0.9999, minimum=0.9999),
            "int8": CosineGate(mean=0.99, minimum=0.97),
            # measured: 1 - 9e-7 at least
            "fp16": CosineGate(mean=0.9999, minimum=0.9999),
        },
        calibration=draw_token_ids(first, last, int(trunk.config.vocab_size), max_tokens=max_tokens),
        source={
            "repository": weights.model.repository,
            "revision": weights.model.revision,
            "licence": weights.model.licence,
            "origin": weights.origin,
            "sha256": {"model.safetensors": weights.sha256, "tokenizer.json": tokenizer_sha256},
        },
        serving={
            "identity": identity,
            "dimension": dimension,
            "max_tokens": max_tokens,
            "pooling": found.pooling,
            "query_prefix": found.query_prefix,
            "product_prefix": found.product_prefix,
            "multilingual": found.multilingual,
            "normalized": True,
        },
        heads=int(trunk.config.num_attention_heads),
        hidden_size=dimension,
        companions={"tokenizer.json": tokenizer_file},
        quality=(
            compare_on_texts(texts, tokenizer, tolerance=tolerance)
            if ratings is None
            else compare_on_ratings(ratings, tokenizer, product_limit=product_limit, tolerance=tolerance)
        ),
        shapes=limit_buckets(ENGINES["encoder"].shapes, max_tokens),
    )


def draw_token_ids(first: int, last: int, vocabulary_size: int, *, max_tokens: int) -> list[Tensors]:
    """Draw texts of random tokens, between the special ones that every text has, to observe activations on.

    They give the ranges that real texts give, because the special tokens have the largest values, and favour no shop.

    Args:
        first: the token that every text begins with.
        last: the token that every text ends with.
        vocabulary_size: ids are below it.
        max_tokens: length of the longest.

    Returns:
        The encoder's inputs, of lengths 4, 8, 16, ... up to ``max_tokens``.
    """
    random = np.random.default_rng(CALIBRATION_SEED)
    feeds: list[Tensors] = []
    for length in (*(2**power for power in range(2, max_tokens.bit_length()) if 2**power < max_tokens), max_tokens):
        rows = max(CALIBRATION_TOKENS // length, 1)
        ids = random.integers(0, vocabulary_size, (rows, length), dtype=np.int64)
        ids[:, 0], ids[:, -1] = first, last
        feeds.append({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return feeds


def limit_buckets(shapes: EngineShapes, longest: int) -> EngineShapes:
    """Return shapes whose last bucket is the longest input there is."""
    return replace(shapes, buckets=(*(bucket for bucket in shapes.buckets if bucket < longest), longest))


def identify(*parts: str) -> str:
    """Return the encoder's identity: the first 32 digits of sha256 over its parts, a line each."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
