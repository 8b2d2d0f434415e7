"""Queries as shoppers type them, for what was bought: what it is, with modifiers of other kinds, cut, misspelt.

Names of categories alone teach that every word of a query counts alike. Shoppers say what they want and of what sort,
and the shop may have nothing of that sort: "blueberry bagels" is answered by bagels, not by blueberries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mercato.query.head import PLACES, PREPOSITIONS, HeadPlace
from mercato_training.common.synthetic_queries import make_queries, split_title

HEAD_WORDS = 3
"""Most words of a category's name that are taken for what a product is."""
MODIFIED = 3
"""Queries with a modifier of another kind that are made for each category."""
CUT_WORDS = 4
"""Most words of a cut title."""
REORDERED, MISSPELT = 0.3, 0.3
"""Shares of the cut titles whose words change places, and of those in which two letters do."""
LEAST_LETTERS = 4
"""Words with fewer letters are not misspelt."""


class ShopperQueries:
    """Makes queries for the products of one catalogue.

    Every category has its queries once, so that all its products in an order answer them.
    """

    def __init__(self, documents: Sequence[Mapping[str, Any]], language: str, rng: np.random.Generator) -> None:
        """Collect the words that modify.

        Args:
            documents: of the products that queries are made for.
            language: as the snapshot calls it: where heads stand, and its prepositions.
            rng: for the draws.
        """
        names = {str(name) for document in documents for name in (document.get("categories") or ())[-1:]}
        self._modifiers = sorted({word for name in names for word in _list_letters(name)})
        self._place = PLACES.get(language, HeadPlace.ANYWHERE)
        self._prepositions = sorted(PREPOSITIONS.get(language, ()))
        self._rng = rng
        self._made: dict[tuple[str, ...], tuple[str, ...]] = {}

    def make(self, document: Mapping[str, Any]) -> tuple[str, ...]:
        """Make the queries of a product, distinct: those of its category, and a piece of its title.

        Args:
            document: of the product.
        """
        categories = tuple(map(str, document.get("categories") or ()))
        if categories not in self._made:
            heads = _list_letters(categories[-1])[:HEAD_WORDS] if categories else []
            modified = [self._modify(heads) for _ in range(MODIFIED)] if heads and self._modifiers else []
            self._made[categories] = (*make_queries(categories), *modified)
        cut = self._cut_title(str(document.get("title", "")))
        return tuple(dict.fromkeys([*self._made[categories], *([cut] if cut else [])]))

    def _modify(self, heads: Sequence[str]) -> str:
        """Put a modifier of another kind beside a head, as the language does, or behind a preposition."""
        others = [word for word in self._draw(self._modifiers, 3) if word not in heads][:1]
        if self._prepositions and self._rng.random() < 0.5:
            return " ".join([*heads, *self._draw(self._prepositions, 1), *others])
        before = self._place is HeadPlace.LAST or (self._place is HeadPlace.ANYWHERE and self._rng.random() < 0.5)
        return " ".join([*others, *heads] if before else [*heads, *others])

    def _cut_title(self, title: str) -> str:
        """Take some neighbouring words of a title; some pieces are reordered, some misspelt."""
        words = split_title(title)
        if len(words) < 2:
            return ""
        length = int(self._rng.integers(2, CUT_WORDS + 1))
        start = int(self._rng.integers(max(1, len(words) - length + 1)))
        piece = words[start : start + length]
        if self._rng.random() < REORDERED:
            piece = [piece[position] for position in self._rng.permutation(len(piece))]
        if self._rng.random() < MISSPELT:
            position = int(self._rng.integers(len(piece)))
            piece[position] = self._misspell(piece[position])
        return " ".join(piece)

    def _misspell(self, word: str) -> str:
        """Let two neighbouring letters change places, the first aside."""
        if len(word) < LEAST_LETTERS or not word.isalpha():
            return word
        at = int(self._rng.integers(1, len(word) - 1))
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    def _draw(self, words: Sequence[str], count: int) -> list[str]:
        return [words[int(position)] for position in self._rng.integers(len(words), size=count)]


def _list_letters(name: str) -> list[str]:
    """List the words of a name that are of letters, each once."""
    return list(dict.fromkeys(word for word in split_title(name) if len(word) > 1 and word.isalpha()))
