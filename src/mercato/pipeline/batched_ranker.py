"""Ranking the pages of a batch in one call: lists of any length, batches of any size."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mercato.arrays import Float32
from mercato.index.live import LiveCatalog
from mercato.models.engine.shapes import MAX_BATCH_SIZE
from mercato.models.ranker.calibration import Calibration
from mercato.models.stages import RankerStage
from mercato.pipeline.page_state import PageState, list_answerable
from mercato.requests.retrieval import WINDOW

logger = logging.getLogger(__name__)


_DIGITS = 6


class BatchedRanker:
    """Cuts what is longer than a ranker takes; a candidate's score does not depend on its neighbours.

    Engines are built for the window and for Triton's batch.
    """

    def __init__(self, ranker: RankerStage, *, width: int = WINDOW, batch: int = MAX_BATCH_SIZE) -> None:
        """Make the stage.

        Args:
            ranker: what scores the pieces.
            width: candidates of a piece.
            batch: requests of a call that is cut; one that needs no cutting goes on as it is.
        """
        self._ranker = ranker
        self._width = width
        self._batch = batch

    def score(self, query: Float32, history: Float32, candidates: Float32, features: Float32) -> Float32:
        """Score candidates; see `mercato.models.stages.RankerStage.score`."""
        count = candidates.shape[1]
        if count <= self._width:
            return self._ranker.score(query, history, candidates, features)
        scores = np.empty(candidates.shape[:2], np.float32)
        for first in range(0, len(query), self._batch):
            here = slice(first, first + self._batch)
            for start in range(0, count, self._width):
                part = slice(start, start + self._width)
                scores[here, part] = self._ranker.score(
                    query[here],
                    history[here],
                    np.ascontiguousarray(candidates[here, part]),
                    np.ascontiguousarray(features[here, part]),
                )
        return scores


class RankStep:
    """Scores the candidates of a batch, and says how likely each is to be bought where the ranker was calibrated."""

    def __init__(self, catalog: LiveCatalog, stage: RankerStage, calibration: Calibration | None) -> None:
        """Make the step.

        Args:
            catalog: the products, for their vectors.
            stage: scores lists of any length.
            calibration: from its scores to probabilities; None where it has none.
        """
        self._catalog = catalog
        self._stage = stage
        self._calibration = calibration

    def rank(self, states: Sequence[PageState]) -> None:
        """Score the candidates of all requests that the network orders, in one call."""
        asked = [
            state
            for state in list_answerable(states)
            if len(state.retrieved.rows) and state.page.retrieval.ranked_by_network
        ]
        if not asked:
            return
        try:
            scores = self._stage.score(*self._join(asked))
        except Exception:  # whatever breaks in a stage, the order of retrieval can still answer
            logger.exception("the ranker failed; answering in the order of retrieval")
            for state in asked:
                state.degraded.append("ranker")
            return
        broken = 0
        for state, padded in zip(asked, scores, strict=True):
            own = padded[: len(state.retrieved.rows)]
            if not np.isfinite(own).all():
                state.degraded.append("ranker")
                broken += 1
                continue
            state.scores = state.window_scores = own
            self._estimate_probabilities(state, own)
        if broken:
            logger.error("the ranker scored %d of %d requests with NaN or infinity", broken, len(asked))

    def _join(self, states: Sequence[PageState]) -> tuple[Float32, Float32, Float32, Float32]:
        """Return query, history, candidates and features of all, lists padded with zeros to the longest."""
        dimension = self._catalog.snapshot.manifest.dimension
        widest = max(len(state.retrieved.rows) for state in states)
        feature_count = states[0].retrieved.features.shape[1]
        query = np.zeros((len(states), dimension), np.float32)
        history = np.zeros((len(states), dimension), np.float32)
        candidates = np.zeros((len(states), widest, dimension), np.float32)
        features = np.zeros((len(states), widest, feature_count), np.float32)
        for index, state in enumerate(states):
            found = state.retrieved
            if state.vector is not None:
                query[index] = state.vector
            history[index] = found.history_vector
            candidates[index, : len(found.rows)] = self._catalog.vectors(found.rows)
            features[index, : len(found.rows)] = found.features
        return query, history, candidates, features

    def _estimate_probabilities(self, state: PageState, scores: Float32) -> None:
        """Estimate the probabilities of a recommendation from the ranker's own scores, float32 [w].

        Nothing of a search, nor of a shopper of whom no purchase is known: probabilities were fitted to neither.
        """
        found = state.retrieved
        if self._calibration is None or state.page.retrieval.is_search:
            return
        if self._calibration.covers(found.features):
            values = self._calibration.compute_probabilities(scores, found.features)
            state.probabilities = dict(zip(found.rows.tolist(), values.round(_DIGITS).tolist(), strict=True))
