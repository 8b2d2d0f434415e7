"""From a catalogue, ratings and a log of events to groups that the reranker is fitted to and measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mercato.errors import DataError
from mercato.evaluation.folds import FOLDS, fold_of
from mercato.index.live import LiveCatalog
from mercato.indexing.encode import TextEncoder
from mercato.models.stages import RankerStage
from mercato.progress import Progress, no_progress
from mercato.retrieval.retriever import Retriever
from mercato_training.common.synthetic_queries import QueryMaker
from mercato_training.reranker.events import Behaviour
from mercato_training.reranker.groups import (
    Candidates,
    PairGroup,
    ProductTexts,
    find_candidates,
    group_ratings,
    group_source,
)

VALIDATION_EVERY = 6
"""Every so many of the queries decides when to stop, and is not learned from."""
LEAST_QUERIES = 2
"""One query cannot be both learned from and held out."""

Ratings = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class RerankerDataOptions:
    """What the groups are made of.

    Attributes:
        products: products that synthetic queries are made of; 0 for none.
        negatives: products beside each that retrieval takes for an answer too.
        untitled: share of the products that are read without their titles.
        unrated: products of a rated query that nobody rated, the best found; they count as 0.
        folds: folds of rated queries.
        fold: the fold that is left out and reported; None learns from all.
        seed: of every draw.
    """

    products: int = 600
    negatives: int = 11
    untitled: float = 0.3
    unrated: int = 12
    folds: int = FOLDS
    fold: int | None = None
    seed: int = 17


@dataclass(frozen=True, kw_only=True)
class RatedQuery:
    """A query with ratings.

    Attributes:
        candidates: what retrieval finds.
        ratings: rating by row.
    """

    candidates: Candidates
    ratings: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class RatedData:
    """Queries with ratings, and with what was done after them.

    Attributes:
        learned: to learn from: those that people rated, then those of the log.
        people: how many of them people rated.
        test: rated queries of the fold that is left out.
        counts: what was read and what was left out.
    """

    learned: list[RatedQuery]
    people: int
    test: list[RatedQuery]
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class RerankerData:
    """Everything a training needs.

    Attributes:
        catalog: the products.
        texts: the products as the reranker reads them.
        synthetic: groups of queries made of the catalogue's own texts, to fit to.
        synthetic_validation: others, that decide when to stop.
        rated: groups of rated and answered queries, to fit to.
        rated_validation: others, that decide when to stop.
        held_out: rated queries that decide the weight of the blend.
        test: rated queries of the fold that is left out.
        counts: what was read and what was left out.
    """

    catalog: LiveCatalog
    texts: ProductTexts
    synthetic: list[PairGroup]
    synthetic_validation: list[PairGroup]
    rated: list[PairGroup]
    rated_validation: list[PairGroup]
    held_out: list[RatedQuery]
    test: list[RatedQuery]
    counts: dict[str, int] = field(default_factory=dict)


def prepare_groups(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    options: RerankerDataOptions,
    *,
    ratings: Ratings | None = None,
    behaviour: Behaviour | None = None,
    ranker: RankerStage | None = None,
    report: Progress = no_progress,
) -> RerankerData:
    """Build the groups through the real retrieval.

    Args:
        catalog: the products.
        encoder: that of the catalogue.
        options: what to build.
        ratings: query -> product id -> rating; None for none.
        behaviour: what shoppers did; None for nothing.
        ranker: the stage before the reranker; None for the order of retrieval.
        report: told of progress.

    Raises:
        DataError: there is nothing to learn from: fewer than two queries with products that differ.
    """
    rng = np.random.default_rng(options.seed)
    texts = ProductTexts(catalog)
    interest = behaviour.interest if behaviour is not None else None
    synthetic = _make_synthetic(catalog, encoder, texts, options, interest, rng, report)
    judged = prepare_rated(
        catalog, encoder, options, ratings=ratings, behaviour=behaviour, ranker=ranker, report=report
    )
    groups = {
        position: group_ratings(one.candidates, one.ratings, catalog, texts, unrated=options.unrated)
        for position, one in enumerate(judged.learned)
    }
    ordered = [position for position, group in groups.items() if group.has_order]
    held = ordered[::VALIDATION_EVERY] if len(ordered) >= LEAST_QUERIES else []
    rated = [groups[position] for position in ordered if position not in set(held)]
    counts = judged.counts | {
        "synthetic_queries": len(synthetic),
        "queries_learned_from": len(rated),
        "queries_without_order": len(groups) - len(ordered),
    }
    validation = max(1, len(synthetic) // 10)
    if len(synthetic) < LEAST_QUERIES and not (rated and held):
        raise DataError(
            f"training needs at least {LEAST_QUERIES} queries with products of different worth; there are "
            f"{len(synthetic)} of the catalogue's own and {len(ordered)} with ratings that differ or with clicks; "
            "give more of either, or a larger catalogue"
        )
    return RerankerData(
        catalog=catalog,
        texts=texts,
        synthetic=synthetic[validation:],
        synthetic_validation=synthetic[:validation],
        rated=rated if held else [],
        rated_validation=[groups[position] for position in held],
        held_out=[judged.learned[position] for position in held if position < judged.people],
        test=judged.test,
        counts=counts,
    )


def prepare_rated(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    options: RerankerDataOptions,
    *,
    ratings: Ratings | None = None,
    behaviour: Behaviour | None = None,
    ranker: RankerStage | None = None,
    report: Progress = no_progress,
) -> RatedData:
    """Find candidates for what people rated, clicked and bought, and leave a fold of it out.

    Args:
        catalog: the products.
        encoder: that of the catalogue.
        options: which fold, and how many queries of the log.
        ratings: query -> product id -> rating; None for none.
        behaviour: what shoppers did; None for nothing.
        ranker: the stage before the reranker; None for the order of retrieval.
        report: told of progress.
    """
    retriever = Retriever(catalog, None)
    rated, counts = _find_rated(catalog, retriever, encoder, ratings or {}, report, ranker)
    learned, test = _leave_out(rated, options)
    answered = _find_answered(retriever, encoder, behaviour, options, report, ranker)
    return RatedData(
        learned=[*learned, *answered],
        people=len(learned),
        test=test,
        counts=counts | {"answered_queries": len(answered)},
    )


def draw_synthetic_queries(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    texts: ProductTexts,
    count: int,
    interest: NDArray[np.float64] | None,
    rng: np.random.Generator,
    report: Progress,
) -> list[tuple[int, Candidates]]:
    """Draw products, make a query for each, and retrieve for it.

    Args:
        catalog: the products.
        encoder: that of the catalogue.
        texts: the products as texts.
        count: how many to draw, all where there are fewer.
        interest: float64 [products]; what shoppers want is drawn more often where that is known.
        rng: for the draws.
        report: told of progress.

    Returns:
        Rows with what retrieval finds for their queries; without products that no query can be made for.
    """
    count = min(count, catalog.base)
    if count == 0:
        return []
    report("reading titles", 0, 1)
    maker = QueryMaker([str(texts.document(row).get("title", "")) for row in range(catalog.base)])
    weights = None if interest is None or not interest.any() else 1.0 + interest
    shares = None if weights is None else weights / weights.sum()
    rows = rng.choice(catalog.base, size=count, replace=False, p=shares)
    sources: list[int] = []
    queries: list[str] = []
    for row in rows.tolist():
        made = maker.make_queries(texts.document(row), rng)
        if made:
            sources.append(row)
            queries.append(made[0])
    found = find_candidates(Retriever(catalog, None), encoder, queries, report)
    return list(zip(sources, found, strict=True))


def _make_synthetic(
    catalog: LiveCatalog,
    encoder: TextEncoder,
    texts: ProductTexts,
    options: RerankerDataOptions,
    interest: NDArray[np.float64] | None,
    rng: np.random.Generator,
    report: Progress,
) -> list[PairGroup]:
    """Make groups of the catalogue's own queries."""
    drawn = draw_synthetic_queries(catalog, encoder, texts, options.products, interest, rng, report)
    groups = [
        group_source(
            found,
            np.array([row], np.int32),
            catalog,
            texts,
            negatives=options.negatives,
            without_title=bool(rng.random() < options.untitled),
            rng=rng,
        )
        for row, found in drawn
    ]
    return [group for group in groups if group is not None]


def _find_rated(
    catalog: LiveCatalog,
    retriever: Retriever,
    encoder: TextEncoder,
    ratings: Ratings,
    report: Progress,
    ranker: RankerStage | None,
) -> tuple[list[RatedQuery], dict[str, int]]:
    """Retrieve for rated queries; ratings of products that the catalogue lacks are counted and left out."""
    rows = {query: {catalog.row_of(product): r for product, r in rated.items()} for query, rated in ratings.items()}
    known = {query: {row: r for row, r in rated.items() if row >= 0} for query, rated in rows.items()}
    counts = {
        "rated_queries": len(ratings),
        "rated_pairs": sum(map(len, known.values())),
        "ratings_of_unknown_products": sum(map(len, ratings.values())) - sum(map(len, known.values())),
    }
    queries = [query for query, rated in known.items() if rated]
    found = find_candidates(retriever, encoder, queries, report, ranker=ranker)
    return [RatedQuery(candidates=one, ratings=known[one.query]) for one in found], counts


def _leave_out(rated: list[RatedQuery], options: RerankerDataOptions) -> tuple[list[RatedQuery], list[RatedQuery]]:
    is_test = [_is_left_out(one.candidates.query, options) for one in rated]
    return (
        [one for one, left_out in zip(rated, is_test, strict=True) if not left_out],
        [one for one, left_out in zip(rated, is_test, strict=True) if left_out],
    )


def _is_left_out(query: str, options: RerankerDataOptions) -> bool:
    return options.fold is not None and fold_of(query, options.folds) == options.fold


def _find_answered(
    retriever: Retriever,
    encoder: TextEncoder,
    behaviour: Behaviour | None,
    options: RerankerDataOptions,
    report: Progress,
    ranker: RankerStage | None,
) -> list[RatedQuery]:
    """Retrieve for the queries that shoppers clicked or bought after, those with most of it first."""
    answered = behaviour.answered if behaviour is not None else {}
    most_first = sorted(answered, key=lambda query: (-sum(answered[query].values()), query))
    queries = [query for query in most_first if not _is_left_out(query, options)][: max(1, options.products)]
    found = find_candidates(retriever, encoder, queries, report, ranker=ranker)
    return [RatedQuery(candidates=one, ratings=answered[one.query]) for one in found]
