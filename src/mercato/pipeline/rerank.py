"""Reading the top of a search again: which candidates, one call of the stage, and what becomes of their order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from mercato.arrays import Float32
from mercato.index.live import LiveCatalog
from mercato.models.reranker.blend import blend_order
from mercato.models.reranker.product_text import write_product_text
from mercato.models.stages import RerankerStage
from mercato.pipeline.page_state import PageState, list_answerable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Head:
    """The best candidates of one request: their positions in its window, and their texts."""

    positions: npt.NDArray[np.int64]
    texts: list[str]
    before: Float32


class RerankStep:
    """Orders the top of searches again."""

    def __init__(self, catalog: LiveCatalog, stage: RerankerStage, depth: int) -> None:
        """Make the step.

        Args:
            catalog: the products, for their texts.
            stage: scores pairs.
            depth: how many of the best candidates are read.
        """
        self._catalog = catalog
        self._stage = stage
        self._depth = depth

    def rerank(self, states: Sequence[PageState]) -> bool:
        """Order the top of the searches of a batch, in one call of the stage.

        A page that starts below the top, one that is sorted by something else, and a request that said no are left
        as they are. Without scores of the ranker those of retrieval count.

        Returns:
            Whether the stage was asked.
        """
        asked = [state for state in list_answerable(states) if self._is_asked(state)]
        if not asked:
            return False
        heads = [self._take_head(state) for state in asked]
        try:
            scores = self._stage.score([state.page.retrieval.text for state in asked], [head.texts for head in heads])
        except Exception:  # whatever breaks in a stage, the order before it can still answer
            logger.exception("the reranker failed; answering in the order before it")
            for state in asked:
                state.degraded.append("reranker")
            return True
        left_out = 0
        for state, head, own in zip(asked, heads, scores, strict=True):
            if not np.isfinite(own).all():
                state.degraded.append("reranker")
                left_out += 1
                continue
            state.window_scores = blend_order(head.before, head.positions, own, self._stage.weight)
            best_first = np.argsort(-own, kind="stable")
            rows = state.retrieved.rows[head.positions[best_first]].tolist()
            state.reranker_scores = dict(zip(rows, own[best_first].tolist(), strict=True))
        if left_out:
            logger.warning("the reranker left out %d of %d requests", left_out, len(asked))
        return True

    def _is_asked(self, state: PageState) -> bool:
        page, asked = state.page, state.page.retrieval
        wanted = page.rerank and asked.is_search and asked.order_by is None and page.offset < self._depth
        return wanted and len(state.retrieved.rows) > 1

    def _take_head(self, state: PageState) -> _Head:
        before = state.retrieved.fused if state.scores is None else state.scores
        positions = np.argsort(-before, kind="stable")[: self._depth]
        rows = state.retrieved.rows[positions].tolist()
        self._catalog.snapshot.documents.read_ahead(rows)
        documents = (self._catalog.document(row) for row in rows)
        return _Head(
            positions=positions,
            texts=[write_product_text(orjson.loads(document)) if document else "" for document in documents],
            before=before,
        )
