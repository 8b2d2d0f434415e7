"""Mining sets of products that people buy together from their orders, when a catalogue is indexed.

Pairs are counted with sparse matrices. Larger sets are mined by efficient-apriori in the conditional database of one
product after the other (Han, Pei and Yin 2000, "Mining Frequent Patterns without Candidate Generation"): its orders,
reduced to its partners, the few products that go with it best. Over all products at once the library would list every
pair of them first. Nothing that serves imports this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from efficient_apriori import itemsets_from_transactions
from scipy import sparse

from mercato.arrays import Bool, Float64, Int32, Int64
from mercato.index.bundles import MOST_MEMBERS, NO_MEMBER, Bundles, no_bundles, pack_bundles
from mercato.signals.cooccurrence import BLOCK_PAIRS, MAX_ORDER_PRODUCTS, count_people, list_buyers, pair_orders
from mercato.signals.events import EventColumns

LEAST_PEOPLE = 5
"""Whatever the shop: what fewer bought is a coincidence, and may tell who they are."""
SMALL_SHOP = 1_000
"""Shoppers up to which `LEAST_PEOPLE` are asked for."""
PEOPLE_A_DOUBLING = 4.0
"""So many more are asked for with each doubling of the shop: among more sets more coincide by chance, and these fall
exponentially with the people that are asked for. With one, mining the demo store's orders takes 1.7 times as long."""
LEAST_LIFT = 1.5
"""How many times as often as by chance each member is bought where the others are."""
PARTNERS = 16
"""Products that larger sets of a product are made of; the time for a product grows with the cube."""
SHRINKAGE = 10.0
"""People at which a lift is halved, as for what is bought together."""
MOST_BUNDLES = 100_000
"""100 bytes each; the best are kept."""

Members = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Count:
    """How often a set was bought together: by how many people, and its support (see `Bundles`)."""

    people: int
    support: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Orders:
    """Orders, the products that enough people bought, and who ordered.

    Attributes:
        order: int64 [n], ascending, an order.
        product: int64 [n], the row of a product that it holds.
        actor: int64 [n], who ordered, from 0.
        product_count: number of rows.
    """

    order: Int64
    product: Int64
    actor: Int64
    product_count: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many orders and products there are."""
        return int(self.order.max(initial=-1)) + 1, self.product_count

    @cached_property
    def actor_of(self) -> Int64:
        """Who ordered each order, int64 [orders]."""
        found = np.zeros(self.shape[0], np.int64)
        found[self.order] = self.actor
        return found

    @cached_property
    def weight(self) -> Float64:
        """What each order counts, float64 [orders]: one divided by its actor's orders."""
        weight: Float64 = 1.0 / np.bincount(self.actor_of)[self.actor_of]
        return weight

    @cached_property
    def by_order(self) -> sparse.csr_matrix:
        """The 0/1 matrix of orders and products, float32."""
        ones = np.ones(len(self.order), np.float32)
        return sparse.csr_matrix((ones, (self.order, self.product)), shape=self.shape)

    @cached_property
    def by_product(self) -> sparse.csr_matrix:
        """The 0/1 matrix of products and orders, float32."""
        return self.by_order.T.tocsr()

    @cached_property
    def marked(self) -> Bool:
        """Room to mark orders in, bool [orders]; nothing is marked but for a while."""
        return np.zeros(self.shape[0], np.bool_)

    @cached_property
    def shoppers(self) -> int:
        """How many people ordered."""
        return len(np.unique(self.actor))

    def of(self, row: int) -> Int32:
        """Return the orders that hold a product, int32, ascending."""
        found: Int32 = self.by_product.indices[self.by_product.indptr[row] : self.by_product.indptr[row + 1]]
        return found


def mine_bundles(purchases: EventColumns, product_count: int, *, until: float) -> Bundles:
    """Mine the sets of two to four products that enough people bought in one order before a moment.

    Orders are those of `mercato.signals.cooccurrence`. People count: whoever orders a set 300 times is one of its
    people, and counts no more than any other in how often it is bought. A set is kept where `need_people` bought it,
    each two of it are a pair, and each member is bought at least `LEAST_LIFT` times as often where the others are. The
    best `MOST_BUNDLES` by lift, shrunk where few bought it, are kept.

    Args:
        purchases: the purchases that still stand; product is a row, of variants that a feed groups the leader's.
        product_count: number of rows.
        until: seconds since 1970 UTC; only strictly earlier events count.
    """
    least = need_people(len(np.unique(purchases.actor[purchases.time < until])))
    order, product, actor = pair_orders(purchases, product_count, until, least, MAX_ORDER_PRODUCTS)
    if not len(order):
        return no_bundles()
    _, actor = np.unique(actor, return_inverse=True)
    orders = _Orders(order=order, product=product, actor=actor.astype(np.int64), product_count=product_count)
    single = orders.by_product @ orders.weight
    found = _count_pairs(orders, single, least)
    partners = _list_partners(found, single)
    for row, others in partners.items():
        chosen = [one for one in others if any(_sort(one, two) in found for two in others)]
        if chosen:
            for members, count in _mine_around(orders, row, chosen, least):
                if all(pair in found for pair in combinations(members, 2)):
                    found[members] = count
    return _keep_best(found, single, orders.shoppers)


def need_people(shoppers: int) -> int:
    """Return how many people must have bought a set in a shop of so many shoppers."""
    return LEAST_PEOPLE + math.ceil(PEOPLE_A_DOUBLING * math.log2(max(shoppers / SMALL_SHOP, 1.0)))


def _sort(one: int, other: int) -> Members:
    return (one, other) if one < other else (other, one)


def _count_pairs(orders: _Orders, single: Float64, least: int) -> dict[Members, _Count]:
    """Count pairs, and keep those that are among the `PARTNERS` best of one of both: what is bought with it most.

    Args:
        orders: the orders.
        single: float64 [products], support of each product.
        least: people that a pair needs.
    """
    by_buyer, first_buyer = list_buyers(orders.order, orders.product, orders.actor, orders.shape)
    work = np.cumsum(orders.by_product @ np.diff(orders.by_order.indptr).astype(np.float64))
    parts: list[tuple[Int64, Int64, Float64]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    start = 0
    while start < orders.product_count:
        done = work[start - 1] if start else 0.0
        stop = max(int(np.searchsorted(work, done + BLOCK_PAIRS, side="right")), start + 1)
        people = count_people(by_buyer, first_buyer[start : stop + 1], orders.by_order)
        row = np.repeat(np.arange(start, stop), np.diff(people.indptr))
        kept = np.flatnonzero((people.data >= least) & (row < people.indices))
        parts.append((row[kept], people.indices[kept].astype(np.int64), people.data[kept].astype(np.float64)))
        start = stop
    one, other, people = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    support = _sum_support(orders, one, other)
    lift = support * orders.shoppers / np.maximum(single[one] * single[other], 1e-12)
    kept = np.flatnonzero(lift >= LEAST_LIFT)
    row, column = np.concatenate([one[kept], other[kept]]), np.concatenate([other[kept], one[kept]])
    score = np.tile(support[kept] * people[kept] / (people[kept] + SHRINKAGE), 2) / single[row]
    best = np.lexsort((column, -score, row))
    place = np.arange(len(best)) - np.searchsorted(row[best], row[best])
    chosen = kept[np.unique(best[place < PARTNERS] % max(len(kept), 1))]
    return {
        (row, partner): _Count(people=int(count), support=share)
        for row, partner, count, share in zip(
            one[chosen].tolist(), other[chosen].tolist(), people[chosen].tolist(), support[chosen].tolist(), strict=True
        )
    }


def _sum_support(orders: _Orders, one: Int64, other: Int64) -> Float64:
    """Return the support of pairs of rows (int64 [n] each): float64 [n]."""
    found = np.zeros(len(one))
    sizes = np.diff(orders.by_product.indptr)
    work = np.cumsum(sizes[one] + sizes[other])
    start = 0
    while start < len(one):
        done = int(work[start - 1]) if start else 0
        stop = max(int(np.searchsorted(work, done + BLOCK_PAIRS, side="right")), start + 1)
        both = orders.by_product[one[start:stop]].multiply(orders.by_product[other[start:stop]])
        found[start:stop] = both @ orders.weight
        start = stop
    return found


def _list_partners(pairs: Mapping[Members, _Count], single: Float64) -> dict[int, list[int]]:
    """List for each product the best partners that are bought more than it (of equal ones, stand before it).

    So each set is mined once, around the member that is bought least, and best sellers need not be mined around.
    """
    partners: dict[int, list[tuple[float, int]]] = {}
    for (one, other), count in pairs.items():
        rare, usual = (one, other) if single[one] < single[other] else (other, one)
        shrunk = count.support / single[usual] * count.people / (count.people + SHRINKAGE)
        partners.setdefault(rare, []).append((-shrunk, usual))
    return {row: [usual for _, usual in sorted(found)[:PARTNERS]] for row, found in sorted(partners.items())}


def _mine_around(orders: _Orders, row: int, partners: Sequence[int], least: int) -> Iterator[tuple[Members, _Count]]:
    """Mine the sets of three and four that hold a product and otherwise its partners alone.

    Args:
        orders: the orders.
        row: the product.
        partners: distinct other rows.
        least: people that a set needs.

    Yields:
        Each set with what was counted of it.
    """
    own = orders.of(row)
    orders.marked[own] = True
    shared = [held[orders.marked[held]] for held in map(orders.of, partners)]
    orders.marked[own] = False
    at = np.concatenate(shared)
    sort = np.argsort(at, kind="stable")
    names = np.repeat(np.array(partners), list(map(len, shared)))[sort].tolist()
    starts = np.flatnonzero(np.diff(at[sort], prepend=-1))
    sizes = np.diff(starts, append=len(at))
    starts, sizes = starts[sizes >= 2], sizes[sizes >= 2]
    held = at[sort][starts]
    people, weight = orders.actor_of[held], orders.weight[held]
    if len(people) < least or len(np.unique(people)) < least:
        return
    transactions = [names[start : start + size] for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)]
    found, _ = itemsets_from_transactions(
        transactions, least / len(transactions), max_length=MOST_MEMBERS - 1, output_transaction_ids=True
    )
    for size in range(2, MOST_MEMBERS):
        for others, counted in found.get(size, {}).items():
            holding = np.fromiter(counted.members, np.int64, len(counted.members))
            buyers = len(np.unique(people[holding]))
            if buyers >= least:
                members = tuple(sorted((row, *others)))
                yield members, _Count(people=buyers, support=float(weight[holding].sum()))


def _keep_best(found: dict[Members, _Count], single: Float64, shoppers: int) -> Bundles:
    """Keep the sets that are bought together more often than by chance, the best of them."""
    sets = sorted(found, key=len)  # pairs, nearly all of them, come first
    support = np.zeros((len(sets), 2**MOST_MEMBERS), np.float32)
    lift = np.full(len(sets), np.inf)
    members = np.full((len(sets), MOST_MEMBERS), NO_MEMBER, np.int32)
    people = np.array([found[one].people for one in sets], np.int32)
    pairs = np.array([one for one in sets if len(one) == 2], np.int32).reshape(-1, 2)
    members[: len(pairs), :2] = pairs
    support[: len(pairs), 1:3] = single[pairs]
    support[: len(pairs), 3] = [found[one].support for one in sets[: len(pairs)]]
    lift[: len(pairs)] = support[: len(pairs), 3] * shoppers / np.maximum(single[pairs].prod(axis=1), 1e-12)
    for number, rows in enumerate(sets[len(pairs) :], len(pairs)):
        members[number, : len(rows)] = rows
        for size in range(1, len(rows) + 1):
            for part in combinations(range(len(rows)), size):
                held = tuple(rows[place] for place in part)
                count = found.get(held)
                known = single[held[0]] if size == 1 else count.support if count is not None else 0.0
                support[number, sum(1 << place for place in part)] = known
        whole = (1 << len(rows)) - 1
        for place, row in enumerate(rows):
            rest = support[number, whole & ~(1 << place)]
            if rest > 0:
                lift[number] = min(lift[number], support[number, whole] * shoppers / (rest * single[row]))
    score = lift * people / (people + SHRINKAGE)
    kept = np.flatnonzero(lift >= LEAST_LIFT)
    kept = np.sort(kept[np.argsort(-score[kept], kind="stable")[:MOST_BUNDLES]])
    kept = kept[np.lexsort(members[kept].T[::-1])]
    return pack_bundles(members[kept], people[kept], support[kept], shoppers=float(shoppers))
