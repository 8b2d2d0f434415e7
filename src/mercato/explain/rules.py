"""What was decided about a product beside its relevance: pins, dials, boosts, sorting."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from mercato.index.live import LiveCatalog
from mercato.policy.ranked import CAPS, DialMove
from mercato.requests.retrieval import RetrievalRequest
from mercato.retrieval.ordering import weigh_rows

CONDITION_CHARS = 4_096


@dataclass(frozen=True, kw_only=True)
class RuleNote:
    """One decision.

    Attributes:
        kind: ``pinned``, ``seated``, ``boosted``, ``buried``, ``disliked`` or ``sorted``; ``raised`` or ``lowered`` by
            a dial, ``capped`` by one, or ``unvalued`` where it knows nothing of the product; the key of its phrase.
        what: the condition of a boost, or the order of a sort, as it was given; the value of a cap; a long one is cut.
        boost: how strongly a boost, or what the shopper dislikes, moves the product, -1 to 1; 0 for the others.
        dial: its name; empty for what is no dial.
        ranks: by how many the dials raised the product, below 0 lowered it.
    """

    kind: str
    what: str = ""
    boost: float = 0.0
    dial: str = ""
    ranks: int = 0

    @property
    def phrase(self) -> str:
        """The key of its phrase."""
        return f"{self.kind} {self.dial}" if self.kind in ("raised", "lowered") else self.kind

    def as_json(self) -> dict[str, Any]:
        """Give the note as JSON values; what it does not say is left out."""
        told = {"what": self.what, "boost": self.boost, "dial": self.dial, "ranks": self.ranks}
        return {"kind": self.kind, **{name: value for name, value in told.items() if value}}


def shorten_text(text: str) -> str:
    """Cut a condition at `CONDITION_CHARS`: a list of thousands would stand beside each product."""
    return text if len(text) <= CONDITION_CHARS else text[:CONDITION_CHARS] + "…"


def note_rules(
    catalog: LiveCatalog,
    request: RetrievalRequest,
    pinned: Collection[int],
    seated: Collection[int],
    rows: Sequence[int],
    moves: Mapping[int, Sequence[DialMove]] = MappingProxyType({}),
    demoted: Mapping[int, float] = MappingProxyType({}),
) -> dict[int, list[RuleNote]]:
    """Note what was decided about each product of a page.

    Args:
        catalog: the products.
        request: what was asked, with what the shop's rules added. One that sorts has no pins and no boosts.
        pinned: rows whose positions the shop decided.
        seated: cold-start products that were moved up to a slot of their own.
        rows: the page's products.
        moves: what the dials did to each.
        demoted: by row how far the shopper's dislikes move it down, -1 to 0.

    Returns:
        By row its notes; rows without any are left out. A pinned product has no other note: nothing else moved it.
    """
    notes: dict[int, list[RuleNote]] = {row: [RuleNote(kind="pinned")] for row in rows if row in pinned}
    others = [row for row in rows if row not in pinned]
    if request.order_by is not None:
        return notes | {row: [RuleNote(kind="sorted", what=request.order_by.text)] for row in others}
    notes |= {row: [RuleNote(kind="seated")] for row in others if row in seated}
    for row in others:
        if row in moves:
            notes.setdefault(row, []).extend(map(_note_dial, moves[row]))
    for boost in request.all_boosts:
        weights = weigh_rows(catalog, [boost], np.array(others, np.int32))
        kind = "boosted" if boost.boost > 0 else "buried"
        note = RuleNote(kind=kind, what=shorten_text(boost.condition.text), boost=boost.boost)
        for row in np.array(others, np.int32)[weights != 0].tolist():
            notes.setdefault(row, []).append(note)
    for row in others:
        if demoted.get(row):
            notes.setdefault(row, []).append(RuleNote(kind="disliked", boost=round(demoted[row], 3)))
    return notes


def _note_dial(move: DialMove) -> RuleNote:
    if move.dial == CAPS:
        return RuleNote(kind="capped", what=shorten_text(move.value), dial=move.dial, ranks=move.ranks)
    kind = "raised" if move.ranks > 0 else "lowered" if move.ranks < 0 else "unvalued"
    return RuleNote(kind=kind, dial=move.dial, ranks=move.ranks)
