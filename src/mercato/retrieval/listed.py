"""A given list in order: the products of a recommendation that are on it, and no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mercato.index.live import LiveCatalog
from mercato.retrieval.case import Case, Found
from mercato.retrieval.rearrange import rearrange


def keep_listed(catalog: LiveCatalog, case: Case, found: Found, listed: npt.NDArray[np.int32]) -> Found:
    """Keep the allowed products of a list, each with what the sources said of it among the whole catalogue.

    First those that a source brought, in fused order, then the others by popularity; what is newer than the snapshot
    comes last.

    Args:
        catalog: the products.
        case: the request.
        found: the recommendation as if nothing had been listed.
        listed: int32 [l], rows without repeats.
    """
    kept = np.unique(listed[case.allowed.holds(listed)])
    brought = found.fused.rows[np.isin(found.fused.rows, kept)]
    rows = np.concatenate([brought, kept[~np.isin(kept, brought)]]).astype(np.int32)
    matches = np.zeros(catalog.base + len(catalog.delta), np.bool_)
    matches[kept] = True
    return replace(rearrange(found, rows, rows[:0]), matches=matches, total=len(rows))
