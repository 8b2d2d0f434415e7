"""What was decided about a product beside its relevance: pins, boosts, sorting."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.requests.retrieval import RetrievalRequest
from mercato.retrieval.ordering import weigh_rows

CONDITION_CHARS = 4_096


@dataclass(frozen=True, kw_only=True)
class RuleNote:
    """One decision.

    Attributes:
        kind: ``pinned``, ``seated``, ``boosted``, ``buried``, ``disliked`` or ``sorted``; the key of its phrase.
        what: the condition of a boost, or the order of a sort, as it was given; a long list is cut.
        boost: how strongly a boost, or what the shopper dislikes, moves the product, -1 to 1; 0 for the others.
    """

    kind: str
    what: str = ""
    boost: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Give the note as JSON values."""
        moved = {"boost": self.boost} if self.boost else {}
        return {"kind": self.kind, **({"what": self.what} if self.what else {}), **moved}


def shorten_text(text: str) -> str:
    """Cut a condition at `CONDITION_CHARS`: a list of thousands would stand beside each product."""
    return text if len(text) <= CONDITION_CHARS else text[:CONDITION_CHARS] + "…"


def note_rules(
    catalog: LiveCatalog,
    request: RetrievalRequest,
    pinned: Collection[int],
    seated: Collection[int],
    rows: Sequence[int],
    demoted: Mapping[int, float] | None = None,
) -> dict[int, list[RuleNote]]:
    """Note what was decided about each product of a page.

    Args:
        catalog: the products.
        request: what was asked, with what the shop's rules added. One that sorts has no pins and no boosts.
        pinned: rows whose positions the shop decided.
        seated: cold-start products that were moved up to a slot of their own.
        rows: the page's products.
        demoted: by row how far the shopper's dislikes move it down, -1 to 0.

    Returns:
        By row its notes; rows without any are left out. A pinned product has no other note: nothing else moved it.
    """
    notes: dict[int, list[RuleNote]] = {row: [RuleNote(kind="pinned")] for row in rows if row in pinned}
    others = [row for row in rows if row not in pinned]
    if request.order_by is not None:
        return notes | {row: [RuleNote(kind="sorted", what=request.order_by.text)] for row in others}
    notes |= {row: [RuleNote(kind="seated")] for row in others if row in seated}
    for boost in request.all_boosts:
        weights = weigh_rows(catalog, [boost], np.array(others, np.int32))
        kind = "boosted" if boost.boost > 0 else "buried"
        note = RuleNote(kind=kind, what=shorten_text(boost.condition.text), boost=boost.boost)
        for row in np.array(others, np.int32)[weights != 0].tolist():
            notes.setdefault(row, []).append(note)
    for row in others:
        if demoted and demoted.get(row):
            notes.setdefault(row, []).append(RuleNote(kind="disliked", boost=round(demoted[row], 3)))
    return notes
