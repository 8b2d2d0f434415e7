"""From a batch of requests to a batch of answers: encode, retrieve, rank, write; one call of each stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mercato.errors import MercatoError, ModelError, StateError
from mercato.explain.ablation import Window
from mercato.explain.explainer import Explainer, PageToExplain
from mercato.index.live import LiveCatalog
from mercato.models.ranker.calibration import Calibration
from mercato.models.stages import EncoderStage, RankerStage, RerankerStage, RetrieverStage
from mercato.pipeline.answer import Answer, write_answer
from mercato.pipeline.batched_ranker import BatchedRanker
from mercato.pipeline.learned import LearnedFrom, describe_catalog
from mercato.pipeline.probabilities import tell_probabilities
from mercato.pipeline.rerank import Reranked, RerankStep
from mercato.policy.apply import apply_policies
from mercato.policy.ranked import Ranked, order_candidates
from mercato.policy.rules import Rules
from mercato.query.query_analyzer import QueryAnalyzer
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import RetrievalRequest, Retrieved
from mercato.settings import DEFAULT_RERANK_DEPTH

logger = logging.getLogger(__name__)

Float32 = npt.NDArray[np.float32]


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
        """
        self.catalog = catalog
        self._queries = queries or QueryAnalyzer(catalog)
        self._encoder = encoder
        self._retriever = retriever
        self._ranker = None if ranker is None else BatchedRanker(ranker)
        self._reranker = None if reranker is None else RerankStep(catalog, reranker, rerank_depth)
        self._explainer = Explainer(catalog, self._ranker, queries=self._queries)
        self._rules = rules or Rules()
        self._calibration = calibration
        self._learned_from = learned_from or {}

    def answer(self, requests: Sequence[PageRequest | MercatoError]) -> list[Answer | MercatoError]:
        """Answer a batch.

        Args:
            requests: checked requests, or the errors of those that failed the check, which are passed on.

        Returns:
            For each request its answer, or the error that concerns it alone.
        """
        answers: list[Answer | MercatoError | None] = [
            request if isinstance(request, MercatoError) else None for request in requests
        ]
        places = [place for place, request in enumerate(requests) if isinstance(request, PageRequest)]
        pages = [request for request in requests if isinstance(request, PageRequest)]
        if pages:
            for place, answer in zip(places, self._answer_pages(pages), strict=True):
                answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def warm(self, requests: Sequence[PageRequest]) -> None:
        """Answer requests whose answers nobody wants: first calls read indexes from disk and allocate.

        Args:
            requests: one of each kind that will be asked.
        """
        for batch in ([request] for request in requests):
            self.answer(batch)

    def _answer_pages(self, pages: Sequence[PageRequest]) -> list[Answer | MercatoError]:
        clock = _Clock()
        pages, better_queries = self._correct_queries(pages)
        pages = [self._rules.apply(page) for page in pages]
        queries = [page.retrieval for page in pages]
        vectors = self._encode(queries)
        clock.lap("encode_us")
        outcomes = [self._keep_known(outcome) for outcome in self._retrieve(queries, vectors)]
        outcomes = [
            replace(outcome, corrected_query=better) if isinstance(outcome, Retrieved) else outcome
            for outcome, better in zip(outcomes, better_queries, strict=True)
        ]
        clock.lap("retrieve_us")
        scores, unranked = self._rank(queries, vectors, outcomes)
        clock.lap("rank_us")
        reranked = self._reranker.rerank(pages, outcomes, scores) if self._reranker is not None else Reranked()
        if reranked.own or reranked.failed:
            clock.lap("rerank_us")
        ranked = {
            place: order_candidates(
                outcome,
                reranked.scores.get(place, scores.get(place)),
                [name for name, failed in (("ranker", unranked), ("reranker", reranked.failed)) if place in failed],
            )
            for place, outcome in enumerate(outcomes)
            if isinstance(outcome, Retrieved)
        }
        ranked = apply_policies(self.catalog, pages, outcomes, ranked)
        for place, probabilities in tell_probabilities(self._calibration, pages, outcomes, scores).items():
            ranked[place] = replace(ranked[place], probabilities=probabilities)
        explanations = self._explain(pages, vectors, outcomes, scores, ranked, reranked.own)
        if explanations:
            clock.lap("explain_us")
        timings = clock.total()
        answers: list[Answer | MercatoError] = []
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Retrieved):
                reasons = explanations.get(place, ())
                learned = self._tell_learned() if pages[place].explain else None
                answers.append(
                    write_answer(self.catalog, pages[place], outcome, ranked[place], timings, reasons, learned)
                )
            else:
                answers.append(outcome)
        return answers

    def _tell_learned(self) -> LearnedFrom:
        return {**describe_catalog(self.catalog.snapshot.manifest), **self._learned_from}

    def _correct_queries(self, pages: Sequence[PageRequest]) -> tuple[list[PageRequest], list[str]]:
        """Correct the spelling of searches.

        Returns:
            The requests, with a text of known words where a query has an unknown one; and for each the query that it
            seems to mean, empty where it is fine as it is.
        """
        corrected: list[PageRequest] = []
        better_queries: list[str] = []
        for page in pages:
            request = page.retrieval
            better = self._queries.correct(request.text) if request.is_search and request.spelling else None
            if better is not None and better.applied:
                page = replace(page, retrieval=replace(request, text=better.text))
            corrected.append(page)
            better_queries.append(better.text if better is not None else "")
        return corrected, better_queries

    def _encode(self, requests: Sequence[RetrievalRequest]) -> Float32 | None:
        """Return query vectors float32 [batch, D], zeros for requests without a query; None if the encoder failed."""
        vectors = np.zeros((len(requests), self.catalog.snapshot.manifest.dimension), np.float32)
        places = [place for place, request in enumerate(requests) if request.is_search]
        if not places:
            return vectors
        try:
            vectors[places] = self._encoder.encode([requests[place].text for place in places])
            if not np.isfinite(vectors).all():
                raise ModelError("encoder: a vector is not finite; export the encoder again")
        except Exception:  # whatever breaks in a stage, retrieval can still answer
            logger.exception("the encoder failed; answering by words alone")
            return None
        return vectors

    def _retrieve(
        self, requests: Sequence[RetrievalRequest], vectors: Float32 | None
    ) -> list[Retrieved | MercatoError]:
        """Find candidates, then read the product changes that a retriever in another process may have seen already."""
        outcomes = self._retriever.retrieve(requests, vectors)
        if self._retriever.catalog is self.catalog:  # which it has just brought up to date
            return outcomes
        try:
            self.catalog.refresh()
        except StateError:
            logger.warning("state cannot be read; answering from what is known")
        return outcomes

    def _keep_known(self, outcome: Retrieved | MercatoError) -> Retrieved | MercatoError:
        """Leave out products that another process knows from a state that this one cannot read."""
        known = self.catalog.base + len(self.catalog.delta)
        if isinstance(outcome, MercatoError):
            return outcome
        if max(rows.max(initial=0) for rows in (outcome.rows, outcome.tail, outcome.pinned)) < known:
            return outcome
        keep, keep_tail = outcome.rows < known, outcome.tail < known
        return replace(
            outcome,
            rows=outcome.rows[keep],
            fused=outcome.fused[keep],
            sources=outcome.sources[np.concatenate([keep, keep_tail])],
            features=outcome.features[keep],
            tail=outcome.tail[keep_tail],
            pinned=np.where(outcome.pinned < known, outcome.pinned, -1).astype(np.int32),
            degraded=list(dict.fromkeys([*outcome.degraded, "state"])),
        )

    def _rank(
        self,
        requests: Sequence[RetrievalRequest],
        vectors: Float32 | None,
        outcomes: Sequence[Retrieved | MercatoError],
    ) -> tuple[dict[int, Float32], set[int]]:
        """Score the candidates of all requests that the network orders, in one call.

        Returns:
            Scores float32 [w] by place in the batch, and the places that the ranker failed to score.
        """
        cases = {
            place: outcome
            for place, outcome in enumerate(outcomes)
            if isinstance(outcome, Retrieved) and len(outcome.rows) and requests[place].ranked_by_network
        }
        if self._ranker is None or not cases:
            return {}, set()
        dimension = self.catalog.snapshot.manifest.dimension
        widest = max(len(case.rows) for case in cases.values())
        feature_count = next(iter(cases.values())).features.shape[1]
        query = np.zeros((len(cases), dimension), np.float32)
        history = np.zeros((len(cases), dimension), np.float32)
        candidates = np.zeros((len(cases), widest, dimension), np.float32)
        features = np.zeros((len(cases), widest, feature_count), np.float32)
        for position, (place, case) in enumerate(cases.items()):
            if vectors is not None:
                query[position] = vectors[place]
            history[position] = case.history_vector
            candidates[position, : len(case.rows)] = self.catalog.vectors(case.rows)
            features[position, : len(case.rows)] = case.features
        try:
            scores = self._ranker.score(query, history, candidates, features)
            ranked = {place: scores[p, : len(case.rows)] for p, (place, case) in enumerate(cases.items())}
        except Exception:  # as for the encoder
            logger.exception("the ranker failed; answering in the order of retrieval")
            return {}, set(cases)
        broken = {place for place, window in ranked.items() if not np.isfinite(window).all()}
        if broken:
            logger.error("the ranker scored %d of %d requests with NaN or infinity", len(broken), len(ranked))
        return {place: window for place, window in ranked.items() if place not in broken}, broken

    def _explain(
        self,
        pages: Sequence[PageRequest],
        vectors: Float32 | None,
        outcomes: Sequence[Retrieved | MercatoError],
        scores: Mapping[int, Float32],
        ranked: dict[int, Ranked],
        reranked: Mapping[int, Mapping[int, float]],
    ) -> dict[int, list[bytes]]:
        """Explain the pages of the requests that ask for it, with one more call of the ranker for all.

        Returns:
            By place in the batch a JSON document for each product of the page; none where explaining failed, which
            ``ranked`` then says.
        """
        asked: dict[int, PageToExplain] = {}
        for place, outcome in enumerate(outcomes):
            page = pages[place]
            if isinstance(outcome, Retrieved) and page.explain:
                query = vectors[place] if vectors is not None else np.zeros_like(outcome.history_vector)
                rows = ranked[place].rows[page.offset : page.offset + page.page_size].tolist()
                window = self._describe_window(page, query, outcome, scores.get(place))
                later = {"reranker": reranked[place]} if place in reranked else {}
                asked[place] = PageToExplain(
                    request=page.retrieval,
                    retrieved=outcome,
                    rows=rows,
                    window=window,
                    later=later,
                    pinned=ranked[place].pinned,
                    seated=ranked[place].seated,
                )
        if not asked:
            return {}
        try:
            return dict(zip(asked, self._explainer.explain(list(asked.values())), strict=True))
        except Exception:  # an answer is worth more than its reasons
            logger.exception("the explanations failed; answering without")
            for place in asked:
                ranked[place] = replace(ranked[place], degraded=[*ranked[place].degraded, "explain"])
            return {}

    def _describe_window(
        self, page: PageRequest, query: Float32, outcome: Retrieved, scores: Float32 | None
    ) -> Window | None:
        """Return what the ranker was given and answered; None where it was not asked or failed."""
        if scores is None:
            return None
        return Window(
            is_search=page.retrieval.is_search,
            query=query,
            history=outcome.history_vector,
            candidates=self.catalog.vectors(outcome.rows),
            features=outcome.features,
            scores=scores,
        )


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
