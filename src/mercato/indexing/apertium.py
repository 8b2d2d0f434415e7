"""Bilingual dictionaries of Apertium (GPL; Debian: ``apertium-eng-spa``), as lttoolbox compiles them.

A file is a finite-state transducer whose paths spell a word on one side and its translation on the other: letters,
then tags of grammar (``n``, ``adj``). The format is that of lttoolbox 3.7 (``compression.cc``, ``alphabet.cc``,
``transducer.cc``): integers of one to four bytes, whose first two bits tell how many.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mercato.errors import DataError
from mercato.text.language_names import Language

DICTIONARIES = Path("/usr/share/apertium")
MAX_SYMBOLS = 80
"""A longer path goes round in a circle."""
_MAIN = "main"
_FILE, _TRANSDUCER = b"LTTB", b"LTTD"
_WEIGHTED = 1
_JOIN = "#"
"""Stands before what of a phrase does not change."""

Arc = tuple[int, int]
"""A pair of symbols, by its number, and the state that it leads to."""


def find_apertium(language: Language, target: Language, folder: Path = DICTIONARIES) -> Path | None:
    """Find the dictionary of a pair of languages; None where none is installed."""
    names = [f"{source}-{other}" for source, other in _pair_codes(language, target)]
    found = (file for name in names for file in sorted(folder.glob(f"apertium-*/{name}.autobil.bin")))
    return next(found, None)


def read_apertium(file: Path) -> Iterator[tuple[str, str]]:
    """Read the words of a dictionary and their translations, nouns and adjectives before verbs.

    Raises:
        DataError: it cannot be read.
    """
    try:
        pairs = sorted(_Reader(file.read_bytes()).read(), key=lambda pair: pair.is_verb)
    except (IndexError, ValueError, struct.error) as exc:
        raise DataError(f"dictionary {file}: cannot be read ({exc!r}); install it again") from exc
    return ((pair.word, pair.meaning) for pair in pairs)


def _pair_codes(language: Language, target: Language) -> list[tuple[str, str]]:
    return [(language.long_code, target.long_code), (language.code, target.code)]


@dataclass(frozen=True)
class _Pair:
    word: str
    meaning: str
    is_verb: bool


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self) -> Iterator[_Pair]:
        self._features(_FILE)
        self._text()  # its letters
        tags = [self._text() for _ in range(self._number())]
        symbols = [
            (self._number() - len(tags), self._number() - len(tags)) for _ in range(self._number())
        ]  # a letter above 0, the empty one 0, a tag below
        for _ in range(self._number()):
            name = self._text()
            initial, finals, arcs = self._transducer()
            if name.startswith(_MAIN):
                yield from _spell(initial, finals, arcs, symbols, tags)

    def _transducer(self) -> tuple[int, set[int], list[list[Arc]]]:
        if self._features(_TRANSDUCER) & _WEIGHTED:
            raise ValueError("weighted transducer")
        initial = self._number()
        finals, base = set(), 0
        for _ in range(self._number()):
            base += self._number()
            finals.add(base)
        count = self._number()
        arcs: list[list[Arc]] = []
        for state in range(count):
            pair = 0
            found: list[Arc] = []
            for _ in range(self._number()):
                pair += self._number()
                found.append((pair, (state + self._number()) % count))
            arcs.append(found)
        return initial, finals, arcs

    def _features(self, mark: bytes) -> int:
        if self._data[self._at : self._at + len(mark)] != mark:
            return 0
        (features,) = struct.unpack_from("<Q", self._data, self._at + len(mark))
        self._at += len(mark) + 8
        return int(features)

    def _number(self) -> int:
        first = self._data[self._at]
        size = (first >> 6) + 1
        number = first & 0x3F
        for byte in self._data[self._at + 1 : self._at + size]:
            number = number << 8 | byte
        self._at += size
        return number

    def _text(self) -> str:
        return "".join(chr(self._number()) for _ in range(self._number()))


def _spell(
    initial: int, finals: set[int], arcs: list[list[Arc]], symbols: list[tuple[int, int]], tags: list[str]
) -> Iterator[_Pair]:
    """Spell every path: what it reads, what it writes, and whether its first tag is that of a verb."""
    waiting = [(initial, "", "", "", 0)]
    while waiting:
        state, word, meaning, kind, length = waiting.pop()
        if state in finals:
            yield _Pair(word.replace(_JOIN, ""), meaning.replace(_JOIN, ""), kind.startswith("vb"))
            continue
        if length >= MAX_SYMBOLS:
            continue
        for pair, after in arcs[state]:
            if after == state:  # any number of tags
                continue
            read, written = symbols[pair]
            waiting.append(
                (
                    after,
                    word + chr(read) if read > 0 else word,
                    meaning + chr(written) if written > 0 else meaning,
                    kind or (tags[-read - 1] if read < 0 else ""),
                    length + 1,
                )
            )
