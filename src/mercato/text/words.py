"""Words of a text, for the word index: the same for documents and for queries."""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

import Stemmer

from mercato.errors import InvalidInputError

# Units of measure as shops write them -> one spelling for the joined word, so that "16 ounces" finds "16oz".
UNITS: dict[str, str] = {
    spelling: unit
    for unit, spellings in {
        "oz": "oz ounce ounces", "floz": "floz", "lb": "lb lbs pound pounds", "g": "g gr gram grams gramme grammes",
        "kg": "kg kgs kilo kilos kilogram kilograms", "mg": "mg", "ml": "ml", "cl": "cl",
        "l": "l lt ltr liter liters litre litres", "gal": "gal gallon gallons", "qt": "qt quart quarts",
        "pt": "pt pint pints", "ct": "ct count", "pk": "pk pack packs", "pc": "pc pcs piece pieces",
        "mm": "mm", "cm": "cm", "m": "m meter meters metre metres", "km": "km", "ft": "ft feet foot",
        "yd": "yd yards", "inch": "inch inches in \" ''", "kb": "kb", "mb": "mb", "gb": "gb", "tb": "tb",
        "gbps": "gbps", "mbps": "mbps", "hz": "hz", "khz": "khz", "mhz": "mhz", "ghz": "ghz", "w": "w watt watts",
        "kw": "kw", "kwh": "kwh", "wh": "wh", "v": "v volt volts", "a": "a amp amps", "mah": "mah",
        "mp": "mp megapixel megapixels", "rpm": "rpm", "dpi": "dpi", "btu": "btu", "ppm": "ppm", "db": "db", "x": "x",
    }.items()
    for spelling in spellings.split()
}  # fmt: skip

# Scripts written without spaces between words: kana, Han, Hangul.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
# Combining marks are not \w for `re`, yet part of words in Indic scripts, Thai, Arabic, Hebrew.
_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u0670\u0900-\u0dff\u0e00-\u0eff"
_NUMBER = r"(?:\d+(?:[.,]\d+)*|(?<![\w.])\.\d+)"
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))


def _compile_chunk(letter: str, wordless_script: str) -> re.Pattern[str]:
    """Compile the pattern of one chunk: what the cache of terms is asked for."""
    return re.compile(
        wordless_script
        # A number with its unit, and one that ends where a word would go on.
        + f"(?<![^\\W_]){_NUMBER}[ -]?(?:{_UNIT})(?!{letter})|{_NUMBER}(?!{letter})"
        # A name with its version ("usb3.1"), a word with its hyphens and apostrophes.
        f"|{letter}{{2,}}\\d{{1,2}}\\.\\d+(?!{letter})|{letter}+(?:['-]{letter}+)*"
    )


_CHUNK = _compile_chunk(f"(?:(?![{_CJK}])[^\\W_]|[{_MARKS}])", f"[{_CJK}]+|")
_ASCII_CHUNK = _compile_chunk("[a-z0-9]", "")  # finds the same in ASCII text, in a third of the time
_IS_CJK = re.compile(f"[{_CJK}]+")
_IS_NUMBER = re.compile(_NUMBER)
_NUMBER_WITH_UNIT = re.compile(f"({_NUMBER})[ -]?({_UNIT})")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
# "ps5", "iphone8": a name with its generation; longer codes ("8700k", "dv7-1211ea") stay whole.
_GENERATION = re.compile(r"([^\W\d_]{2,})(\d{1,2}(?:\.\d+)?)")
_ACCENTS = re.compile("[\u0300-\u036f]")
# Before NFKC, which would write "Core™2" as "CoreTM2".
_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "‐": "-", "‑": "-", "″": '"', "”": '"', "™": " ", "®": " ", "©": " "})
_CACHE_LIMIT = 300_000


class Chunk(NamedTuple):
    """The terms of one word as it is written.

    Attributes:
        parts: terms of its parts, in the text's order; one for a plain word.
        joined: term of the whole, where it has parts and a spelling in one word; else empty.
    """

    parts: tuple[str, ...]
    joined: str = ""

    @property
    def terms(self) -> tuple[str, ...]:
        """Parts and whole, as `WordAnalyzer.analyze` gives them."""
        return (*self.parts, self.joined) if self.joined else self.parts


class WordAnalyzer:
    """Splits a text into the terms of the word index.

    - Case and compatibility forms are folded (NFKC, ``str.casefold``); accents are dropped after stemming
      (``Crème`` and ``creme`` are one term).
    - Words are stemmed by the language's Snowball algorithm; ``'s`` goes, other apostrophes vanish.
    - White space and punctuation separate words, hyphen, slash and colon too; a hyphenated word also gives its joined
      form (``wi-fi`` -> ``wi``, ``fi``, ``wifi``).
    - A number keeps its decimals and loses thousands separators. With a unit of measure behind it, apart or not,
      it gives number, unit and both joined (``16 oz``, ``16oz``, ``16-oz`` -> ``16``, ``oz``, ``16oz``).
    - A name with a generation gives both parts and the whole (``ps5`` -> ``ps``, ``5``, ``ps5``).
    - A run of Chinese, Japanese or Korean gives its overlapping pairs of characters, a single one itself.

    Terms come in the text's order, repeated where they repeat: the word index counts them. Nothing is a stop word.
    Instances are cheap to make, keep a cache of the chunks they saw, and are used by one thread at a time.
    """

    def __init__(self, language: str = "english") -> None:
        """Make an analyser.

        Args:
            language: a Snowball algorithm's name (``english``, ``german``, ``french``, ...), or ``none`` for no
                stemming. An index must be asked in the language that it was built in.

        Raises:
            InvalidInputError: no such language.
        """
        known = ["none", *Stemmer.algorithms()]
        if language not in known:
            raise InvalidInputError("language", f"must be one of {', '.join(known)}, got {language!r}")
        self.language = language
        self._stemmer = None if language == "none" else Stemmer.Stemmer(language)
        self._terms_of_chunk: dict[str, tuple[str, ...]] = {}

    def analyze(self, text: str) -> list[str]:
        """Split one text.

        Args:
            text: any text; empty gives no terms.

        Returns:
            Its terms.
        """
        known = self._terms_of_chunk
        terms: list[str] = []
        for chunk in list_words(text):
            found = known.get(chunk)
            if found is None:
                if len(known) >= _CACHE_LIMIT:
                    known.clear()
                found = known[chunk] = tuple(term for piece in self._split_chunk(chunk) for term in piece.terms)
            terms += found
        return terms

    def split(self, text: str) -> list[Chunk]:
        """Split one text and keep together what belongs together: a number and its unit, the parts of a word.

        Args:
            text: any text.

        Returns:
            Its chunks; their terms, one after the other, are those of `analyze`.
        """
        return [chunk for word in list_words(text) for chunk in self._split_chunk(word)]

    def analyze_all(self, texts: Iterable[str]) -> list[list[str]]:
        """Split many texts.

        Args:
            texts: any texts.

        Returns:
            The terms of each, in order.
        """
        return [self.analyze(text) for text in texts]

    def _split_chunk(self, word: str) -> list[Chunk]:
        return [chunk for chunk in map(_without_empty, self._split_into_chunks(word)) if chunk.parts]

    def _split_into_chunks(self, word: str) -> list[Chunk]:
        if "\u3040" <= word[0] and _IS_CJK.fullmatch(word):
            return [Chunk((word[i : i + 2],)) for i in range(len(word) - 1)] or [Chunk((word,))]
        measured = _NUMBER_WITH_UNIT.fullmatch(word)
        if measured:
            numbers, unit = _split_number(measured[1]), measured[2]
            name = UNITS[unit]
            return [Chunk((*numbers, self._stem(unit) if unit.isalpha() else name), numbers[-1] + name)]
        if _IS_NUMBER.fullmatch(word):
            return [Chunk((number,)) for number in _split_number(word)]
        pieces = [piece for piece in (_strip_possessive(piece) for piece in word.split("-")) if piece]
        chunks = [self._split_word(piece) for piece in pieces]
        if len(pieces) != 2:
            return chunks
        return [Chunk(tuple(term for chunk in chunks for term in chunk.terms), self._stem("".join(pieces)))]

    def _split_word(self, word: str) -> Chunk:
        named = _GENERATION.fullmatch(word)
        if named:
            return Chunk((self._stem(named[1]), named[2]), _ACCENTS.sub("", word))
        return Chunk((self._stem(word),))

    def _stem(self, word: str) -> str:
        stem = self._stemmer.stemWord(word) if self._stemmer is not None else word
        if stem.isascii():
            return str(stem)
        return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", stem)))


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
    return chunk if all(chunk.parts) else Chunk(tuple(filter(None, chunk.parts)), chunk.joined)


def _fold(text: str) -> str:
    text = text.translate(_TYPOGRAPHY)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _strip_possessive(word: str) -> str:
    return word.removesuffix("'s").replace("'", "")


def _split_number(number: str) -> list[str]:
    if number.startswith("."):
        return ["0" + number]
    if "," not in number:
        return [number]
    return [number.replace(",", "")] if _THOUSANDS.fullmatch(number) else number.split(",")
