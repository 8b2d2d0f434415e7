"""A query in another language than the shop's: its words looked up in the shop's glosses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from mercato.index.glosses import Glosses
from mercato.text.language_names import Language
from mercato.text.stopwords import list_stopwords
from mercato.text.words import WordAnalyzer, list_words

MAX_PHRASE_WORDS = 3
MAX_RUN_CHARS = 8
"""Characters of the longest word that is looked for in a run of Chinese."""
MIN_PART_CHARS = 3
LINKS = ("", "s", "n", "en", "es", "e")
"""What may stand between the parts of a compound."""
_AS_WRITTEN = WordAnalyzer("none")
_RUN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True)
class Segment:
    """A word or phrase of a query.

    Attributes:
        text: as it was typed, folded.
        glosses: what it may mean in the shop's language, the likeliest first; none for what stays as it is.
    """

    text: str
    glosses: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """What it is read as."""
        return self.glosses[0] if self.glosses else self.text


class Glossary:
    """The glosses of one language in one shop."""

    def __init__(self, language: Language, glosses: Glosses, is_known: Callable[[str], bool]) -> None:
        """Make a glossary.

        Args:
            language: of the words that are looked up.
            glosses: word or phrase, folded -> glosses.
            is_known: whether the catalogue has a word.
        """
        self.language = language
        self._glosses = glosses
        self._is_known = is_known
        self._analyzer = WordAnalyzer(language.name if language.stemmed else "none")
        self._stopwords = list_stopwords(self._analyzer, language.name)
        self._unstemmed = list_stopwords(_AS_WRITTEN, language.name)

    def has(self, word: str) -> bool:
        """Return whether a word means something that the shop has."""
        return bool(self._look_up(word))

    def read(self, text: str) -> list[Segment]:
        """Split a query into words and phrases, with their glosses; words that say nothing are left out.

        The longest phrase counts. A word is looked up as it is, then by its stem, then by its parts; a run of Chinese
        is cut into the fewest words from left to right.

        Args:
            text: a query in the glossary's language; words of others stay as they are.
        """
        words = [part for word in list_words(text) for part in _split_runs(word)]
        segments: list[Segment] = []
        position = 0
        while position < len(words):
            length, glosses = self._look_up_longest(words, position)
            if glosses:
                segments.append(Segment(" ".join(words[position : position + length]), glosses))
            elif _RUN.fullmatch(words[position]):
                segments += self._cut(words[position])
            elif not self._says_nothing(words[position]):
                segments += self._split(words[position])
            position += length
        return segments

    def _look_up_longest(self, words: list[str], position: int) -> tuple[int, tuple[str, ...]]:
        for length in range(min(MAX_PHRASE_WORDS, len(words) - position), 1, -1):
            phrase = words[position : position + length]
            # Chinese writes letters and characters in one: "u" and "\u76d8" are a USB stick
            glosses = self._glosses.get(" ".join(phrase)) or self._glosses.get("".join(phrase))
            if glosses:
                return length, tuple(glosses)
        word = words[position]
        return 1, () if self._says_nothing(word) else self._look_up(word)

    def _look_up(self, word: str) -> tuple[str, ...]:
        """Return what a word means; one that the shop has is itself before it is a form of another."""
        found = self._glosses.get(word)
        if found is None:
            found = self._glosses.get(self._by_stem.get(self._stem(word), ""), ())
            if found and self._is_known(word):
                found = (word, *(gloss for gloss in found if gloss != word))
        return tuple(found)

    def _says_nothing(self, word: str) -> bool:
        """Return whether a word says nothing; not what the shop has and a stemmer alone takes for such: "usb hub"."""
        if not self._stopwords.issuperset(self._analyzer.analyze(word)):
            return False
        return self._unstemmed.issuperset(_AS_WRITTEN.analyze(word)) or not self._is_known(word)

    def _stem(self, word: str) -> str:
        return " ".join(self._analyzer.analyze(word))

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """A word of each stem, the shortest, which is mostly the one that the others are formed from."""
        found: dict[str, str] = {}
        if self.language.stemmed:
            for word in sorted((word for word in self._glosses if " " not in word), key=len):
                found.setdefault(self._stem(word), word)
        return found

    def _cut(self, run: str) -> list[Segment]:
        """Cut a run of Chinese: at each place the longest word that has glosses, else what lies between two such."""
        segments: list[Segment] = []
        start = position = 0
        while position < len(run):
            for length in range(min(MAX_RUN_CHARS, len(run) - position), 0, -1):
                glosses = self._glosses.get(run[position : position + length])
                if glosses:
                    if start < position:
                        segments.append(Segment(run[start:position]))
                    segments.append(Segment(run[position : position + length], tuple(glosses)))
                    position += length
                    start = position
                    break
            else:
                position += 1
        return [*segments, Segment(run[start:])] if start < len(run) else segments

    def _split(self, word: str) -> list[Segment]:
        """Split a compound that has no gloss itself into two words that have, or that the catalogue knows."""
        if not self.language.joins_words or self._is_known(word):
            return [Segment(word)]
        best: list[Segment] = []
        for first, second in _list_cuts(word):
            parts = [Segment(first, self._look_up(first)), Segment(second, self._look_up(second))]
            whole = all(part.glosses or self._is_known(part.text) for part in parts)
            # of "Kameratasche" rather Kamera + tasche than Kamerat + asche: parts of like length
            if whole and (not best or abs(len(first) - len(second)) < abs(len(best[0].text) - len(best[1].text))):
                best = parts
        return best or [Segment(word)]


def _split_runs(word: str) -> Iterator[str]:
    """Yield the runs of Chinese of a word and what stands between them."""
    at = 0
    for run in _RUN.finditer(word):
        if run.start() > at:
            yield word[at : run.start()]
        yield run[0]
        at = run.end()
    if at < len(word):
        yield word[at:]


def _list_cuts(word: str) -> Iterator[tuple[str, str]]:
    for cut in range(MIN_PART_CHARS, len(word) - MIN_PART_CHARS + 1):
        for link in LINKS:
            first = word[:cut].removesuffix(link) if link else word[:cut]
            if (not link or word[:cut].endswith(link)) and len(first) >= MIN_PART_CHARS:
                yield first, word[cut:]
