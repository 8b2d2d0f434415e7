"""What the reranker learns from: queries with products of known or taught relevance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from mercato.catalog.product import TEXT_FIELDS, parse_product
from mercato.index.live import LiveCatalog
from mercato.indexing.encode import TextEncoder
from mercato.models.reranker import write_product_text
from mercato.models.stages import RankerStage
from mercato.progress import Progress, no_progress
from mercato.requests.page import parse_search
from mercato.requests.retrieval import Retrieved
from mercato.retrieval.retriever import Retriever
from mercato.text.stopwords import drop_stopwords, list_stopwords
from mercato.zscore import standardize_scores

COVERAGE_SHARE = 0.5
"""A product with all words of the query is taught to be worth as much as one that is this much nearer by cosine."""
BATCH = 32
"""Queries that are retrieved together."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What retrieval finds for a query.

    Attributes:
        query: its text.
        rows: int32 [n], in the order of retrieval.
        before: float32 [n], the score of the stage before, descending.
        vector: float32 [D], of the query.
    """

    query: str
    rows: NDArray[np.int32]
    before: NDArray[np.float32]
    vector: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class PairGroup:
    """A query with some products.

    Attributes:
        query: its text.
        texts: the products as the reranker reads them.
        gains: float32 [n], how much each is worth; all zero where nothing is known.
        taught: float32 [n], what can be said of each without anybody's word, and what the network shall not lose; see
            `teach`.
        before: float32 [n], the standardised score of the stage before: what the network adds to.
        pinned: bool [n], that are in every draw; the others are drawn anew in each pass.
    """

    query: str
    texts: Sequence[str]
    gains: NDArray[np.float32]
    taught: NDArray[np.float32]
    before: NDArray[np.float32]
    pinned: NDArray[np.bool_]

    @property
    def has_order(self) -> bool:
        """Whether the gains say anything about order."""
        return bool(np.ptp(self.gains) > 0) if len(self.gains) else False


class ProductTexts:
    """The products of a catalogue as the reranker reads them."""

    def __init__(self, catalog: LiveCatalog) -> None:
        """Read from a catalogue when asked."""
        self._catalog = catalog
        self._documents: dict[int, dict[str, object]] = {}
        self._terms: dict[tuple[int, bool], frozenset[str]] = {}

    def document(self, row: int) -> dict[str, object]:
        """Return the document of a row."""
        if row not in self._documents:
            self._documents[row] = orjson.loads(self._catalog.document(row))
        return self._documents[row]

    def text(self, row: int, *, without_title: bool = False) -> str:
        """Return the text of a row.

        Args:
            row: the product.
            without_title: leave the title out, where anything else is left; what is learned then is to know a product
                by its description and attributes.
        """
        document = self.document(row)
        if without_title:
            rest = write_product_text({**document, "title": ""}).lstrip(". ")
            if len(rest) >= 16:
                return rest
        return write_product_text(document)

    def terms(self, row: int, *, without_title: bool = False) -> frozenset[str]:
        """Return the terms of all fields of a row, or of all but the title."""
        if (row, without_title) not in self._terms:
            product = parse_product(self.document(row))
            fields = [name for name in TEXT_FIELDS if name != "title" or not without_title]
            whole = " ".join(product.field_text(name) for name in fields)
            self._terms[row, without_title] = frozenset(self._catalog.analyzer.analyze(whole))
        return self._terms[row, without_title]


def find_candidates(
    retriever: Retriever,
    encoder: TextEncoder,
    queries: Sequence[str],
    report: Progress = no_progress,
    *,
    ranker: RankerStage | None = None,
) -> list[Candidates]:
    """Retrieve candidates as the server does.

    Args:
        retriever: of the catalogue.
        encoder: that of the catalogue.
        queries: the texts.
        report: told of progress.
        ranker: the stage before the reranker; None for the order of retrieval.

    Returns:
        One for each query; without rows where nothing was found.
    """
    found = []
    for start in range(0, len(queries), BATCH):
        texts = queries[start : start + BATCH]
        requests = [parse_search({"QUERY": text.encode()}).retrieval for text in texts]
        vectors = encoder.encode_many([request.text for request in requests], role="query", workers=1, progress=None)
        for text, vector, outcome in zip(texts, vectors, retriever.retrieve(requests, vectors), strict=True):
            rows, before = np.zeros(0, np.int32), np.zeros(0, np.float32)
            if isinstance(outcome, Retrieved) and len(outcome.rows):
                rows, before = _order(retriever, outcome, vector, ranker)
            found.append(Candidates(query=text, rows=rows, before=before, vector=vector))
        report("retrieving candidates", min(start + BATCH, len(queries)), len(queries))
    return found


def _order(
    retriever: Retriever, outcome: Retrieved, vector: NDArray[np.float32], ranker: RankerStage | None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return rows and scores of the stage before, the best first."""
    if ranker is None:
        return outcome.rows, outcome.fused
    scores = ranker.score(
        vector[None],
        outcome.history_vector[None],
        retriever.catalog.vectors(outcome.rows)[None],
        outcome.features[None],
    )[0]
    order = np.argsort(-scores, kind="stable")
    return outcome.rows[order], scores[order]


def teach(
    candidates: Candidates,
    rows: NDArray[np.int32],
    catalog: LiveCatalog,
    texts: ProductTexts,
    *,
    without_title: bool = False,
) -> NDArray[np.float32]:
    """Return ``cos(q, p) + COVERAGE_SHARE * |words(q) in p| / |words(q)|``: float32 [n].

    The encoder knows what is alike and forgets what was said; the words know what was said and not what is alike.
    """
    cosines = catalog.vectors(rows) @ candidates.vector
    stopwords = list_stopwords(catalog.analyzer, catalog.snapshot.settings["language"])
    words = set(drop_stopwords(catalog.analyzer.analyze(candidates.query), stopwords))
    covered = [len(words & texts.terms(row, without_title=without_title)) / max(1, len(words)) for row in rows.tolist()]
    taught: NDArray[np.float32] = (cosines + COVERAGE_SHARE * np.array(covered)).astype(np.float32)
    return taught


def group_ratings(
    candidates: Candidates,
    ratings: Mapping[int, float],
    catalog: LiveCatalog,
    texts: ProductTexts,
    *,
    unrated: int,
) -> PairGroup:
    """Make the group of a rated query: of what was found, what is rated, and the best that nobody rated.

    The gain of a rating ``r`` is ``2^r - 1``; what nobody rated counts nothing, as in nDCG. Rated products that were
    not found are left out: a reranker never sees them.

    Args:
        candidates: what retrieval finds.
        ratings: rating by row.
        catalog: the products.
        texts: the products as texts.
        unrated: products without a rating, the best found.
    """
    is_rated = np.isin(candidates.rows, np.array(list(ratings), np.int32))
    positions = np.concatenate([np.flatnonzero(is_rated), np.flatnonzero(~is_rated)[:unrated]])
    rows = candidates.rows[positions]
    gains = (np.exp2([ratings.get(row, 0) for row in rows.tolist()]) - 1).astype(np.float32)
    return PairGroup(
        query=candidates.query,
        texts=[texts.text(row) for row in rows.tolist()],
        gains=gains,
        taught=teach(candidates, rows, catalog, texts),
        before=standardize_scores(candidates.before)[positions],
        pinned=np.zeros(len(rows), np.bool_),
    )


def group_source(
    candidates: Candidates,
    sources: NDArray[np.int32],
    catalog: LiveCatalog,
    texts: ProductTexts,
    *,
    negatives: int,
    without_title: bool,
    rng: np.random.Generator,
) -> PairGroup | None:
    """Make the group of a query that stands for products: these, and others that retrieval takes for it.

    Negatives are drawn from the whole list, so that some are near and some are far. One whose title has all words of
    the query answers it as well, and is none.

    Args:
        candidates: what retrieval finds.
        sources: int32 rows that answer the query.
        catalog: the products.
        texts: the products as texts.
        negatives: how many, at most.
        without_title: whether all products are read without their titles.
        rng: for the draw.

    Returns:
        The group; None where nothing else was found.
    """
    words = set(candidates.query.lower().split())
    others = [
        row
        for row in candidates.rows[~np.isin(candidates.rows, sources)].tolist()
        if not words <= set(str(texts.document(row).get("title", "")).lower().split())
    ]
    if not others:
        return None
    drawn = rng.permutation(len(others))[:negatives]
    rows = np.concatenate([sources[:negatives], np.array([others[position] for position in drawn], np.int32)])
    gains = np.zeros(len(rows), np.float32)
    gains[: len(sources[:negatives])] = 1.0
    return PairGroup(
        query=candidates.query,
        texts=[texts.text(row, without_title=without_title) for row in rows.tolist()],
        gains=gains,
        taught=teach(candidates, rows, catalog, texts, without_title=without_title),
        # What a made-up query's order before is worth is not known: the network stands alone.
        before=np.zeros(len(rows), np.float32),
        pinned=gains > 0,
    )
