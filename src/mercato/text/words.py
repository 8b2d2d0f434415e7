"""Words of a text, for the word index: the same for documents and for queries."""

import re
import unicodedata
from collections.abc import Container, Iterable
from typing import NamedTuple

import Stemmer

from mercato.errors import InvalidInputError
from mercato.text.compounds import Part, PartFinder
from mercato.text.languages import LANGUAGES, Language
from mercato.text.letters import plain_letters
from mercato.text.measures import UNITS, Measure, Sides, compile_chunk, read_measures
from mercato.text.scripts import MARKS, WORDLESS, WORDLESS_RUNS, is_run, split_run
from mercato.text.stopwords import list_meaningless

SPLITTING = 2
"""Version of the rules by which texts become terms: a snapshot that was built by others is refused."""

OTHER_SPELLING_WEIGHT = 0.9
"""A word spelt with two letters for one, or what only looks so."""

SIDE_WEIGHT = 0.6
"""One side of two or three, "15 cm" of "10 x 15 cm"."""

_LETTER = f"[^\\W_{WORDLESS}]"
_CHUNK = compile_chunk(f"(?:{_LETTER}|[{MARKS}])", f"(?:{_LETTER}++|[{MARKS}]++)++", WORDLESS_RUNS)
_ASCII_CHUNK = compile_chunk(
    "[a-z0-9]", "[a-z0-9]+", "", ascii_only=True
)  # finds the same in ASCII text, in a third of the time
# "ps5", "iphone8": a name with its generation; longer codes ("8700k", "dv7-1211ea") stay whole.
_GENERATION = re.compile(r"([^\W\d_]{2,})(\d{1,2}(?:\.\d+)?)")
# Before NFKC, which would write "Core™2" as "CoreTM2".
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("’‘‛ʼʻʹ′´׳՚", "'"),
        **dict.fromkeys("″”“״", '"'),
        **dict.fromkeys("‐‑﹣－", "-"),
        **dict.fromkeys("✕✖⨯⨉", "×"),
        **dict.fromkeys("™®©", " "),
        **{"٫": ".", "٬": ",", "İ": "i", "ŉ": "'n"},
        **dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)), ""),  # how a character is drawn
    }
)
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_BEGINS_LIKE_VOWEL = re.compile("[aeiouyh]")
_CACHE_LIMIT = 300_000


class Chunk(NamedTuple):
    """The terms of one word as it is written.

    Attributes:
        parts: terms of its parts, in the text's order; one for a plain word.
        joined: term of the whole, where it has parts and a spelling in one word; else empty.
        minor: terms that a text with the word holds too, with what each is worth beside a word; queries do not ask
            for them.
    """

    parts: tuple[str, ...]
    joined: str = ""
    minor: tuple[Part, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Parts and whole, as `WordAnalyzer.analyze` gives them."""
        return (*self.parts, self.joined) if self.joined else self.parts


class TextTerms(NamedTuple):
    """What one text holds.

    Attributes:
        terms: of its words, in the text's order, repeated where they repeat.
        minor: what it holds beside: parts of compounds, single characters of words, each with its worth, 0 to 1.
    """

    terms: list[str]
    minor: list[Part]


class _WordTerms(NamedTuple):
    """What one word gives, kept ready."""

    chunks: tuple[Chunk, ...]
    terms: tuple[str, ...]
    minor: tuple[Part, ...]


class WordAnalyzer:
    """Splits a text into the terms of the word index.

    - Case and compatibility forms are folded (NFKC, ``str.casefold``), and letters are those that everybody can type
      (`mercato.text.letters`): ``Crème`` and ``creme``, ``Müll``, ``Muell`` (in German) and ``mull`` are one term.
    - Words are stemmed by the language's Snowball algorithm; ``'s`` goes, and what the language elides before an
      apostrophe (``l'eau``); other apostrophes vanish.
    - White space and punctuation separate words, hyphen, slash and colon too; a hyphenated word also gives its joined
      form (``wi-fi`` -> ``wi``, ``fi``, ``wifi``).
    - A number keeps its decimals, behind a point or a comma, and loses its groups. With a unit of measure behind it,
      apart or not, it gives number, unit and both joined (``16 oz``, ``16oz``, ``16-oz`` -> ``16``, ``oz``, ``16oz``).
      Sides are one word (``10 x 15 cm`` -> ``10x15``).
    - A name with a generation gives both parts and the whole (``ps5`` -> ``ps``, ``5``, ``ps5``).
    - A run of a script without spaces gives its words or its overlapping pairs of characters
      (`mercato.text.scripts`), a single one itself.

    Terms come in the text's order, repeated where they repeat: the word index counts them. Nothing is a stop word.
    Instances are cheap to make, keep a cache of the chunks they saw, and are used by one thread at a time.
    """

    def __init__(
        self, language: str = "english", *, decimal_comma: bool | None = None, known: Container[str] | None = None
    ) -> None:
        """Make an analyser.

        Args:
            language: a Snowball algorithm's name (``english``, ``german``, ``french``, ...), or ``none`` for no
                stemming. An index must be asked in the language that it was built in.
            decimal_comma: whether ``1,500`` is one and a half; None for what the language says.
            known: terms of the words that the catalogue holds; other words that hold them have them as minor terms.

        Raises:
            InvalidInputError: no such language.
        """
        names = ["none", *Stemmer.algorithms()]
        if language not in names:
            raise InvalidInputError("language", f"must be one of {', '.join(names)}, got {language!r}")
        self.language = language
        self._rules = LANGUAGES.get(language, Language())
        self._decimal_comma = self._rules.decimal_comma if decimal_comma is None else decimal_comma
        self._stemmer = None if language == "none" else Stemmer.Stemmer(language)
        self._known_words: dict[str, _WordTerms] = {}
        self.parts: PartFinder | None = None
        """Finds known words in others; None where none are known."""
        if known is not None:
            self.parts = PartFinder(self._rules, known, self._stem, list_meaningless(language))

    def analyze(self, text: str) -> list[str]:
        """Split one text.

        Args:
            text: any text; empty gives no terms.

        Returns:
            Its terms.
        """
        known = self._known_words
        terms: list[str] = []
        for word in list_words(text):
            terms += (known.get(word) or self._read_word(word)).terms
        return terms

    def read(self, text: str) -> TextTerms:
        """Split one text, as a document that is to be found.

        Args:
            text: any text; empty gives nothing.

        Returns:
            Its terms, as `analyze` gives them, and what it holds beside.
        """
        known = self._known_words
        terms: list[str] = []
        minor: list[Part] = []
        for word in list_words(text):
            found = known.get(word) or self._read_word(word)
            terms += found.terms
            if found.minor:
                minor += found.minor
        return TextTerms(terms, minor)

    def list_held(self, text: str) -> set[str]:
        """Return all that a text holds, each term once, whatever it is worth."""
        terms, minor = self.read(text)
        return {*terms, *(term for term, _ in minor)}

    def split(self, text: str) -> list[Chunk]:
        """Split one text and keep together what belongs together: a number and its unit, the parts of a word.

        Args:
            text: any text.

        Returns:
            Its chunks; their terms, one after the other, are those of `analyze`.
        """
        return [chunk for word in list_words(text) for chunk in self.split_word(word)]

    def split_word(self, word: str) -> tuple[Chunk, ...]:
        """Split one word of `list_words`; see `split`."""
        return (self._known_words.get(word) or self._read_word(word)).chunks

    def read_word(self, word: str) -> TextTerms:
        """Split one word of `list_words`; see `read`, which gives the terms of its words one after the other."""
        found = self._known_words.get(word) or self._read_word(word)
        return TextTerms(list(found.terms), list(found.minor))

    def analyze_all(self, texts: Iterable[str]) -> list[list[str]]:
        """Split many texts.

        Args:
            texts: any texts.

        Returns:
            The terms of each, in order.
        """
        return [self.analyze(text) for text in texts]

    def _read_word(self, word: str) -> _WordTerms:
        known = self._known_words
        if len(known) >= _CACHE_LIMIT:
            known.clear()
        chunks = tuple(chunk for chunk in map(_without_empty, self._split_into_chunks(word)) if chunk.parts)
        found = known[word] = _WordTerms(
            chunks,
            tuple(term for chunk in chunks for term in chunk.terms),
            tuple(part for chunk in chunks for part in chunk.minor),
        )
        return found

    def _split_into_chunks(self, word: str) -> list[Chunk]:
        if is_run(word):
            return [Chunk(*run) for run in split_run(word)]
        spelt, word = word, plain_letters(word)
        if word[:1].isdigit() or word[:1] == ".":
            measures = read_measures(word, decimal_comma=self._decimal_comma)
            if isinstance(measures, Sides):
                return [self._name_sides(measures)]
            if measures:
                return [self._name_measure(measure) for measure in measures]
        pieces = [piece for piece in (_strip_possessive(piece) for piece in word.split("-")) if piece]
        chunks = [self._split_word(piece) for piece in pieces]
        if len(pieces) == 1 and self._rules.digraphs:
            return [self._add_spelling(chunks[0], spelt, word)]
        if len(pieces) != 2:
            return chunks
        return [
            Chunk(
                tuple(term for chunk in chunks for term in chunk.terms),
                self._stem("".join(pieces).replace("'", "")),
                tuple(part for chunk in chunks for part in chunk.minor),
            )
        ]

    def _name_measure(self, measure: Measure) -> Chunk:
        numbers, unit = measure
        if not unit:
            return Chunk(numbers)
        name = UNITS[unit]
        spelt = self._stem(unit) if unit.isalpha() else name
        return Chunk((*numbers, spelt), measure.joined, ((name, 1.0),) if spelt != name else ())

    def _name_sides(self, sides: Sides) -> Chunk:
        """Name sides in one word, without their unit, which is written or not; texts are found by less, too."""
        numbers, unit = sides
        minor = dict.fromkeys(numbers, SIDE_WEIGHT)
        if len(numbers) > 2:
            minor["x".join(numbers[:2])] = SIDE_WEIGHT
        if unit:
            minor.update((Measure((number,), unit).joined, SIDE_WEIGHT) for number in numbers)
        return Chunk(("x".join(numbers),), "", tuple(minor.items()))

    def _split_word(self, word: str) -> Chunk:
        """Split a word in plain letters, without hyphens."""
        minor: tuple[Part, ...] = ()
        if "'" in word:
            whole = word.replace("'", "")
            word = self._strip_elided(word).replace("'", "")
            if word != whole:
                minor = ((self._stem(whole), 1.0),)  # "L'Oréal" is found by "loreal"
        named = _GENERATION.fullmatch(word)
        if named:
            return Chunk((self._stem(named[1]), named[2]), word)
        if self.parts is not None:
            minor += self.parts.find(word)
        return Chunk((self._stem(word),), "", minor)

    def _add_spelling(self, chunk: Chunk, spelt: str, word: str) -> Chunk:
        """Let a word be found by its other spelling: with two letters for one of the language's own, or with one."""
        apart = together = spelt
        for letter, pair in self._rules.digraphs:
            apart = apart.replace(letter, pair)
            together = together.replace(pair, letter)
        others = dict.fromkeys(plain_letters(other) for other in (apart, together))
        found = tuple((self._stem(other), OTHER_SPELLING_WEIGHT) for other in others if other != word)
        return chunk._replace(minor=(*chunk.minor, *found)) if found else chunk

    def _strip_elided(self, word: str) -> str:
        """Take off articles and the like that lost their vowel, where a vowel follows: "l'eau", "qu'il"."""
        while self._rules.elided:
            article, apostrophe, rest = word.partition("'")
            if not apostrophe or article not in self._rules.elided or not _BEGINS_LIKE_VOWEL.match(rest):
                break
            word = rest
        return word

    def _stem(self, word: str) -> str:
        """Return the term of a word in plain letters."""
        if self._stemmer is None:
            return word
        respell = self._rules.respell
        stem = str(self._stemmer.stemWord(word if respell is None else respell(word)))
        return stem if stem.isascii() else plain_letters(stem)


def list_words(text: str) -> list[str]:
    """List the words of a text as it is written, folded but not stemmed: what spelling and autocomplete work on.

    Args:
        text: any text.

    Returns:
        Its words in order: a number stays with its unit, a hyphenated word is one, so is a run of Chinese.
    """
    if text.isascii():
        return _ASCII_CHUNK.findall(text.lower())
    return _CHUNK.findall(_fold(text))


def _without_empty(chunk: Chunk) -> Chunk:
    """Leave out empty terms: an accent alone is no term."""
    return chunk if all(chunk.parts) else chunk._replace(parts=tuple(filter(None, chunk.parts)))


def _fold(text: str) -> str:
    text = text.translate(_TYPOGRAPHY)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _OTHER_DIGIT.sub(_read_digit, text.replace("l\u00b7l", "ll"))  # Catalan "col·lecció"


def _read_digit(digit: re.Match[str]) -> str:
    return str(unicodedata.decimal(digit[0]))


def _strip_possessive(word: str) -> str:
    return word.removesuffix("'s")
