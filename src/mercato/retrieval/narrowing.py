"""What a shop's rules take away from the products that a request may have, and the products that it pins."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError
from mercato.filters import Filter
from mercato.index.live import Allowed, LiveCatalog
from mercato.requests.retrieval import RetrievalRequest

logger = logging.getLogger(__name__)

Int32 = npt.NDArray[np.int32]


def allow_for(catalog: LiveCatalog, request: RetrievalRequest, condition: Filter | None) -> tuple[Allowed, Int32]:
    """Return the products that a request's candidates may be.

    Args:
        catalog: the products.
        request: says what is narrowed, hidden and pinned.
        condition: the request's filter; None for all products.

    Returns:
        The products, without hidden and pinned ones; and of each pinned product the row, -1 where it is unknown,
        hidden, or fails a condition.

    Raises:
        InvalidInputError: the filter does not fit the catalogue.
    """
    allowed = catalog.allow(condition)
    for narrowing in request.narrowing:
        try:
            allowed = _join(allowed, catalog.allow(narrowing))
        except InvalidInputError as exc:  # a rule's mistake is no shopper's fault
            logger.warning("a rule's filter is left out: %s", exc)
    if request.hidden_ids:
        allowed = without_rows(allowed, catalog.rows_of(request.hidden_ids))
    pinned = catalog.rows_of(request.pinned_ids)
    if len(pinned):
        pinned = np.where(allowed.holds(pinned), pinned, -1).astype(np.int32)
        allowed = without_rows(allowed, pinned)
    return allowed, pinned


def _join(one: Allowed, other: Allowed) -> Allowed:
    texts = [mask for mask in (one.texts, other.texts) if mask is not None]
    return Allowed(
        rows=one.rows & other.rows,
        texts=np.logical_and.reduce(texts) if texts else None,
        entries=one.entries & other.entries,
        rows_missing=one.rows_missing or other.rows_missing,
    )


def without_rows(allowed: Allowed, gone: Int32) -> Allowed:
    """Return what is allowed but some rows: int32 [n], -1 stands for none."""
    gone = gone[gone >= 0]
    rows, entries = allowed.rows.copy(), allowed.entries.copy()
    changed = gone >= len(rows)
    rows[gone[~changed]] = False
    entries[gone[changed] - len(rows)] = False
    return replace(allowed, rows=rows, entries=entries, rows_missing=True)
