"""Which products match a query: by its words, or by its meaning above the floor of the catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float32, Int64
from mercato.index.live import LiveCatalog
from mercato.query.word_query import WordGroup, WordQuery
from mercato.requests.retrieval import Match
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList, select_top
from mercato.retrieval.sources.words import find_word_matches, require_words
from mercato.retrieval.word_match import WordMatches, match_words

LEAST_SHARE = 0.5
"""What says less of a query, its words weighed by how rare they are, does not match by words alone."""
FEW = 3
"""So few products that hold every word of a query all match."""
HALF = 0.5
"""Words of a query of which no product holds enough make up for half of what those of others do."""
COMPARED = 4_096
"""Products of many that hold a query's words whose meaning is compared; the best by words."""


def select_word_matches(
    catalog: LiveCatalog, query: WordQuery, context: RetrievalContext, words: WordMatches
) -> tuple[Int64, Float32, bool]:
    """Select the products that hold enough of a query's words.

    Of c words c - floor(c / 4) must be there. Where no product holds that many, those that hold most of the query.

    Args:
        catalog: the products.
        query: the words of the query.
        context: the request.
        words: what its words found.

    Returns:
        Rows int64 [m], ascending; float32 [m], the share of the query that each holds, rare words weighing more; and
        whether they hold as many words as are required.
    """
    held = words.held[words.rows]
    enough = held >= require_words(words.size)
    whole = bool(enough.any())
    if not whole:
        enough = held >= held.max(initial=0.0)
    rows, held = words.rows[enough], held[enough]
    if not len(rows):
        return rows, np.zeros(0, np.float32), False
    if held.min() >= words.size:
        return rows, np.ones(len(rows), np.float32), whole
    return rows, _weigh(catalog, query, context, rows, len(words.scores)), whole


def _weigh(catalog: LiveCatalog, query: WordQuery, context: RetrievalContext, wanted: Int64, count: int) -> Float32:
    """Return the share of the query that some of ``count`` products hold, float32 [wanted]; rare words count more.

    Rarity is the inverse document frequency of BM25, log(1 + (n - f + 0.5) / (f + 0.5)), the highest for what no
    product has.
    """
    shares, total = np.zeros(len(wanted), np.float32), 0.0
    for group in query.groups:
        rows, held = _find_group(catalog, group, context)
        rarity = float(np.log1p((count - len(rows) + 0.5) / (len(rows) + 0.5)))
        if len(rows):
            at = np.minimum(np.searchsorted(rows, wanted.astype(rows.dtype)), len(rows) - 1)
            holding = np.float32(rarity) * np.broadcast_to(held, len(rows))[at]
            shares += np.where(rows[at] == wanted, holding, np.float32(0.0))
        total += rarity * group.size
    return shares / np.float32(max(total, 1e-9))


def _find_group(
    catalog: LiveCatalog, group: WordGroup, context: RetrievalContext
) -> tuple[npt.NDArray[np.integer[Any]], Float32 | np.float32]:
    """Return the allowed products that hold a word, [m] rows, and how many of its words each holds."""
    if group.is_plain and not len(context.allowed.entries):
        rows, _ = catalog.snapshot.words.lookup(group.chunks[0].parts[0])
        return rows[context.allowed.rows[rows]] if context.allowed.rows_missing else rows, np.float32(1)
    found = find_word_matches(catalog, WordQuery(groups=(group,)), context)
    return found.rows, found.held[found.rows]


def _hold_in_title(catalog: LiveCatalog, query: WordQuery, rows: Int64) -> Bool:
    """Tell which products hold enough of a query's words in their titles, bool [n]; rows are int64 [n], ascending."""
    titles = catalog.titles(rows)
    if titles is None:
        return np.zeros(len(rows), np.bool_)
    held: Bool = match_words(query, titles).held.spread() >= require_words(query.size)
    return held


def select_matches(
    catalog: LiveCatalog,
    query: WordQuery,
    context: RetrievalContext,
    words: WordMatches,
    near: RankedList | None,
) -> tuple[Int64, Int64, Match]:
    """Select the result of a search.

    A product that holds enough words matches where they stand in its title, or where its cosine with the query and what
    its words make up for reach the catalogue's floor, which is the higher the nearer the nearest product is; the best
    of those that hold enough are always among them, and all where they are `FEW`. Where no product holds enough, what
    holds most of the query matches where its cosine reaches the floor, and its words make up for less: "mug pan" asks
    for both, and "pads" alone says little of "brake pads volvo". Any other matches where its cosine reaches the floor
    and is not far below that of the nearest. Without vectors, or without a floor, words decide, `LEAST_SHARE` of them
    where no product holds enough, and whatever is near matches.

    Args:
        catalog: the products.
        query: the words of the query.
        context: the request.
        words: what its words found.
        near: the products nearest to it; None if it has no vector.

    Returns:
        Rows int64 [m], those that match by words, ascending; rows int64 [n] of those nearest that match by meaning; and
        how the result matches: by words where some product holds enough, or words decided.
    """
    rows, shares, whole = select_word_matches(catalog, query, context, words)
    nearest = np.zeros(0, np.int64) if near is None else near.rows.astype(np.int64)
    floor = catalog.snapshot.floor
    is_compared = near is not None and floor is not None and context.probe is not None
    if near is not None and floor is not None and context.probe is not None:
        floor = floor.speak(context.language)
        top = float(near.scores.max(initial=-1.0))
        nearest = nearest[near.scores >= floor.narrow(top)]
        if len(rows) > COMPARED:
            best = np.sort(select_top(words.scores[rows], COMPARED))
            rows, shares = rows[best], shares[best]
        if len(rows) and not (whole and len(rows) <= FEW):
            # What says half of a query says nothing yet: "rope" of "climbing rope".
            credits = np.maximum(2.0 * shares - 1.0, 0.0) * words.scores[rows] / words.scores[rows].max()
            credits *= 1.0 if whole else HALF
            rated = floor.rate(catalog.cosines(rows, context.probe), credits)
            stays = rated >= (floor.require(top, float(rated.max())) if whole else floor.meaning)
            if whole and not stays.all():
                below = np.flatnonzero(~stays)
                stays[below] = _hold_in_title(catalog, query, rows[below])
            rows = rows[stays]
    elif not whole:
        rows = rows[shares >= LEAST_SHARE]
    match = Match.MEANING if len(rows) or len(nearest) else Match.NONE
    if len(rows) and (whole or not is_compared):
        match = Match.WORDS
    return rows, nearest, match
