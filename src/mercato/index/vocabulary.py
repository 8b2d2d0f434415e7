"""The words of a catalogue as shoppers would type them, with the number of products that have each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.index.catalog_words import CatalogWords, Numbering, NumberLists
from mercato.text.words import list_words

VOCABULARY_FIELDS = ("title", "brand", "categories", "attributes", "description")
MIN_WORD_CHARS = 3
MAX_WORD_CHARS = 40


def count_words(catalog: CatalogWords) -> dict[str, int]:
    """Count in how many products each word stands.

    Words are folded as `mercato.text.words.list_words` gives them, not stemmed, and made of letters alone: numbers,
    sizes, model numbers and scripts without spaces between words have no spelling to be corrected.

    Returns:
        Word -> number of products, the most frequent first, equal ones by the alphabet.
    """
    numbers: Numbering[str] = Numbering()
    parts = NumberLists.collect([numbers[part] for part in _list_parts(word)] for word in catalog.words)
    held = catalog.list_words(*VOCABULARY_FIELDS).distinct().follow(parts).distinct()
    found = zip(numbers, held.count(len(numbers)).tolist(), strict=True)
    counts = {word: count for word, count in found if count}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def list_spelt(product: Product) -> set[str]:
    """Return the words of a product that have a spelling, each once."""
    return _list_spelt(_list_texts(product))


def _list_texts(product: Product) -> list[str]:
    return [product.field_text(field) for field in VOCABULARY_FIELDS]


def _list_spelt(texts: Iterable[str]) -> set[str]:
    words: set[str] = set()
    for text in texts:
        words.update(list_words(text))
    return {part for word in words for part in _list_parts(word)}


def _list_parts(word: str) -> list[str]:
    """List what of a word has a spelling: a word with hyphens is several."""
    return [part for part in word.split("-") if is_spelt(part)]


class LiveVocabulary:
    """A vocabulary that follows the changes of products.

    Attributes:
        journal: the words whose counts changed, in order; whoever keeps something of the vocabulary reads on in it.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        """Begin with a snapshot's.

        Args:
            counts: word -> number of products; not written to.
        """
        self._counts = counts
        self._changed: dict[str, int] = {}
        self.journal: list[str] = []

    def count(self, word: str) -> int:
        """Return how many products have a word now."""
        return self._changed.get(word, self._counts.get(word, 0))

    def replace(self, old: Product | None, new: Product | None) -> None:
        """Count one product's words anew; at no cost where its texts stayed.

        Args:
            old: the product before; None for a new one.
            new: the product now; None for one that is gone.
        """
        old_texts = _list_texts(old) if old is not None else []
        new_texts = _list_texts(new) if new is not None else []
        if old_texts == new_texts:
            return
        before, after = _list_spelt(old_texts), _list_spelt(new_texts)
        for word in before ^ after:
            self._changed[word] = max(self.count(word) + (1 if word in after else -1), 0)
            self.journal.append(word)


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
