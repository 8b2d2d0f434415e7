"""What a source of candidates is: one file that says how products are found, why, and what is learned for it.

`mercato.retrieval.sources.registry` lists the sources; flags, weights, phrases, what is learned and the tables of the
documentation come from what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mercato.arrays import Int32
from mercato.features.inputs import Context
from mercato.index.learned import Signal
from mercato.index.live import LiveCatalog
from mercato.models.sequence.next_products import NextProducts
from mercato.requests.retrieval import Kind, Placement
from mercato.requests.trace import Evidence
from mercato.retrieval.cold_start import find_cold_start
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.evidence import Counts
from mercato.retrieval.fusion import RankedList

CANDIDATES = 100
"""Candidates of one source of recommendations."""
SEARCH_CANDIDATES = 200
"""Candidates of words and of dense in a search (docs/decisions/0009)."""
LAST_TURN = 99
"""Of the source that fills what the others leave free."""


def at_home(weight: float) -> dict[Placement, float]:
    """Return a weight for the placements that show what a shopper may buy next."""
    return {Placement.HOME_PAGE: weight, Placement.CATEGORY: weight, Placement.RANK: weight}


@dataclass(frozen=True, kw_only=True)
class SourceRequest:
    """A recommendation as its sources are asked for it.

    Attributes:
        catalog: the products.
        context: what was read for the request.
        weights: of the sources that are wanted, by label.
        next_products: the sequence model; None where none is served.
        degraded: gets the name of what could not be used.
        wants_cold_start: whether cold-start products are wanted.
    """

    catalog: LiveCatalog
    context: RetrievalContext
    weights: Mapping[str, float]
    next_products: NextProducts | None = None
    degraded: list[str] = field(default_factory=list)
    wants_cold_start: bool = False

    @cached_property
    def cold_start(self) -> Int32:
        """The cold-start products that the answer may have, int32 [n], best first; none where they are not wanted."""
        return find_cold_start(self.catalog, self.context) if self.wants_cold_start else np.zeros(0, np.int32)

    @property
    def excluded(self) -> Int32:
        """Rows that the answer must not have because it starts from them: int32 [n]."""
        return self.context.seeds if self.context.request.excludes_seeds else np.zeros(0, np.int32)


class Source:
    """One source of candidates.

    A new one is a subclass in a file of its own, and a line in the registry. What it leaves as it is here, it does
    without: a source may have no signal, no evidence and no counts.

    Attributes:
        label: its name, on the wire too.
        asks: what it looks for, for the documentation.
        learned_from: where it knows that from, for the documentation.
        weights: how much it weighs in the fusion of recommendations, by placement; where it has no weight it is not
            asked. Those of a search are the catalogue's (`mercato.index.search_weights.FusionWeights`).
        kinds: the kinds of product page that it serves where one kind alone is asked for.
        turn: sources are asked in this order; of equal parts in the fusion the one asked first is the reason.
        graded: each product gets its score of the source's weight in the fusion, and not all of it.
        signals: what is learned for it when a catalogue is indexed.
        counts: what is counted then for explanations alone.
        phrases: its sentences in English by what is known: ``""`` for the product of an event, ``seed`` for a seed,
            ``alone`` for neither; each also with ``counted`` (and ``counted few``) where shoppers were counted, and
            ``after`` for what follows the fused candidates. Names in braces are those of
            `mercato.explain.sentence`.
        speaks_of: the groups of features that say nothing new once it is named.
    """

    label: str
    asks: str = ""
    learned_from: str = ""
    weights: Mapping[Placement, float] = {}
    kinds: frozenset[Kind] = frozenset()
    turn: int = 50
    graded: bool = False
    signals: tuple[Signal[Any], ...] = ()
    counts: tuple[Signal[Any], ...] = ()
    phrases: Mapping[str, str] = {}
    speaks_of: frozenset[str] = frozenset()

    def find(self, asked: SourceRequest) -> RankedList | None:
        """Find candidates of one recommendation.

        Returns:
            Rows of the snapshot, or as they are now, best first; what the request may not have is left out
            afterwards. None for nothing.
        """
        raise NotImplementedError(f"source {self.label}: write `find`, or `find_batch`")

    def find_batch(self, asked: Sequence[SourceRequest]) -> list[RankedList | None]:
        """Find candidates of several recommendations, where one call for all is cheaper; see `find`."""
        return [self.find(one) for one in asked]

    def find_evidence(self, asked: SourceRequest, rows: Int32) -> Evidence | None:
        """Find the event or the seed that gave each product (int32 [n] rows) most; None where it goes by none."""
        del asked, rows
        return None

    def count_shoppers(self, catalog: LiveCatalog, row: int, context: Context) -> Counts | None:
        """Count the shoppers that speak for a product (a snapshot row) without any event; None for nothing to say."""
        del catalog, row, context
        return None

    def count_together(self, catalog: LiveCatalog, start: int, row: int) -> Counts | None:
        """Count how often a product was bought with the one that is its evidence (both snapshot rows)."""
        del catalog, start, row
        return None
