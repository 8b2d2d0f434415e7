"""One edit away: prefixes that a shopper may have meant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

MIN_CHARS = 4
"""A shorter word has too many neighbours: three letters and one edit fit nearly everything."""


def list_corrections(prefix: str, words: Sequence[str], alphabet: str) -> list[str]:
    """List prefixes that differ from one by a single edit and lead to known words.

    One word is edited: a letter left out, put in, exchanged, or two neighbours swapped (Damerau 1964). Its first letter
    stays. Complete words must be known, of the last, which is being typed, a beginning suffices.

    Args:
        prefix: folded.
        words: known words, sorted.
        alphabet: the letters that an edit may bring.

    Returns:
        Distinct prefixes, those with an edit of the last word first.
    """
    typed = prefix.split(" ")
    complete = typed[:-1]
    unknown = [index for index, word in enumerate(complete) if not _is_known(word, words)]
    if len(unknown) > 1 or (unknown and not _begins(typed[-1], words)):
        return []  # a single edit cannot mend two words
    indices = unknown or [len(typed) - 1]
    found: dict[str, None] = {}
    for index in indices:
        if len(typed[index]) < MIN_CHARS:
            continue
        fits = _begins if index == len(typed) - 1 else _is_known
        for edited in list_edits(typed[index], alphabet):
            if fits(edited, words):
                found[" ".join([*typed[:index], edited, *typed[index + 1 :]])] = None
    return list(found)


def list_edits(word: str, alphabet: str) -> Iterator[str]:
    """Yield what is one edit away from a word, its first letter aside; some of it twice."""
    for index in range(1, len(word)):
        head, tail = word[:index], word[index:]
        yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in alphabet:
            yield head + letter + tail[1:]
            yield head + letter + tail
    for letter in alphabet:
        yield word + letter


def _is_known(word: str, words: Sequence[str]) -> bool:
    index = bisect_left(words, word)
    return index < len(words) and words[index] == word


def _begins(start: str, words: Sequence[str]) -> bool:
    index = bisect_left(words, start)
    return index < len(words) and words[index].startswith(start)
