"""What retrieval gave to each product that it can show, kept only where a request asks for explanations.

A trace is looked up by row, so that later stages may reorder and drop products as they like. It travels as JSON, for a
retriever in another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Float64, Int32

NO_EVENT = -1
"""Type of the event where the evidence is a seed product: the request named it, nobody did anything."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """For each product of a trace the event, or the seed, that gave one source most of the product's score.

    Attributes:
        rows: int32 [n], the product of the event, or the seed; -1 where there is none.
        time: float64 [n], seconds since 1970 UTC; 0 where there is no event.
        type: int32 [n], code of :data:`mercato.events.event_type.EVENT_TYPES`; `NO_EVENT` for a seed.
    """

    rows: Int32
    time: Float64
    type: Int32

    @classmethod
    def none(cls, count: int) -> Evidence:
        """Return no evidence for each of some products."""
        return cls(rows=np.full(count, -1, np.int32), time=np.zeros(count), type=np.full(count, NO_EVENT, np.int32))

    def spread(self, positions: npt.NDArray[np.int64], count: int) -> Evidence:
        """Return the same for ``count`` products: these ones stand at some positions, the others have none."""
        wide = self.none(count)
        wide.rows[positions], wide.time[positions], wide.type[positions] = self.rows, self.time, self.type
        return wide


@dataclass(frozen=True, kw_only=True, eq=False)
class StageTrace:
    """What the sources and their fusion gave to the products of one answer.

    Attributes:
        rows: int32 [n], distinct: the window's, then the last of those that follow it.
        fused: float32 [n], score of the fusion; 0 where the product came after it.
        fused_rank: int32 [n], rank from 1 in the order of the fusion; 0 as above.
        sources: names of the sources, as an answer has them.
        scores: float32 [sources, n]; 0 where a source does not hold the product.
        ranks: int32 [sources, n], from 1; 0 where a source does not hold the product.
        shares: float32 [sources, n], what each source gave to the fused score.
        evidence: by source, for sources that go by events or seeds: of the products that the source gave most to.
    """

    rows: Int32
    fused: Float32
    fused_rank: Int32
    sources: tuple[str, ...]
    scores: Float32
    ranks: Int32
    shares: Float32
    evidence: Mapping[str, Evidence]

    @cached_property
    def position_of(self) -> dict[int, int]:
        """The position of each row in the arrays."""
        return {row: position for position, row in enumerate(self.rows.tolist())}

    def largest_source(self, position: int) -> str | None:
        """Return the source that gave most to the fused score, None where none holds the product."""
        held = np.flatnonzero(self.ranks[:, position] > 0)
        if not len(held):
            return None
        return self.sources[int(held[np.argmax(self.shares[held, position])])]

    def write(self) -> dict[str, Any]:
        """Return what `read` reads: JSON values and numpy arrays."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        evidence = {
            source: {name: np.ascontiguousarray(getattr(found, name)) for name in _EVIDENCE_ARRAYS}
            for source, found in self.evidence.items()
        }
        return {**arrays, "sources": list(self.sources), "evidence": evidence}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> StageTrace:
        """Read what `write` wrote, after a way through JSON."""
        sources, count = tuple(document["sources"]), len(document["rows"])
        arrays = {name: np.array(document[name], kind) for name, kind in _ARRAYS.items()}
        for name in ("scores", "ranks", "shares"):
            arrays[name] = arrays[name].reshape(len(sources), count)
        evidence = {
            source: Evidence(**{name: np.array(found[name], kind) for name, kind in _EVIDENCE_ARRAYS.items()})
            for source, found in document["evidence"].items()
        }
        return cls(**arrays, sources=sources, evidence=evidence)


_ARRAYS: dict[str, Any] = {
    "rows": np.int32,
    "fused": np.float32,
    "fused_rank": np.int32,
    "scores": np.float32,
    "ranks": np.int32,
    "shares": np.float32,
}
_EVIDENCE_ARRAYS: dict[str, Any] = {"rows": np.int32, "time": np.float64, "type": np.int32}
