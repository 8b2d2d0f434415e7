"""Text to token ids, with the tokenizer file that was exported beside the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from mercato.errors import ModelError
from mercato.text import TextRole

DEFAULT_MAX_TOKENS = 128
# A token of real text has 4 to 6 characters. What comes after 32 characters a token is past the cut, and
# reading it would make a 100,000-character query cost 20 ms before it is thrown away.
CHARACTERS_PER_TOKEN = 32


class TextTokenizer:
    """Turns texts into padded token ids. Safe to use from several threads.

    Attributes:
        max_tokens: a text is cut after this many tokens, the two special ones included.
    """

    def __init__(
        self, file: Path, *, max_tokens: int = DEFAULT_MAX_TOKENS, prefixes: Mapping[TextRole, str] | None = None
    ) -> None:
        """Load a tokenizer.

        Args:
            file: ``tokenizer.json`` of the ``tokenizers`` library, of any kind: WordPiece, unigram, byte pairs.
            max_tokens: see the class.
            prefixes: what the encoder wants before the texts of each role; nothing without.

        Raises:
            ModelError: the file is missing or is not a tokenizer.
        """
        self.max_tokens = max_tokens
        self._prefixes: Mapping[TextRole, str] = prefixes or {}
        self._max_characters = max_tokens * CHARACTERS_PER_TOKEN
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as exc:  # the library raises bare Exception for everything
            raise ModelError(f"tokenizer: {file} cannot be loaded ({exc}); export the encoder again") from exc
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()

    def __call__(
        self, texts: Sequence[str], role: TextRole = "query"
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Tokenize a batch.

        Args:
            texts: the texts. An empty one has its two special tokens and those of its role's prefix. Lone surrogates
                are read as ``?``.
            role: what the texts are.

        Returns:
            ``input_ids`` and ``attention_mask``, both int64 [texts, longest], padded on the right with 0. No
            text: [0, 0].
        """
        prefix = self._prefixes.get(role, "")
        encodings = self._tokenizer.encode_batch_fast([self._clean(prefix + text) for text in texts])
        longest = max((len(encoding.ids) for encoding in encodings), default=0)
        input_ids = np.zeros((len(encodings), longest), dtype=np.int64)
        attention_mask = np.zeros((len(encodings), longest), dtype=np.int64)
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            input_ids[row, :length] = encoding.ids
            attention_mask[row, :length] = 1
        return input_ids, attention_mask

    def _clean(self, text: str) -> str:
        head = text[: self._max_characters]
        try:
            head.encode("utf-8")
        except UnicodeEncodeError:
            return head.encode("utf-8", "replace").decode("utf-8")
        return head
