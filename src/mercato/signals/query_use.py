"""Which products and categories people chose after a query, counted so that nobody moves it alone.

What a person does for a query with a product is one vote of at most 1, however often it is done:

    vote = max over the person's deeds of  deed * 0.5 ** (age / HALF_LIFE_DAYS)

with deed = 1 for a purchase, `CART_VOTE` for a cart, and for a view `VIEW_VOTE` / p(rank), at most 1, where p(rank) =
1 / rank is how likely a place of an answer is looked at: the position-based model, with the propensities of Joachims,
Swaminathan and Schnabel 2017, "Unbiased Learning-to-Rank with Biased Feedback". Dividing by it is their inverse
propensity score, and the limit makes it a clipped one (Strehl et al. 2010). A view of which nobody knows the rank has
no vote: the first place is looked at whatever stands there.

Of a person's votes of one day `VOTES_A_DAY` count. A product is known for a query from `MIN_PEOPLE` people on. With the
sum of its votes V and that of the query's strongest product V_max its

    strength = V / (V_max + PRIOR_PEOPLE)

is below 1 and grows with the number of people: 5 make 5 / 15, 40 make 40 / 50. Fifty people who push a product look as
fifty who like it do, and get what those would get: 50 / 60 of what the use of a query may weigh at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32, Int64, UInt64
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.query_log import CART, NO_PRODUCT, PURCHASE, VIEW, QueryLog

MIN_PEOPLE = 5
"""Distinct people who must have chosen a product, or a category, after a query before anything is known of the two."""
PRIOR_PEOPLE = 10.0
"""People whom the strongest product of a query is taken to have missed: few votes weigh little."""
HALF_LIFE_DAYS = 60.0
"""Age at which a vote counts half, as that of popularity."""
VOTES_A_DAY = 20
"""Products for queries that one person votes for in a day: more is no shopping, or a screen that many share."""
CART_VOTE = 0.7
VIEW_VOTE = 0.2
"""A view at rank 1 beside a purchase; from rank 5 on a view is a vote: who looks that far looks for something."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryUse:
    """What was chosen after queries, by query.

    Attributes:
        keys: uint64 [queries], ascending, `mercato.text.query_key.hash_query`.
        bounds: int64 [queries + 1], where the products of each query lie.
        products: int32 [m], product rows, the strongest of a query first, equal ones by row.
        strengths: float32 [m], above 0 and below 1, see above.
        people: int32 [m], distinct people who chose it.
        category_bounds: int64 [queries + 1], where the categories of each query lie.
        categories: int32 [c], the most specific categories of what was chosen, the commonest first.
        category_people: int32 [c], distinct people who chose something of it.
    """

    keys: UInt64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    bounds: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    products: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    strengths: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    people: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    category_bounds: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    categories: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    category_people: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))

    def __len__(self) -> int:
        """Count the queries of which something is known."""
        return len(self.keys)

    def find(self, key: int) -> slice:
        """Return where the products of a query lie; an empty slice where nothing is known of it."""
        return _part(self.bounds, self._position(key))

    def count_categories(self, key: int) -> dict[int, int]:
        """Return for each category that was chosen after a query how many people chose it, the commonest first."""
        part = _part(self.category_bounds, self._position(key))
        return dict(zip(self.categories[part].tolist(), self.category_people[part].tolist(), strict=True))

    def _position(self, key: int) -> int:
        position = int(np.searchsorted(self.keys, np.uint64(key)))
        return position if position < len(self.keys) and int(self.keys[position]) == key else -1


def _part(bounds: Int64, position: int) -> slice:
    return slice(0, 0) if position < 0 else slice(int(bounds[position]), int(bounds[position + 1]))


def learn_query_use(log: QueryLog, *, until: float) -> QueryUse:
    """Count the votes of people for products and categories, by query.

    Args:
        log: searches and what followed from them.
        until: seconds since 1970 UTC; only what came strictly earlier counts.
    """
    deeds = log.select((log.product != NO_PRODUCT) & (log.time < until))
    votes = _weigh_deeds(deeds, until)
    deeds, votes = deeds.select(votes > 0), votes[votes > 0]
    if not len(deeds):
        return QueryUse()
    keys, query = np.unique(deeds.keys[deeds.query], return_inverse=True)
    kept = limit_by_day(deeds.actor, deeds.time, query * (int(deeds.product.max()) + 1) + deeds.product, votes)
    query, deeds, votes = query[kept], deeds.select(kept), votes[kept]
    owner, product, sums, people = _count_votes(query, deeds.product, deeds.actor, votes)
    strongest = np.zeros(len(keys))
    np.maximum.at(strongest, owner, sums)
    order = np.lexsort((product, -sums, owner))
    owner_of_category, categories, category_people = _count_categories(query, deeds, votes)
    return QueryUse(
        keys=keys,
        bounds=_bounds(owner, len(keys)),
        products=product[order].astype(np.int32),
        strengths=(sums / (strongest[owner] + PRIOR_PEOPLE))[order].astype(np.float32),
        people=people[order].astype(np.int32),
        category_bounds=_bounds(owner_of_category, len(keys)),
        categories=categories,
        category_people=category_people,
    )


def _weigh_deeds(deeds: QueryLog, until: float) -> Float64:
    """Return what each deed counts as a vote, by kind, rank and age: float64 [n], 0 to 1."""
    votes = np.zeros(len(deeds))
    votes[deeds.type == PURCHASE] = 1.0
    votes[deeds.type == CART] = CART_VOTE
    votes[deeds.type == VIEW] = np.minimum(VIEW_VOTE * deeds.rank[deeds.type == VIEW], 1.0)
    decayed: Float64 = votes * 0.5 ** ((until - deeds.time) / SECONDS_PER_DAY / HALF_LIFE_DAYS)
    return decayed


def limit_by_day(actor: Int32, time: Float64, what: Int64, votes: Float64, most: int = VOTES_A_DAY) -> Bool:
    """Say which votes count: of a person's of one UTC day the heaviest for each thing, for the `most` heaviest things.

    Args:
        actor: int32 [n], whose.
        time: float64 [n], seconds since 1970 UTC.
        what: int64 [n], what the vote is for.
        votes: float64 [n].
        most: things in a day.
    """
    day = np.floor(time / SECONDS_PER_DAY).astype(np.int64)
    order = np.lexsort((time, -votes, what, day, actor))
    first = _starts(actor[order], day[order], what[order])
    order = order[first]
    order = order[np.lexsort((what[order], time[order], -votes[order], day[order], actor[order]))]
    begins = _starts(actor[order], day[order])
    places = np.arange(len(order))
    place = places - np.maximum.accumulate(np.where(begins, places, 0))
    kept = np.zeros(len(votes), np.bool_)
    kept[order[place < most]] = True
    return kept


def _count_votes(query: Int64, thing: Int32, actor: Int32, votes: Float64) -> tuple[Int64, Int32, Float64, Int64]:
    """Sum up the heaviest vote of each person for each thing of a query.

    Returns:
        By pair of at least `MIN_PEOPLE` people, ascending: query, thing, sum of votes, people.
    """
    order = np.lexsort((-votes, actor, thing, query))
    order = order[_starts(query[order], thing[order], actor[order])]
    starts = _starts(query[order], thing[order])
    pair = np.cumsum(starts) - 1
    people = np.bincount(pair, minlength=int(starts.sum()))
    sums = np.bincount(pair, weights=votes[order], minlength=len(people))
    enough = people >= MIN_PEOPLE
    firsts = order[starts][enough]
    return query[firsts], thing[firsts], sums[enough].astype(np.float64), people[enough].astype(np.int64)


def _count_categories(query: Int64, deeds: QueryLog, votes: Float64) -> tuple[Int64, Int32, Int32]:
    """Count the people who chose something of a category after a query, the commonest category of a query first.

    Returns:
        int64 queries, ascending; int32 categories; int32 people.
    """
    if not len(deeds.category):
        return np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32)
    category = deeds.category[deeds.product]
    known = category >= 0
    owner, named, _, people = _count_votes(query[known], category[known], deeds.actor[known], votes[known])
    order = np.lexsort((named, -people, owner))
    return owner[order], named[order].astype(np.int32), people[order].astype(np.int32)


def _bounds(owner: Int64, count: int) -> Int64:
    bounds: Int64 = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=count)))).astype(np.int64)
    return bounds


def _starts(*columns: Int32 | Int64) -> Bool:
    """Mark the first of each run of equal rows of some columns of one length."""
    starts = np.ones(len(columns[0]), np.bool_)
    if len(starts):
        starts[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return starts
