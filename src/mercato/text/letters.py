"""Letters as people type them who have no others: plain Latin, Greek without accents, one form of each in Arabic."""

import re
import unicodedata
from functools import cache

# Blocks that hold letters of Latin script.
_LATIN = (range(0xC0, 0x250), range(0x250, 0x2B0), range(0x1D00, 0x1DC0), range(0x1E00, 0x1F00), range(0x2C60, 0x2C80),
          range(0xA720, 0xA800), range(0xAB30, 0xAB70))  # fmt: skip
_GREEK = (range(0x370, 0x400), range(0x1F00, 0x2000))
_LATIN_NAME = re.compile(
    r"LATIN (?:SMALL|CAPITAL|LETTER SMALL) (?:LETTER |LIGATURE )?"
    r"(?:(?:OPEN|REVERSED|TURNED|SCRIPT|INSULAR|CLOSED|STRETCHED|LONG|AFRICAN|VOLAPUK|BLACKLETTER|TAILLESS|DOTLESS) )*"
    r"([A-Z]{1,2})(?= WITH| TURNED|$| DIGRAPH| PRECEDED)"
)
# What the names of Unicode do not tell, or tell otherwise than people type.
_OTHER_LATIN = {
    "ß": "ss", "ẞ": "ss", "þ": "th", "Þ": "th", "ð": "d", "Ð": "d", "ŋ": "n", "Ŋ": "n", "ĸ": "k", "ı": "i",
    "ə": "e", "Ə": "e", "ɛ": "e", "Ɛ": "e", "ɔ": "o", "Ɔ": "o", "ʃ": "s", "Ʃ": "s", "ʒ": "z", "Ʒ": "z",
    "ʊ": "u", "ƿ": "w", "ȝ": "y", "ɣ": "g", "Ɣ": "g", "ɩ": "i", "Ɩ": "i", "ʋ": "v", "Ʋ": "v", "ʉ": "u", "ǯ": "z",
    "Ǯ": "z", "ƛ": "l", "ƕ": "hv", "ꜩ": "tz", "ɑ": "a",
}  # fmt: skip
# Letters of Arabic script that people write for one another, each with the one that stands for all (as Lucene's
# ArabicNormalizer and PersianNormalizer have them).
_ARABIC = {
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ے": "ي", "ة": "ه", "ۀ": "ه", "ہ": "ه", "ە": "ه",
    "ک": "ك", "ـ": "",
}  # fmt: skip
_CYRILLIC = {"ё": "е", "ѐ": "е", "ѝ": "и"}
# Points and accents that are left out in most writing: Hebrew points, Arabic harakat, stress in Cyrillic, whatever
# combines with a Latin letter that has no composed form.
_POINTS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08d3-\u08ff\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]"
)


def plain_letters(word: str) -> str:
    """Write a folded word with the letters that everybody can type.

    Latin letters of every language lose what stands on, in or below them (``ø`` is ``o``, ``ł`` is ``l``); ligatures
    and letters of their own become those that are typed for them (``æ`` ``ae``, ``þ`` ``th``, ``ß`` ``ss``, ``ı``
    ``i``). Greek loses its accents, Cyrillic ``ё`` is ``е``, forms of an Arabic letter become one, its vowel signs
    and the points of Hebrew go. Letters that are not the same without their mark stay: ``й`` is no ``и``.

    Args:
        word: in small letters, NFKC.

    Returns:
        The word; the same object where it is ASCII. `plain_letters` of it is itself.
    """
    if word.isascii():
        return word
    return _POINTS.sub("", unicodedata.normalize("NFC", word).translate(_plain_letters()))


@cache
def _plain_letters() -> dict[int, str]:
    """Make the table once somebody needs it; it takes some milliseconds."""
    table: dict[int, str] = {}
    for block in _LATIN:
        for code in block:
            named = _LATIN_NAME.match(unicodedata.name(chr(code), ""))
            if named:
                table[code] = named[1].lower()
    for block in _GREEK:
        for code in block:
            decomposed = unicodedata.normalize("NFD", chr(code))
            if len(decomposed) > 1:
                table[code] = _POINTS.sub("", decomposed).casefold()
    table.update({ord(letter): plain for letter, plain in {**_OTHER_LATIN, **_ARABIC, **_CYRILLIC}.items()})
    return table
