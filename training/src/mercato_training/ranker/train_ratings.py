"""Training the ranker from ratings: cross-validate, fit, write the network and what to know about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mercato.evaluation.folds import fold_of
from mercato.evaluation.measures import measure_orders, plan_measures
from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import Snapshot
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress
from mercato_export.networks.ranker import RankerNetwork, save_ranker
from mercato_training.common.learned import save_learned
from mercato_training.common.metrics import Estimate, Tools, write_results
from mercato_training.ranker.card import write_rated_card
from mercato_training.ranker.evaluate import estimate_mean
from mercato_training.ranker.fit_ratings import RatingFitOptions, fit_ratings, score_list
from mercato_training.ranker.metrics import (
    Figures,
    FoldOptions,
    RatedRankerMetrics,
    RatedRankerOptions,
    RatedRankerSeconds,
    RatingCounts,
    RatingFitMetrics,
)
from mercato_training.ranker.rated_lists import LEAST_QUERIES, RatedList, build_rated_lists, check_lists

BEYOND = ", with what is beyond the floor"
"""Added to the name of a system of which the nearest below the floor are measured too, as ``beyond`` appends them."""

DEPTH = 400
"""Ids of each list that are kept: what recall and condensed nDCG look at."""


def train_from_ratings(
    snapshot: Snapshot,
    ratings: Mapping[str, Mapping[str, int]],
    encoder: TextEncoder,
    out: Path,
    *,
    fold_options: FoldOptions,
    fit_options: RatingFitOptions,
    report: Progress,
    say: Callable[[str], None],
) -> tuple[RankerNetwork, RatedRankerMetrics]:
    """Train a ranker from ratings and write weights, config, ``metrics.json`` and ``MODEL_CARD.md``.

    Args:
        snapshot: the catalogue.
        ratings: query -> product id -> rating; products that the catalogue lacks are counted.
        encoder: the encoder that the snapshot was built with.
        out: folder to write to; made where it is missing.
        fold_options: what is held out.
        fit_options: how the network is fitted.
        report: told of progress.
        say: told a sentence now and then.

    Returns:
        The network and what ``metrics.json`` holds.

    Raises:
        DataError: too few queries teach anything.
    """
    started = time.monotonic()
    lists = build_rated_lists(snapshot, ratings, encoder, depth=DEPTH, report=report)
    check_lists(lists)
    prepared = time.monotonic()
    fold = {one.query: fold_of(one.query, fold_options.folds) if fold_options.folds else -1 for one in lists}
    orders: dict[str, list[str]] = {}
    if fold_options.fold is None:
        for held_out in range(fold_options.folds):
            learned = [one for one in lists if fold[one.query] != held_out]
            if sum(one.teaches for one in learned) < LEAST_QUERIES:
                say(f"fold {held_out + 1} of {fold_options.folds} is not measured: without it too few queries are left")
                continue
            report(f"cross-validation, fold {held_out + 1} of {fold_options.folds}", 0, 1)
            network = fit_ratings(learned, encoder.dimension, fit_options).network
            orders |= {one.query: order_ids(network, one) for one in lists if fold[one.query] == held_out}
    report("fitting", 0, 1)
    fit = fit_ratings(
        [one for one in lists if fold_options.fold is None or fold[one.query] != fold_options.fold],
        encoder.dimension,
        fit_options,
        say,
    )
    if fold_options.fold is not None:
        orders = {one.query: order_ids(fit.network, one) for one in lists if fold[one.query] == fold_options.fold}
    metrics = RatedRankerMetrics(
        features=len(FEATURE_NAMES),
        ratings=_count(lists, snapshot),
        folds=fold_options,
        fit=RatingFitMetrics(
            epochs=len(fit.train_loss),
            best_epoch=fit.best_epoch,
            start_loss=fit.start_loss,
            left_out_loss=fit.least_loss,
        ),
        results=compare_orders([one for one in lists if one.query in orders], orders, fit_options.seed),
        options=RatedRankerOptions(fit=fit_options),
        seconds=RatedRankerSeconds(data=round(prepared - started, 1), fit=round(time.monotonic() - prepared, 1)),
        tools=Tools.of_this_process(),
    )
    save_ranker(out, fit.network)
    save_learned(out, None, read=snapshot)
    write_results(out, metrics, write_rated_card(metrics))
    return fit.network, metrics


def order_ids(network: RankerNetwork, one: RatedList) -> list[str]:
    """Return a list's ids with the window in the network's order; equal scores keep the order of retrieval."""
    scores = score_list(network, one)[one.window]
    window = [one.ids[position] for position in np.argsort(-scores, kind="stable")]
    return window + one.ids[len(scores) :]


def compare_orders(lists: Sequence[RatedList], orders: Mapping[str, Sequence[str]], seed: int) -> Figures:
    """Measure retrieval and ranker on the same queries, and the difference of each pair.

    Args:
        lists: rated queries.
        orders: query to ids in the ranker's order.
        seed: of the bootstrap over queries.

    Returns:
        System to metric to mean with its 95 % interval, over the queries that have a product of the rating asked for.
        Nothing where no query was held out.
    """
    if not lists:
        return {}
    levels = sorted({rating for one in lists for rating in one.ratings.values()})
    plan = plan_measures(levels, cutoffs=(10, 100))
    ratings = [one.ratings for one in lists]
    names = ("ndcg@10", "ndcg@10_condensed", "recall@100", "mrr")
    result = {"retrieval": [one.ids for one in lists], "ranker": [list(orders[one.query]) for one in lists]}
    beyond = [one.beyond for one in lists]
    if any(beyond):
        result |= {
            f"{name}{BEYOND}": [ids + nearest for ids, nearest in zip(found, beyond, strict=True)]
            for name, found in result.items()
        }
    systems = {name: measure_orders(ratings, found, plan) for name, found in result.items()}
    systems["ranker - retrieval"] = {name: systems["ranker"][name] - systems["retrieval"][name] for name in names}
    return {
        system: {name: _estimate(values[name], np.random.default_rng(seed)) for name in names}
        for system, values in systems.items()
    }


def _estimate(values: NDArray[np.float64], rng: np.random.Generator) -> Estimate:
    known = values[~np.isnan(values)]
    return estimate_mean(known, np.arange(len(known)), rng=rng)


def _count(lists: Sequence[RatedList], snapshot: Snapshot) -> RatingCounts:
    products = {product for one in lists for product in one.ratings}
    return RatingCounts(
        queries=len(lists),
        queries_that_teach=sum(one.teaches for one in lists),
        pairs=sum(len(one.ratings) for one in lists),
        pairs_found=int(sum((one.rating >= 0).sum() for one in lists)),
        products_unknown=sum(product not in snapshot.row_by_any_id for product in products),
        levels=sorted({rating for one in lists for rating in one.ratings.values()}),
    )
