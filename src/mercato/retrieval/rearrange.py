"""Putting a result into another order, with what is known of each candidate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mercato.retrieval.case import Found
from mercato.retrieval.fusion import FusedList


def rearrange(found: Found, rows: npt.NDArray[np.int32], tail: npt.NDArray[np.int32]) -> Found:
    """Return a result with other candidates, in their order; what is known of each goes along, zeros for new ones.

    Args:
        found: the result as it is.
        rows: int32 [n], its fused candidates to be.
        tail: int32 [t], what follows them.
    """
    fused = found.fused
    known = {row: place for place, row in enumerate(fused.rows.tolist())}
    places = [known.get(row, -1) for row in rows.tolist()]  # -1 is the zeros put behind
    taken = FusedList(
        rows=rows,
        fused=np.append(fused.fused, np.float32(0))[places],
        scores=np.pad(fused.scores, ((0, 0), (0, 1)))[:, places],
        ranks=np.pad(fused.ranks, ((0, 0), (0, 1)))[:, places],
    )
    coverage = None if found.coverage is None else np.append(found.coverage, np.float32(0))[places]
    return replace(found, fused=taken, coverage=coverage, tail=tail)
