"""Suggestions that changes of products brought: found by prefix too, in blocks that are merged as they grow."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set

from mercato.query.suggest.collect import MAX_PHRASE_CHARS, Counts, Entry, Role, may_stand, stands_alone, weigh
from mercato.query.suggest.index import FIRST_WORD_BONUS, SuggestionIndex, build_arrays, merge_indexes
from mercato.query.suggest.request import list_starts

TAIL_TEXTS = 512
"""So many of the newest texts are kept in a sorted list; then they become a block."""
BLOCK_TEXTS = 65_536
"""Blocks are merged up to this size: a larger one would take a fifth of a second to merge, in one piece."""
MAX_COUNTED_PHRASES = 300_000
"""Phrases that one added product has are counted up to so many, then forgotten: a second product is soon or never."""


class _Place:
    """Where a text is kept."""

    __slots__ = ("block", "counts", "entry")

    def __init__(self) -> None:
        self.counts = [0, 0, 0, 0]
        self.block: SuggestionIndex | None = None
        self.entry = -1


class AddedSuggestions:
    """Texts that the snapshot does not suggest, with the number of products that have each now."""

    def __init__(self, stopwords: Set[str] = frozenset()) -> None:
        """Make an empty one.

        Args:
            stopwords: words that a phrase neither begins nor ends with.
        """
        self._stopwords = stopwords
        self._places: dict[str, _Place] = {}
        self._blocks: list[SuggestionIndex] = []
        self._tail: list[tuple[str, str]] = []  # what follows the beginning of a word, and the whole text
        self._tail_texts = 0
        self._phrases: Counter[tuple[str, ...]] = Counter()

    def change(self, text: str, role: Role, by: int) -> int:
        """Count one product more or less for a text.

        Args:
            text: folded.
            role: what the text is to the product.
            by: 1 or -1, or more at once.

        Returns:
            1 where the text is suggested from now on, -1 where it no longer is, else 0.
        """
        place = self._places.get(text)
        if place is None:
            if by < 0:
                return 0
            place = self._places[text] = _Place()
            for start in list_starts(text):
                insort(self._tail, (text[start:], text))
            self._tail_texts += 1
        before = any(place.counts)
        place.counts[role] = max(place.counts[role] + by, 0)
        if place.block is not None:
            place.block.recount(place.entry, place.counts)
        if self._tail_texts >= TAIL_TEXTS:
            self._build_block()
        return any(place.counts) - before

    def count_phrases(self, phrases: Iterable[tuple[str, ...]], by: int) -> Iterator[tuple[str, int]]:
        """Count the phrases of one title; those that a second product has are suggested.

        Args:
            phrases: as words.
            by: 1, or -1 for a product that is gone.

        Yields:
            Texts that are suggested from now on (1) or no longer (-1).
        """
        fresh = []
        for phrase in phrases:
            text = " ".join(phrase)
            place = self._places.get(text)
            if place is not None and place.counts[Role.PHRASE]:
                yield text, self.change(text, Role.PHRASE, by)
            elif len(text) <= MAX_PHRASE_CHARS:
                self._phrases[phrase] += by
                if self._phrases[phrase] <= 0:
                    del self._phrases[phrase]
                fresh.append(phrase)
        within: dict[tuple[str, ...], int] = {}
        for phrase in fresh:
            for part in (phrase[1:], phrase[:-1]):
                within[part] = max(within.get(part, 0), self._phrases[phrase])
        for phrase in fresh:
            count = self._phrases[phrase]
            if count > 1 and stands_alone(count, within.get(phrase, 0)) and may_stand(phrase, self._stopwords):
                del self._phrases[phrase]
                text = " ".join(phrase)
                yield text, self.change(text, Role.PHRASE, count)
        if len(self._phrases) > MAX_COUNTED_PHRASES:
            self._phrases = Counter({phrase: count for phrase, count in self._phrases.items() if count > 1})

    def find(self, prefix: str, limit: int) -> list[list[Entry]]:
        """Find suggestions that hold a prefix at the beginning of a word; see `SuggestionIndex.find`.

        Returns:
            Several lists, each with its heaviest first.
        """
        lists = [block.find(prefix, limit) for block in self._blocks]
        if self._tail:
            lists.append(self._find_in_tail(prefix, limit))
        return lists

    def _find_in_tail(self, prefix: str, limit: int) -> list[Entry]:
        found: dict[str, Entry] = {}
        for index in range(bisect_left(self._tail, (prefix, "")), len(self._tail)):
            rest, text = self._tail[index]
            if not rest.startswith(prefix):
                break
            counts = self._places[text].counts
            if any(counts):
                weight, kind = weigh(counts)
                weight += FIRST_WORD_BONUS * (rest == text)
                if text not in found or found[text].weight < weight:
                    found[text] = Entry(text, weight, kind)
        return sorted(found.values(), key=lambda entry: (-entry.weight, entry.text))[:limit]

    def _build_block(self) -> None:
        """Make a block of the tail, and one of it and those before that are hardly larger; what is gone is left out."""
        texts = dict.fromkeys(text for _, text in self._tail)
        self._tail, self._tail_texts = [], 0
        entries = [
            Entry(text, *weigh(counts), _freeze(counts)) for text in texts if any(counts := self._counts_of(text))
        ]
        blocks = [SuggestionIndex(build_arrays(entries))]
        size = len(entries)
        while self._blocks and len(self._blocks[-1]) <= min(2 * size, BLOCK_TEXTS - size):
            blocks.append(self._blocks.pop())
            size += len(blocks[-1])
            texts.update(dict.fromkeys(blocks[-1].texts()))
        block = merge_indexes(blocks) if len(blocks) > 1 else blocks[0]
        self._blocks.append(block)
        for entry, text in enumerate(block.texts()):
            place = self._places[text]
            place.block, place.entry = block, entry
        for text in texts:
            if not any(self._counts_of(text)):
                del self._places[text]

    def _counts_of(self, text: str) -> list[int]:
        return self._places[text].counts


def _freeze(counts: Sequence[int]) -> Counts:
    title, phrase, brand, category = counts
    return title, phrase, brand, category
