"""The interfaces of the stages. A stage lives in this process or behind a call to a Triton model; users cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mercato.arrays import Float32
from mercato.errors import MercatoError
from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import RetrievalRequest, Retrieved
from mercato.text import TextRole


class EncoderStage(Protocol):
    """Texts to vectors."""

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        """Encode texts: float32 [texts, D], unit length.

        Args:
            texts: the texts.
            role: what they are: many encoders were trained with other words before a query than before a product.

        Raises:
            ModelError: the encoder cannot be reached or fails.
        """


class RetrieverStage(Protocol):
    """Requests to candidates."""

    @property
    def catalog(self) -> LiveCatalog | None:
        """The catalogue that it reads in this process; None for one in another."""

    def retrieve(self, requests: Sequence[RetrievalRequest], vectors: Float32 | None) -> list[Retrieved | MercatoError]:
        """Find candidates; see `mercato.retrieval.retriever.Retriever.retrieve`."""


class RankerStage(Protocol):
    """Candidates to scores."""

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        """Score candidates, higher is better.

        Args:
            query: float32 [B, D], zeros without a query.
            history: float32 [B, D], zeros without history.
            candidates: float32 [B, N, D].
            features: float32 [B, N, F].

        Returns:
            float32 [B, N].

        Raises:
            ModelError: the ranker cannot be reached or fails.
        """


class RerankerStage(Protocol):
    """Queries and product texts to scores."""

    @property
    def weight(self) -> float:
        """Share of its score in the blend with the score of the stage before, 0 to 1."""

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[Float32]:
        """Score each query's products, higher is better.

        Args:
            queries: the queries.
            texts: for each query its product texts, as `mercato.models.reranker.write_product_text` writes them.

        Returns:
            For each query float32 [n], NaN where there was no time left; comparable within a query only.

        Raises:
            ModelError: the reranker cannot be reached or fails.
        """
