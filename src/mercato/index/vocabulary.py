"""The words of a catalogue as shoppers would type them, with the number of products that have each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.text.words import list_words

VOCABULARY_FIELDS = ("title", "brand", "categories", "attributes", "description")
MIN_WORD_CHARS = 3
MAX_WORD_CHARS = 40


def count_words(products: Iterable[Product]) -> dict[str, int]:
    """Count in how many products each word stands.

    Words are folded as `mercato.text.words.list_words` gives them, not stemmed, and made of letters alone: numbers,
    sizes, model numbers and scripts without spaces between words have no spelling to be corrected.

    Returns:
        Word -> number of products, the most frequent first, equal ones by the alphabet.
    """
    counts: Counter[str] = Counter()
    for product in products:
        words: set[str] = set()
        for field in VOCABULARY_FIELDS:
            words.update(list_words(product.field_text(field)))
        counts.update(part for word in words for part in word.split("-") if is_spelt(part))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def is_spelt(word: str) -> bool:
    """Return whether a folded word has a spelling: 3 to 40 letters of a script with cases, apostrophes aside."""
    if not MIN_WORD_CHARS <= len(word) <= MAX_WORD_CHARS:
        return False
    letters = word.replace("'", "")
    return letters.isalpha() and letters.upper() != letters


def write_vocabulary(path: Path, counts: Mapping[str, int]) -> None:
    """Write a vocabulary: JSON, word -> number of products."""
    path.write_text(json.dumps(dict(counts), ensure_ascii=False), encoding="utf-8")


def read_vocabulary(path: Path) -> dict[str, int]:
    """Read what `write_vocabulary` wrote.

    Raises:
        SnapshotError: the file is missing or altered.
    """
    try:
        counts: dict[str, int] = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise SnapshotError(f"{path.name}: cannot be read ({exc}); build the snapshot again") from exc
    return counts
