"""Words within words: parts of compounds, and words behind a particle that is written together with them.

What is a word the shop says itself: a part is one that its texts hold by itself. The parts are terms of the products
that hold the compound, and count less than the word itself would (docs/decisions/0033-words-of-all-scripts.md).
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator

from mercato.text.languages import LANGUAGES, Language

HEAD_WEIGHT = 0.6
"""The last part says what the thing is: a Tischlampe is a lamp."""
MODIFIER_WEIGHT = 0.3
"""The others say which: a Tischlampe is no table, and made for one."""
AFTER_PARTICLE_WEIGHT = 0.8
"""The same word, with "the", "and", "in" before it; or a word that begins like that."""

MIN_COMPOUND_CHARS = 6
MAX_COMPOUND_CHARS = 60
MIN_PART_CHARS = 3
_SURE_HEAD_CHARS = 5  # a head before which no word is known is at least so long,
_SURE_REST_CHARS = 4  # and what stands before it so long
_MAX_DEPTH = 3
_ANY_BEGINNING = "banana"
_VOWEL = re.compile("[aeiouy]")
# No first parts, whatever is left: verbs are made with them.
_PREFIXES = frozenset("ver ent zer miss emp fore for und van zonder".split())
# Ends of words that are no words.
_SUFFIX = re.compile(
    "(?:(?:i?er)?ung(?:en)?|lich(?:e[mnrs]?)?|isch(?:e[mnrs]?)?|heit(?:en)?|keit(?:en)?|schaft(?:en)?|igen?|chen|lein|"
    "bare?[mnrs]?|loses?|eren|iert(?:e[mnrs]?)?|erin(?:nen)?|ische|heid|ingen?|elijke?|lijke?|liga|iska?|else[nr]?|"
    "heten?|skap)"
)
#: What is written together with the word behind it, in Hebrew and in Arabic: "and", "the", "in", "to", "from", "as".
PARTICLES = tuple(
    "ה ו ב ל מ ש כ וה וב ול ומ וש וכ שה שב מה בה לה כש ושה ומה ال و ف ب ل ك وال فال بال كال لل ولل وبال وب ول".split()
)
_PARTICLES = frozenset(PARTICLES)
_PARTICLE_STARTS = frozenset(particle[0] for particle in PARTICLES)
_LONGEST_PARTICLE = max(map(len, PARTICLES))

Part = tuple[str, float]
"""A term, and what it is worth beside a word that stands alone."""


def holds_words(language: str, terms: Iterable[str]) -> bool:
    """Return whether words of a catalogue may hold others: compounds of its language, or words behind a particle.

    Args:
        language: as the Snowball stemmer calls it.
        terms: of the catalogue.
    """
    rules = LANGUAGES.get(language)
    return (rules is not None and rules.compounds) or any(term[0] in _PARTICLE_STARTS for term in terms)


class PartFinder:
    """Finds the words of a shop within its words."""

    def __init__(
        self, language: Language, known: Container[str], stem: Callable[[str], str], stopwords: Container[str]
    ) -> None:
        """Make a finder.

        Args:
            language: whether and how it makes compounds.
            known: terms of words that stand alone in the shop's texts.
            stem: word to term.
            stopwords: words that say nothing, and are no parts.
        """
        self._language = language
        self._known = known
        self._stem = stem
        self._stopwords = stopwords

    @property
    def finds_compounds(self) -> bool:
        """Whether the language has compounds."""
        return self._language.compounds

    @staticmethod
    def is_particled(word: str) -> bool:
        """Return whether a word is of a script whose particles are written together with words."""
        return "\u05d0" <= word[0] <= "\u05ea" or "\u0620" <= word[0] <= "\u064a"

    def find(self, word: str) -> tuple[Part, ...]:
        """Find the parts of a word.

        A compound is cut before the longest known word that it ends with, if what is left is a known word (linking
        letters aside), or long enough to be one that the shop does not have alone. The longest decides: "Staubecken"
        ends with "Becken" where the shop has such, not with "Ecken". Where no end is known, a known beginning is found.

        Args:
            word: in plain letters.

        Returns:
            Distinct terms with their weights, without that of the word itself.
        """
        if word[:1] in _PARTICLE_STARTS:
            return tuple((rest, AFTER_PARTICLE_WEIGHT) for rest in self._behind_particles(word) if rest in self._known)
        if not self._language.compounds or not MIN_COMPOUND_CHARS <= len(word) <= MAX_COMPOUND_CHARS:
            return ()
        if not word.isalpha():
            return ()
        found: dict[str, float] = {}
        for term, weight in self._divide(word, _MAX_DEPTH):
            found[term] = max(found.get(term, 0.0), weight)
        found.pop(self._stem(word), None)
        return tuple(found.items())

    def may_end_with(self, word: str, end: str, *, sure: bool) -> bool:
        """Return whether the last part of a compound may be a word that the shop does not have alone.

        Args:
            word: the compound, or its term.
            end: what it ends with.
            sure: it is long enough to stand behind what is no known word.
        """
        rest = word[: len(word) - len(end)]
        if len(rest) < MIN_PART_CHARS:
            return False
        return bool(self._modifiers(rest, 1)) or (sure and self._may_modify(rest))

    def list_beginnings(self, word: str) -> list[str]:
        """List how a compound begins whose first part is a word: with it, or without the end that it loses there."""
        return [word, *(word.removesuffix(lost) for lost in self._language.shortened if word.endswith(lost))]

    @staticmethod
    def may_begin_with(term: str, start: str) -> bool:
        """Return whether a term that begins with a word may be that of a compound: what follows is no mere ending."""
        rest = term[len(start) :]
        return len(rest) >= MIN_PART_CHARS and _VOWEL.search(rest) is not None and not _SUFFIX.fullmatch(rest)

    def stem_at_end(self, word: str) -> str:
        """Return what is left of a word at the end of a compound's term; stemmers look at what stands before."""
        return self._stem(_ANY_BEGINNING + word)[len(_ANY_BEGINNING) :]

    def _divide(self, word: str, depth: int) -> list[Part]:
        """Divide a compound; empty where it has no parts that are known."""
        for cut in range(MIN_PART_CHARS, len(word) - MIN_PART_CHARS + 1):
            head = word[cut:]
            term = self._known_term(head)
            if not term:
                continue
            rest = word[:cut]
            modifiers = self._modifiers(rest, depth - 1)
            if modifiers or (len(head) >= _SURE_HEAD_CHARS and self._may_modify(rest)):
                within = self._divide(head, depth - 1) if depth > 1 else []
                return [
                    (term, HEAD_WEIGHT),
                    *((part, weight * HEAD_WEIGHT) for part, weight in within),
                    *((modifier, MODIFIER_WEIGHT) for modifier in modifiers),
                ]
        for cut in range(len(word) - _SURE_REST_CHARS, _SURE_REST_CHARS - 1, -1):
            rest = word[cut:]
            if _VOWEL.search(rest) and not _SUFFIX.fullmatch(rest):
                modifiers = self._modifiers(word[:cut], depth - 1)
                if modifiers:
                    return [(modifier, MODIFIER_WEIGHT) for modifier in modifiers]
        return []

    def _modifiers(self, text: str, depth: int) -> list[str]:
        """Return the terms of the words that a compound begins with; empty where they are not known."""
        for candidate in self._unlink(text):
            term = self._known_term(candidate)
            if term:
                return [term]
        if depth > 0 and len(text) >= 2 * MIN_PART_CHARS:
            parts = self._divide(text, depth)
            if len(parts) > 1:
                return [term for term, _ in parts]
        return []

    def _unlink(self, text: str) -> Iterator[str]:
        """List the words that the first part of a compound may be: without what links it, or with what it lost."""
        yield text
        for link in self._language.links:
            if text.endswith(link) and len(text) - len(link) >= MIN_PART_CHARS:
                yield text[: -len(link)]
        for lost in self._language.shortened:
            yield text + lost

    def _known_term(self, word: str) -> str:
        if word in self._stopwords or not _VOWEL.search(word):
            return ""
        term = self._stem(word)
        return term if term in self._known and len(term) >= MIN_PART_CHARS - 1 else ""

    def _may_modify(self, text: str) -> bool:
        return (
            len(text) >= _SURE_REST_CHARS
            and _VOWEL.search(text) is not None
            and text not in _PREFIXES
            and text not in self._stopwords
        )

    @staticmethod
    def _behind_particles(word: str) -> Iterator[str]:
        for length in range(1, min(_LONGEST_PARTICLE, len(word) - MIN_PART_CHARS) + 1):
            if word[:length] in _PARTICLES:
                yield word[length:]
