"""The candidates of a request, and the same in another order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Int32, Int64
from mercato.index.live import LiveCatalog
from mercato.membership import is_among
from mercato.requests.retrieval import Match
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import FusedList
from mercato.retrieval.kinds import KindScores


@dataclass(frozen=True, kw_only=True)
class CandidateSet:
    """The candidates of a request.

    Attributes:
        fused: all candidates in fused order.
        sources: label of the source of each list in ``fused``.
        tail: int32 [t], rows that follow the fused ones, as far as the request's depth asks.
        total: how many products paging can reach.
        matches: bool [snapshot rows + delta entries], the products that paging can reach; None for all that are
            allowed, the seeds aside.
        rows: int32 [m], ascending, those of the result that sorting and boosts may bring into the window; None for all
            that match.
        match: how a search matched; see `mercato.requests.retrieval.Match`.
        exact: int32 [e], rows whose code the query is, the first of ``fused``.
        beyond: what a search found below the floor, which is no part of the result; None for nothing.
        seen: all that the sources of a search brought, those below the floor among them, which the ranker compares
            candidates with; None where nothing lies below.
        found: how many products the sources of a search brought, those below the floor among them.
        coverage: float32 [fused rows], the share of the query's words that each holds; None without a query.
        weights: of each source in the fusion, by rank.
        slopes: likewise, by score; empty where ranks alone count.
        kinds: of a search, how well the category of each fused candidate fits; None where nothing is known of
            categories.
    """

    fused: FusedList
    sources: list[str]
    tail: Int32
    total: int
    matches: npt.NDArray[np.bool_] | None = None
    rows: Int32 | None = None
    coverage: Float32 | None = None
    weights: tuple[float, ...] = ()
    slopes: tuple[float, ...] = ()
    kinds: KindScores | None = None
    match: Match = Match.NONE
    exact: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    beyond: FusedList | None = None
    seen: CandidateSet | None = None
    found: int = 0


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What the ranker compares the candidates of a window with, them among it.

    Attributes:
        rows: int32 [n], in the order of the sources.
        features: float32 [n, F], theirs.
        window: int64 [w], where the candidates of the window are among them; None where they are all.
    """

    rows: Int32
    features: Float32
    window: Int64 | None

    @property
    def of_window(self) -> Float32:
        """The features of the window's candidates, float32 [w, F]."""
        return self.features if self.window is None else self.features[self.window]


def rearrange(found: CandidateSet, rows: Int32, tail: Int32) -> CandidateSet:
    """Return a result with other candidates, in their order; what is known of each goes along, zeros for new ones.

    Args:
        found: the result as it is.
        rows: int32 [n], its fused candidates to be.
        tail: int32 [t], what follows them.
    """
    fused = found.fused
    known = {row: position for position, row in enumerate(fused.rows.tolist())}
    positions = [known.get(row, -1) for row in rows.tolist()]  # -1 is the zeros put behind
    taken = FusedList(
        rows=rows,
        fused=np.append(fused.fused, np.float32(0))[positions],
        scores=np.pad(fused.scores, ((0, 0), (0, 1)))[:, positions],
        ranks=np.pad(fused.ranks, ((0, 0), (0, 1)))[:, positions],
    )
    coverage = None if found.coverage is None else np.append(found.coverage, np.float32(0))[positions]
    kinds = None if found.kinds is None else found.kinds.spread(positions)
    return replace(found, fused=taken, coverage=coverage, tail=tail, kinds=kinds)


def widen(found: CandidateSet, window: int) -> tuple[CandidateSet, Int64 | None]:
    """Return what the ranker compares the candidates of a window with: them, and what a search saw below the floor.

    Args:
        found: the candidates.
        window: how many of them are ranked.

    Returns:
        The compared ones, in the order of the sources; and int64 [w], where those of the window are among them, None
        where they are all.
    """
    rows = found.fused.rows[:window]
    if found.seen is None:
        return take(found, np.arange(len(rows))), None
    keep = is_among(found.seen.fused.rows, rows)
    keep[:window] = True
    wide = take(found.seen, np.flatnonzero(keep))
    missing = rows[~is_among(rows, wide.fused.rows)]  # what sorting or a boost brought
    if len(missing):
        wide = rearrange(wide, np.concatenate([wide.fused.rows, missing]), wide.tail)
    order = np.argsort(wide.fused.rows)
    return wide, order[np.searchsorted(wide.fused.rows, rows, sorter=order)]


def take(found: CandidateSet, positions: Int64) -> CandidateSet:
    """Return a result with some of its fused candidates (int64 [n] positions), and what is known of each."""
    return replace(
        found,
        fused=found.fused.take(positions),
        coverage=None if found.coverage is None else found.coverage[positions],
        kinds=None if found.kinds is None else found.kinds.take(positions),
    )


def keep_listed(catalog: LiveCatalog, context: RetrievalContext, found: CandidateSet, listed: Int32) -> CandidateSet:
    """Keep the allowed products of a list, each with what the sources said of it among the whole catalogue.

    First those that a source brought, in fused order, then the others by popularity; what is newer than the snapshot
    comes last.

    Args:
        catalog: the products.
        context: the request.
        found: the recommendation as if nothing had been listed.
        listed: int32 [l], rows without repeats.
    """
    kept = np.unique(listed[context.allowed.holds(listed)])
    brought = found.fused.rows[np.isin(found.fused.rows, kept)]
    rows = np.concatenate([brought, kept[~np.isin(kept, brought)]]).astype(np.int32)
    matches = np.zeros(catalog.base + len(catalog.delta), np.bool_)
    matches[kept] = True
    return replace(rearrange(found, rows, rows[:0]), matches=matches, total=len(rows))
