"""What words and meaning say of categories: how much of a category holds a word, and the centroid of each.

Learned from the catalogue alone when it is indexed. Shoppers' searches add to it where a shop has counted in which
categories they ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mercato.arrays import Float32, Int32, Int64
from mercato.index import layout
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.words import WordIndex

_POSTINGS_A_STEP = 1_000_000
SMOOTHING = 1.0
"""Products without the word that each category is taken to have besides its own: of one product nothing is certain."""
LEAST_SHARE = 0.01
"""A word that less of a category holds stands there by chance."""
PRIOR_SEARCHES = 20.0
"""Searches that what the catalogue says of a word counts for beside those that were counted."""
_ROWS_A_STEP = 16_384

SearchCounts = Mapping[str, Mapping[int, float]]
"""Term of the word index -> code of a category -> how many searches with the term ended there."""


@dataclass(frozen=True, kw_only=True)
class CategoryWords:
    """Words and vectors of the most specific categories, by the codes of `ProductFeatures.leaf_category`.

    Attributes:
        centroids: float32 [categories, D], unit length: the direction of the mean of each category's products.
        bounds: int64 [terms + 1]; what term ``t`` of the word index has is ``codes[bounds[t]:bounds[t + 1]]``.
        codes: int32 [m], categories.
        shares: float32 [m], above 0 and below 1: how much of the category holds the term.
        terms: every term of the word index, ascending.
    """

    centroids: Float32
    bounds: Int64
    codes: Int32
    shares: Float32
    terms: Sequence[str]

    def __len__(self) -> int:
        """Return the number of categories; 0 where the shop has none, or the snapshot knows nothing of them."""
        return len(self.centroids)

    def lookup(self, term: str) -> tuple[Int32, Float32]:
        """Return the categories that hold a term, and the share of each; empty for an unknown term."""
        number = bisect_left(self.terms, term)
        if number == len(self.terms) or self.terms[number] != term:
            return self.codes[:0], self.shares[:0]
        span = slice(int(self.bounds[number]), int(self.bounds[number + 1]))
        return self.codes[span], self.shares[span]


def learn_category_words(
    words: WordIndex, leaf_category: Int32, vectors: Float32, text_of_row: Int32, searches: SearchCounts | None = None
) -> CategoryWords:
    """Learn what words and vectors say of categories.

    The share of a word in a category is ``(products of it with the word) / (products + SMOOTHING)``. Where searches
    were counted, it is ``(P * share + n * c / max c) / (P + n)``, with P of `PRIOR_SEARCHES`, c the count of the
    category, and n all counts of the word: the category in which most of them ended has the word wholly.

    Args:
        words: the word index of the same rows.
        leaf_category: int32 [rows], -1 for a product without a category.
        vectors: float32 [texts, D], unit length.
        text_of_row: int32 [rows].
        searches: what shoppers' searches say, capped by who counted; None for nothing.
    """
    count = int(leaf_category.max(initial=-1)) + 1
    sizes = np.bincount(leaf_category[leaf_category >= 0], minlength=count)
    counted = searches or {}
    lengths = np.zeros(len(words.terms), np.int64)
    codes, shares = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for first, bounds, rows in words.list_postings(_POSTINGS_A_STEP):
        found = leaf_category[rows]
        known = found >= 0
        terms = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))[known]
        pairs, times = np.unique(terms * max(count, 1) + found[known], return_counts=True)
        terms, held = np.divmod(pairs, max(count, 1))
        share = times / (sizes[held] + SMOOTHING)
        kept = share >= LEAST_SHARE
        lengths[first : first + len(bounds) - 1] = np.bincount(terms[kept], minlength=len(bounds) - 1)
        codes.append(held[kept].astype(np.int32))
        shares.append(share[kept].astype(np.float32))
    all_codes, all_shares = np.concatenate(codes), np.concatenate(shares)
    if counted:
        all_codes, all_shares, lengths = _join_searches(words, leaf_category, counted, (all_codes, all_shares, lengths))
    return CategoryWords(
        centroids=_average(leaf_category, count, vectors, text_of_row),
        bounds=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        codes=all_codes,
        shares=all_shares,
        terms=words.terms,
    )


def _join_searches(
    words: WordIndex, leaf_category: Int32, counted: SearchCounts, learned: tuple[Int32, Float32, Int64]
) -> tuple[Int32, Float32, Int64]:
    """Learn the terms of searches anew, with what these say: codes, shares, and how many each term has."""
    codes, shares, lengths = learned
    count = int(leaf_category.max(initial=-1)) + 1
    sizes = np.bincount(leaf_category[leaf_category >= 0], minlength=count)
    ends = np.cumsum(lengths)
    pieces: list[tuple[Int32, Float32]] = []
    lengths, last = lengths.copy(), 0
    for term in sorted(counted):
        number = words.number(term)
        if number < 0:
            continue
        found = leaf_category[words.lookup(term)[0]]
        held, times = np.unique(found[found >= 0], return_counts=True)
        held, share = _add_searches(held, times / (sizes[held] + SMOOTHING), counted[term], count)
        kept = share >= LEAST_SHARE
        before = slice(last, int(ends[number] - lengths[number]))
        pieces += [(codes[before], shares[before]), (held[kept].astype(np.int32), share[kept].astype(np.float32))]
        last = int(ends[number])
        lengths[number] = np.count_nonzero(kept)
    pieces.append((codes[last:], shares[last:]))
    return np.concatenate([one for one, _ in pieces]), np.concatenate([one for _, one in pieces]), lengths


def _add_searches(
    held: np.ndarray[tuple[int], np.dtype[np.int32]],
    share: np.ndarray[tuple[int], np.dtype[np.float64]],
    counts: Mapping[int, float],
    categories: int,
) -> tuple[Int32, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Blend the shares of one term with the counts of its searches."""
    known = {code: number for code, number in counts.items() if 0 <= code < categories and number > 0}
    if not known:
        return held, share
    blended = np.zeros(categories)
    blended[held] = PRIOR_SEARCHES * share
    total, most = sum(known.values()), max(known.values())
    for code, number in known.items():
        blended[code] += total * number / most
    blended /= PRIOR_SEARCHES + total
    found = np.flatnonzero(blended).astype(np.int32)
    return found, blended[found]


def _average(leaf_category: Int32, count: int, vectors: Float32, text_of_row: Int32) -> Float32:
    """Return the direction of each category's mean vector; zeros where they cancel out."""
    order = np.argsort(leaf_category, kind="stable")
    order = order[np.searchsorted(leaf_category[order], 0) :]
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    for start in range(0, len(order), _ROWS_A_STEP):
        rows = order[start : start + _ROWS_A_STEP]
        codes, first = np.unique(leaf_category[rows], return_index=True)
        sums[codes] += np.add.reduceat(vectors[text_of_row[rows]], first, axis=0)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    centroids: Float32 = sums / np.where(norms > 0, norms, np.float32(1.0))
    return centroids


def write_category_words(folder: Path, learned: CategoryWords) -> None:
    """Write what was learned into a snapshot's folder; the terms are the word index's."""
    write_arrays(
        folder / layout.KINDS,
        {
            "centroids": learned.centroids,
            "bounds": learned.bounds,
            "codes": learned.codes,
            "shares": learned.shares,
        },
    )


def read_category_words(folder: Path, words: WordIndex, dimension: int) -> CategoryWords:
    """Read what `write_category_words` wrote; nothing is known in a snapshot from before it was learned.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    if not (folder / layout.KINDS).exists():
        return CategoryWords(
            centroids=np.zeros((0, dimension), np.float32),
            bounds=np.zeros(len(words.terms) + 1, np.int64),
            codes=np.zeros(0, np.int32),
            shares=np.zeros(0, np.float32),
            terms=words.terms,
        )
    return CategoryWords(**map_arrays(folder / layout.KINDS), terms=words.terms)
