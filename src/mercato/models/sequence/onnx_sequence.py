"""The sequence model in process: histories to the next products with ONNX Runtime, on CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mercato.arrays import Bool, Float32, Int32, Int64
from mercato.errors import InvalidInputError, ModelError
from mercato.models.sequence.manifest import MODEL_FILE, read_sequence_manifest
from mercato.models.sequence.products import read_products
from mercato.networks.onnx_session import OnnxSession

INPUT_NAME = "product_codes"
OUTPUT_NAME = "state"
HISTORIES_PER_RUN = 64


class SequenceModel:
    """Predicts next products with an exported sequence model. Safe to use from several threads.

    Products have codes from 1 on; in arrays of scores the product of code ``c`` is at position ``c - 1``.

    Attributes:
        products: what it knows of each product.
        max_length: last products of a history that it reads.
    """

    def __init__(self, folder: Path | str, *, threads: int = 1) -> None:
        """Load the model.

        Args:
            folder: what ``mercato export sequence --out`` wrote.
            threads: ONNX Runtime's threads for one run.

        Raises:
            ModelError: a file is missing or broken, or they do not fit together.
        """
        folder = Path(folder)
        serving = read_sequence_manifest(folder).serving
        self.products = read_products(folder)
        self.max_length = serving.max_length
        if self.products.vectors.shape != (serving.products, serving.width):
            raise ModelError(
                f"sequence: {folder} must hold vectors of {serving.products} products, {serving.width} wide, as its "
                f"manifest says; given {list(self.products.vectors.shape)}; export it again"
            )
        self._session = OnnxSession(folder / MODEL_FILE, model="sequence", output=OUTPUT_NAME, threads=threads)

    def next_products(self, histories: Sequence[Sequence[int] | Int64], k: int) -> tuple[Int32, Float32]:
        """Find the most likely next products of histories.

        Args:
            histories: codes of each history, oldest first; all but the last ``max_length`` are not read. A history
                without any leaves what is usual.
            k: how many.

        Returns:
            Indices int32 [histories, min(k, products)] of the best products, best first, equal ones in order of their
            indices, and their scores float32, descending.

        Raises:
            InvalidInputError: a code that is not known, or k below 1.
            ModelError: the model fails.
        """
        if k < 1:
            raise InvalidInputError("k", f"must be at least 1, got {k}")
        scores = self.score(histories)
        positions = np.stack([select_best(row, k) for row in scores]) if len(scores) else np.zeros((0, k), np.int32)
        return positions, np.take_along_axis(scores, positions.astype(np.int64), axis=1)

    def score(self, histories: Sequence[Sequence[int] | Int64]) -> Float32:
        """Score all products after each history; see `next_products`.

        Returns:
            float32 [histories, products], higher is more likely.
        """
        states = self.encode(self.pad(histories))
        scores: Float32 = states @ self.products.vectors.T
        scores += self.products.bias
        return scores

    def pad(self, histories: Sequence[Sequence[int] | Int64]) -> Int64:
        """Put the ends of histories into one array.

        Returns:
            int64 [histories, longest], oldest first, padded on the right with 0; at least one position wide.

        Raises:
            InvalidInputError: a code that is not known.
        """
        ends = [np.asarray(history, np.int64)[-self.max_length :] for history in histories]
        codes = np.zeros((len(ends), max((len(end) for end in ends), default=1) or 1), np.int64)
        for row, end in enumerate(ends):
            if len(end) and (end.min() < 1 or end.max() > len(self.products)):
                raise InvalidInputError(
                    "histories",
                    f"must hold codes from 1 to {len(self.products)}, history {row} has {end.min()} to {end.max()}",
                )
            codes[row, : len(end)] = end
        return codes

    def encode(self, product_codes: Int64) -> Float32:
        """Encode histories.

        Args:
            product_codes: int64 [histories, length], oldest first, padded on the right with 0.

        Returns:
            float32 [histories, width].

        Raises:
            InvalidInputError: it is no matrix, is too wide, or holds a code that is not known.
            ModelError: the model fails.
        """
        if product_codes.ndim != 2 or not 1 <= product_codes.shape[1] <= self.max_length:
            raise InvalidInputError(
                INPUT_NAME, f"must have shape [histories, 1 to {self.max_length}], got {list(product_codes.shape)}"
            )
        if product_codes.size and not 0 <= product_codes.min() <= product_codes.max() <= len(self.products):
            raise InvalidInputError(
                INPUT_NAME,
                f"must be codes from 0 (padding) to {len(self.products)}, got {product_codes.min()} to "
                f"{product_codes.max()}",
            )
        if not len(product_codes):
            return np.zeros((0, self.products.vectors.shape[1]), np.float32)
        parts = [
            self._session.run(
                {INPUT_NAME: np.ascontiguousarray(product_codes[start : start + HISTORIES_PER_RUN], np.int64)}
            )
            for start in range(0, len(product_codes), HISTORIES_PER_RUN)
        ]
        return np.concatenate(parts)


def select_best(scores: Float32, k: int, allowed: Bool | None = None) -> Int32:
    """Return the indices of the k highest scores, highest first, equal scores by index.

    Args:
        scores: float32 [n].
        k: how many at most.
        allowed: bool [n], what may be chosen; None for all.

    Returns:
        int32 [m], m <= k.
    """
    positions = np.arange(len(scores)) if allowed is None else np.flatnonzero(allowed)
    if len(positions) > k:
        held = scores[positions]
        limit = np.partition(held, len(held) - k)[len(held) - k]
        above, equal = positions[held > limit], positions[held == limit]
        positions = np.sort(np.concatenate([above, equal[: k - len(above)]]))
    return positions[np.argsort(-scores[positions], kind="stable")].astype(np.int32)
