"""A ranker for lists and batches of any size: engines are built for the window and for Triton's batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.models.engine.shapes import MAX_BATCH_SIZE
from mercato.models.stages import RankerStage
from mercato.requests.retrieval import WINDOW

Float32 = npt.NDArray[np.float32]


class BatchedRanker:
    """Cuts what is longer than a ranker takes; a candidate's score does not depend on its neighbours."""

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
