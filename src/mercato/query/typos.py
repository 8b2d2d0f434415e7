"""How words are mistyped: which kind of slip leads from a word to what was typed, and which words are near."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import OSA

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_PLACES = {key: (row, column + row / 2) for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
_SWAPPED = ({"y", "z"}, {"q", "a"}, {"w", "z"})
"""Keys that are in each other's place on German and French keyboards."""
_LETTER_BITS = 32
_BIT_COUNTS = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)
_SOUNDS = (
    (re.compile("ph"), "f"), (re.compile("sch|sh|ch"), "x"), (re.compile("ck|qu|[cqk]"), "k"),
    (re.compile("th|dt|d"), "t"),
    (re.compile("ß|z|ts"), "s"), (re.compile("v|w"), "f"), (re.compile("[aeiouyäöüéèêëáíóúàâîïôû]+"), "a"),
    (re.compile("h"), ""), (re.compile(r"(.)\1+"), r"\1"),
)  # fmt: skip
"""Ways to write a sound, in English and German, to one sign for each; vowels are all one."""


class Slip(Enum):
    """Kinds of slips."""

    SWAPPED = "two neighbours swapped"
    DOUBLED = "a letter once too often or too seldom"
    LOST = "a letter left out"
    ADDED = "a letter too many"
    NEAR = "a letter of a neighbouring key"
    OTHER = "another letter"
    TWO = "two slips"


@dataclass(frozen=True, kw_only=True)
class NearWord:
    """A word that may have been meant.

    Attributes:
        word: the word.
        slip: what leads from it to the one that was typed.
        first: that changes the first letter.
        alike: both sound alike.
    """

    word: str
    slip: Slip
    first: bool
    alike: bool


def find_slip(meant: str, typed: str, edits: int) -> Slip:
    """Return which slip leads from one word to another.

    Args:
        meant: the word.
        typed: another, one or two edits away.
        edits: how many.
    """
    if edits > 1:
        return Slip.TWO
    if len(meant) == len(typed):
        at = next(index for index, letter in enumerate(meant) if letter != typed[index])
        if meant[at + 1 :] != typed[at + 1 :]:
            return Slip.SWAPPED
        return Slip.NEAR if is_near_key(meant[at], typed[at]) else Slip.OTHER
    longer, shorter = (meant, typed) if len(meant) > len(typed) else (typed, meant)
    at = next((index for index, letter in enumerate(shorter) if letter != longer[index]), len(shorter))
    if at and longer[at] == longer[at - 1]:
        return Slip.DOUBLED
    return Slip.LOST if longer is meant else Slip.ADDED


def is_near_key(one: str, other: str) -> bool:
    """Return whether two letters lie side by side on an English keyboard, or are swapped on a German or French one."""
    if {one, other} in _SWAPPED:
        return True
    if one not in _PLACES or other not in _PLACES:
        return False
    (row, column), (other_row, other_column) = _PLACES[one], _PLACES[other]
    return abs(row - other_row) <= 1 and abs(column - other_column) <= 1


def write_sound(word: str) -> str:
    """Return how a word sounds, roughly: consonants of one sound are one, vowels are all one, none is doubled."""
    for pattern, sign in _SOUNDS:
        word = pattern.sub(sign, word)
    return word


class NearWords:
    """Words that can be searched for those near another.

    Which letters a word has is kept as bits, so that the distance is only measured to words of nearly the same letters.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Take words, each once."""
        self._words: dict[int, list[str]] = {}
        self._letters: dict[int, npt.NDArray[np.uint32]] = {}
        for word in words:
            self._words.setdefault(len(word), []).append(word)

    def add(self, word: str) -> None:
        """Take one word more."""
        self._words.setdefault(len(word), []).append(word)
        self._letters.pop(len(word), None)

    def remove(self, word: str) -> None:
        """Forget a word."""
        self._words[len(word)].remove(word)
        self._letters.pop(len(word), None)

    def find(self, typed: str, edits: int) -> list[NearWord]:
        """Find the words at most so many edits away, in no order that means anything.

        Distances are optimal string alignments: letters put in, left out, exchanged, and neighbours swapped count one
        each.

        Args:
            typed: a word; it is not among those found.
            edits: 1 or 2.
        """
        bits = np.uint32(_letter_bits(typed))
        near: list[str] = []
        for length in range(len(typed) - edits, len(typed) + edits + 1):
            words = self._words.get(length)
            if not words:
                continue
            other = self._letters.get(length)
            if other is None:
                other = self._letters[length] = np.fromiter(map(_letter_bits, words), np.uint32, len(words))
            differing = other ^ bits
            count = _BIT_COUNTS[differing & 0xFFFF] + _BIT_COUNTS[differing >> 16]
            # An exchanged letter takes one letter away and brings another.
            near += [words[place] for place in np.flatnonzero(count <= 2 * edits).tolist()]
        if not near:
            return []
        distances = process.cdist([typed], near, scorer=OSA.distance, score_cutoff=edits, dtype=np.uint8)[0]
        sound = write_sound(typed)
        return [
            NearWord(
                word=near[place],
                slip=find_slip(near[place], typed, int(distances[place])),
                first=near[place][0] != typed[0],
                alike=write_sound(near[place]) == sound,
            )
            for place in np.flatnonzero((distances > 0) & (distances <= edits)).tolist()
        ]


def _letter_bits(word: str) -> int:
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) % _LETTER_BITS)
    return bits
