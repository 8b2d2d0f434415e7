"""Words of a text, for the word index: the same for documents and for queries."""

import re
import unicodedata
from collections.abc import Iterable

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
        "yd": "yd yards", "inch": 'inch inches in "', "kb": "kb", "mb": "mb", "gb": "gb", "tb": "tb", "gbps": "gbps",
        "mbps": "mbps", "hz": "hz", "khz": "khz", "mhz": "mhz", "ghz": "ghz", "w": "w watt watts", "kw": "kw",
        "kwh": "kwh", "wh": "wh", "v": "v volt volts", "a": "a amp amps", "mah": "mah", "mp": "mp megapixel megapixels",
        "rpm": "rpm", "dpi": "dpi", "btu": "btu", "ppm": "ppm", "db": "db", "x": "x",
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
_NUMBER_WITH_UNIT = re.compile(f"({_NUMBER})[ -]?({_UNIT})")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
# "ps5", "iphone8": a name with its generation; longer codes ("8700k", "dv7-1211ea") stay whole.
_GENERATION = re.compile(r"([^\W\d_]{2,})(\d{1,2}(?:\.\d+)?)")
_ACCENTS = re.compile("[\u0300-\u036f]")
# Before NFKC, which would write "Core™2" as "CoreTM2".
_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "‐": "-", "‑": "-", "″": '"', "”": '"', "™": " ", "®": " ", "©": " "})
_CACHE_LIMIT = 300_000


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
        pattern = _CHUNK
        if text.isascii():
            text, pattern = text.lower(), _ASCII_CHUNK
        else:
            text = _fold(text)
        known = self._terms_of_chunk
        terms: list[str] = []
        for chunk in pattern.findall(text):
            found = known.get(chunk)
            if found is None:
                if len(known) >= _CACHE_LIMIT:
                    known.clear()
                found = known[chunk] = tuple(filter(None, self._split_chunk(chunk)))  # an accent alone is no term
            terms += found
        return terms

    def analyze_all(self, texts: Iterable[str]) -> list[list[str]]:
        """Split many texts.

        Args:
            texts: any texts.

        Returns:
            The terms of each, in order.
        """
        return [self.analyze(text) for text in texts]

    def _split_chunk(self, chunk: str) -> list[str]:
        if "\u3040" <= chunk[0] and re.fullmatch(f"[{_CJK}]+", chunk):
            return [chunk[i : i + 2] for i in range(len(chunk) - 1)] or [chunk]
        measured = _NUMBER_WITH_UNIT.fullmatch(chunk)
        if measured:
            numbers, unit = _split_number(measured[1]), measured[2]
            name = UNITS[unit]
            return [*numbers, self._stem(unit) if unit.isalpha() else name, numbers[-1] + name]
        if re.fullmatch(_NUMBER, chunk):
            return _split_number(chunk)
        parts = [part for part in (_strip_possessive(part) for part in chunk.split("-")) if part]
        terms = [term for part in parts for term in self._split_word(part)]
        return [*terms, self._stem("".join(parts))] if len(parts) == 2 else terms

    def _split_word(self, word: str) -> list[str]:
        named = _GENERATION.fullmatch(word)
        if named:
            return [self._stem(named[1]), named[2], _ACCENTS.sub("", word)]
        return [self._stem(word)]

    def _stem(self, word: str) -> str:
        stem = self._stemmer.stemWord(word) if self._stemmer is not None else word
        if stem.isascii():
            return str(stem)
        return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", stem)))


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
