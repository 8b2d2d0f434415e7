"""What analysing words needs to know of a language beside its stemmer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Respell = Callable[[str], str]
"""Makes of a word in plain letters the spelling that the stemmer knows."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """Rules of one language.

    Attributes:
        elided: what loses its vowel before the next word, in plain letters, without the apostrophe.
        links: what may stand between the parts of a compound; empty for a language that does not write such words.
        shortened: ends that a word may lose as the first part of a compound.
        respell: from plain letters to a spelling that the stemmer knows; None where it takes plain letters as well.
        digraphs: letters that are also written as two, where these two also stand for themselves.
        decimal_comma: whether ``1,500`` is one and a half where a catalogue's own numbers do not tell.
    """

    elided: frozenset[str] = frozenset()
    links: tuple[str, ...] = ()
    shortened: tuple[str, ...] = ()
    respell: Respell | None = None
    digraphs: tuple[tuple[str, str], ...] = ()
    decimal_comma: bool = True

    @property
    def compounds(self) -> bool:
        """Whether the language writes compounds in one word."""
        return bool(self.links)


def _substitute(*rules: tuple[str, str]) -> Respell:
    compiled = [(re.compile(pattern), by) for pattern, by in rules]

    def respell(word: str) -> str:
        for pattern, by in compiled:
            changed = pattern.sub(by, word)
            if changed != word:
                return changed
        return word

    return respell


_BACK, _FRONT = "aou\u0131", "e\u00f6\u00fci"
_TO_BACK = {"i": "\u0131", "\u0131": "\u0131", "o": "o", "u": "u"}
_TO_FRONT = {"i": "i", "\u0131": "i", "o": "o", "u": "\u00fc"}


def _restore_harmony(word: str) -> str:
    """Give a Turkish word in plain letters vowels of one kind, so that its stemmer sees its suffixes.

    A vowel that may be of both kinds takes the kind of the next ``a`` or ``e``, the last ones that of the one before.
    """
    vowels = [position for position, letter in enumerate(word) if letter in "aeiou"]
    letters = list(word)
    kind = next((letters[position] for position in reversed(vowels) if letters[position] in "ae"), "")
    for position in reversed(vowels):
        letter = letters[position]
        if letter in "ae":
            kind = letter
        elif kind:
            letters[position] = (_TO_BACK if kind == "a" else {**_TO_FRONT, "o": "\u00f6"})[letter]
    return "".join(letters)


#: By the name of the Snowball algorithm; a language that is not here has the rules of `Language`.
LANGUAGES: Mapping[str, Language] = {
    "none": Language(decimal_comma=False),
    "english": Language(decimal_comma=False),
    "porter": Language(decimal_comma=False),
    "irish": Language(decimal_comma=False),
    "hindi": Language(decimal_comma=False),
    "nepali": Language(decimal_comma=False),
    "tamil": Language(decimal_comma=False),
    # Elisions: those of Lucene's analysers, and the common ones that they leave out.
    "french": Language(
        elided=frozenset("l m t qu n s j d c jusqu quoiqu lorsqu puisqu".split()),
        respell=_substitute(("ees$", "\u00e9es"), ("ee$", "\u00e9e")),
    ),
    "italian": Language(
        elided=frozenset(
            "c l all dall dell nell sull coll pell gl agl dagl degl negl sugl un m t s v d quest quell bell".split()
        )
    ),
    "catalan": Language(elided=frozenset("d l m n s t".split())),
    "portuguese": Language(
        respell=_substitute(
            ("(?<=..)cao$", "\u00e7\u00e3o"),
            ("(?<=..)coes$", "\u00e7\u00f5es"),
            ("ao$", "\u00e3o"),
            ("oes$", "\u00f5es"),
            ("aes$", "\u00e3es"),
        )
    ),  # fmt: skip
    "turkish": Language(respell=_restore_harmony),
    "arabic": Language(respell=_substitute(("ه$", "ة")), decimal_comma=False),
    "german": Language(links=("s", "es", "n", "en", "er", "e", "ens"), shortened=("e", "en")),
    "dutch": Language(links=("s", "en", "n", "e", "er"), shortened=("e",)),
    "dutch_porter": Language(links=("s", "en", "n", "e", "er"), shortened=("e",)),
    "danish": Language(links=("s", "e", "er"), shortened=("e",), digraphs=(("ø", "oe"), ("å", "aa"))),
    "norwegian": Language(links=("s", "e", "er"), shortened=("e",), digraphs=(("ø", "oe"), ("å", "aa"))),
    "swedish": Language(links=("s", "e", "o", "u"), shortened=("a", "e")),
    "finnish": Language(links=("n",)),
    "hungarian": Language(links=("i",)),
}
