"""Query and product to one row of token ids: ``[CLS] query [SEP] product [SEP]``."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from mercato.arrays import Int64
from mercato.errors import ModelError
from mercato.models.encoder.tokenizer import CHARACTERS_PER_TOKEN

TEXTS_KEPT = 50_000
"""Products whose tokens are kept: the same ones are read again and again. About 30 MB at 64 tokens."""


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """Tokenised pairs, padded on the right with 0.

    Attributes:
        input_ids: int64 [pairs, longest].
        attention_mask: int64 [pairs, longest], 1 for a token.
        token_type_ids: int64 [pairs, longest], 1 for the product and the ``[SEP]`` after it.
        lengths: int64 [pairs], tokens of each.
    """

    input_ids: Int64
    attention_mask: Int64
    token_type_ids: Int64
    lengths: Int64

    def take(self, positions: npt.NDArray[np.int64]) -> PairBatch:
        """Return some pairs, cut to the longest of them."""
        longest = int(self.lengths[positions].max(initial=1))
        return PairBatch(
            input_ids=self.input_ids[positions, :longest],
            attention_mask=self.attention_mask[positions, :longest],
            token_type_ids=self.token_type_ids[positions, :longest],
            lengths=self.lengths[positions],
        )


class PairTokenizer:
    """Turns queries and product texts into pairs. Keeps the tokens of products. Safe to use from several threads.

    Attributes:
        max_tokens: a pair is cut after this many tokens, the three special ones included.
        query_tokens: a query is cut after this many.
    """

    def __init__(self, file: Path, *, max_tokens: int, query_tokens: int) -> None:
        """Load a tokenizer.

        Args:
            file: ``tokenizer.json`` of the ``tokenizers`` library, with ``[CLS]`` and ``[SEP]``.
            max_tokens: see the class.
            query_tokens: see the class.

        Raises:
            ModelError: the file is missing, is not a tokenizer, or knows no ``[CLS]`` and ``[SEP]``.
        """
        self.max_tokens = max_tokens
        self.query_tokens = query_tokens
        remedy = "export the reranker again: mercato export reranker --weights DIR"
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as exc:  # the library raises bare Exception for everything
            raise ModelError(f"reranker: {file} cannot be loaded ({exc}); {remedy}") from exc
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        start, separator = (self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        if start is None or separator is None:
            raise ModelError(f"reranker: {file} must know [CLS] and [SEP], and does not; {remedy}")
        self._start, self._separator = start, separator
        self._kept: OrderedDict[str, Int64] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> PairBatch:
        """Tokenize each query with each of its texts.

        Args:
            queries: the queries.
            texts: for each query its product texts.

        Returns:
            The pairs: those of the first query, then those of the second, and so on. No pair: [0, 0].
        """
        of_query = [ids[: self.query_tokens] for ids in self._encode(queries)]
        of_text = self._read_texts([text for group in texts for text in group])
        owner = np.repeat(np.arange(len(queries)), [len(group) for group in texts])
        room = self.max_tokens - 3
        lengths = np.array(
            [
                3 + len(of_query[number]) + min(len(ids), room - len(of_query[number]))
                for number, ids in zip(owner, of_text, strict=True)
            ],
            dtype=np.int64,
        )
        longest = int(lengths.max(initial=0))
        input_ids = np.zeros((len(of_text), longest), np.int64)
        types = np.zeros_like(input_ids)
        for row, (number, ids) in enumerate(zip(owner, of_text, strict=True)):
            asked, length = of_query[number], lengths[row]
            second = 2 + len(asked)
            input_ids[row, 0] = self._start
            input_ids[row, 1 : second - 1] = asked
            input_ids[row, second - 1] = self._separator
            input_ids[row, second : length - 1] = ids[: length - 1 - second]
            input_ids[row, length - 1] = self._separator
            types[row, second:length] = 1
        mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
        return PairBatch(input_ids=input_ids, attention_mask=mask, token_type_ids=types, lengths=lengths)

    def _read_texts(self, texts: Sequence[str]) -> list[Int64]:
        with self._lock:
            found = {text: self._kept[text] for text in dict.fromkeys(texts) if text in self._kept}
            for text in found:
                self._kept.move_to_end(text)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            fresh = dict(zip(missing, self._encode(missing), strict=True))
            found.update(fresh)
            with self._lock:
                self._kept.update(fresh)
                while len(self._kept) > TEXTS_KEPT:
                    self._kept.popitem(last=False)
        return [found[text] for text in texts]

    def _encode(self, texts: Sequence[str]) -> list[Int64]:
        heads = [_clean(text[: self.max_tokens * CHARACTERS_PER_TOKEN]) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(heads, add_special_tokens=False)
        return [np.array(encoding.ids[: self.max_tokens], np.int64) for encoding in encodings]


def _clean(text: str) -> str:
    """Return a text that is UTF-8: lone surrogates are read as ``?``."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
