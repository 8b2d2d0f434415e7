"""Encoder, ranker, reranker and sequence model on PyTorch, with the tensors of the other profiles."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mercato.arrays import Float32, Int64
from mercato.errors import ModelError
from mercato.torch_profile.network import GraphedNetwork
from mercato.triton_models.registry import ENGINES


class _TorchStage:
    """A network on PyTorch, warm; a stage of its own names its model."""

    model: ClassVar[str]

    def __init__(self, folder: Path, *, device: str = "") -> None:
        """Load the network and make it warm.

        Args:
            folder: what ``mercato export MODEL --target torch`` wrote.
            device: see `GraphedNetwork`.

        Raises:
            ModelError: it cannot be loaded.
        """
        self._network = GraphedNetwork(folder, ENGINES[self.model], device=device)


class TorchEncoder(_TorchStage):
    """Tokens to unit vectors."""

    model = "encoder"

    def embed_tokens(self, input_ids: Int64, attention_mask: Int64) -> Float32:
        """Encode tokens.

        Args:
            input_ids: int64 [texts, tokens], padded on the right.
            attention_mask: int64 [texts, tokens], 1 for a token and 0 for padding.

        Returns:
            float32 [texts, dimension], unit length.

        Raises:
            ModelError: PyTorch refuses them.
        """
        return self._network.run(input_ids, attention_mask)


class TorchRanker(_TorchStage):
    """Candidates to scores."""

    model = "ranker"

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        """Score candidates; see `mercato.models.stages.RankerStage.score`."""
        return self._network.run(query, history, candidates, features)


class TorchReranker(_TorchStage):
    """Tokens of query and product to scores."""

    model = "reranker"

    def score_tokens(self, input_ids: Int64, attention_mask: Int64, token_type_ids: Int64) -> Float32:
        """Score pairs.

        Args:
            input_ids: int64 [pairs, tokens], padded on the right.
            attention_mask: int64 [pairs, tokens], 1 for a token and 0 for padding.
            token_type_ids: int64 [pairs, tokens], 1 for the product.

        Returns:
            float32 [pairs, 1], higher is better.

        Raises:
            ModelError: PyTorch refuses them.
        """
        return self._network.run(input_ids, attention_mask, token_type_ids)


class TorchSequence(_TorchStage):
    """Codes of the last products to states."""

    model = "sequence"

    def encode(self, product_codes: Int64) -> Float32:
        """Encode histories.

        Args:
            product_codes: int64 [histories, length], oldest first, padded on the right with 0.

        Returns:
            float32 [histories, width].

        Raises:
            ModelError: PyTorch refuses them.
        """
        return self._network.run(product_codes)


def require_folder(folder: Path | None, model: str) -> Path:
    """Return a model's folder.

    Raises:
        ModelError: the settings name none.
    """
    if folder is None:
        raise ModelError(f"{model}: none is served; export one, then start with --{model} DIR")
    return folder
