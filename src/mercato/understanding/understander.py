"""Understanding queries: grammar first, whose words spelling must not touch, then the catalogue's own values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mercato.arrays import Int32
from mercato.catalog.field_names import write_field, write_text
from mercato.grammar.amounts import Comparison, may_compare, read_comparison
from mercato.grammar.exclusions import Exclusion, may_exclude, read_exclusion, strip_free
from mercato.grammar.phrases import LANGUAGES, list_phrases
from mercato.grammar.tokens import NUMBER, RUN, SIGN, WORD, Token, fold, tokenize_query
from mercato.grammar.units import Unit, read_units
from mercato.index import layout
from mercato.index.held_words import NOT_HELD
from mercato.index.learned_units import read_learned_units
from mercato.index.live import LiveCatalog
from mercato.requests.understand import Understand
from mercato.understanding.condition import Condition, Effect, Status
from mercato.understanding.lexicon import Lexicon, join_terms
from mercato.understanding.measure_fields import MeasureFields, write_bounds
from mercato.understanding.query_pieces import QueryPieces, cut_pieces
from mercato.understanding.values import ValueReader

NAME_SHARE = 0.2
"""Two words that stand together in so many of the products that hold one of them are a name ("pro max")."""
_FOREIGN_WORDS = frozenset(fold(phrase) for phrase in list_phrases("without") if phrase[0] < "\u3000")
MAX_REST_WORDS = 8
MAX_TOKENS = 64
"""A longer text is a paste: only its beginning is understood."""


@dataclass(frozen=True, kw_only=True)
class Understanding:
    """What is meant by a query.

    Attributes:
        text: what is left to search and to encode; empty where the query has conditions only.
        pieces: the words that are left, as they were typed.
        conditions: in the order of the query.
    """

    text: str
    pieces: QueryPieces
    conditions: tuple[Condition, ...] = ()

    def relax(self, *, keep_exclusions: bool) -> Understanding:
        """Return the same with conditions that boost instead of leaving nothing.

        Args:
            keep_exclusions: whether what excludes goes on excluding.
        """
        return replace(
            self,
            conditions=tuple(
                one.relax() if one.narrows and not (keep_exclusions and one.effect is Effect.EXCLUDE) else one
                for one in self.conditions
            ),
        )


Correct = Callable[[str], str]
"""Corrects the spelling of the words that are left of a query."""


class Understander:
    """Understands the queries of one catalogue."""

    def __init__(self, catalog: LiveCatalog, stopwords: frozenset[str]) -> None:
        """Make it; the catalogue is read at the first query.

        Args:
            catalog: the products.
            stopwords: terms that say nothing.
        """
        self._catalog = catalog
        self._stopwords = stopwords

    @cached_property
    def _lexicon(self) -> Lexicon:
        return Lexicon(self._catalog, self._stopwords)

    @cached_property
    def _measures(self) -> MeasureFields:
        snapshot = self._catalog.snapshot
        return MeasureFields(snapshot.columns, read_learned_units(snapshot.folder / layout.UNITS))

    @cached_property
    def _values(self) -> ValueReader:
        return ValueReader(self._catalog, self._lexicon, self._measures, self._stopwords)

    @cached_property
    def _own_words(self) -> frozenset[str]:
        """What says "without" in the shop's language. In another's it may be a name: "Sin City", "Comic Sans"."""
        own = LANGUAGES.get(self._catalog.analyzer.language)
        return frozenset(map(fold, own.without.split("|"))) if own is not None else _FOREIGN_WORDS

    @cached_property
    def _currency(self) -> str:
        """The currency of most prices; empty where the catalogue names none."""
        column = self._catalog.snapshot.columns.text("currency")
        if column is None or not len(column):
            return ""
        return column.value(int(np.argmax(np.diff(column.indptr))))

    @cached_property
    def _has_prices(self) -> bool:
        column = self._catalog.snapshot.columns.number("price")
        priced = column is not None and bool(np.any(~np.isnan(column.values)))
        return priced or any(item is not None and item.price is not None for item in self._catalog.delta.items)

    def understand(
        self, query: str, mode: Understand, ignored: Collection[str] = (), correct: Correct = str
    ) -> Understanding:
        """Understand a query.

        Args:
            query: normalised.
            mode: how far what is understood may go.
            ignored: texts, types or fields of conditions that are not wanted: their words are words again.
            correct: corrects the spelling of the words outside of what the grammar has read.
        """
        if mode is Understand.OFF:
            return Understanding(text=correct(query), pieces=cut_pieces(query, ()))
        self._lexicon.update()
        unwanted = frozenset(map(fold, ignored))
        certain, removed, given_back = self._read_certain(query, unwanted)
        pieces = cut_pieces(query, removed)
        text = correct(pieces.text) if pieces.text else ""
        corrected = pieces if text == pieces.text else pieces.correct(text)
        likely = [
            one
            for one in (self._values.read(corrected, query) if text else ())
            if not any(one.start < end and start < one.end for start, end in given_back)
        ]
        conditions = [
            one if mode is Understand.AUTO else one.soften()
            for one in sorted([*certain, *likely], key=lambda one: (one.start, one.end))
            if not is_ignored(one, unwanted)
        ]
        return Understanding(text=text, pieces=pieces, conditions=tuple(conditions))

    def _read_certain(
        self, query: str, unwanted: Collection[str]
    ) -> tuple[list[Condition], list[tuple[int, int]], list[tuple[int, int]]]:
        """Read comparisons and exclusions.

        Returns:
            The conditions, the stretches of the query that are not searched, and those of conditions that the caller
            does not want: these are words, and mean nothing besides.
        """
        tokens = tokenize_query(query)[:MAX_TOKENS]
        if not (may_compare(tokens) or may_exclude(tokens)):
            return [], [], []
        conditions: list[Condition] = []
        removed: list[tuple[int, int]] = []
        given_back: list[tuple[int, int]] = []
        position = 0
        words = [token.text for token in tokens if token.kind in (WORD, RUN)]
        while position < len(tokens):
            comparison = read_comparison(tokens, position, self._is_name)
            if comparison is not None:
                first, end = comparison.first, comparison.end
                found, searched = [self._compare(comparison, tokens, query, words)], False
            else:
                exclusion = read_exclusion(tokens, position, query, self._measure_value)
                first, end = (exclusion.first, exclusion.end) if exclusion is not None else (position, position + 1)
                found, searched = ([], True) if exclusion is None else self._exclude(exclusion, tokens, query)
            stretch = tokens[first].start, tokens[end - 1].end
            if found and all(is_ignored(one, unwanted) for one in found):
                given_back.append(stretch)
            elif found:
                conditions += found
                if not searched:
                    removed.append(stretch)
            position = end if found else position + 1
        return conditions, removed, given_back

    def _compare(self, comparison: Comparison, tokens: Sequence[Token], query: str, words: list[str]) -> Condition:
        start, end = tokens[comparison.first].start, tokens[comparison.end - 1].end
        condition = Condition(text=query[start:end], start=start, end=end, type="price", effect=Effect.FILTER)
        unit = comparison.unit
        if unit is not None and comparison.currencies:  # pounds of money or of mass
            priced = self._currency in comparison.currencies or not self._measures.choose(unit, words)[0]
            unit = None if priced else unit
        if unit is not None:
            rest = [token for token in (*tokens[: comparison.first], *tokens[comparison.end :]) if token.kind != SIGN]
            return self._measure(condition, comparison, unit, words, self._values.find_rows(rest))
        if not self._has_prices:
            return replace(condition, status=Status.UNUSED, reason="no product has a price")
        bounds = write_bounds(
            "price", comparison.lower, comparison.upper,
            lower_inclusive=comparison.lower_inclusive, upper_inclusive=comparison.upper_inclusive,
        )  # fmt: skip
        condition = replace(condition, field="price", filter=bounds)
        if comparison.currencies and self._currency and self._currency not in comparison.currencies:
            reason = f"prices are in {self._currency}"
            return replace(condition, effect=Effect.BOOST, status=Status.UNUSED, filter="", reason=reason)
        return condition

    def _measure(
        self, condition: Condition, comparison: Comparison, unit: Unit, words: list[str], rows: Int32 | None
    ) -> Condition:
        """Find the field that a comparison with a unit is about."""
        condition = replace(condition, type="quantity")
        lower, upper = (None if one is None else one * unit.factor for one in (comparison.lower, comparison.upper))
        field, certain = self._measures.choose(unit, words, rows, lower, upper)
        if field is None and unit == read_units()["oz"]:
            unit = read_units()["floz"]
            lower, upper = (None if one is None else one * unit.factor for one in (comparison.lower, comparison.upper))
            field, certain = self._measures.choose(unit, words, rows, lower, upper)
        if field is None:
            return replace(condition, status=Status.UNUSED, reason=f"no field holds a {unit.quantity}")
        text = field.write_range(
            lower, upper,
            lower_inclusive=comparison.lower_inclusive, upper_inclusive=comparison.upper_inclusive,
        )  # fmt: skip
        condition = replace(condition, field=write_field(field.name), filter=text)
        if not text:
            return replace(condition, status=Status.UNUSED, reason="no product passes")
        return condition if certain else replace(condition, effect=Effect.BOOST)

    def _exclude(self, exclusion: Exclusion, tokens: Sequence[Token], query: str) -> tuple[list[Condition], bool]:
        """Make a condition of each thing that is not wanted; returns whether the words are searched all the same."""
        held = self._catalog.held_words
        things = [strip_free(query[tokens[first].start : tokens[end - 1].end]) for first, end in exclusion.things]
        known = [thing for thing in things if self._catalog.analyzer.split(thing)]
        written = bool(known) and all(held.knows(NOT_HELD + thing) for thing in known)
        if not known or (exclusion.doubtful and not written):
            return [], True
        if exclusion.phrase and not written and not any(map(held.knows, known)):
            return [], True  # "no such word" leaves nothing out
        rest = [
            query[token.start : token.end]
            for token in (*tokens[: exclusion.first], *tokens[exclusion.end :])
            if token.kind in (WORD, RUN) and not self._stopwords.issuperset(self._catalog.analyzer.analyze(token.text))
        ]
        conditions = []
        for number, thing in enumerate(known):
            start = tokens[exclusion.first if number == 0 else exclusion.things[number][0]].start
            end = tokens[(exclusion.end if len(known) == 1 else exclusion.things[number][1]) - 1].end
            conditions.append(
                Condition(
                    text=query[start:end], start=start, end=end, type=self._type_of(thing), field="words",
                    filter=f"NOT words: ANY({write_text(thing)})", effect=Effect.EXCLUDE,
                    lacking=write_lacking(thing, rest) if held.knows(NOT_HELD + thing) else "",
                )
            )  # fmt: skip
        foreign = exclusion.cue in _FOREIGN_WORDS and exclusion.cue not in self._own_words
        named = foreign and self._is_name(tokens, exclusion.things[0][0])
        return conditions, written and (named or (exclusion.phrase and not rest))

    def _type_of(self, thing: str) -> str:
        key = join_terms([chunk.parts for chunk in self._catalog.analyzer.split(thing)])
        kinds = [meaning.kind for meaning in self._lexicon.find(key) if meaning.kind != "category"]
        return kinds[0] if kinds else "word"

    def _measure_value(self, tokens: Sequence[Token], position: int) -> int:
        """Count the tokens of the longest value of the catalogue that begins at a position; 1 where none does."""
        key: tuple[str, ...] = ()
        longest = 1
        for length, token in enumerate(tokens[position : position + self._lexicon.longest], start=1):
            if token.kind not in (WORD, RUN, NUMBER) or len(key) > self._lexicon.longest:
                break
            key += join_terms([chunk.parts for chunk in self._catalog.analyzer.split(token.text)])
            if length > 1 and self._lexicon.find(key):
                longest = length
        return longest

    def _is_name(self, tokens: Sequence[Token], position: int) -> bool:
        """Tell whether a word and the one before it stand together in the shop's texts."""
        if not position:
            return False
        words = self._catalog.snapshot.words
        sides = []
        for token in tokens[position - 1 : position + 1]:
            terms = self._catalog.analyzer.analyze(token.text)
            if len(terms) != 1:
                return False
            sides.append(words.lookup(terms[0])[0])
        fewest = min(map(len, sides))
        both = np.intersect1d(sides[0], sides[1], assume_unique=True)
        return fewest > 0 and len(both) >= NAME_SHARE * fewest


def write_lacking(thing: str, rest: Sequence[str]) -> str:
    """Write the filter for what says that it is without a thing, and holds one of the query's other words.

    A sugar free pie is no answer to "sugar free cookies".
    """
    lacking = f"words: ANY({write_text(NOT_HELD + thing)})"
    return f"{lacking} AND words: ANY({', '.join(map(write_text, rest[:MAX_REST_WORDS]))})" if rest else lacking


def is_ignored(condition: Condition, unwanted: Collection[str]) -> bool:
    """Tell whether a caller does not want a condition: by its text, its type or its field."""
    return bool(unwanted) and any(
        fold(name) in unwanted for name in (condition.text, condition.type, condition.field) if name
    )
