"""The explanations of a page: every number is the one that was used, every phrase follows from a number."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from mercato.arrays import Float32
from mercato.catalog.product import Product, parse_product
from mercato.events.event_type import EVENT_TYPES
from mercato.explain.ablation import Window, compute_cosines, compute_effects
from mercato.explain.chinese import find_phrases
from mercato.explain.groups import GROUPS
from mercato.explain.matches import FieldMatch, QueryWords, collect_words, compare_products
from mercato.explain.phrases import ENGLISH, Phrases
from mercato.explain.rules import note_rules
from mercato.explain.sentence import Because, Move, write_recommendation_line, write_search_line
from mercato.features.features import COLUMN
from mercato.index.live import LiveCatalog
from mercato.index.product_features import leaf_category
from mercato.models.stages import RankerStage
from mercato.policy.ranked import DialMove
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.retrieval import RetrievalRequest, Retrieved
from mercato.requests.trace import NO_EVENT, StageTrace
from mercato.retrieval.evidence import Counts
from mercato.retrieval.restricted import find_restricted
from mercato.retrieval.sources.popular import POPULAR
from mercato.retrieval.sources.registry import BY_LABEL
from mercato.retrieval.sources.words import WORDS
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.momentum import ARRIVAL_DAYS
from mercato.text.timestamps import format_timestamp

FIELDS = ("title", "brand", "categories", "attributes", "description", "id")
"""The fields of a product that words are looked for in, the one that says most first."""
FEATURES_SHOWN = 5
"""Groups of features of one explanation: those of the largest effect."""
SMALLEST_EFFECT = 1e-4
"""An effect below this is none."""

_SIDES = {1: "more", 0: "", -1: "less"}
_NUMBER = {group.name: number for number, group in enumerate(GROUPS)}


@dataclass(frozen=True, kw_only=True)
class PageToExplain:
    """One page, and what the stages did with its request.

    Attributes:
        request: what was asked.
        retrieved: its candidates.
        rows: the products of the page, in order.
        window: what the ranker was given and answered; None where it was not asked or failed.
        later: by name the scores of stages after the ranker, by row, the best first in each stage.
        pinned: rows whose positions the shop decided.
        seated: cold-start products that were moved up to a slot of their own.
        moves: by row what the dials did to it.
    """

    request: RetrievalRequest
    retrieved: Retrieved
    rows: Sequence[int]
    window: Window | None = None
    later: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    pinned: Collection[int] = frozenset()
    seated: Collection[int] = frozenset()
    moves: Mapping[int, Sequence[DialMove]] = field(default_factory=dict)


class Explainer:
    """Explains pages of one catalogue."""

    def __init__(
        self,
        catalog: LiveCatalog,
        ranker: RankerStage | None,
        phrases: Phrases = ENGLISH,
        *,
        queries: QueryAnalyzer | None = None,
    ) -> None:
        """Make an explainer.

        Args:
            catalog: the products.
            ranker: what orders the windows; None where nothing does.
            phrases: the language of the readable lines where a request names none of those that are known.
            queries: reads queries; None makes one of its own for the catalogue.
        """
        self._catalog = catalog
        self._queries = queries or QueryAnalyzer(catalog)
        self._ranker = ranker
        self._phrases = phrases

    def explain(self, pages: Sequence[PageToExplain]) -> list[list[bytes]]:
        """Explain the products of several pages: the ranker is asked once for all.

        Returns:
            For each page a JSON object for each of its products.

        Raises:
            ModelError: the ranker failed.
        """
        effects: dict[int, Float32] = {}
        windows = {
            position: page.window
            for position, page in enumerate(pages)
            if page.window is not None and len(page.window.scores)
        }
        if self._ranker is not None and windows:
            found = compute_effects(self._ranker, list(windows.values()))
            effects = dict(zip(windows, found, strict=True))
        return [
            _Page(self._catalog, self._queries, self._phrases, page, effects.get(position)).explain()
            for position, page in enumerate(pages)
        ]


class _Page:
    """The explanations of one page."""

    def __init__(
        self,
        catalog: LiveCatalog,
        queries: QueryAnalyzer,
        phrases: Phrases,
        page: PageToExplain,
        effects: Float32 | None,
    ) -> None:
        self._catalog = catalog
        self._queries = queries
        self._phrases = find_phrases(page.request.context.language, phrases)
        self._page = page
        self._effects = effects
        self._window_position = {row: position for position, row in enumerate(page.retrieved.rows.tolist())}
        self._ranks = {} if page.window is None else {"ranker": _rank_positions(page.window.scores)}
        self._values = [] if page.window is None else _read_values(page.window)
        self._sides = [None if column is None else np.sign(column - column.mean()) for column in self._values]
        self._products: dict[int, Product | None] = {}
        tail = page.retrieved.tail
        self._beyond = frozenset(tail[len(tail) - page.retrieved.beyond :].tolist())
        demoted = dict(zip(page.retrieved.rows.tolist(), page.retrieved.demoted.tolist(), strict=False))
        self._rules = note_rules(catalog, page.request, page.pinned, page.seated, page.rows, page.moves, demoted)
        searched = catalog.snapshot.words.settings.fields
        self._fields = [name for name in FIELDS if name in searched]
        self._words = self._read_query(page)

    def _read_query(self, page: PageToExplain) -> QueryWords | None:
        """Read the query as the word index did, which goes by the correction where there is one."""
        queries, texts = self._queries, [page.request.text]
        if page.retrieved.corrected_query:
            texts.append(page.retrieved.corrected_query)
        if not page.request.is_search:
            return None
        language = page.request.context.language
        groups = [group for text in texts for group in queries.read(text, language).groups]
        texts += [meant for text in texts if (meant := queries.translate(text, language)) != text]
        return QueryWords(texts, queries.analyzer, queries.stopwords, groups)

    def explain(self) -> list[bytes]:
        return [orjson.dumps(self._explain(row), option=orjson.OPT_SERIALIZE_NUMPY) for row in self._page.rows]

    def _explain(self, row: int) -> dict[str, Any]:
        page, phrases = self._page, self._phrases
        product = self._product(row)
        because = self._find_because(row)
        stages = self._list_stages(row)
        moves = self._list_moves(row)
        evidence = self._evidence_product(because)
        explanation: dict[str, Any] = {"stages": stages}
        rules = self._rules.get(row, [])
        if page.request.is_search:
            matches = self._words.find(product, self._fields) if self._words is not None and product else []
            floor = self._catalog.snapshot.floor
            text = write_search_line(
                phrases,
                page.request.text,
                rules,
                matches,
                stages,
                moves,
                because,
                least_cosine=-1.0 if floor is None else floor.speak(page.request.context.language).meaning,
                beyond=row in self._beyond,
            )
        else:
            matches = compare_products(product, evidence) if product and evidence and product.id != evidence.id else []
            text = write_recommendation_line(phrases, rules, because, moves, page.request.context)
        explanation["matched"] = _write_matches(matches)
        explanation["features"] = self._write_features(row, moves)
        if because is not None and not page.request.is_search:
            explanation["because"] = _write_because(because)
        if rules:
            explanation["rules"] = [rule.as_json() for rule in rules]
        explanation["text"] = text
        return explanation

    def _list_stages(self, row: int) -> dict[str, dict[str, Any]]:
        stages: dict[str, dict[str, Any]] = {}
        trace = self._page.retrieved.stages
        position = trace.position_of.get(row, -1) if trace is not None else -1
        if trace is not None and position >= 0:
            for number, source in enumerate(trace.sources):
                if trace.ranks[number, position] > 0:
                    stages[source] = {
                        "rank": int(trace.ranks[number, position]),
                        "score": trace.scores[number, position],
                    }
            if trace.fused_rank[position] > 0:
                stages["fusion"] = {"rank": int(trace.fused_rank[position]), "score": trace.fused[position]}
        window, at = self._page.window, self._window_position.get(row, -1)
        if window is not None and at >= 0:
            stages["ranker"] = {"rank": int(self._ranks["ranker"][at]), "score": window.scores[at]}
        for name, scores in self._page.later.items():
            if row in scores:
                stages[name] = {"rank": list(scores).index(row) + 1, "score": scores[row]}
        return stages

    def _find_because(self, row: int) -> Because | None:
        trace = self._page.retrieved.stages
        position = trace.position_of.get(row, -1) if trace is not None else -1
        if trace is None or position < 0:
            return None
        source = trace.largest_source(position)
        if source is None:
            return Because(source=WORDS.label if self._page.request.is_search else POPULAR.label, follows=True)
        return self._name_evidence(trace, source, row, position)

    def _name_evidence(self, trace: StageTrace, source: str, row: int, position: int) -> Because:
        found = trace.evidence.get(source)
        evidence = int(found.rows[position]) if found is not None else -1
        if self._is_restricted(row) or self._is_restricted(evidence):
            return Because(source=source)
        sold = bool(self._catalog.features().log_popularity[row] > 0)
        if found is None or not 0 <= evidence < self._catalog.base + len(self._catalog.delta):
            return Because(
                source=source,
                follows=not trace.fused_rank[position] or (source == POPULAR.label and not sold),
                filtered=self._page.request.condition is not None,
                counts=self._count_shoppers(source, row),
                since=self._find_arrival(row),
            )
        product = self._product(evidence)
        return Because(
            source=source,
            category=leaf_category(product) if product is not None else "",
            sold=sold,
            product_id=self._catalog.id_of(evidence),
            title=product.title if product is not None else "",
            event_type=int(found.type[position]),
            time=float(found.time[position]),
            counts=self._count_together(source, evidence, row),
        )

    def _is_restricted(self, row: int) -> bool:
        """Tell whether nothing may be said of what a shopper did with a product."""
        return bool(
            self._page.request.restrictions
            and find_restricted(self._catalog, self._page.request, np.array([row], np.int32))[0]
        )

    def _count_shoppers(self, source: str, row: int) -> Counts | None:
        """Return what a source that goes by no event counted of a product; None where there is nothing to tell.

        Of a catalogue that learned from other events than purchases, for want of these, nothing is told.
        """
        [original] = self._catalog.original_rows(np.array([row], np.int32)).tolist()
        if source not in BY_LABEL or original < 0 or not self._catalog.snapshot.learned.bought:
            return None
        return BY_LABEL[source].count_shoppers(self._catalog, original, self._page.request.context)

    def _count_together(self, source: str, evidence: int, row: int) -> Counts | None:
        """Return how often a product was bought with the one that speaks for it; None where nobody counted."""
        if source not in BY_LABEL:
            return None
        start, original = self._catalog.original_rows(np.array([evidence, row], np.int32)).tolist()
        return BY_LABEL[source].count_together(self._catalog, start, original)

    def _find_arrival(self, row: int) -> float:
        """Return when a product came, where it says so and that was recently; NaN otherwise."""
        product = self._product(row)
        came = product.available_seconds if product is not None else None
        if came is None or not 0.0 <= self._page.request.context.time - came <= ARRIVAL_DAYS * SECONDS_PER_DAY:
            return math.nan
        return came

    def _list_moves(self, row: int) -> list[Move]:
        """Return the groups that moved a product, the strongest first; none outside the ranker's window."""
        at = self._window_position.get(row, -1)
        if self._effects is None or at < 0:
            return []
        effects = self._effects[:, at].tolist()
        strongest = sorted(range(len(effects)), key=lambda number: -abs(effects[number]))
        if self._is_restricted(row):
            return []
        return [
            Move(group=GROUPS[number].name, effect=effects[number], side=self._side(number, at))
            for number in strongest
            if abs(effects[number]) >= SMALLEST_EFFECT
        ]

    def _side(self, group: int, at: int) -> str:
        sides = self._sides[group]
        return "" if sides is None else _SIDES[int(sides[at])]

    def _write_features(self, row: int, moves: Sequence[Move]) -> list[dict[str, Any]]:
        at = self._window_position.get(row, -1)
        features = []
        for move in moves[:FEATURES_SHOWN]:
            number = _NUMBER[move.group]
            values = self._values[number]
            value = None if values is None else round(GROUPS[number].read(float(values[at])), 4)
            features.append({"name": move.group, "value": value, "effect": round(move.effect, 4)})
        return features

    def _product(self, row: int) -> Product | None:
        if row not in self._products:
            document = self._catalog.document(row)
            self._products[row] = parse_product(orjson.loads(document)) if document else None
        return self._products[row]

    def _evidence_product(self, because: Because | None) -> Product | None:
        if because is None or not because.product_id:
            return None
        row = self._catalog.row_of(because.product_id)
        return self._product(row) if row >= 0 else None


def _rank_positions(scores: Float32) -> npt.NDArray[np.int64]:
    """Return each position's rank from 1, the highest score first, equal scores by position: int64 [w]."""
    ranks = np.empty(len(scores), np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return ranks


def _read_values(window: Window) -> list[Float32 | None]:
    """Return for each group the column that an explanation shows, or its cosine: float32 [w]; None for neither."""
    values: list[Float32 | None] = []
    for group in GROUPS:
        vector = group.vector(is_search=window.is_search)
        if group.shown:
            values.append(window.features[:, COLUMN[group.shown]])
        else:
            values.append(compute_cosines(window, vector) if vector is not None else None)
    return values


def _write_matches(matches: Sequence[FieldMatch]) -> dict[str, Any]:
    fields: list[dict[str, Any]] = []
    for match in matches:
        others = {"for": dict(match.stands_for)} if match.stands_for else {}
        fields.append({"name": match.field, "words": list(match.words), **others})
    return {"words": collect_words(matches), "fields": fields}


def _write_because(because: Because) -> dict[str, Any]:
    written: dict[str, Any] = {"source": because.source}
    if because.product_id:
        written["product_id"] = because.product_id
    if because.event_type != NO_EVENT:
        written["event_type"] = EVENT_TYPES[because.event_type]
        if because.time >= 0:  # of an event without a time the order alone is known
            written["time"] = format_timestamp(because.time)
    if because.counts is not None:
        written |= _write_counts(because.counts)
    return written


def _write_counts(counts: Counts) -> dict[str, Any]:
    written: dict[str, Any] = {"orders" if counts.orders else "buyers": counts.buyers}
    if counts.days:
        written["days"] = counts.days
    if counts.region:
        written["region"] = counts.region
    if counts.days and counts.has_date:
        written["until"] = format_timestamp(counts.until)
    return written
