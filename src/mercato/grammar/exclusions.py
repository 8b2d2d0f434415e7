"""What a text says that is not wanted, or not there: "without leather", "-leather", "sugar free", "不含糖"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter

from mercato.grammar.cues import find_cue, find_word, may_hold, read_table
from mercato.grammar.phrases import list_phrases
from mercato.grammar.tokens import RUN, SIGN, WORD, Token, tokenize

_DASHES = frozenset("-–−")
MAX_RUN_CHARS = 4
"""What is not wanted is a word; a longer run without spaces is a clause."""

Measure = Callable[[Sequence[Token], int], int]
"""Returns how many tokens at a position are one thing, at least 1 where a word stands there."""


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Things that are not wanted.

    Attributes:
        first: position of its first token.
        end: position behind its last.
        things: the first and last position of each thing's tokens.
        phrase: shops write it so, too ("no sugar", "sugar free"): where this one does, it is a phrase of its texts.
        cue: the words that say so, folded; empty for a dash.
        doubtful: it is an exclusion only where the shop writes the phrase ("sugar free").
    """

    first: int
    end: int
    things: tuple[tuple[int, int], ...]
    phrase: bool = False
    cue: str = ""
    doubtful: bool = False


def measure_alone(tokens: Sequence[Token], position: int) -> int:
    """Take every word for a thing of its own."""
    return 1


def may_exclude(tokens: Sequence[Token]) -> bool:
    """Tell whether a query may hold an exclusion: where it does not, `read_exclusion` finds none at any position."""
    free = read_table("free")
    return may_hold(tokens, "without", "not_a", "free") or any(
        token.text in _DASHES if token.kind == SIGN else "-" in token.text and token.text.rpartition("-")[2] in free
        for token in tokens
    )


def read_exclusion(
    tokens: Sequence[Token], position: int, text: str, measure: Measure = measure_alone, *, written: bool = False
) -> Exclusion | None:
    """Read an exclusion that begins at a position.

    Args:
        tokens: of the text.
        position: where it has to begin.
        text: the text.
        measure: knows things of several words.
        written: the text is a product's: dashes mean nothing there, and more words do.

    Returns:
        The exclusion; None where there is none.
    """
    token = tokens[position]
    if token.kind == SIGN:
        return None if written else _read_dash(tokens, position, text, measure)
    names = ("without", "not_a", "written") if written else ("without", "not_a")
    cue = find_cue(tokens, position, read_table(*names))
    if cue is not None:
        things = _read_things(tokens, position + cue.length, measure)
        if things:
            words = " ".join(one.text for one in tokens[position : position + cue.length])
            end = things[-1][1]
            end += find_word(tokens, end, "added")
            return Exclusion(first=position, end=end, things=things, phrase=cue.name != "without", cue=words)
    return _read_free(tokens, position)


def _read_dash(tokens: Sequence[Token], position: int, text: str, measure: Measure) -> Exclusion | None:
    """Read a dash that begins a word: what stands before it is white space, and what follows stands close to it."""
    token = tokens[position]
    if token.text not in _DASHES or (token.start and not text[token.start - 1].isspace()):
        return None
    after = position + 1
    if after >= len(tokens) or tokens[after].start != token.end or tokens[after].kind not in (WORD, RUN):
        return None
    end = after + max(measure(tokens, after), 1)
    return Exclusion(first=position, end=end, things=((after, end),))


def _read_things(tokens: Sequence[Token], position: int, measure: Measure) -> tuple[tuple[int, int], ...]:
    things: list[tuple[int, int]] = []
    while True:
        position = _skip(tokens, position)
        end = _read_thing(tokens, position, measure)
        if end <= position:
            return tuple(things)
        things.append((position, end))
        length = find_word(tokens, end, "or_also")
        if not length:
            length = find_word(tokens, end, "and_also")
            if length and _read_thing(tokens, _skip(tokens, end + length), measure) != len(tokens):
                length = 0
        if not length:
            return tuple(things)
        position = end + length


def _skip(tokens: Sequence[Token], position: int) -> int:
    while length := find_word(tokens, position, "skipped"):
        if position + length >= len(tokens):  # "a" may be a size
            return position
        position += length
    return position


def _read_thing(tokens: Sequence[Token], position: int, measure: Measure) -> int:
    """Return the position behind the thing that stands at one; the same where none does."""
    if position >= len(tokens) or tokens[position].kind not in (WORD, RUN):
        return position
    token = tokens[position]
    if token.kind == RUN:
        return position + 1 if len(token.text) <= MAX_RUN_CHARS and token.text != "的" else position
    if len(token.text) < 2:
        return position
    length = max(measure(tokens, position), 1)
    if length == 1 and find_word(tokens, position, "modifiers") and position + 1 < len(tokens):
        length = 2 if tokens[position + 1].kind == WORD else 1
    return position + length


def _read_free(tokens: Sequence[Token], position: int) -> Exclusion | None:
    """Read "sugar free" and "sugar-free"."""
    token = tokens[position]
    if token.kind != WORD or len(token.text) < 2:
        return None
    free = read_table("free")
    thing, dash, last = token.text.rpartition("-")
    if dash and last in free and len(thing) > 1:
        return Exclusion(first=position, end=position + 1, things=((position, position + 1),), phrase=True)
    after = position + 1
    if after < len(tokens) and tokens[after].text in free and not find_word(tokens, after + 1, "not_free"):
        return Exclusion(first=position, end=after + 1, things=((position, after),), phrase=True, doubtful=True)
    return None


def part_negated(text: str) -> tuple[str, list[str]]:
    """Part the words of a text that stand under a negation from the others.

    Args:
        text: of a product, such as ``Canvas shoes, no leather``.

    Returns:
        The text without them (``Canvas shoes,``), and the things that are said not to be there (``leather``).
    """
    if not (_plain_hint().search(text.lower()) if text.isascii() else _hint().search(text)):
        return text, []
    tokens = tokenize(text)
    kept: list[str] = []
    things: list[str] = []
    position = start = 0
    while position < len(tokens):
        found = read_exclusion(tokens, position, text, written=True)
        if found is None:
            position += 1
            continue
        kept.append(text[start : tokens[found.first].start])
        start, position = tokens[found.end - 1].end, found.end
        things += (strip_free(text[tokens[first].start : tokens[end - 1].end]) for first, end in found.things)
    kept.append(text[start:])
    return " ".join(kept), things


def strip_free(thing: str) -> str:
    """Take the end off a word that says so itself: ``sugar-free`` -> ``sugar``."""
    return _free_end().sub("", thing)


@cache
def _hint() -> re.Pattern[str]:
    """Compile what a text holds that may negate something: most texts hold none of it."""
    phrases = [phrase for name in ("without", "not_a", "written", "free") for phrase in list_phrases(name)]
    spaced = "|".join(re.escape(phrase) for phrase in phrases if phrase.isascii() or phrase[0] < "\u3000")
    unspaced = "|".join(re.escape(phrase) for phrase in phrases if phrase[0] > "\u3000")
    return re.compile(rf"\b(?:{spaced})\b|{unspaced}", re.IGNORECASE)


@cache
def _plain_hint() -> re.Pattern[str]:
    """Compile the same for texts of ASCII in lower case, by first letters: a third of the time."""
    phrases = {phrase for name in ("without", "not_a", "written", "free") for phrase in list_phrases(name)}
    plain = sorted(phrase.lower() for phrase in phrases if phrase.isascii())
    by_letter = (
        f"{re.escape(letter)}(?:{'|'.join(re.escape(phrase[1:]) for phrase in same)})"
        for letter, same in groupby(plain, key=itemgetter(0))
    )
    return re.compile(rf"\b(?:{'|'.join(by_letter)})\b", re.ASCII)


@cache
def _free_end() -> re.Pattern[str]:
    ends = "|".join(re.escape(phrase) for phrase in list_phrases("free"))
    return re.compile(rf"-(?:{ends})$", re.IGNORECASE)
