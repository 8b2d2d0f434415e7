"""The words, numbers and signs of a query, each with its place."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import fields
from functools import cache, lru_cache
from typing import NamedTuple

from mercato.grammar.phrases import Phrases, list_phrases

NUMBER, WORD, RUN, SIGN = "number", "word", "run", "sign"
"""Kinds of tokens; a run is a piece of a script that has no spaces."""

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = f"(?:(?![{_CJK}])[^\\W\\d_])"
_NUMBER = r"(?P<number>\d+(?:[.,'’]\d+)*(?:[eE][+-]?\d{1,3}(?![^\W_]))?)"
"""1299, 1,299.50, 1'299, 1e308; what letters go on from is a number and a word: 16gb."""
_SIGN = r"(?P<sign><=|>=|=<|=>|[<>≤≥€$£¥￥₹₽₩\-–—−~+/&%,、\"'″”])"
_ASCII = re.compile(rf"{_NUMBER}|(?P<word>[A-Za-z]\w*(?:[-'&]\w+)*)|{_SIGN}", re.ASCII)
"""What `_pattern` is to a text of ASCII, which has neither runs nor accents: a quarter of its time."""
_CACHED = 8_192
_CACHED_QUERIES = 1_024
_ACCENTS = re.compile("[\u0300-\u036f]")


class Token(NamedTuple):
    """A token.

    Attributes:
        kind: `NUMBER`, `WORD`, `RUN` or `SIGN`.
        text: folded.
        start: of its first character in the text.
        end: behind its last.
    """

    kind: str
    text: str
    start: int
    end: int


@lru_cache(_CACHED)
def fold(text: str) -> str:
    """Fold case and accents."""
    folded = text.casefold().replace("’", "'")
    if folded.isascii():
        return folded
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", folded)))


def tokenize(text: str) -> tuple[Token, ...]:
    """Split a text into tokens. What is none of them (a full stop, brackets, symbols) stands between them."""
    tokens = []
    for found in (_ASCII if text.isascii() else _pattern()).finditer(text):
        kind = found.lastgroup or SIGN
        word = found[0]
        tokens.append(Token(kind, word if kind in (NUMBER, SIGN) else fold(word), found.start(), found.end()))
    return tuple(tokens)


tokenize_query = lru_cache(_CACHED_QUERIES)(tokenize)
"""`tokenize`, remembered: a query is split for its grammar, and again for its values."""


@cache
def _pattern() -> re.Pattern[str]:
    """Compile the pattern: phrases of scripts without spaces cut the runs that they stand in."""
    unspaced = {
        phrase for one in fields(Phrases) for phrase in list_phrases(one.name) if re.fullmatch(f"[{_CJK}]+", phrase)
    } | set("元块圆镑的")
    cuts = "|".join(sorted(map(re.escape, unspaced), key=lambda phrase: (-len(phrase), phrase)))
    return re.compile(
        f"{_NUMBER}"
        f"|(?P<run>{cuts}|[{_CJK}]+?(?={cuts}|[^{_CJK}]|$))"
        # A word keeps its digits, hyphens and apostrophes: mx500, t-shirt, v-neck, jusqu'à.
        f"|(?P<word>{_LETTER}(?:(?![{_CJK}])[\\w\u0300-\u036f])*(?:[-'’&](?:(?![{_CJK}])\\w)+)*)"
        f"|{_SIGN}"
    )
