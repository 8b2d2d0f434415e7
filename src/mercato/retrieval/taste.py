"""What a shopper does not want: what was disliked, what is nearly the same, and how much less its kind is worth."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from mercato.arrays import Float32, Int32
from mercato.features.inputs import History
from mercato.index.dense import expand_groups
from mercato.index.live import LiveCatalog
from mercato.signals.history import TYPE_WEIGHTS

NEARLY_SAME = 1.0 / 60.0
"""Two texts are nearly the same where they lie this share of the usual distance of two products apart, or less. For an
encoder whose vectors of any two products have a cosine of 0.1 that is a cosine of 0.985, below which colours and model
numbers begin to differ (`mercato.policy.collapse`); one that puts all texts close together asks for more."""
SAMPLED_TEXTS = 2_000
"""Texts that the usual distance is measured over."""
NEAREST = 32
"""Texts that are looked at first; twice as many where all of them are nearly the same."""
MOST_ALIKE = 100
"""A text that more products have, or nearly, is the name of a kind: then a dislike is of one product."""
MOST_KEPT = 10_000
"""Products of which it is kept what is nearly the same, in each process."""
LARGEST_DEMOTION = 0.5
"""By how much a kind is worth less at most, as a boost counts (`mercato.policy.apply.BOOST_SPAN`)."""
PRIOR_PRODUCTS = 3.0
"""A kind is judged as if so many of its products had been neither liked nor disliked: one dislike is a dislike of a
product, not of its kind."""


def _no_rows() -> Int32:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, kw_only=True, eq=False)
class KindWeights:
    """How much less kinds are worth to a shopper.

    Attributes:
        codes: int32 [k], ascending.
        weights: float32 [k], -`LARGEST_DEMOTION` to 0.
        against: int64 [k], disliked products of each.
    """

    codes: Int32 = field(default_factory=_no_rows)
    weights: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    against: Int32 = field(default_factory=_no_rows)

    def of(self, codes: Int32) -> Float32:
        """Return the weight of each of some kinds, float32 [n]; 0 where nothing is known."""
        if not len(self.codes):
            return np.zeros(len(codes), np.float32)
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[at] == codes, self.weights[at], np.float32(0.0)).astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Taste:
    """What a shopper does not want.

    Attributes:
        disliked: int32 [d], rows of the disliked products, ascending.
        unwanted: int32 [u], those, and what is nearly the same, ascending.
        categories: how much less their most specific categories are worth.
        brands: likewise their brands.
    """

    disliked: Int32 = field(default_factory=_no_rows)
    unwanted: Int32 = field(default_factory=_no_rows)
    categories: KindWeights = field(default_factory=KindWeights)
    brands: KindWeights = field(default_factory=KindWeights)

    def __bool__(self) -> bool:
        """Tell whether anything is disliked."""
        return len(self.unwanted) > 0

    def weigh(self, catalog: LiveCatalog, rows: Int32) -> Float32:
        """Return how much less products are worth for their category and brand: float32 [n].

        Between -`LARGEST_DEMOTION` and 0; -1 of what is not wanted itself, where it is shown all the same.
        """
        features = catalog.features()
        kind = self.categories.of(features.leaf_category[rows]) + self.brands.of(features.brand[rows])
        weights = np.where(np.isin(rows, self.unwanted), np.float32(-1.0), np.maximum(kind, -LARGEST_DEMOTION))
        return weights.astype(np.float32)


NO_TASTE = Taste()


def find_taste(catalog: LiveCatalog, history: History, disliked: Int32, liked: Int32) -> Taste:
    """Find what a shopper does not want.

    Args:
        catalog: the products.
        history: what still stands of the shopper's events.
        disliked: int32 [d], rows that the shopper's last word is against; -1 for unknown ones.
        liked: int32 [l], rows that it is for: they stay, whatever resembles them.
    """
    disliked = np.unique(disliked[disliked >= 0]).astype(np.int32)
    if not len(disliked):
        return NO_TASTE
    near = find_near_duplicates(catalog, disliked)
    unwanted = np.union1d(disliked, near[~np.isin(near, liked)]).astype(np.int32)
    wanted = history.rows[(TYPE_WEIGHTS[history.type] > 0) & (history.rows >= 0)]
    wanted = np.setdiff1d(wanted, unwanted)
    features = catalog.features()
    return Taste(
        disliked=disliked,
        unwanted=unwanted,
        categories=_weigh_kinds(features.leaf_category, disliked, wanted),
        brands=_weigh_kinds(features.brand, disliked, wanted),
    )


def _weigh_kinds(kinds: Int32, disliked: Int32, wanted: Int32) -> KindWeights:
    """Weigh the kinds of disliked products: -`LARGEST_DEMOTION` * against / (against + for + `PRIOR_PRODUCTS`)."""
    codes, against = np.unique(kinds[disliked], return_counts=True)
    known = codes >= 0
    codes, against = codes[known], against[known]
    of_wanted = np.sort(kinds[wanted])
    speaking_for = np.searchsorted(of_wanted, codes, "right") - np.searchsorted(of_wanted, codes, "left")
    weights = -LARGEST_DEMOTION * against / (against + speaking_for + PRIOR_PRODUCTS)
    return KindWeights(codes=codes, weights=weights.astype(np.float32), against=against.astype(np.int32))


def find_near_duplicates(catalog: LiveCatalog, rows: Int32) -> Int32:
    """Find what a shopper takes for the same as some products.

    That is the variants that a feed groups with one of them, and what is of the same brand, or of none, and has a text
    whose vector is nearly the same (`find_same_cosine`), unless more than `MOST_ALIKE` products have.

    Args:
        catalog: the products.
        rows: int32 [n].

    Returns:
        Rows int32 [m] as they are now, ascending, ``rows`` among them.
    """
    brands = catalog.features().brand
    known = _NEAR.setdefault(catalog, OrderedDict())
    found = [catalog.groups.list_mates(rows) if catalog.groups else rows]
    for row, vector in zip(rows.tolist(), catalog.vectors(rows), strict=True):
        if not vector.any():
            continue
        if row not in known:
            known[row] = _Near(rows=_search_snapshot(catalog, vector), changed=_no_rows(), seen=0)
            if len(known) > MOST_KEPT:
                known.popitem(last=False)
        near = known[row].list_now(catalog, vector)
        own, others = brands[row], brands[near]
        alike = near[(others == own) | (others < 0) | (own < 0)]
        if len(alike) <= MOST_ALIKE:
            found.append(alike)
    return np.unique(np.concatenate(found)).astype(np.int32)


@dataclass(slots=True, eq=False)
class _Near:
    """The products whose texts are nearly the same as one's: what was found once is not looked for again.

    Attributes:
        rows: int32 [n], snapshot rows.
        changed: int32 [m], rows of changed products.
        seen: how many vectors of changed products were compared.
    """

    rows: Int32
    changed: Int32
    seen: int

    def list_now(self, catalog: LiveCatalog, vector: Float32) -> Int32:
        """List them as they are now, int32 [k]; vectors that are newer are compared first."""
        delta = catalog.delta
        if not len(delta):
            return self.rows
        if self.seen < len(delta.own_entries):
            same = np.flatnonzero(delta.own_vectors[self.seen :] @ vector >= find_same_cosine(catalog)) + self.seen
            self.changed = np.concatenate([self.changed, delta.own_entries[same] + np.int32(catalog.base)])
            self.seen = len(delta.own_entries)
        now = catalog.vector_row[self.rows]
        listed: Int32 = np.concatenate([now[now >= 0], self.changed]).astype(np.int32)
        return listed


_NEAR: WeakKeyDictionary[LiveCatalog, OrderedDict[int, _Near]] = WeakKeyDictionary()


def _search_snapshot(catalog: LiveCatalog, vector: Float32) -> Int32:
    """List the snapshot rows whose texts are nearly the same as a vector's: int32 [n]."""
    index, least = catalog.snapshot.dense, find_same_cosine(catalog)
    wanted = NEAREST
    while True:
        scores, texts = index.search(vector[None], wanted, ef_search=2 * wanted)
        near = (scores[0] >= least) & (texts[0] >= 0)
        if not near.all() or wanted >= min(MOST_ALIKE, index.count):
            break
        wanted *= 2
    layout = catalog.snapshot.texts
    rows: Int32 = layout.rows[expand_groups(texts[0][near], layout.bounds)[0]]
    return rows


def find_same_cosine(catalog: LiveCatalog) -> float:
    """Return the cosine from which two texts are nearly the same: 1 - `NEARLY_SAME` * (1 - the usual cosine).

    The usual cosine is the mean over all pairs of a sample of the snapshot's texts, which is the squared length of
    their mean.
    """
    if catalog not in _SAME_COSINE:
        vectors = catalog.snapshot.dense.vectors
        sample = vectors[:: max(len(vectors) // SAMPLED_TEXTS, 1)]
        mean = sample.mean(axis=0, dtype=np.float64) if len(sample) else np.zeros(1)
        _SAME_COSINE[catalog] = 1.0 - NEARLY_SAME * (1.0 - min(float(mean @ mean), 1.0))
    return _SAME_COSINE[catalog]


_SAME_COSINE: WeakKeyDictionary[LiveCatalog, float] = WeakKeyDictionary()
"""It stays what it is for as long as the snapshot is open."""
