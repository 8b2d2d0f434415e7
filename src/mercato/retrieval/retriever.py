"""The retriever: from checked requests and query vectors to candidates with features, one call for a whole batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32
from mercato.errors import InvalidInputError, MercatoError, StateError
from mercato.features.features import FEATURE_NAMES, compute_features
from mercato.features.inputs import CandidateList, History, RankRequest
from mercato.filters import Filter
from mercato.index.facet_counts import FacetCounter
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import LiveLearning
from mercato.models.sequence.next_products import NextProducts
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.facets import FacetSpec
from mercato.requests.retrieval import RetrievalRequest, Retrieved, SourceFlags
from mercato.retrieval.bundles import find_bundles
from mercato.retrieval.candidates import CandidateSet, Compared, widen
from mercato.retrieval.context import RetrievalContext, allow_for, prepare_context, without_purchased
from mercato.retrieval.histories import HistoryReader, keep_newest
from mercato.retrieval.nearness import FACTORS
from mercato.retrieval.recommend import find_recommendations
from mercato.retrieval.record import record_stages
from mercato.retrieval.result import WholeResult
from mercato.retrieval.search import find_search_candidates
from mercato.retrieval.signals import gather_signals
from mercato.retrieval.source_weights import ShopWeights, Weights, weigh_shop
from mercato.retrieval.sources.base import Source
from mercato.retrieval.sources.chosen import CHOSEN, share_categories
from mercato.retrieval.sources.cooccurrence import COOCCURRENCE
from mercato.retrieval.sources.dense import DENSE
from mercato.retrieval.sources.popular import POPULAR
from mercato.retrieval.sources.registry import FLAGS, list_needed, list_signals
from mercato.retrieval.sources.similar import SIMILAR
from mercato.retrieval.sources.words import WORDS
from mercato.retrieval.taste import NO_TASTE, Taste
from mercato.state.store import StateStore
from mercato.state.values import Actor

logger = logging.getLogger(__name__)


HISTORY_LIMIT = 1000
"""Events of a history that are read."""
LOOK_BACK = 10
"""How many times as many are looked at for a moment in the past, which most of them may be later than."""


class Retriever:
    """Finds candidates for searches and recommendations."""

    def __init__(
        self,
        catalog: LiveCatalog,
        state: StateStore | None,
        weights: Weights | ShopWeights | None = None,
        next_products: NextProducts | None = None,
        queries: QueryAnalyzer | None = None,
        learning: LiveLearning | None = None,
    ) -> None:
        """Make a retriever.

        Args:
            catalog: the products.
            state: where histories are read from; None if there are none.
            weights: of the sources of recommendations, by placement; None for what the snapshot's log says of them.
            next_products: predicts from the order of events; None where no sequence model is served.
            queries: reads queries; None makes one of its own for the catalogue.
            learning: counts what people did since the snapshot; None makes one of its own for catalogue and state.

        Raises:
            SnapshotError: the snapshot lacks what a source is learned from.
        """
        self._queries = queries or QueryAnalyzer(catalog)
        self._weights = weigh_shop(catalog.snapshot.tuning) if weights is None else weights
        self._next_products = next_products
        self.catalog = catalog
        self._state = state
        self._histories = HistoryReader(catalog)
        self._learning = learning or LiveLearning(catalog, state, list_needed())
        self._whole = WholeResult(FacetCounter(catalog))
        for signal in (*list_signals(), FACTORS):
            catalog.snapshot.learned.get(signal)  # what the snapshot lacks is said now, not to a shopper

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
        shoppers = self._read_state(requests, degraded)
        errors: dict[int, MercatoError] = {}
        contexts: dict[int, RetrievalContext] = {}
        for index, request in enumerate(requests):
            vector = vectors[index] if vectors is not None and request.is_search else None
            try:
                self._whole.check(request)
                learned = self._learning.at(request.context.time if request.as_of else None)
                history, taste = shoppers[index]
                contexts[index] = prepare_context(self.catalog, request, history, vector, learned, taste)
            except InvalidInputError as exc:
                errors[index] = exc
        found = self.find(list(contexts.values()), degraded)
        self._relax(contexts, found, shoppers, vectors, degraded)
        facets = self.count_facets(list(contexts.values()), found, degraded)
        fused = found
        found = [self._whole.arrange(context, one) for context, one in zip(contexts.values(), fused, strict=True)]
        features = self.compute_features(list(contexts.values()), found)
        answers: dict[int, Retrieved] = {
            index: self._add_bundles(
                context,
                self._explain(context, before, join_result(self.catalog, context, one, columns, degraded, counts)),
            )
            for (index, context), before, one, columns, counts in zip(
                contexts.items(), fused, found, features, facets, strict=True
            )
        }
        return [answers[index] if index in answers else errors[index] for index in range(len(requests))]

    def find(self, contexts: Sequence[RetrievalContext], degraded: list[str] | None = None) -> list[CandidateSet]:
        """Find the candidates of prepared contexts: one search of the dense index and one look ahead for all.

        Args:
            contexts: the contexts.
            degraded: gets the name of what could not be used.
        """
        searches = [context for context in contexts if context.request.is_search]
        others = [context for context in contexts if not context.request.is_search]
        searched = iter(find_search_candidates(self.catalog, self._queries, searches, degraded) if searches else [])
        recommended = iter(
            find_recommendations(self.catalog, others, self._weights, self._next_products, degraded) if others else []
        )
        return [next(searched) if context.request.is_search else next(recommended) for context in contexts]

    def _relax(
        self,
        contexts: dict[int, RetrievalContext],
        found: list[CandidateSet],
        shoppers: Sequence[tuple[History, Taste]],
        vectors: Float32 | None,
        degraded: list[str],
    ) -> None:
        """Drop the filters of searches that match nothing with them and something without, where they may go."""
        asked = {
            index: place
            for place, (index, context) in enumerate(contexts.items())
            if context.request.is_search and not context.request.strict_filtering and not found[place].total
            if context.request.condition is not None and not context.relaxed
        }
        if not asked:
            return
        without = {
            index: replace(
                prepare_context(
                    self.catalog,
                    replace(contexts[index].request, condition=None),
                    shoppers[index][0],
                    None if vectors is None else vectors[index],
                    contexts[index].learned,
                    shoppers[index][1],
                ),
                request=contexts[index].request,
                relaxed=True,
            )
            for index in asked
        }
        for (index, context), one in zip(without.items(), self.find(list(without.values()), degraded), strict=True):
            if one.total:
                contexts[index], found[asked[index]] = context, one

    def count_facets(
        self,
        contexts: Sequence[RetrievalContext],
        found: Sequence[CandidateSet],
        degraded: list[str] | None = None,
    ) -> list[list[dict[str, Any]]]:
        """Count the facets of each context over its whole result.

        A facet with excluded filter keys counts the result that the request would have without the conditions on them:
        such requests are retrieved once more, all in one search.
        """
        if not any(context.request.facets for context in contexts):
            return [[] for _ in contexts]
        asked = [
            [
                context.request if context.relaxed else self._whole.without_excluded(context.request, facet)
                for facet in context.request.facets
            ]
            for context in contexts
        ]
        others: dict[tuple[int, Filter | None], RetrievalContext] = {}
        for index, context in enumerate(contexts):
            for request in asked[index]:
                if request.condition != context.request.condition:
                    known = context.known_history
                    allowed, pinned = allow_for(self.catalog, request, request.condition, known, context.taste)
                    allowed = without_purchased(self.catalog, allowed, known, request)
                    others[index, request.condition] = replace(context, request=request, allowed=allowed, pinned=pinned)
        wider = dict(zip(others, self.find(list(others.values()), degraded), strict=True)) if others else {}
        counted: list[list[dict[str, Any]]] = []
        for index, context in enumerate(contexts):
            facets: dict[Filter | None, list[FacetSpec]] = {}
            for facet, request in zip(context.request.facets, asked[index], strict=True):
                facets.setdefault(request.condition, []).append(facet)
            counts: dict[str, dict[str, Any]] = {}
            for condition, specs in facets.items():
                result = others.get((index, condition), context), wider.get((index, condition), found[index])
                counts |= {one["key"]: one for one in self._whole.count(*result, specs)}
            counted.append([counts[facet.key] for facet in context.request.facets])
        return counted

    def compute_features(self, contexts: Sequence[RetrievalContext], found: Sequence[CandidateSet]) -> list[Float32]:
        """Compute the ranker's features of each window: float32 [w, F] each, zeros where no ranker is asked."""
        ranked = [
            (context, one) for context, one in zip(contexts, found, strict=True) if context.request.ranked_by_network
        ]
        compared = iter(self.compare([context for context, _ in ranked], [one for _, one in ranked]))
        return [
            next(compared).of_window
            if context.request.ranked_by_network
            else np.zeros((len(one.fused.rows[: context.request.window]), len(FEATURE_NAMES)), np.float32)
            for context, one in zip(contexts, found, strict=True)
        ]

    def compare(self, contexts: Sequence[RetrievalContext], found: Sequence[CandidateSet]) -> list[Compared]:
        """Compare the candidates of each window, and of a search what it saw below the floor, by the ranker's features.

        Args:
            contexts: the contexts.
            found: their candidates.
        """
        wide = [widen(one, context.request.window) for context, one in zip(contexts, found, strict=True)]
        requests = [
            RankRequest(
                candidates=self._candidate_list(context, all_of_one),
                history=context.history,
                context=context.request.context,
                has_query=context.request.is_search,
            )
            for context, (all_of_one, _) in zip(contexts, wide, strict=True)
        ]
        features = compute_features(requests, self.catalog.features())
        parts = np.split(features, np.cumsum([len(request.candidates) for request in requests])[:-1])
        return [
            Compared(rows=one.fused.rows, features=part, window=at)
            for (one, at), part in zip(wide, parts, strict=False)  # of no request there is one part, which is empty
        ]

    def _candidate_list(self, context: RetrievalContext, found: CandidateSet) -> CandidateList:
        fused, rows = found.fused, found.fused.rows
        originals = self.catalog.original_rows(rows)
        columns = {label: index for index, label in enumerate(found.sources)}
        nothing = np.zeros(len(rows), np.float32)

        def column(array: npt.NDArray[np.generic], *choices: Source) -> npt.NDArray[np.generic]:
            held = [columns[source.label] for source in choices if source.label in columns]
            return array[held[0]] if held else nothing

        return CandidateList(
            rows=rows,
            dense_score=column(fused.scores, DENSE, SIMILAR).astype(np.float32),
            word_score=column(fused.scores, WORDS).astype(np.float32),
            cooccurrence=COOCCURRENCE.sum_up(context).score(originals),
            dense_rank=column(fused.ranks, DENSE, SIMILAR).astype(np.int32),
            word_rank=column(fused.ranks, WORDS).astype(np.int32),
            fused=fused.fused,
            coverage=found.coverage,
            category_meaning=None if found.kinds is None else found.kinds.meaning,
            category_named=None if found.kinds is None else found.kinds.named,
            matches=found.found if context.request.is_search else 0,
            chosen=column(fused.scores, CHOSEN).astype(np.float32) if CHOSEN.label in columns else None,
            chosen_category=share_categories(self.catalog, context.request.text, rows)
            if context.request.is_search
            else None,
            signals=None if context.request.is_search else gather_signals(self.catalog, context, originals),
        )

    def _explain(self, context: RetrievalContext, found: CandidateSet, retrieved: Retrieved) -> Retrieved:
        """Keep what each source gave to each candidate, where the request asks for it."""
        if not context.request.explain:
            return retrieved
        return replace(
            retrieved, stages=record_stages(self.catalog, self._queries, context, found, retrieved, self._next_products)
        )

    def _add_bundles(self, context: RetrievalContext, retrieved: Retrieved) -> Retrieved:
        """Add the bundles that the request asks for."""
        if not context.request.bundles:
            return retrieved
        return replace(retrieved, bundles=find_bundles(self.catalog, context))

    def _read_state(self, requests: Sequence[RetrievalRequest], degraded: list[str]) -> list[tuple[History, Taste]]:
        """Bring the catalogue up to date and read what is known of the shoppers; a broken state leaves it as it was."""
        shoppers = [(History.empty(), NO_TASTE)] * len(requests)
        if self._state is None:
            return shoppers
        actors = {
            index: Actor(user_id=request.user_id, visitor_id=request.visitor_id)
            for index, request in enumerate(requests)
            if request.user_id or request.visitor_id
        }
        try:
            self.catalog.refresh()
            if not all(request.is_search for request in requests):
                self._learning.catch_up()
            events = self._state.recent_events(list(actors.values()), HISTORY_LIMIT) if actors else []
        except StateError:
            logger.exception("state cannot be read; answering without it")
            degraded.append("state")
            return shoppers
        for index, recent in zip(actors, events, strict=True):
            until = requests[index].context.time if requests[index].as_of else None
            if until is not None and len(recent) >= HISTORY_LIMIT and recent.time[0] > until:
                # Of a moment in the past less than the limit may be left: look further back.
                [recent] = self._state.recent_events([actors[index]], HISTORY_LIMIT * LOOK_BACK)
            history, taste = self._histories.read_with_taste(recent, until=until)
            shoppers[index] = keep_newest(history, HISTORY_LIMIT), taste
        return shoppers


def join_result(
    catalog: LiveCatalog,
    context: RetrievalContext,
    found: CandidateSet,
    features: Float32,
    degraded: list[str],
    facets: list[dict[str, Any]],
) -> Retrieved:
    """Write what was found of a request as its pipeline wants it.

    Args:
        catalog: the products.
        context: the request.
        found: its candidates, in their order.
        features: float32 [w, F], of the window's.
        degraded: what could not be used.
        facets: as they were counted.
    """
    fused, window = found.fused, context.request.window
    rows = fused.rows[:window]
    held = np.array([FLAGS[label] for label in found.sources], SourceFlags).reshape(-1, 1)
    flags = np.bitwise_or.reduce(held * (fused.ranks > 0), axis=0, initial=0, dtype=SourceFlags)
    after = FLAGS[WORDS.label if context.request.is_search else POPULAR.label]
    tail = np.concatenate([fused.rows[window:], found.tail])[: max(0, context.request.depth - len(rows))]
    flags = np.concatenate([flags, np.full(len(found.tail), after, SourceFlags)])[: len(rows) + len(tail)]
    beyond = np.zeros(0, np.int32)
    if context.request.beyond and found.beyond is not None:
        beyond = found.beyond.rows[: max(0, context.request.depth - len(rows) - len(tail))]
        below = np.bitwise_or.reduce(held * (found.beyond.ranks > 0), axis=0, initial=0, dtype=SourceFlags)
        tail, flags = np.concatenate([tail, beyond]), np.concatenate([flags, below[: len(beyond)]])
    flags[flags == 0] = after  # what sorting or a boost brought from beyond the fused candidates
    ends = len(context.missing) if context.listed is not None else 0
    notes = [*degraded, "encoder"] if context.request.is_search and context.probe is None else list(degraded)
    return Retrieved(
        rows=rows,
        fused=fused.fused[:window],
        sources=flags,
        features=features.reshape(len(rows), len(FEATURE_NAMES)),
        history_vector=context.history_vector,
        tail=tail,
        total=found.total + int(np.count_nonzero(context.pinned >= 0)) + ends,
        missing_ids=context.missing,
        degraded=notes,
        relaxed=context.relaxed,
        facets=facets,
        match=found.match if context.request.is_search else None,
        exact=found.exact,
        beyond=len(beyond),
        pinned=context.pinned,
        demoted=context.taste.weigh(catalog, rows) if context.taste else np.zeros(0, np.float32),
    )
