"""Which products match a query: by its words, or by its meaning above the floor of the catalogue."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Bool, Float32, Int64
from mercato.index.live import LiveCatalog
from mercato.index.part import CatalogPart
from mercato.membership import is_among
from mercato.query.word_query import WordQuery
from mercato.requests.retrieval import Match
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList, select_top
from mercato.retrieval.sources.base import SEARCH_CANDIDATES
from mercato.retrieval.sources.words import require_words
from mercato.retrieval.whole import BestRows, Figures, NearTexts, Steps
from mercato.retrieval.word_match import WordMatches, match_words

LEAST_SHARE = 0.5
"""What says less of a query, its words weighed by how rare they are, does not match by words alone."""
FEW = 3
"""So few products that hold every word of a query all match."""
HALF = 0.5
"""Words of a query of which no product holds enough make up for half of what those of others do."""
COMPARED = 4_096
"""Products of many that hold a query's words whose meaning is compared; the best by words."""


@dataclass(slots=True, kw_only=True)
class WordHolders:
    """The products that hold enough of a query's words.

    Attributes:
        rows: int64 [m], ascending.
        shares: float32 [m], the share of the query that each holds, rare words weighing more.
        whole: whether they hold as many words as are required.
        count: how many there are in the whole catalogue, before the best of many are chosen.
        highest: the highest score by words that one of them has, in the whole catalogue.
    """

    rows: Int64
    shares: Float32
    whole: bool
    count: int
    highest: float


def select_word_matches(
    query: WordQuery, words: WordMatches, near: NearTexts | None = None
) -> Steps[tuple[WordHolders, NearTexts | None]]:
    """Select the products that hold enough of a query's words.

    Of c words c - floor(c / 4) must be there. Where no product holds that many, those that hold most of the query.

    Args:
        query: the words of the query.
        words: what they found.
        near: the nearest of this part, which are told along.

    Yields:
        What its words find here; what is required depends on what they find anywhere.

    Returns:
        Those that hold enough, and the nearest of all.
    """
    held, required = words.held, require_words(words.size)
    enough = held >= required
    here = _describe(words, held, enough)
    most = np.append(here.highest, held.max(initial=0.0))
    told = yield Figures(highest=most, lowest=here.lowest, sums=here.sums, near=near)
    nearest, most = told.near, told.highest[1]
    whole = bool(most >= required > 0)
    if not whole:
        enough = held >= most
        told = yield _describe(words, held, enough)
    rows = words.rows[enough]
    shares = np.ones(len(rows), np.float32)
    if told.lowest[0] < words.size:
        shares = (yield from _weigh(query, words))[enough]
    count, highest = int(told.sums[0]), float(told.highest[0])
    return WordHolders(rows=rows, shares=shares, whole=whole, count=count, highest=highest), nearest


def _describe(words: WordMatches, held: Float32, enough: Bool) -> Figures:
    """Say of the products that hold enough words the highest score, the fewest words, and how many there are."""
    return Figures(
        highest=np.array([words.scores[enough].max(initial=0.0)], np.float64),
        lowest=np.array([held[enough].min(initial=np.inf)], np.float64),
        sums=np.array([np.count_nonzero(enough)], np.float64),
    )


def _weigh(query: WordQuery, words: WordMatches) -> Steps[Float32]:
    """Return the share of the query that each product holds, float32 [rows of ``words``]; a word counts by its rarity.

    Rarity is the inverse document frequency of BM25, log(1 + (n - f + 0.5) / (f + 0.5)), the highest for what no
    product has.
    """
    told = yield Figures(sums=np.array([words.count, *(len(group.rows) for group in words.groups)], np.float64))
    everything, *frequencies = told.sums.tolist()
    rarities = [math.log1p((everything - frequency + 0.5) / (frequency + 0.5)) for frequency in frequencies]
    total = sum(rarity * group.size for rarity, group in zip(rarities, query.groups, strict=True))
    return words.weigh(rarities) / np.float32(max(total, 1e-9))


def _hold_in_title(catalog: LiveCatalog, query: WordQuery, rows: Int64) -> Bool:
    """Tell which products hold enough of a query's words in their titles, bool [n]; rows are int64 [n], ascending."""
    titles = catalog.titles(rows)
    if titles is None:
        return np.zeros(len(rows), np.bool_)
    held: Bool = match_words(query, titles).read_held(np.arange(len(rows))) >= require_words(query.size)
    return held


@dataclass(slots=True, kw_only=True)
class Result:
    """The result of a search in a part of the catalogue.

    Attributes:
        by_words: int64 [m], rows that match by words, ascending.
        by_meaning: int64 [n], rows of those nearest that match by meaning.
        near: those of the part that are among the nearest of the whole catalogue; None if the query has no vector.
        match: how the part's products match; the whole as the strongest of all.
    """

    by_words: Int64
    by_meaning: Int64
    near: NearTexts | None
    match: Match


def select_matches(
    catalog: LiveCatalog,
    query: WordQuery,
    context: RetrievalContext,
    words: WordMatches,
    dense: RankedList | None,
) -> Steps[Result]:
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
        dense: the products nearest to it; None if it has no vector.

    Yields:
        What is to be compared with the rest of the catalogue.
    """
    named = None if dense is None else _name_nearest(catalog, dense)
    found, told = yield from select_word_matches(query, words, named)
    rows, shares, whole = found.rows, found.shares, found.whole
    near = None if told is None else _keep_own(catalog.snapshot.part, told)
    nearest = np.zeros(0, np.int64) if near is None else near.rows.astype(np.int64)
    floor = catalog.snapshot.floor
    is_compared = False
    if near is not None and told is not None and floor is not None and context.probe is not None:
        is_compared = True
        top = float(told.scores.max(initial=-1.0))
        floor = floor.speak(context.language)
        nearest = nearest[near.scores >= floor.narrow(top)]
        if found.count > COMPARED:
            kept = yield from _keep_best(catalog, rows, words)
            rows, shares = rows[kept], shares[kept]
        if found.count and not (whole and found.count <= FEW):
            # What says half of a query says nothing yet: "rope" of "climbing rope".
            credits = np.maximum(2.0 * shares - 1.0, 0.0) * words.read_scores(rows) / np.float32(found.highest)
            credits *= 1.0 if whole else HALF
            rated = floor.rate(catalog.cosines(rows, context.probe), credits)
            best = (yield Figures(highest=np.array([rated.max(initial=-np.inf)]))).highest[0] if whole else 0.0
            stays = rated >= (floor.require(top, float(best)) if whole else floor.meaning)
            if whole and not stays.all():
                below = np.flatnonzero(~stays)
                stays[below] = _hold_in_title(catalog, query, rows[below])
            rows = rows[stays]
    elif not whole:
        rows = rows[shares >= LEAST_SHARE]
    match = Match.MEANING if len(rows) or len(nearest) else Match.NONE
    if len(rows) and (whole or not is_compared):
        match = Match.WORDS
    return Result(by_words=rows, by_meaning=nearest, near=near, match=match)


def _name_nearest(catalog: LiveCatalog, dense: RankedList) -> NearTexts:
    """Return the nearest of a part by the rows and texts of the whole catalogue."""
    part, layout = catalog.snapshot.part, catalog.snapshot.texts
    if part.rows is None:  # nobody joins them with others
        return NearTexts(rows=dense.rows, scores=dense.scores, texts=dense.rows, limit=SEARCH_CANDIDATES)
    first = part.rows[layout.rows[layout.bounds[layout.text_of_row[dense.rows]]]]
    return NearTexts(rows=part.rows[dense.rows], scores=dense.scores, texts=first, limit=SEARCH_CANDIDATES)


def _keep_own(part: CatalogPart, near: NearTexts) -> NearTexts:
    """Return those of the nearest of all that are a part's, by its rows."""
    if part.rows is None:
        return near
    rows = part.find_rows(near.rows)
    own = rows >= 0
    return replace(near, rows=rows[own], scores=near.scores[own], texts=near.texts[own])


def _keep_best(catalog: LiveCatalog, rows: Int64, words: WordMatches) -> Steps[Bool]:
    """Tell which rows, int64 [n] ascending, are among the `COMPARED` best by words of the whole catalogue: bool [n]."""
    scores = words.read_scores(rows)
    top = select_top(scores, COMPARED)
    part = catalog.snapshot.part
    told = yield Figures(best=BestRows(rows=part.name_rows(rows[top]), scores=scores[top], limit=COMPARED))
    if told.best is None:
        return np.ones(len(rows), np.bool_)
    return is_among(part.name_rows(rows), told.best.rows)
