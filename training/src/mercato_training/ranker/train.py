"""Training the ranker: data, fit, comparison with the order before it, and the files that describe it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercato.features.features import FEATURE_NAMES
from mercato.index.snapshot import Snapshot
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress
from mercato.retrieval.retriever import HISTORY_LIMIT
from mercato.state.values import EventTable
from mercato_export.networks.ranker import PURCHASE_OUTCOME, RankerConfig, RankerNetwork, save_ranker
from mercato_training.common.learned import find_last_event, save_learned
from mercato_training.common.metrics import Seconds, Tools, write_results
from mercato_training.ranker.card import describe_verdict, write_card
from mercato_training.ranker.evaluate import (
    compare_systems,
    measure_orders,
    order_by_habit,
    order_by_retrieval,
    order_by_scores,
)
from mercato_training.ranker.examples import ExampleSet
from mercato_training.ranker.fit import FitOptions, compute_scores, fit_ranker
from mercato_training.ranker.keep_kind import choose_kind_weight
from mercato_training.ranker.metrics import (
    ExampleCounts,
    ExampleSets,
    Figures,
    GroupMetrics,
    OutcomeShare,
    RankerFitMetrics,
    RankerMetrics,
    RankerOptions,
    SplitDates,
)
from mercato_training.ranker.outcomes import PURCHASES_ALONE, choose_outcomes
from mercato_training.ranker.prediction_window import WindowOptions
from mercato_training.ranker.prediction_window_data import prepare_window_data
from mercato_training.ranker.prepare import DataOptions, RankerData, prepare_data
from mercato_training.ranker.probability import (
    GROUPS,
    PLOT_FILE,
    calibrate_network,
    describe_calibration,
    draw_calibration,
    group_examples,
    save_calibration,
)

HABIT_LENGTH = 20
"""Products of the plain order of habits; the longest cut of a metric."""


def train_ranker(
    snapshot: Snapshot,
    events: EventTable,
    encoder: TextEncoder,
    out: Path,
    *,
    data_options: DataOptions,
    fit_options: FitOptions,
    report: Progress,
    say: Callable[[str], None],
    rated: RankerNetwork | None = None,
    window: WindowOptions | None = None,
    shape: Mapping[str, Any] | None = None,
    blend: Mapping[str, float] = PURCHASES_ALONE,
) -> RankerMetrics:
    """Train a ranker, compare it, and write weights, config, ``metrics.json`` and ``MODEL_CARD.md``.

    Args:
        snapshot: the catalogue.
        events: all events.
        encoder: the encoder that the snapshot was built with.
        out: folder to write to; made where it is missing.
        data_options: what the examples are made of.
        fit_options: how the network is fitted.
        report: told of progress.
        say: told a sentence now and then: epochs, the verdict.
        rated: a network that learned from ratings, to start from.
        window: learn recommendations from the weeks after several moments; None for single orders.
        shape: fields of the network's config to change.
        blend: what the score of each outcome counts in the score that is served.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        DataError: too few purchases.
        InvalidInputError: an outcome is to be served that is not learned.
    """
    started = time.monotonic()
    if window is None:
        data = prepare_data(snapshot, events, encoder, data_options, report)
    else:
        data = prepare_window_data(snapshot, events, encoder, data_options, window, report)
    prepared = time.monotonic()
    report("fitting", 0, 1)
    outcomes, counts = choose_outcomes(data.train, fit_options.outcome_losses, blend)
    config = RankerConfig(
        feature_names=FEATURE_NAMES, dimension=encoder.dimension, outcomes=outcomes, blend=counts, **(shape or {})
    )
    if rated is not None:
        config = replace(config, relevance=rated.config.relevance, bins=rated.config.bins)
    fit = fit_ranker(data.train, data.validation, data.vectors, config, fit_options, say, rated=rated)
    kind = choose_kind_weight(fit.network, data.validation, data.vectors)
    fit.network.config = replace(config, kind_weight=kind.weight)
    fitted = time.monotonic()
    report("comparing with the order before the ranker", 0, 1)
    results = compare(fit.network, data, seed=data_options.seed)
    report("fitting probabilities", 0, 1)
    calibration = calibrate_network(fit.network, data, seed=data_options.seed)
    metrics = RankerMetrics(
        split=SplitDates(**{name: _date(moment) for name, moment in asdict(data.split).items()}),
        examples=ExampleSets(train=_count(data.train), validation=_count(data.validation), test=_count(data.test)),
        fit=RankerFitMetrics(
            epochs=len(fit.train_loss),
            best_epoch=fit.best_epoch,
            start_loss=fit.start_loss,
            validation_loss=fit.least_loss,
            skip=fit.network.skip.item(),
            kind=kind,
            members=config.members,
            outcomes=_describe_outcomes(data.train, config, fit_options),
        ),
        results=results,
        groups=measure_groups(fit.network, data),
        calibration=None if calibration is None else describe_calibration(calibration),
        options=RankerOptions(data=data_options, fit=fit_options, prediction_window=window),
        seconds=Seconds(
            data=round(prepared - started, 1),
            fit=round(fitted - prepared, 1),
            comparison=round(time.monotonic() - fitted, 1),
        ),
        tools=Tools.of_this_process(),
    )
    save_ranker(out, fit.network)
    save_calibration(out, None if calibration is None else calibration.calibration)
    # Of single orders the last stretch is reported alone, unless probabilities were fitted to it.
    until = data.split.test if window is None and calibration is None else math.inf
    save_learned(out, find_last_event(events.time, until=until), read=None if rated is None else snapshot)
    plot = PLOT_FILE if draw_calibration(out, calibration) else ""
    write_results(out, metrics, write_card(metrics, feature_count=len(FEATURE_NAMES), plot=plot))
    for task, figures in results.items():
        say(describe_verdict(task, figures))
    return metrics


def compare(network: RankerNetwork, data: RankerData, *, seed: int) -> dict[str, Figures]:
    """Compare the ranker with the order before it on the test stretch; recommendations with habits too.

    Args:
        network: the trained network.
        data: what it was trained on.
        seed: of the bootstrap.
    """
    is_search = data.test.query >= 0
    groups = {
        "search": data.test.select(is_search),
        "search_unknown": data.test_unknown,
        "recommend": data.test.select(~is_search),
    }
    results: dict[str, Figures] = {}
    for name, examples in groups.items():
        if not len(examples):
            continue
        systems = {"retrieval": order_by_retrieval(examples)}
        if name == "recommend":
            # What is popular is known as of a moment that is learned from, or as of the stretch that is reported.
            moments = [min(task.time, data.split.test) for task in examples.tasks]
            popular = {moment: data.timeline.list_popular(moment, 10 * HABIT_LENGTH) for moment in set(moments)}
            histories = [data.timeline.history_before(t.actor, t.time, limit=HISTORY_LIMIT) for t in examples.tasks]
            systems["most bought"] = [
                order_by_habit(history, popular[moment], HABIT_LENGTH)
                for history, moment in zip(histories, moments, strict=True)
            ]
        systems["ranker"] = order_by_scores(examples, compute_scores(network, examples, data.vectors))
        results[name] = compare_systems(examples.tasks, systems, seed=seed)
    return results


def measure_groups(network: RankerNetwork, data: RankerData) -> dict[str, GroupMetrics]:
    """Measure the recommendations of the test by group of shopper.

    Args:
        network: the trained network.
        data: what it was trained on.
    """
    examples = data.test.select(data.test.query < 0)
    groups = group_examples(examples)
    scores = compute_scores(network, examples, data.vectors)
    ranker = measure_orders(examples.tasks, order_by_scores(examples, scores))["ndcg@10"]
    retrieval = measure_orders(examples.tasks, order_by_retrieval(examples))["ndcg@10"]
    return {
        group: GroupMetrics(
            requests=int((groups == group).sum()),
            ranker=float(ranker[groups == group].mean()),
            retrieval=float(retrieval[groups == group].mean()),
        )
        for group in GROUPS
        if (groups == group).any()
    }


def _describe_outcomes(train: ExampleSet, config: RankerConfig, options: FitOptions) -> dict[str, OutcomeShare]:
    """Say for each outcome in how many training lists it is, what its loss counts, and what its score counts."""
    hits = {PURCHASE_OUTCOME: train.bought, **train.further}
    return {
        kind: OutcomeShare(
            lists=int(hits[kind].any(axis=1).sum()),
            loss=1.0 if kind == PURCHASE_OUTCOME else options.outcome_losses[kind],
            score=part,
        )
        for kind, part in zip(config.outcomes, config.blend, strict=True)
    }


def _count(examples: ExampleSet) -> ExampleCounts:
    """Count the examples of each task, and the share of them whose candidates hold something bought."""
    is_search = examples.query >= 0
    return ExampleCounts(
        search=int(is_search.sum()),
        search_answerable=_share_answerable(examples, is_search),
        recommend=int((~is_search).sum()),
        recommend_answerable=_share_answerable(examples, ~is_search),
    )


def _share_answerable(examples: ExampleSet, chosen: NDArray[np.bool_]) -> float:
    return round(float(examples.bought[chosen].any(axis=1).mean()), 4) if chosen.any() else 0.0


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds")
