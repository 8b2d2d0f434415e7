"""From a batch of requests to a batch of answers: encode, retrieve, rank, write; one call of each stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mercato.arrays import Float32
from mercato.errors import InvalidInputError, MercatoError, ModelError, StateError
from mercato.explain.ablation import Window
from mercato.explain.explainer import Explainer, PageToExplain
from mercato.index.live import LiveCatalog
from mercato.models.ranker.calibration import Calibration
from mercato.models.stages import EncoderStage, RankerStage, RerankerStage, RetrieverStage
from mercato.pipeline.answer import Answer, LearnedFrom, describe_catalog, write_answer
from mercato.pipeline.answer_cache import AnswerCache
from mercato.pipeline.batched_ranker import BatchedRanker, RankStep
from mercato.pipeline.page_state import PageState, list_answerable
from mercato.pipeline.rerank import RerankStep
from mercato.policy.apply import apply_policy
from mercato.policy.collapse import find_collapse_field
from mercato.policy.dials import check_fields
from mercato.policy.ranked import order_candidates
from mercato.policy.resume import resume_list
from mercato.policy.rules import Rules
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import RetrievalRequest, Retrieved
from mercato.settings import DEFAULT_RERANK_DEPTH
from mercato.understanding.read_page import ask_for, read_page
from mercato.understanding.understander import Understander

logger = logging.getLogger(__name__)

SMALLEST_NORM = 1e-9

FindAbandoned = Callable[[], Mapping[int, MercatoError]]
"""Finds the requests of a batch that nobody waits for any more, by position."""


class Pipeline:
    """The stages in their order. A stage that fails is left out, and the answers say so."""

    def __init__(
        self,
        catalog: LiveCatalog,
        encoder: EncoderStage,
        retriever: RetrieverStage,
        ranker: RankerStage | None,
        reranker: RerankerStage | None = None,
        *,
        rerank_depth: int = DEFAULT_RERANK_DEPTH,
        rules: Rules | None = None,
        calibration: Calibration | None = None,
        learned_from: LearnedFrom | None = None,
        queries: QueryAnalyzer | None = None,
        knows_languages: bool = False,
        cache: AnswerCache | None = None,
    ) -> None:
        """Join the stages.

        Args:
            catalog: the products that answers are written from.
            encoder: texts to vectors.
            retriever: requests to candidates.
            ranker: candidates to scores; None keeps the order of retrieval.
            reranker: query and product texts to scores, for the top of a search; None keeps the order of the ranker.
            rerank_depth: how many products that top has.
            rules: what the shop pins, blocks, boosts and filters; None for nothing.
            calibration: from the ranker's scores to probabilities; None where it has none.
            learned_from: how late the events are that the models learned from; the catalogue says so itself.
            queries: corrects queries; None makes one of its own for the catalogue.
            knows_languages: whether the encoder reads queries of other languages than the shop's.
            cache: answers that may be given again; None for none.
        """
        self._cache = cache
        self._knows_languages = knows_languages
        self.catalog = catalog
        self._queries = queries or QueryAnalyzer(catalog)
        self._understander = Understander(catalog, self._queries.stopwords)
        self._encoder = encoder
        self._retriever = retriever
        batched = None if ranker is None else BatchedRanker(ranker)
        self._rank = None if batched is None else RankStep(catalog, batched, calibration)
        self._rerank = None if reranker is None else RerankStep(catalog, reranker, rerank_depth)
        self._explainer = Explainer(catalog, batched, queries=self._queries)
        self._rules = rules or Rules()
        self._learned_from = learned_from or {}

    def answer(
        self, requests: Sequence[PageRequest | MercatoError], find_abandoned: FindAbandoned | None = None
    ) -> list[Answer | MercatoError]:
        """Answer a batch.

        Args:
            requests: checked requests, or the errors of those that failed the check, which are passed on.
            find_abandoned: asked before ranking and before reranking, so that neither works for nobody; None where
                all are waited for.

        Returns:
            For each request its answer, or the error that concerns it alone.
        """
        answers: list[Answer | MercatoError | None] = [
            request if isinstance(request, MercatoError) else None for request in requests
        ]
        pages: dict[int, PageRequest] = {}
        for index, request in enumerate(requests):
            if isinstance(request, PageRequest):
                try:
                    if isinstance(request.collapse, str):
                        find_collapse_field(self.catalog, request.collapse)
                    if request.caps or request.margin_field is not None:
                        check_fields(self.catalog, request)
                except InvalidInputError as exc:
                    answers[index] = exc
                else:
                    pages[index] = request
        asked = pages if self._cache is None else self._answer_again(self._cache, pages, answers)
        if asked:
            known = len(self.catalog.delta)
            for index, answer, whole in zip(asked, *self._answer_pages(asked, find_abandoned), strict=True):
                answers[index] = answer
                if self._cache is not None and whole and isinstance(answer, Answer) and asked[index].answer_key:
                    self._cache.keep(asked[index].answer_key, answer, known)
        return [answer for answer in answers if answer is not None]

    def _answer_again(
        self, cache: AnswerCache, pages: Mapping[int, PageRequest], answers: list[Answer | MercatoError | None]
    ) -> dict[int, PageRequest]:
        """Give the answers that are known and still true; returns the requests that are left."""
        if not any(page.answer_key for page in pages.values()):
            return dict(pages)
        try:
            self.catalog.refresh()
        except StateError:  # nobody knows whether they are still true
            return dict(pages)
        for index, page in pages.items():
            answers[index] = cache.find(page.answer_key)
        return {index: page for index, page in pages.items() if answers[index] is None}

    def warm(self, requests: Sequence[PageRequest]) -> None:
        """Answer requests whose answers nobody wants: first calls read indexes from disk and allocate.

        Args:
            requests: one of each kind that will be asked.
        """
        for batch in ([request] for request in requests):
            self.answer(batch)

    def _answer_pages(
        self, pages: Mapping[int, PageRequest], find_abandoned: FindAbandoned | None
    ) -> tuple[list[Answer | MercatoError], list[bool]]:
        """Answer pages; returns of each besides whether nothing was left out of it for a failure."""
        clock = _Clock()
        by_position = {index: self._read(page) for index, page in pages.items()}
        states = list(by_position.values())
        self._encode(states)
        clock.lap("encode_us")
        self._retrieve(states)
        self._relax(states)
        clock.lap("retrieve_us")
        _drop_abandoned(by_position, find_abandoned)
        if self._rank is not None:
            self._rank.rank(states)
        clock.lap("rank_us")
        if self._rerank is not None:
            _drop_abandoned(by_position, find_abandoned)
        if self._rerank is not None and self._rerank.rerank(states):
            clock.lap("rerank_us")
        self._order(states)
        if self._explain(states):
            clock.lap("explain_us")
        timings = clock.total()
        return [self._write(state, timings) for state in states], [not state.degraded for state in states]

    def _read(self, page: PageRequest) -> PageState:
        """Understand a search's query and correct its spelling, then add what the shop's rules say.

        A query that nearly certainly means another goes on as that one, unless the request wants it only to be asked;
        what it seems to mean is told in any case. Rules are asked with the whole query; retrieval with what is left of
        it.
        """
        request = page.retrieval
        if not request.is_search or len(self.catalog.find_code(request.text)):
            return PageState(page=self._rules.apply(page))  # a code is neither misspelt nor to be read
        meant, better = read_page(page, self._understander, self._queries)
        whole = meant.pieces.replace_in(request.text, meant.text)
        if whole != request.text:
            page = replace(page, retrieval=replace(request, text=whole))
        page = self._rules.apply(page)
        return PageState(
            page=ask_for(page, meant),
            ruled=page,
            corrected_query=better.text if better is not None else "",
            corrected_applied=better is not None and better.applied,
            understanding=meant,
        )

    def _relax(self, states: Sequence[PageState]) -> None:
        """Ask again where what a query is understood to say leaves nothing: for boosts in the place of filters.

        Comparisons give way first, then exclusions too.
        """
        for keep_exclusions in (True, False):
            empty = [
                state
                for state in list_answerable(states)
                if state.understanding is not None
                and not state.retrieved.total
                and any(one.narrows for one in state.understanding.conditions)
            ]
            changed = []
            for state in empty:
                relaxed = state.understanding.relax(keep_exclusions=keep_exclusions) if state.understanding else None
                if relaxed is not None and state.ruled is not None and relaxed != state.understanding:
                    state.understanding, state.page = relaxed, ask_for(state.ruled, relaxed)
                    changed.append(state)
            if changed:
                self._retrieve(changed)

    def _encode_queries(self, requests: Sequence[RetrievalRequest]) -> Float32:
        """Encode queries by what their words mean in the shop's language: float32 [requests, D].

        An encoder that knows all languages reads the query as it was typed as well; between the two vectors lies what
        is searched.
        """
        meanings = [self._queries.translate(request.text, request.context.language) for request in requests]
        vectors = self._encoder.encode(meanings)
        foreign = [index for index, request in enumerate(requests) if request.text != meanings[index]]
        if self._knows_languages and foreign:
            both = vectors[foreign] + self._encoder.encode([requests[index].text for index in foreign])
            vectors[foreign] = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), SMALLEST_NORM)
        return vectors

    def _encode(self, states: Sequence[PageState]) -> None:
        """Encode the queries of a batch; none has a vector if the encoder failed."""
        vectors = np.zeros((len(states), self.catalog.snapshot.manifest.dimension), np.float32)
        searches = [index for index, state in enumerate(states) if state.page.retrieval.is_search]
        if searches:
            try:
                vectors[searches] = self._encode_queries([states[index].page.retrieval for index in searches])
                if not np.isfinite(vectors).all():
                    raise ModelError("encoder: a vector is not finite; export the encoder again")
            except Exception:  # whatever breaks in a stage, retrieval can still answer
                logger.exception("the encoder failed; answering by words alone")
                return
        for state, vector in zip(states, vectors, strict=True):
            state.vector = vector

    def _retrieve(self, states: Sequence[PageState]) -> None:
        """Find candidates, then read the product changes that a retriever in another process may have seen already."""
        vectors = [state.vector for state in states if state.vector is not None]
        outcomes = self._retriever.retrieve(
            [state.page.retrieval for state in states], np.stack(vectors) if vectors else None
        )
        if self._retriever.catalog is not self.catalog:  # which it would just have brought up to date
            try:
                self.catalog.refresh()
            except StateError:
                logger.warning("state cannot be read; answering from what is known")
        for state, outcome in zip(states, outcomes, strict=True):
            state.receive(self._keep_known(outcome))

    def _keep_known(self, outcome: Retrieved | MercatoError) -> Retrieved | MercatoError:
        """Leave out products that another process knows from a state that this one cannot read."""
        known = self.catalog.base + len(self.catalog.delta)
        if isinstance(outcome, MercatoError):
            return outcome
        bundles = tuple(bundle for bundle in outcome.bundles if max(bundle.rows) < known)
        latest = max(rows.max(initial=0) for rows in (outcome.rows, outcome.tail, outcome.pinned))
        if latest < known and len(bundles) == len(outcome.bundles):
            return outcome
        keep, keep_tail = outcome.rows < known, outcome.tail < known
        return replace(
            outcome,
            rows=outcome.rows[keep],
            fused=outcome.fused[keep],
            sources=outcome.sources[np.concatenate([keep, keep_tail])],
            features=outcome.features[keep],
            tail=outcome.tail[keep_tail],
            beyond=int(np.count_nonzero(keep_tail[len(keep_tail) - outcome.beyond :])),
            exact=outcome.exact[outcome.exact < known],
            pinned=np.where(outcome.pinned < known, outcome.pinned, -1).astype(np.int32),
            bundles=bundles,
            demoted=outcome.demoted[keep] if len(outcome.demoted) else outcome.demoted,
            degraded=list(dict.fromkeys([*outcome.degraded, "state"])),
        )

    def _order(self, states: Sequence[PageState]) -> None:
        """Put candidates in order, then apply what request and shop ask for; where that fails, the order stays."""
        for state in list_answerable(states):
            state.ranked = order_candidates(state.retrieved, state.window_scores)
            try:
                state.ranked = apply_policy(
                    self.catalog, state.page, state.retrieved, state.ranked, state.probabilities
                )
            except Exception:  # whatever breaks here, there is an order to answer with
                logger.exception("the policy failed; answering in the order of relevance")
                state.degraded.append("policy")
            state.asked = state.page
            state.page, state.ranked = resume_list(self.catalog, state.page, state.ranked)

    def _explain(self, states: Sequence[PageState]) -> bool:
        """Explain the pages of the requests that ask for it, with one more call of the ranker for all.

        Returns:
            Whether there are explanations.
        """
        asked = [state for state in list_answerable(states) if state.page.explain]
        if not asked:
            return False
        try:
            explanations = self._explainer.explain([self._describe(state) for state in asked])
        except Exception:  # an answer is worth more than its reasons
            logger.exception("the explanations failed; answering without")
            for state in asked:
                state.degraded.append("explain")
            return False
        for state, documents in zip(asked, explanations, strict=True):
            state.explanations = documents
        return True

    def _describe(self, state: PageState) -> PageToExplain:
        """Return what the stages did with a request."""
        found, window = state.retrieved, None
        if state.scores is not None:
            window = Window(
                is_search=state.page.retrieval.is_search,
                query=state.vector if state.vector is not None else np.zeros_like(found.history_vector),
                history=found.history_vector,
                candidates=self.catalog.vectors(found.rows),
                features=found.features,
                scores=state.scores,
            )
        return PageToExplain(
            request=state.page.retrieval,
            retrieved=replace(found, corrected_query=state.corrected_query if state.corrected_applied else ""),
            rows=state.shown_rows,
            window=window,
            later={"reranker": state.reranker_scores} if state.reranker_scores else {},
            pinned=state.ranked.pinned,
            seated=state.ranked.seated,
            moves=state.ranked.moves,
        )

    def _write(self, state: PageState, timings: Mapping[str, int]) -> Answer | MercatoError:
        if state.error is not None:
            return state.error
        learned = None
        if state.page.explain:
            learned = {**describe_catalog(self.catalog.snapshot.manifest), **self._learned_from}
        return write_answer(self.catalog, state, timings, learned)


def _drop_abandoned(states: Mapping[int, PageState], find_abandoned: FindAbandoned | None) -> None:
    """Give up the requests that nobody waits for: later stages leave a state with an error alone."""
    for index, error in (find_abandoned() if find_abandoned is not None else {}).items():
        if index in states and states[index].error is None:
            states[index].error = error


class _Clock:
    """Microseconds by stage."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter_ns()
        self._laps: dict[str, int] = {}

    def lap(self, name: str) -> None:
        """Take the time since the last lap."""
        now = time.perf_counter_ns()
        self._laps[name] = (now - self._last) // 1000
        self._last = now

    def total(self) -> dict[str, int]:
        """Return all laps, and the time from the start to now, which holds what is between them too."""
        return {**self._laps, "total_us": (time.perf_counter_ns() - self._start) // 1000}
