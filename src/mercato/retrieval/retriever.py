"""The retriever: from checked requests and query vectors to candidates with features, one call for a whole batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError, MercatoError, StateError
from mercato.features.features import FEATURE_NAMES, compute_features
from mercato.features.inputs import CandidateList, History, RankRequest
from mercato.filters import Filter
from mercato.index.dense import EF_PER_CANDIDATE, expand_groups
from mercato.index.facet_counts import FacetCounter
from mercato.index.live import LiveCatalog
from mercato.models.sequence.next_products import NextProducts
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.facets import FacetSpec
from mercato.requests.retrieval import RetrievalRequest, Retrieved, Source
from mercato.retrieval.case import Case, Found, prepare_case, without_purchased
from mercato.retrieval.following import foretell
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.histories import HistoryReader
from mercato.retrieval.narrowing import allow_for
from mercato.retrieval.recommend import find_recommendations
from mercato.retrieval.record import record_stages
from mercato.retrieval.result import WholeResult
from mercato.retrieval.search import find_search_candidates
from mercato.retrieval.signals import gather_signals
from mercato.retrieval.source_weights import WEIGHTS, Weights, choose_sources
from mercato.retrieval.sources import CANDIDATES, SAME_TEXT_ROWS, SEARCH_CANDIDATES
from mercato.state.store import StateStore
from mercato.state.values import Actor

logger = logging.getLogger(__name__)

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

HISTORY_LIMIT = 1000
"""Events of a history that are read."""


class Retriever:
    """Finds candidates for searches and recommendations."""

    def __init__(
        self,
        catalog: LiveCatalog,
        state: StateStore | None,
        weights: Weights = WEIGHTS,
        next_products: NextProducts | None = None,
        queries: QueryAnalyzer | None = None,
    ) -> None:
        """Make a retriever.

        Args:
            catalog: the products.
            state: where histories are read from; None if there are none.
            weights: of the sources of recommendations, by placement.
            next_products: foretells from the order of events; None where no sequence model is served.
            queries: reads queries; None makes one of its own for the catalogue.
        """
        self._queries = queries or QueryAnalyzer(catalog)
        self._weights = weights
        self._next_products = next_products
        self.catalog = catalog
        self._state = state
        self._histories = HistoryReader(catalog)
        self._whole = WholeResult(FacetCounter(catalog))

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.catalog.snapshot.manifest.dimension

    def retrieve(self, requests: Sequence[RetrievalRequest], vectors: Float32 | None) -> list[Retrieved | MercatoError]:
        """Find the candidates of a batch of requests.

        Args:
            requests: the requests.
            vectors: float32 [batch, D], query vectors; rows of requests without a query are not read. None if there is
                no encoder: searches then go by words alone.

        Returns:
            For each request its candidates, or the error that concerns it alone.
        """
        degraded: list[str] = []
        histories = self._read_state(requests, degraded)
        errors: dict[int, MercatoError] = {}
        cases: dict[int, Case] = {}
        for place, request in enumerate(requests):
            vector = vectors[place] if vectors is not None and request.is_search else None
            try:
                self._whole.check(request)
                cases[place] = prepare_case(self.catalog, request, histories[place], vector)
            except InvalidInputError as exc:
                errors[place] = exc
        found = self.find(list(cases.values()), degraded)
        facets = self.count_facets(list(cases.values()), found)
        fused = found
        found = [self._whole.arrange(case, one) for case, one in zip(cases.values(), fused, strict=True)]
        features = self.compute_features(list(cases.values()), found)
        answers: dict[int, Retrieved] = {
            place: self._explain(case, before, _join(case, one, columns, degraded, counts))
            for (place, case), before, one, columns, counts in zip(
                cases.items(), fused, found, features, facets, strict=True
            )
        }
        return [answers[place] if place in answers else errors[place] for place in range(len(requests))]

    def find(self, cases: Sequence[Case], degraded: list[str] | None = None) -> list[Found]:
        """Find the candidates of prepared cases: one search of the dense index and one look ahead for all.

        Args:
            cases: the cases.
            degraded: gets the name of what could not be used.
        """
        dense = self._search_dense(cases)
        following = foretell(self.catalog, cases, self._weights, self._next_products, degraded)
        return [
            find_search_candidates(self.catalog, self._queries, case, dense[place])
            if case.request.is_search
            else find_recommendations(self.catalog, case, dense[place], self._weights, following[place])
            for place, case in enumerate(cases)
        ]

    def count_facets(self, cases: Sequence[Case], found: Sequence[Found]) -> list[list[dict[str, Any]]]:
        """Count the facets of each case over its whole result.

        A facet with excluded filter keys counts the result that the request would have without the conditions on them:
        such requests are retrieved once more, all in one search.
        """
        if not any(case.request.facets for case in cases):
            return [[] for _ in cases]
        asked = [
            [
                case.request if case.relaxed else self._whole.without_excluded(case.request, facet)
                for facet in case.request.facets
            ]
            for case in cases
        ]
        variants: dict[tuple[int, Filter | None], Case] = {}
        for place, case in enumerate(cases):
            for request in asked[place]:
                if request.condition != case.request.condition:
                    allowed, pinned = allow_for(self.catalog, request, request.condition)
                    allowed = without_purchased(allowed, case.history, request)
                    variants[place, request.condition] = replace(case, request=request, allowed=allowed, pinned=pinned)
        wider = dict(zip(variants, self.find(list(variants.values())), strict=True)) if variants else {}
        counted: list[list[dict[str, Any]]] = []
        for place, case in enumerate(cases):
            facets: dict[Filter | None, list[FacetSpec]] = {}
            for facet, request in zip(case.request.facets, asked[place], strict=True):
                facets.setdefault(request.condition, []).append(facet)
            counts: dict[str, dict[str, Any]] = {}
            for condition, specs in facets.items():
                result = variants.get((place, condition), case), wider.get((place, condition), found[place])
                counts |= {one["key"]: one for one in self._whole.count(*result, specs)}
            counted.append([counts[facet.key] for facet in case.request.facets])
        return counted

    def compute_features(self, cases: Sequence[Case], found: Sequence[Found]) -> list[Float32]:
        """Compute the ranker's features of each case's window: float32 [w, F] each, zeros where no ranker is asked."""
        requests = [
            RankRequest(
                candidates=self._candidate_list(case, one),
                history=case.history,
                context=case.request.context,
                has_query=case.request.is_search,
            )
            for case, one in zip(cases, found, strict=True)
            if case.request.ranked_by_network
        ]
        features = compute_features(requests, self.catalog.features())
        parts = iter(np.split(features, np.cumsum([len(request.candidates) for request in requests])))
        return [
            next(parts)
            if case.request.ranked_by_network
            else np.zeros((len(one.fused.rows[: case.request.window]), len(FEATURE_NAMES)), np.float32)
            for case, one in zip(cases, found, strict=True)
        ]

    def _candidate_list(self, case: Case, found: Found) -> CandidateList:
        fused, window = found.fused, case.request.window
        rows = fused.rows[:window]
        originals = self.catalog.original_rows(rows)
        columns = {source: place for place, source in enumerate(found.sources)}
        nothing = np.zeros(len(rows), np.float32)

        def column(array: npt.NDArray[np.generic], *choices: Source) -> npt.NDArray[np.generic]:
            places = [columns[source] for source in choices if source in columns]
            return array[places[0], :window] if places else nothing

        return CandidateList(
            rows=rows,
            dense_score=column(fused.scores, Source.DENSE, Source.SIMILAR).astype(np.float32),
            word_score=column(fused.scores, Source.WORDS).astype(np.float32),
            cooccurrence=case.near.together.score(originals),
            dense_rank=column(fused.ranks, Source.DENSE, Source.SIMILAR).astype(np.int32),
            word_rank=column(fused.ranks, Source.WORDS).astype(np.int32),
            fused=fused.fused[:window],
            coverage=None if found.coverage is None else found.coverage[:window],
            matches=found.total if case.request.is_search else 0,
            signals=None if case.request.is_search else gather_signals(self.catalog, case, originals),
        )

    def _explain(self, case: Case, found: Found, retrieved: Retrieved) -> Retrieved:
        """Keep what each source gave to each candidate, where the request asks for it."""
        if not case.request.explain:
            return retrieved
        return replace(
            retrieved, stages=record_stages(self.catalog, self._queries, case, found, retrieved, self._next_products)
        )

    def _read_state(self, requests: Sequence[RetrievalRequest], degraded: list[str]) -> list[History]:
        """Bring the catalogue up to date and read the histories; a broken state leaves both as they were."""
        histories = [History.empty()] * len(requests)
        if self._state is None:
            return histories
        actors = {
            place: Actor(user_id=request.user_id, visitor_id=request.visitor_id)
            for place, request in enumerate(requests)
            if request.user_id or request.visitor_id
        }
        try:
            self.catalog.refresh()
            events = self._state.recent_events(list(actors.values()), HISTORY_LIMIT) if actors else []
        except StateError:
            logger.exception("state cannot be read; answering without it")
            degraded.append("state")
            return histories
        for place, recent in zip(actors, events, strict=True):
            histories[place] = self._histories.read(recent)
        return histories

    def _search_dense(self, cases: Sequence[Case]) -> list[RankedList | None]:
        """Search the dense index: one call for all probes of a kind without a filter, one for each with."""
        lists: list[RankedList | None] = [None] * len(cases)
        index = self.catalog.snapshot.dense
        probes = [
            (place, case, case.probe)
            for place, case in enumerate(cases)
            if case.probe is not None and self._wants_similar(case)
        ]
        unfiltered = [(place, case, probe) for place, case, probe in probes if case.allowed.texts is None]
        # Some of the nearest may be deleted or replaced since: twice as many cost the same walk through the graph.
        hiding = any(case.request.hidden_ids or case.request.pinned_ids for case in cases)
        margin = 2 if len(self.catalog.delta) or hiding else 1
        for limit in {_limit(case) for _, case, _ in unfiltered}:  # sharing a batch changes nothing
            alike = [one for one in unfiltered if _limit(one[1]) == limit]
            wanted = np.stack([probe for _, _, probe in alike])
            scores, texts = index.search(wanted, limit * margin, ef_search=EF_PER_CANDIDATE * limit)
            for (place, case, probe), row_scores, row_texts in zip(alike, scores, texts, strict=True):
                lists[place] = self._list_nearest(case, probe, row_scores, row_texts)
        for place, case, probe in probes:
            if case.allowed.texts is not None:
                row_scores, row_texts = index.search_allowed(probe, _limit(case) * margin, case.allowed.texts)
                lists[place] = self._list_nearest(case, probe, row_scores, row_texts)
        return lists

    def _wants_similar(self, case: Case) -> bool:
        """Return whether anything reads what lies near a request's vector."""
        request = case.request
        return request.is_search or Source.SIMILAR in choose_sources(self._weights, request.placement, request.kind)

    def _list_nearest(self, case: Case, probe: Float32, scores: Float32, texts: Int64) -> RankedList:
        """Turn the nearest texts into the rows that have them, join the delta's rows, keep the best."""
        limit = _limit(case)
        rows, row_scores = self._expand_texts(case, scores, texts)
        if len(rows) < limit and len(rows) < self.catalog.reach(case.allowed):
            # Products that are gone took most places, or the graph walk ended early: compare with all that are left.
            left = self.catalog.texts_left(case.allowed)
            scores, texts = self.catalog.snapshot.dense.search_allowed(probe, limit, left, exact=True)
            rows, row_scores = self._expand_texts(case, scores, texts)
        delta = self.catalog.delta
        own = case.allowed.entries[delta.own_entries]
        if own.any():
            rows = np.concatenate([rows, delta.own_entries[own] + np.int32(self.catalog.base)])
            row_scores = np.concatenate([row_scores, (delta.own_vectors @ probe)[own]])
            best = np.argsort(-row_scores, kind="stable")[:limit]
            rows, row_scores = rows[best], row_scores[best]
        return RankedList(rows=rows, scores=row_scores.astype(np.float32))

    def _expand_texts(self, case: Case, scores: Float32, texts: Int64) -> tuple[Int32, Float32]:
        """Return the allowed rows of texts, as many as the case may have, and their scores, descending."""
        layout = self.catalog.snapshot.texts
        hit = texts >= 0
        positions, origin = expand_groups(texts[hit], layout.bounds)
        rows = layout.rows[positions]
        if len(self.catalog.delta):
            rows = self.catalog.vector_row[rows]
        keep = np.flatnonzero(case.allowed.holds(rows))
        if case.request.is_search:
            keep = keep[_spread(origin[keep], _limit(case))]
        keep = keep[: _limit(case)]
        return rows[keep], scores[hit][origin[keep]]


def _limit(case: Case) -> int:
    return SEARCH_CANDIDATES if case.request.is_search else CANDIDATES


def _spread(groups: Int64, limit: int) -> Int64:
    """Choose places of grouped items so that no group fills the list while others have something to add.

    Args:
        groups: int64 [n], ascending.
        limit: how many to choose.

    Returns:
        int64 [min(n, limit)], ascending: `SAME_TEXT_ROWS` of each group first, then as many more, and so on.
    """
    if len(groups) <= limit:
        return np.arange(len(groups))
    member = np.arange(len(groups)) - np.searchsorted(groups, groups)
    chosen: Int64 = np.argsort(member // SAME_TEXT_ROWS, kind="stable")[:limit]
    chosen.sort()
    return chosen


def _join(case: Case, found: Found, features: Float32, degraded: list[str], facets: list[dict[str, Any]]) -> Retrieved:
    fused, window = found.fused, case.request.window
    rows = fused.rows[:window]
    held = np.array([int(source) for source in found.sources], np.uint16).reshape(-1, 1)
    flags = np.bitwise_or.reduce(held * (fused.ranks > 0), axis=0, initial=0, dtype=np.uint16)
    after = Source.WORDS if case.request.is_search else Source.POPULAR
    tail = np.concatenate([fused.rows[window:], found.tail])[: max(0, case.request.depth - len(rows))]
    flags = np.concatenate([flags, np.full(len(found.tail), int(after), np.uint16)])[: len(rows) + len(tail)]
    flags[flags == 0] = int(after)  # what sorting or a boost brought from beyond the fused candidates
    ends = len(case.missing) if case.listed is not None else 0
    notes = [*degraded, "encoder"] if case.request.is_search and case.probe is None else list(degraded)
    return Retrieved(
        rows=rows,
        fused=fused.fused[:window],
        sources=flags,
        features=features.reshape(len(rows), len(FEATURE_NAMES)),
        history_vector=case.history_vector,
        tail=tail,
        total=found.total + int(np.count_nonzero(case.pinned >= 0)) + ends,
        missing_ids=case.missing,
        degraded=notes,
        relaxed=case.relaxed,
        facets=facets,
        pinned=case.pinned,
    )
