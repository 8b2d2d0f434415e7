"""What retrieval is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Int32
from mercato.features.inputs import Context
from mercato.filters import Filter
from mercato.requests.boost import Boost, parse_boosts
from mercato.requests.facets import FacetSpec, parse_facets
from mercato.requests.options import MAX_DAYS, count_to, member_of, number_between, option, parse_flag
from mercato.requests.order_by import OrderBy, parse_order_by
from mercato.requests.restriction import Restriction
from mercato.requests.trace import StageTrace

SourceFlags = np.uint32
"""Holds the sources of a candidate, a bit each: as wide as the registry of sources needs."""
WINDOW = 128
"""Candidates of a request that are ranked; a page beyond them goes on in retrieval order."""
MAX_RANKED = 500
"""Products of a list that a shop gives to be ordered, all of which are ranked."""
MAX_BUNDLES = 10
"""Bundles of an answer: what is offered beside a product or a cart, not a list to page through."""


class Placement(IntEnum):
    """Where an answer is shown, which decides the sources of candidates."""

    SEARCH = 0
    HOME_PAGE = 1
    PRODUCT_PAGE = 2
    CART = 3
    CATEGORY = 4
    RANK = 5

    @property
    def label(self) -> str:
        """The name used on the wire, as ``home-page``."""
        return self.name.lower().replace("_", "-")


class Kind(Enum):
    """What belongs on a product's page, by the names used on the wire."""

    BOTH = "both"
    SIMILAR = "similar"
    COMPLEMENTARY = "complementary"


class Spelling(Enum):
    """What becomes of a correction of the query, by the names used on the wire."""

    OFF = "off"
    SUGGEST = "suggest"
    """It is offered, and the query searched as it is."""
    AUTO = "auto"
    """It is searched where it is nearly certain, else offered."""


def parse_spelling(value: object, parameter: str) -> Spelling:
    """Check what is asked of spelling; true is ``auto`` and false ``off``."""
    if isinstance(value, bool):
        return Spelling.AUTO if value else Spelling.OFF
    return member_of(Spelling)(value, parameter)


class Match(Enum):
    """How the result of a search matches its query, by the names used on the wire; the strongest of its products."""

    EXACT = "exact"
    WORDS = "words"
    MEANING = "meaning"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class RetrievalRequest:
    """One request to retrieval, checked before.

    Attributes:
        placement: where the answer is shown.
        text: the query; empty for recommendation.
        user_id: empty if unknown.
        visitor_id: empty if unknown.
        seed_ids: products to start from; at placement ``rank`` the ones to order.
        condition: the filter; None for all products.
        strict_filtering: False fills an answer that the filter empties with popular products.
        context: time, device and region of the request.
        as_of: whether the request named its time, and so wants what was known then and nothing later.
        depth: last position that will be shown (offset + page size).
        explain: whether each candidate's scores and ranks by source are wanted.
        spelling: whether the query is corrected without asking, or only questioned.
        beyond: whether a search is followed by what is nearest to it and does not match.
        facets: which values are counted over the whole result.
        order_by: what the whole result is sorted by; None for relevance.
        boosts: conditions that move products, which must have a slot in the window.
        rule_boosts: the same, by the shop's rules: what the catalogue cannot answer of these is no caller's mistake.
        narrowing: conditions that hold besides the filter, and that no relaxing drops.
        exclude_purchased_days: products that the shopper bought within so many days are left out; 0 leaves none out.
        bundles: how many sets that are bought together are offered at most, at a product page or cart.
        exclude_disliked: whether what the shopper does not want is left out; None for what is usual at the placement.
        kind: at a product page, what goes in the product's place, what is bought with it, or both.
        adult: whether age-restricted products may be recommended; None goes by what the shopper bought.
        restrictions: products that not everybody is recommended, by the shop's rules.
        hidden_ids: products that are not in the result.
        pinned_ids: products that are shown at positions of their own, whatever retrieval finds.
    """

    placement: Placement
    text: str = ""
    user_id: str = ""
    visitor_id: str = ""
    seed_ids: tuple[str, ...] = ()
    condition: Filter | None = None
    strict_filtering: bool = option(parse_flag, True)
    context: Context
    as_of: bool = False
    depth: int = 20
    explain: bool = option(parse_flag, False)
    spelling: Spelling = option(parse_spelling, Spelling.AUTO, lambda spelling: spelling.value)
    beyond: bool = option(parse_flag, False)
    facets: tuple[FacetSpec, ...] = option(parse_facets, (), lambda facets: [facet.as_json() for facet in facets])
    order_by: OrderBy | None = option(parse_order_by, None, lambda order: order.text if order is not None else None)
    boosts: tuple[Boost, ...] = option(parse_boosts, (), lambda boosts: [boost.as_json() for boost in boosts])
    rule_boosts: tuple[Boost, ...] = ()
    narrowing: tuple[Filter, ...] = ()
    exclude_purchased_days: float = option(number_between(0, MAX_DAYS, "days"), 0.0)
    bundles: int = option(count_to(MAX_BUNDLES), 0)
    exclude_disliked: bool | None = option(parse_flag, None)
    kind: Kind = option(member_of(Kind), Kind.BOTH)
    adult: bool | None = option(parse_flag, None)
    restrictions: tuple[Restriction, ...] = ()
    hidden_ids: tuple[str, ...] = ()
    pinned_ids: tuple[str, ...] = ()

    @property
    def all_boosts(self) -> tuple[Boost, ...]:
        """The boosts of the request and of the rules."""
        return (*self.boosts, *self.rule_boosts)

    @property
    def is_search(self) -> bool:
        """Whether there is a query."""
        return self.placement is Placement.SEARCH

    @property
    def orders_list(self) -> bool:
        """Whether the answer is a list that the caller gave, in order."""
        return self.placement is Placement.RANK

    @property
    def follows_dislikes(self) -> bool:
        """Whether the shopper's dislikes count: in recommendations if the request does not refuse, else if it asks."""
        return self.exclude_disliked if self.exclude_disliked is not None else not self.is_search

    @property
    def leaves_out_disliked(self) -> bool:
        """Whether what the shopper does not want is left out.

        A list that is to be ordered is the caller's, and a search finds what is asked for: there the request decides.
        """
        if self.exclude_disliked is not None:
            return self.exclude_disliked
        return not (self.is_search or self.orders_list)

    @property
    def excludes_seeds(self) -> bool:
        """Whether the answer is what goes with the seeds, so that none of them is in it."""
        return self.placement in (Placement.PRODUCT_PAGE, Placement.CART)

    @property
    def window(self) -> int:
        """How many candidates are ranked at most."""
        return MAX_RANKED if self.orders_list else WINDOW

    @property
    def ranked_by_network(self) -> bool:
        """Whether the ranker orders the answer.

        Around a product or a cart the candidates' own order holds: the ranker learns what a shopper buys next, which
        at a product page is not what is like the product. Nor is it asked where something else sorts the answer.
        """
        return self.order_by is None and self.placement not in (Placement.PRODUCT_PAGE, Placement.CART)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A set of products that people buy together, offered to a shopper who has some of it.

    Attributes:
        rows: its products as they are now: those that the shopper has, then those that it adds.
        held: how many the shopper has.
        people: how many bought all of it in one order.
        share: of the times that people bought what the shopper has of it, how often all of it: 0 to 1, each person
            counting as one.
    """

    rows: tuple[int, ...]
    held: int
    people: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """The candidates of one request.

    Attributes:
        rows: int32 [w], w <= the request's ``window``, in fused order.
        fused: float32 [w], descending.
        sources: uint32 [w + t], combinations of `mercato.retrieval.sources.registry.FLAGS`: the window's, then the
            tail's.
        features: float32 [w, F], as `mercato.features.features` names them; zeros where no ranker is asked.
        history_vector: float32 [D], unit length, or zeros without history.
        tail: int32 [t], rows after the window, as far as ``depth`` asks.
        total: how many products paging can reach.
        missing_ids: seeds that are not in the catalogue; at placement ``rank`` they end the answer, and count in
            ``total``.
        degraded: what could not be used.
        relaxed: the filter was dropped because it left nothing.
        facets: counts over the whole result, one JSON object for each facet that was asked for.
        corrected_query: what the shopper seems to have meant; empty where the query is fine.
        match: how a search matched; None for a recommendation.
        exact: int32 [e], rows whose code the query is; they are shown first.
        beyond: how many of the last rows of ``tail`` do not match.
        pinned: int32 [pinned ids], the row of each pinned product; -1 where it is unknown or the filter refuses it.
        demoted: float32 [w], -1 to 0, how far the shopper's dislikes move each down, as a boost does; of length 0 where
            they move nothing.
        stages: what each source gave to each candidate; None where nobody asked.
        bundles: sets that complete the seeds, the best first.
        missing_share: how much of the catalogue could not be asked, 0 to 1: of shards that did not answer.
    """

    rows: Int32
    fused: Float32
    sources: npt.NDArray[SourceFlags]
    features: Float32
    history_vector: Float32
    tail: Int32
    total: int
    missing_ids: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    relaxed: bool = False
    facets: list[dict[str, Any]] = field(default_factory=list)
    corrected_query: str = ""
    match: Match | None = None
    exact: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    beyond: int = 0
    pinned: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    demoted: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    stages: StageTrace | None = None
    bundles: tuple[Bundle, ...] = ()
    missing_share: float = 0.0
