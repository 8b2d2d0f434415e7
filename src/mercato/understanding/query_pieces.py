"""The words of a query that are left to search by, each with its place in the query as it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mercato.grammar.cues import find_word
from mercato.grammar.tokens import tokenize


class Piece(NamedTuple):
    """A word as it is written.

    Attributes:
        text: of the word.
        start: of its first character in the query.
        end: behind its last.
    """

    text: str
    start: int
    end: int


class QueryPieces:
    """What is left of a query once conditions were taken out of it, corrected or not.

    Attributes:
        text: the words, joined by spaces.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Take the words in their order."""
        self._pieces = list(pieces)
        self.text = " ".join(piece.text for piece in self._pieces)

    def correct(self, text: str) -> QueryPieces:
        """Return the same pieces with corrected words; the place of a word is that of the one it replaces."""
        words = text.split(" ")
        if len(words) != len(self._pieces):
            first, last = self._pieces[0].start, self._pieces[-1].end
            return QueryPieces([Piece(word, first, last) for word in words])
        return QueryPieces([piece._replace(text=word) for word, piece in zip(words, self._pieces, strict=True)])

    def replace_in(self, query: str, text: str) -> str:
        """Return a query with corrected words in the places of these.

        Args:
            query: that these are the pieces of.
            text: the corrected words, joined by spaces.
        """
        if text == self.text:
            return query
        words = text.split(" ")
        if len(words) != len(self._pieces):
            return text
        for word, piece in reversed(list(zip(words, self._pieces, strict=True))):
            query = query[: piece.start] + word + query[piece.end :]
        return query

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of ``text`` stands in the query; of a corrected word it is the whole word."""
        position = 0
        places: list[tuple[int, int]] = []
        for piece in self._pieces:
            stop = position + len(piece.text)
            if position < end and start < stop:
                if stop - position == piece.end - piece.start:
                    places.append((piece.start + max(start - position, 0), piece.end - max(stop - end, 0)))
                else:
                    places.append((piece.start, piece.end))
            position = stop + 1
        return (min(place[0] for place in places), max(place[1] for place in places)) if places else (0, 0)


def cut_pieces(query: str, spans: Sequence[tuple[int, int]]) -> QueryPieces:
    """Cut stretches out of a query.

    Args:
        query: the query.
        spans: first and last character of each stretch, ascending, none in another.

    Returns:
        The words that are left; what only joined them to what is gone ("and", "for", "的") goes too.
    """
    pieces: list[Piece] = []
    if not spans:
        for word in query.split(" "):
            start = pieces[-1].end + 1 if pieces else 0
            pieces.append(Piece(word, start, start + len(word)))
        return QueryPieces(pieces)
    start = 0
    for first, last in [*spans, (len(query), len(query))]:
        segment = _split(query, start, first)
        if start and segment and _is_joint(segment[0].text):
            segment = segment[1:]
        if first < len(query) and segment and _is_joint(segment[-1].text):
            segment = segment[:-1]
        pieces += segment
        start = last
    return QueryPieces(pieces)


def _split(query: str, start: int, end: int) -> list[Piece]:
    pieces = []
    position = start
    for word in query[start:end].split(" "):
        clean = word.lstrip("的") if position == start and start else word
        offset = len(word) - len(clean)
        if any(map(str.isalnum, clean)):
            pieces.append(Piece(clean, position + offset, position + len(word)))
        position += len(word) + 1
    return pieces


def _is_joint(word: str) -> bool:
    tokens = tokenize(word)
    return len(tokens) == 1 and bool(find_word(tokens, 0, "and_also", "or_also", "priced"))
