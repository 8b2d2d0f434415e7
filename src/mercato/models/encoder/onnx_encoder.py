"""The encoder stage in process: texts to unit vectors with ONNX Runtime, on CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from mercato.arrays import Float32, Int64
from mercato.errors import InvalidInputError
from mercato.models.encoder.batching import EncodedBatch, order_by_length, run_side_by_side, split_by_tokens
from mercato.models.encoder.manifest import QUERY_FILES, check_file, read_manifest
from mercato.models.encoder.tokenizer import TextTokenizer
from mercato.networks.onnx_session import OnnxSession
from mercato.progress import Progress
from mercato.text import TextRole

Precision = Literal["int8", "fp32"]
MODEL_FILES: dict[str, str] = {"int8": "model.int8.onnx", "fp32": "model.onnx"}
TOKENIZER_FILE = "tokenizer.json"
OUTPUT_NAME = "embedding"
# Tokens in one run of the network. A token's widest activations take 14 KB, so these stay in a core's 2 MB cache: 32
# short queries in one run take 1.2 times as long, 32 product titles of mixed length 4 times, most of it for padding
# (docs/decisions/0002-int8-per-token.md).
TOKENS_PER_RUN = 128
TOKENS_PER_LONG_RUN = 256
"""Of a catalogue's texts, which come sorted by length: a run's own cost is shared by more, and nothing is padded. 512
are quicker by another 5 % on a quiet machine and slower by 5 % beside other work
(docs/decisions/0046-indexing-speed.md)."""
TEXTS_PER_SORT = 4096
"""Texts that are tokenized together; they are of similar length in characters already."""


class OnnxEncoder:
    """Encodes texts with an exported encoder. Safe to use from several threads.

    Attributes:
        dimension: length of a vector.
        identity: hash of weights, tokenizer, pooling and prefixes; a snapshot of another one cannot be searched.
        precision: ``int8`` or ``fp32``.
        tokenizer: the tokenizer exported with the weights.
    """

    def __init__(
        self, folder: str | Path, *, precision: Precision | None = None, threads: int = 1, verify_hashes: bool = True
    ) -> None:
        """Load the encoder.

        Args:
            folder: what ``mercato export encoder --out`` wrote.
            precision: ``int8`` is 2.5 times as fast as ``fp32`` on CPU, at a cosine of 0.998 and more to it.
                None takes it where it was exported: a folder with an engine may lack it.
            threads: ONNX Runtime's threads for one call. Two callers with one thread each beat one with two.
            verify_hashes: compare each file's sha256 with the manifest (about 0.1 s); sizes are compared in any case.

        Raises:
            InvalidInputError: ``precision`` or ``threads`` is not one of those allowed.
            ModelError: the folder, its manifest or one of its files is missing or altered.
        """
        if precision is not None and precision not in MODEL_FILES:
            raise InvalidInputError("precision", f"must be one of {sorted(MODEL_FILES)}, got {precision!r}")
        if threads < 1:
            raise InvalidInputError("threads", f"must be at least 1, got {threads}")
        folder = Path(folder)
        manifest = read_manifest(folder)
        if precision is None:
            precision = "int8" if MODEL_FILES["int8"] in manifest.files else "fp32"
        model = check_file(folder, MODEL_FILES[precision], manifest, verify_hash=verify_hashes)
        tokenizer = check_file(folder, TOKENIZER_FILE, manifest, verify_hash=verify_hashes)
        self.dimension = manifest.serving.dimension
        self.identity = manifest.serving.identity
        self.precision: Precision = precision
        self.tokenizer = TextTokenizer(
            tokenizer, max_tokens=manifest.serving.max_tokens, prefixes=manifest.serving.prefixes
        )
        self._session = OnnxSession(model, model="encoder", output=OUTPUT_NAME, threads=threads)
        self._query_session = self._session
        if manifest.serving.query_identity:
            name = QUERY_FILES[MODEL_FILES[precision]]
            name = name if name in manifest.files else QUERY_FILES[MODEL_FILES["fp32"]]
            query_model = check_file(folder, name, manifest, verify_hash=verify_hashes)
            self._query_session = OnnxSession(query_model, model="encoder", output=OUTPUT_NAME, threads=threads)

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        """Encode a batch in one call of the model.

        Args:
            texts: the texts; see `encode_many` for thousands.
            role: what they are.

        Returns:
            float32 [texts, dimension], unit length. No text: [0, dimension].
        """
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return self.embed_tokens(*self.tokenizer(texts, role), role)

    def embed_tokens(self, input_ids: Int64, attention_mask: Int64, role: TextRole = "product") -> Float32:
        """Encode tokens.

        Args:
            input_ids: int64 [texts, tokens], padded on the right.
            attention_mask: int64 [texts, tokens], 1 for a token and 0 for padding. A row of zeros gives a zero vector.
            role: what the texts are; queries have a network of their own where the encoder has a query side.

        Texts of similar length go through the network together, without the padding that only the longest one of the
        batch needs. A text's vector does not depend on its neighbours (to 1e-6).

        Returns:
            float32 [texts, dimension], unit length.

        Raises:
            InvalidInputError: the two are not matrices of one shape, or have no token.
            ModelError: the model refuses them, for example an id beyond the vocabulary.
        """
        if input_ids.ndim != 2 or input_ids.shape != attention_mask.shape:
            raise InvalidInputError(
                "attention_mask",
                f"must have the shape of input_ids, [texts, tokens]; got {attention_mask.shape} and {input_ids.shape}",
            )
        if input_ids.shape[0] == 0:
            return np.zeros((0, self.dimension), dtype=np.float32)
        if input_ids.shape[1] == 0:
            raise InvalidInputError("input_ids", "must have at least one token a text, got 0")
        lengths = attention_mask.shape[1] - np.argmax(attention_mask[:, ::-1] != 0, axis=1)
        groups = split_by_tokens(lengths, TOKENS_PER_RUN)
        vectors = np.empty((len(input_ids), self.dimension), dtype=np.float32)
        session = self._query_session if role == "query" else self._session
        for group in groups:
            longest = int(lengths[group[-1]])
            vectors[group] = _run(session, input_ids[group, :longest], attention_mask[group, :longest])
        return vectors

    def iterate(
        self,
        texts: Sequence[str],
        *,
        role: TextRole = "product",
        tokens_per_run: int = TOKENS_PER_LONG_RUN,
        workers: int = 1,
    ) -> Iterator[EncodedBatch]:
        """Encode many texts batch by batch, shortest texts first.

        Texts are sorted by their tokens, so that hardly anything of a batch is padding; a batch holds a number of
        tokens, however many texts that are.

        Args:
            texts: the texts.
            role: what they are.
            tokens_per_run: tokens in one run of the network, padding included; a longer text runs alone.
            workers: threads that run the network side by side; the machine's cores are a good number.

        Yields:
            Batches as they finish, each with the positions of its texts; every position once.

        Raises:
            InvalidInputError: ``tokens_per_run`` or ``workers`` is below 1.
        """
        if tokens_per_run < 1:
            raise InvalidInputError("tokens_per_run", f"must be at least 1, got {tokens_per_run}")
        session = self._query_session if role == "query" else self._session

        def encode(batch: _Tokens) -> EncodedBatch:
            return EncodedBatch(positions=batch.positions, vectors=_run(session, batch.input_ids, batch.attention_mask))

        return run_side_by_side(encode, self._tokenize(texts, role, tokens_per_run), workers=workers)

    def _tokenize(self, texts: Sequence[str], role: TextRole, tokens_per_run: int) -> Iterator[_Tokens]:
        """Split texts into runs; so many at a time that their tokens need little memory."""
        order = order_by_length(texts)
        for start in range(0, len(order), TEXTS_PER_SORT):
            positions = order[start : start + TEXTS_PER_SORT]
            input_ids, attention_mask = self.tokenizer([texts[position] for position in positions], role)
            lengths = attention_mask.sum(axis=1)
            for group in split_by_tokens(lengths, tokens_per_run):
                longest = int(lengths[group[-1]])
                yield _Tokens(positions[group], input_ids[group, :longest], attention_mask[group, :longest])

    def encode_many(
        self,
        texts: Sequence[str],
        *,
        role: TextRole = "product",
        tokens_per_run: int = TOKENS_PER_LONG_RUN,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> Float32:
        """Encode many texts.

        Args:
            texts: the texts.
            role: what they are.
            tokens_per_run: as in `iterate`.
            workers: as in `iterate`.
            progress: told of texts, after each batch.

        Returns:
            float32 [texts, dimension] in the order of ``texts``, unit length.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        done = 0
        for batch in self.iterate(texts, role=role, tokens_per_run=tokens_per_run, workers=workers):
            vectors[batch.positions] = batch.vectors
            done += len(batch.positions)
            if progress is not None:
                progress("encoding texts", done, len(texts))
        return vectors


class _Tokens(NamedTuple):
    """Tokens of one run, and the positions of their texts."""

    positions: Int64
    input_ids: Int64
    attention_mask: Int64


def _run(session: OnnxSession, input_ids: Int64, attention_mask: Int64) -> Float32:
    return session.run(
        {
            "input_ids": np.ascontiguousarray(input_ids, dtype=np.int64),
            "attention_mask": np.ascontiguousarray(attention_mask, dtype=np.int64),
        }
    )
