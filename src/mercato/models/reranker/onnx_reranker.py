"""The reranker stage in process: pairs to scores with ONNX Runtime, on CPU."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mercato.arrays import Float32, Int64
from mercato.errors import InvalidInputError
from mercato.models.encoder.batching import split_by_tokens
from mercato.models.encoder.onnx_encoder import MODEL_FILES, Precision
from mercato.models.reranker.manifest import TOKENIZER_FILE, read_reranker_manifest
from mercato.models.reranker.pair_tokenizer import PairBatch, PairTokenizer
from mercato.networks.onnx_session import OnnxSession

INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT_NAME = "score"
# Tokens of one run of the network, padding included: see docs/decisions/0010-reranker.md.
TOKENS_PER_RUN = 192
# Pairs that are sorted by length together: whole queries, as many as fit, so that the first of a large batch are done
# before the last begin.
PAIRS_PER_LOOK = 64
# Threads that share the runs of one call: one search alone has idle cores beside it, and a busy machine loses nothing.
WORKERS = 2


class OnnxReranker:
    """Scores pairs with an exported reranker. Safe to use from several threads.

    Attributes:
        weight: share of its score in the blend with the score of the stage before.
        precision: ``int8`` or ``fp32``.
        tokenizer: makes pairs.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        precision: Precision | None = None,
        threads: int = 1,
        workers: int = WORKERS,
        budget_s: float = 0.0,
    ) -> None:
        """Load the reranker.

        Args:
            folder: what ``mercato export reranker --out`` wrote.
            precision: None takes int8 where it was exported.
            threads: ONNX Runtime's threads for one run.
            workers: threads that share the runs of a call; 1 makes them in the caller's.
            budget_s: seconds of one call of `score`, after which what is left is given up; 0 for no end.

        Raises:
            InvalidInputError: ``precision`` is not one of those allowed, or ``workers`` is below 1.
            ModelError: the folder, its manifest or a file is missing or broken, or the tokenizer is not the one that
                the reranker was trained with.
        """
        if precision is not None and precision not in MODEL_FILES:
            raise InvalidInputError("precision", f"must be one of {sorted(MODEL_FILES)}, got {precision!r}")
        if workers < 1:
            raise InvalidInputError("workers", f"must be at least 1, got {workers}")
        folder = Path(folder)
        manifest = read_reranker_manifest(folder)
        if precision is None:
            precision = "int8" if (folder / MODEL_FILES["int8"]).is_file() else "fp32"
        serving = manifest.serving
        self.weight = serving.weight
        self.precision: Precision = precision
        self.tokenizer = PairTokenizer(
            folder / TOKENIZER_FILE, max_tokens=serving.max_tokens, query_tokens=serving.query_tokens
        )
        self._budget_s = budget_s
        self._session = OnnxSession(
            folder / MODEL_FILES[precision], model="reranker", output=OUTPUT_NAME, threads=threads
        )
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="rerank") if workers > 1 else None

    def score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[Float32]:
        """Score all pairs of a batch; see `mercato.models.stages.RerankerStage.score`."""
        deadline = time.monotonic() + self._budget_s if self._budget_s else float("inf")
        pairs = self.tokenizer(queries, texts)
        bounds = np.cumsum([0, *(len(group) for group in texts)])
        scores = np.full(len(pairs.lengths), np.nan, np.float32)
        first = 0
        while first < len(queries):
            last = first + 1
            while last < len(queries) and bounds[last + 1] - bounds[first] <= PAIRS_PER_LOOK:
                last += 1
            positions = np.arange(bounds[first], bounds[last])
            scores[positions] = self._score_pairs(pairs.take(positions), deadline)
            first = last
        return [scores[start:stop] for start, stop in zip(bounds, bounds[1:], strict=False)]

    def score_tokens(self, input_ids: Int64, attention_mask: Int64, token_type_ids: Int64) -> Float32:
        """Score tokenised pairs.

        Args:
            input_ids: int64 [pairs, tokens], padded on the right.
            attention_mask: int64 [pairs, tokens], 1 for a token and 0 for padding.
            token_type_ids: int64 [pairs, tokens], 1 for the product.

        Returns:
            float32 [pairs, 1], higher is better.

        Raises:
            InvalidInputError: the three are not matrices of one shape, or have no token.
            ModelError: the model refuses them.
        """
        if input_ids.ndim != 2 or not input_ids.shape == attention_mask.shape == token_type_ids.shape:
            raise InvalidInputError(
                "attention_mask",
                "and token_type_ids must have the shape of input_ids, [pairs, tokens]; got "
                f"{attention_mask.shape}, {token_type_ids.shape} and {input_ids.shape}",
            )
        if input_ids.shape[1] == 0:
            raise InvalidInputError("input_ids", "must have at least one token a pair, got 0")
        lengths = input_ids.shape[1] - np.argmax(attention_mask[:, ::-1] != 0, axis=1)
        pairs = PairBatch(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, lengths=lengths
        )
        return self._score_pairs(pairs)[:, None]

    def _score_pairs(self, pairs: PairBatch, deadline: float = float("inf")) -> Float32:
        """Score pairs, those of similar length together: float32 [pairs], NaN for what the deadline left out."""
        scores = np.full(len(pairs.lengths), np.nan, np.float32)

        def run(group: Int64) -> None:
            if time.monotonic() <= deadline:
                scores[group] = self._run(pairs.take(group))

        groups = split_by_tokens(pairs.lengths, TOKENS_PER_RUN)
        if self._pool is None or len(groups) == 1:
            for group in groups:
                run(group)
        else:
            # read to its end: the failure of a thread is raised here
            deque(self._pool.map(run, groups), maxlen=0)
        return scores

    def _run(self, pairs: PairBatch) -> Float32:
        given = (pairs.input_ids, pairs.attention_mask, pairs.token_type_ids)
        feed = {
            name: np.ascontiguousarray(array, dtype=np.int64) for name, array in zip(INPUT_NAMES, given, strict=True)
        }
        return self._session.run(feed)[:, 0]
