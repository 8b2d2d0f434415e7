"""Reading the top of a search again: which candidates, one call of the stage, and what becomes of their order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import orjson

from mercato.errors import MercatoError
from mercato.index.live import LiveCatalog
from mercato.models.reranker.blend import blend_order
from mercato.models.reranker.product_text import write_product_text
from mercato.models.stages import RerankerStage
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Retrieved

logger = logging.getLogger(__name__)

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Reranked:
    """What the reranker made of a batch.

    Attributes:
        scores: by place in the batch the window's scores, float32 [w], in place of those of the stage before.
        own: by place the reranker's own scores by row, the best first.
        failed: places that it did not score, or not in time.
    """

    scores: Mapping[int, Float32] = field(default_factory=dict)
    own: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class _Head:
    """The best candidates of one request: places in its window, and their texts."""

    query: str
    places: npt.NDArray[np.int64]
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

    def rerank(
        self,
        pages: Sequence[PageRequest],
        outcomes: Sequence[Retrieved | MercatoError],
        scores: Mapping[int, Float32],
    ) -> Reranked:
        """Order the top of the searches of a batch, in one call of the stage.

        A page that starts below the top, one that is sorted by something else, and a request that said no are left
        as they are.

        Args:
            pages: the requests.
            outcomes: their candidates.
            scores: by place the ranker's scores, float32 [w]; without them those of retrieval count.
        """
        heads = {
            place: self._take_head(pages[place], outcome, scores.get(place))
            for place, outcome in enumerate(outcomes)
            if isinstance(outcome, Retrieved) and len(outcome.rows) > 1 and self._is_asked(pages[place])
        }
        if not heads:
            return Reranked()
        queries = [head.query for head in heads.values()]
        try:
            found = self._stage.score(queries, [head.texts for head in heads.values()])
        except Exception:  # whatever breaks in a stage, the order before it can still answer
            logger.exception("the reranker failed; answering in the order before it")
            return Reranked(failed=frozenset(heads))
        fresh: dict[int, Float32] = {}
        own: dict[int, dict[int, float]] = {}
        for (place, head), reranked in zip(heads.items(), found, strict=True):
            outcome = outcomes[place]
            if np.isfinite(reranked).all() and isinstance(outcome, Retrieved):
                fresh[place] = blend_order(head.before, head.places, reranked, self._stage.weight)
                best_first = np.argsort(-reranked, kind="stable")
                rows = outcome.rows[head.places[best_first]].tolist()
                own[place] = dict(zip(rows, reranked[best_first].tolist(), strict=True))
        failed = frozenset(heads) - frozenset(fresh)
        if failed:
            logger.warning("the reranker left out %d of %d requests", len(failed), len(heads))
        return Reranked(scores=fresh, own=own, failed=failed)

    def _is_asked(self, page: PageRequest) -> bool:
        asked = page.retrieval
        return page.rerank and asked.is_search and asked.order_by is None and page.offset < self._depth

    def _take_head(self, page: PageRequest, outcome: Retrieved, scores: Float32 | None) -> _Head:
        before = outcome.fused if scores is None else scores
        places = np.argsort(-before, kind="stable")[: self._depth]
        documents = (self._catalog.document(row) for row in outcome.rows[places].tolist())
        return _Head(
            query=page.retrieval.text,
            places=places,
            texts=[write_product_text(orjson.loads(document)) if document else "" for document in documents],
            before=before,
        )
