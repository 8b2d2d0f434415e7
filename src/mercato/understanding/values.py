"""The catalogue's own values among the words of a query: brands, colours, sizes, materials, measures, categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mercato.arrays import Int32
from mercato.catalog.field_names import write_field
from mercato.grammar.amounts import read_amount
from mercato.grammar.cues import find_word
from mercato.grammar.tokens import NUMBER, RUN, SIGN, WORD, Token, fold, tokenize_query
from mercato.grammar.units import Unit, read_units
from mercato.index.live import LiveCatalog
from mercato.understanding.condition import Condition, Effect, Status
from mercato.understanding.lexicon import Key, Lexicon, Meaning, join_terms
from mercato.understanding.measure_fields import MeasureFields
from mercato.understanding.query_pieces import QueryPieces

MAX_ROW_WORDS = 8
"""Words of a query that tell which products a measure is of."""
MAX_FILTER_VALUES = 200
"""Values of a field that one condition names: a condition is read by people."""
_CACHED = 8_192
_HEAD_FIRST = frozenset(("french", "spanish", "italian", "portuguese", "catalan", "romanian"))
"""Languages whose kinds stand before what is said of them; in the others they stand behind."""


class ValueReader:
    """Finds values in queries."""

    def __init__(
        self, catalog: LiveCatalog, lexicon: Lexicon, measures: MeasureFields, stopwords: frozenset[str]
    ) -> None:
        """Make a reader.

        Args:
            catalog: the products.
            lexicon: its values.
            measures: its measures.
            stopwords: terms that say nothing.
        """
        self._analyzer = catalog.analyzer
        self._index = catalog.snapshot.words
        self._lexicon = lexicon
        self._measures = measures
        self._stopwords = stopwords
        self._head_first = catalog.analyzer.language in _HEAD_FIRST
        self._terms_of = lru_cache(_CACHED)(self._split_word)

    def read(self, pieces: QueryPieces, query: str) -> list[Condition]:
        """Find values.

        Args:
            pieces: what grammar left of a query.
            query: the query, for the places.

        Returns:
            Conditions that boost, in the order of the query; no two share a word, a category aside.
        """
        tokens = tokenize_query(pieces.text)
        terms = [self._list_terms(token) for token in tokens]
        found: list[Condition] = []
        used: set[int] = set()
        position = 0
        while position < len(tokens):
            end, condition = self._read_at(tokens, terms, position)
            if condition is not None:
                found.append(self._place(condition, tokens, position, end, pieces, query))
                used.update(range(position, end))
            position = max(end, position + 1)
        if found and found[-1].type == "material" and len(used) == len(tokens):
            found.pop()  # of brands and colours alone: "white paper" asks for paper
        category = self._read_category(tokens, terms)
        if category is not None:
            first, end, condition = category
            if not used.intersection(range(first, end)):
                found.append(self._place(condition, tokens, first, end, pieces, query))
        return found

    def _list_terms(self, token: Token) -> Key:
        return () if token.kind == SIGN else self._terms_of(token.text)

    def _split_word(self, word: str) -> Key:
        return join_terms([chunk.parts for chunk in self._analyzer.split(word)])

    def _place(
        self, condition: Condition, tokens: Sequence[Token], first: int, end: int, pieces: QueryPieces, query: str
    ) -> Condition:
        start, stop = pieces.locate(tokens[first].start, tokens[end - 1].end)
        return replace(condition, text=query[start:stop], start=start, end=stop)

    def _read_at(self, tokens: Sequence[Token], terms: Sequence[Key], position: int) -> tuple[int, Condition | None]:
        """Read what begins at a position; returns the position behind it too."""
        for read in (self._read_size, self._read_pack, self._read_measure):
            end, condition = read(tokens, terms, position)
            if condition is not None:
                return end, condition
        return self._read_value(tokens, terms, position)

    def _read_value(self, tokens: Sequence[Token], terms: Sequence[Key], position: int) -> tuple[int, Condition | None]:
        key: Key = ()
        best: tuple[int, Meaning] | None = None
        for end in range(position + 1, len(tokens) + 1):
            if not terms[end - 1] or len(key) >= self._lexicon.longest:
                break
            key += terms[end - 1]
            alone = position == 0 and end == len(tokens)
            for meaning in self._lexicon.find(key):
                if meaning.kind == "category" or len(meaning.values) > MAX_FILTER_VALUES:
                    continue
                if meaning.kind == "brand" and not _is_name(tokens[position:end], meaning):
                    continue
                if meaning.kind == "size" and (end - position == 1 and not _is_size(tokens[position])):
                    continue
                if len("".join(key)) < 2 or not (alone and meaning.kind == "brand" or self._is_certain(key, meaning)):
                    continue
                best = (end, meaning)
                break
        return (best[0], self._describe(best[1])) if best is not None else (position + 1, None)

    def _describe(self, meaning: Meaning) -> Condition:
        telling = self._lexicon.tells_apart(meaning)
        return Condition(
            text="", start=0, end=0, type=meaning.kind, field=write_field(meaning.field), filter=meaning.write_filter(),
            effect=Effect.BOOST, status=Status.APPLIED if telling else Status.UNUSED,
            reason="" if telling else "most products have it",
        )  # fmt: skip

    def _is_certain(self, key: Key, meaning: Meaning) -> bool:
        return not self._stopwords.issuperset(key) and self._lexicon.is_certain(key, meaning)

    def _read_size(self, tokens: Sequence[Token], terms: Sequence[Key], position: int) -> tuple[int, Condition | None]:
        """Read a size behind its word: "size 42", "taille M"."""
        length = find_word(tokens, position, "size")
        if not length:
            return position, None
        key: Key = ()
        for end in range(position + length + 1, min(position + length + 4, len(tokens) + 1)):
            key += terms[end - 1]
            for meaning in self._lexicon.find(key):
                if meaning.kind == "size" and len(meaning.values) <= MAX_FILTER_VALUES:
                    return end, self._describe(meaning)
        return position, None

    def _read_pack(self, tokens: Sequence[Token], terms: Sequence[Key], position: int) -> tuple[int, Condition | None]:
        """Read "pack of 6", "lot de 6"; "6 pack" is a measure."""
        length = find_word(tokens, position, "pack")
        joined = find_word(tokens, position + length, "pack_of") if length else 0
        number = position + length + joined
        if not joined or number >= len(tokens) or tokens[number].kind != NUMBER:
            return position, None
        amount = read_amount(tokens, number)
        if amount is None:
            return position, None
        condition = self._equal(amount.value, read_units()["ct"], tokens[:position])
        return (number + 1, condition) if condition is not None else (position, None)

    def _read_measure(
        self, tokens: Sequence[Token], terms: Sequence[Key], position: int
    ) -> tuple[int, Condition | None]:
        if tokens[position].kind != NUMBER:
            return position, None
        amount = read_amount(tokens, position)
        if amount is None or amount.unit is None or amount.currencies:
            return position, None
        rest = [token for token in (*tokens[:position], *tokens[amount.end :]) if token.kind != SIGN]
        condition = self._equal(amount.value, amount.unit, rest)
        return (amount.end, condition) if condition is not None else (position, None)

    def find_rows(self, tokens: Sequence[Token]) -> Int32 | None:
        """Find the products that hold words, int32 [n]; of the rarest alone where none holds all, None of no word."""
        postings = [
            self._index.lookup(term)[0]
            for token in tokens[:MAX_ROW_WORDS]
            for term in self._list_terms(token)
            if term not in self._stopwords and term in self._index
        ]
        if not postings:
            return None
        postings.sort(key=len)
        rows = postings[0]
        for others in postings[1:]:
            both = np.intersect1d(rows, others, assume_unique=True)
            rows = both if len(both) else rows
        return rows

    def _equal(self, value: float, unit: Unit, tokens: Sequence[Token]) -> Condition | None:
        """Make the condition that a field is just a measure; None where no product has it."""
        words, rows = [token.text for token in tokens], self.find_rows(tokens)
        measure = value * unit.factor
        field, _ = self._measures.choose(unit, words, rows, measure, measure)
        if field is None and unit == read_units()["oz"]:
            unit = read_units()["floz"]
            measure = value * unit.factor
            field, _ = self._measures.choose(unit, words, rows, measure, measure)
        if field is None or not field.has(measure):
            return None
        kind = "pack" if unit.quantity == "count" else "quantity"
        text = field.write_range(measure, measure)
        return Condition(
            text="", start=0, end=0, type=kind, field=write_field(field.name), filter=text, effect=Effect.BOOST
        )

    def _read_category(self, tokens: Sequence[Token], terms: Sequence[Key]) -> tuple[int, int, Condition] | None:
        """Find the category that the query's head names: its last words, or its first where the language has it so."""
        words = [number for number, token in enumerate(tokens) if token.kind in (WORD, RUN, NUMBER)]
        if not words:
            return None
        size = min(len(words), self._lexicon.longest)
        for length in range(size, 0, -1):
            span = words[:length] if self._head_first else words[-length:]
            if span[-1] - span[0] != length - 1:
                continue
            for meaning in self._lexicon.find(join_terms([terms[number] for number in span])):
                if (
                    meaning.kind == "category"
                    and self._lexicon.tells_apart(meaning)
                    and len(meaning.values) <= MAX_FILTER_VALUES
                ):
                    return span[0], span[-1] + 1, self._describe(meaning)
        return None


def _is_name(tokens: Sequence[Token], meaning: Meaning) -> bool:
    """Tell whether words are a brand's name as it is, not another form of it: "equipment" is no "Equip"."""
    written = "".join(filter(str.isalnum, "".join(token.text for token in tokens)))
    return any("".join(filter(str.isalnum, fold(value))) == written for value in meaning.values)


def _is_size(token: Token) -> bool:
    """Tell whether a word alone is a size: XL, XXL; a letter or a number needs a word that says so."""
    return token.kind == WORD and 2 <= len(token.text) <= 4 and set(token.text) <= set("xsml0123456789")
