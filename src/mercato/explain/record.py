"""Writing down, beside the candidates, what each source and the fusion gave them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mercato.catalog.live import LiveCatalog
from mercato.explain.trace import StageTrace
from mercato.explain.witness import FIND
from mercato.retrieval.case import Case, Found
from mercato.retrieval.fusion import RRF_K
from mercato.retrieval.request import Retrieved, Source
from mercato.retrieval.search import score_words
from mercato.retrieval.sources import WEIGHTS

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

TAIL_KEPT = 500
"""Products after the window that a trace holds: the last ones that the request reaches, a whole page of the largest."""


def record_stages(catalog: LiveCatalog, case: Case, found: Found, retrieved: Retrieved) -> StageTrace:
    """Write down what retrieval gave to the products that can be shown.

    Args:
        catalog: the products.
        case: the request.
        found: its candidates, with the lists of each source.
        retrieved: the same as they leave retrieval.
    """
    fused = found.fused
    rows = np.concatenate([retrieved.rows, retrieved.tail[-TAIL_KEPT:]])
    in_fused = {row: place for place, row in enumerate(fused.rows.tolist())}
    places = np.array([in_fused.get(row, -1) for row in rows.tolist()], np.int64)
    held = places >= 0  # what came by fusion stands before what follows it
    at = places[held]
    scores = np.zeros((len(found.sources), len(rows)), np.float32)
    ranks = np.zeros((len(found.sources), len(rows)), np.int32)
    scores[:, held], ranks[:, held] = fused.scores[:, at], fused.ranks[:, at]
    if case.request.is_search and not held.all():
        place = found.sources.index(Source.WORDS)
        scores[place, ~held], ranks[place, ~held] = _rank_words(catalog, case, rows[~held])
    return StageTrace(
        rows=rows.astype(np.int32),
        fused=fused.fused[at],
        fused_rank=(at + 1).astype(np.int32),
        sources=tuple(source.labels[0] for source in found.sources),
        scores=scores,
        ranks=ranks,
        shares=_share(case, found.sources, ranks),
        witnesses={source.labels[0]: FIND[source](catalog, case, rows) for source in found.sources if source in FIND},
    )


def _share(case: Case, sources: list[Source], ranks: Int32) -> Float32:
    """Return each source's summand of the fused score, float32 [sources, n]; see `fuse_reciprocal_ranks`."""
    weights = WEIGHTS[case.request.placement]
    column = np.array([[weights.get(source, 1.0)] for source in sources], np.float64).reshape(len(sources), 1)
    return np.where(ranks > 0, column / (RRF_K + ranks), 0.0).astype(np.float32)


def _rank_words(catalog: LiveCatalog, case: Case, rows: Int32) -> tuple[Float32, Int32]:
    """Return the word scores of products that follow the fused ones, and their ranks among all word matches."""
    scores = score_words(catalog, case)
    ordered = np.lexsort((np.arange(len(scores)), -scores))
    rank = np.empty(len(scores), np.int32)
    rank[ordered] = np.arange(1, len(scores) + 1)
    return scores[rows], np.where(scores[rows] > 0, rank[rows], 0).astype(np.int32)
