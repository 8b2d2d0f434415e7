"""Finding phrases among tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from mercato.grammar.phrases import list_phrases
from mercato.grammar.tokens import Token, tokenize


class Cue(NamedTuple):
    """A phrase that was found.

    Attributes:
        name: the field of `mercato.grammar.phrases.Phrases`.
        length: how many tokens it has.
    """

    name: str
    length: int


CueTable = dict[str, list[tuple[tuple[str, ...], str]]]
"""First word -> all words and the field of `Phrases`, the longest first."""


@cache
def read_table(*names: str) -> CueTable:
    """Join the phrases of some fields over all languages.

    Args:
        names: fields of `Phrases`; where two have the same phrase, the first counts.
    """
    table: CueTable = {}
    known: set[tuple[str, ...]] = set()
    for name in names:
        for phrase in list_phrases(name):
            words = tuple(token.text for token in tokenize(phrase))
            if words and words not in known:
                known.add(words)
                table.setdefault(words[0], []).append((words, name))
    for entries in table.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return table


def find_cue(tokens: Sequence[Token], position: int, table: CueTable) -> Cue | None:
    """Find the longest phrase that begins at a position."""
    if position >= len(tokens):
        return None
    for words, name in table.get(tokens[position].text, ()):
        length = len(words)
        if length == 1 or all(
            position + offset < len(tokens) and tokens[position + offset].text == word
            for offset, word in enumerate(words[1:], 1)
        ):
            return Cue(name, length)
    return None


def may_hold(tokens: Sequence[Token], *names: str) -> bool:
    """Tell whether some token begins one of some phrases, which most queries do not hold: cheaper than to look at each.

    Args:
        tokens: of a text.
        names: fields of `Phrases`.
    """
    first_words = read_table(*names).keys()
    return any(token.text in first_words for token in tokens)


def find_word(tokens: Sequence[Token], position: int, *names: str) -> int:
    """Return how many tokens of one of some phrases stand at a position, 0 for none."""
    cue = find_cue(tokens, position, read_table(*names))
    return cue.length if cue is not None else 0
