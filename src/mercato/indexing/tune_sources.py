"""Learning from a shop's own log how its sources are learned and weighed, on visits that are held back from it.

The last visits of a sample of shoppers are taken out, signals are learned from the rest, and each source is asked for
the beginning of each visit. Nothing of it is a network, and nothing after the moment of learning is read. What gains
nothing certain is left at its default, and what is kept says what it gained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Float32, Float64, Int32
from mercato.index.learned import Learned, LearningInput
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.index.source_tuning import DEFAULT_FADE, SourceTuning
from mercato.indexing.ask_visits import ask_visits, rank_popular
from mercato.indexing.fit_weights import Fit, fit_weights
from mercato.indexing.held_visits import HeldBack, HeldVisit, hold_back
from mercato.indexing.learn import find_rows, list_regions, select_events
from mercato.indexing.source_lists import line_up
from mercato.requests.retrieval import Placement
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.histories import whole_history
from mercato.retrieval.source_weights import EXPLORING, KNOWN, NEW, WEIGHTS
from mercato.retrieval.sources.registry import SOURCES
from mercato.retrieval.sources.repeat import rank_repeats, wait_until_due
from mercato.retrieval.sources.sequence import SEQUENCE
from mercato.signals.ease import EaseOptions, compute_ease
from mercato.signals.history import PURCHASE
from mercato.signals.learning_settings import LearningSettings
from mercato.signals.neighbours import Neighbours
from mercato.signals.popularity import compute_popularity
from mercato.signals.repeat import compute_repeat
from mercato.state.values import EventTable

VISITS = 1_500
LEAST_VISITS = 60
"""Fewer tell nothing: the interval of what they gain is wider than any gain."""
SEED = 15
FADES = (DEFAULT_FADE, ((0.5, 1.0),))
REGULARIZATIONS = (LearningSettings().regularization, ((100.0, 30.0), (1000.0,)))
"""The default, and what lies on each side of it, the nearest first: what follows one that is no better is not tried."""
DUES = (0.0, ((0.5, 1.0),))
SAMPLE_PRODUCTS = 2_000
"""Products with the most buyers, with which the regularization is chosen: time grows with their cube."""
CERTAIN = 1.0
"""Standard errors of the paired difference by which a setting must be better than the default."""
HIT_CUTOFF = 20


@dataclass(frozen=True, kw_only=True)
class HeldLog:
    """A log without the visits that are held back, over a snapshot's rows.

    Attributes:
        data: what is learned from, of the settings that were chosen.
        held: the visits.
        fade: how fast a history fades, as it was chosen.
        due: how much it counts that a product is not due yet, as it was chosen.
        note: why nothing is learned; empty where something is.
    """

    data: LearningInput
    held: HeldBack
    fade: float = DEFAULT_FADE
    due: float = 0.0
    note: str = ""

    @property
    def settings(self) -> LearningSettings:
        """How signals are learned."""
        return self.data.settings

    @property
    def defaults(self) -> SourceTuning:
        """What stands where no weights are learned."""
        return SourceTuning(
            settings=self.settings, fade=self.fade, due=self.due, visits=len(self.held.visits), note=self.note
        )


def choose_settings(
    table: EventTable, row_by_id: Mapping[str, int], product_count: int, categories: Int32, *, until: float
) -> HeldLog:
    """Hold visits back, and choose with them how signals are learned.

    Args:
        table: all events.
        row_by_id: the row of each product and variant.
        product_count: number of rows.
        categories: int32 [rows], code of each product's most specific category, -1 for none.
        until: seconds since 1970 UTC; only strictly earlier events are read.
    """
    random = np.random.default_rng(SEED)
    held = hold_back(table, find_rows(table, row_by_id), until=until, limit=VISITS, random=random)
    events, purchases = select_events(table, row_by_id, held.events)
    data = LearningInput(
        events=events,
        purchases=purchases,
        product_count=product_count,
        until=until,
        regions=list_regions(table),
        categories=categories,
    )
    if len(held.visits) < LEAST_VISITS:
        note = f"{held.shoppers} shoppers came back, too few to learn from: {2 * LEAST_VISITS} are needed"
        return HeldLog(data=data, held=held, note=note)
    sampled: dict[float, Neighbours] = {}

    def learn(regularization: float) -> Neighbours:
        if regularization not in sampled:
            options = EaseOptions(regularization=regularization, max_products=SAMPLE_PRODUCTS)
            sampled[regularization] = compute_ease(data.bought, product_count, until=until, options=options)
        return sampled[regularization]

    fade = _choose(*FADES, lambda one: _measure_nearness(learn(REGULARIZATIONS[0]), held.visits, one))
    regularization = _choose(*REGULARIZATIONS, lambda one: _measure_nearness(learn(one), held.visits, fade))
    settings = LearningSettings(regularization=regularization)
    intervals = compute_repeat(data.bought, product_count, until=until).interval_days
    due = _choose(*DUES, lambda one: _measure_repeats(intervals, held.visits, one))
    return HeldLog(data=replace(data, settings=settings), held=held, fade=fade, due=due)


def tune_sources(snapshot: Snapshot, log: HeldLog) -> SourceTuning:
    """Learn what each source weighs on the home page, by kind of shopper.

    Args:
        snapshot: of the same rows; nobody else reads it, and what it has learned is replaced.
        log: what `choose_settings` held back.
    """
    if log.note:
        return log.defaults
    visits, data = log.held.visits, log.data
    labels = [source.label for source in SOURCES if Placement.HOME_PAGE in source.weights and source is not SEQUENCE]
    signals = dict.fromkeys(signal for source in SOURCES if source.label in labels for signal in source.signals)
    values = {signal: data.learn(signal) for signal in signals}
    snapshot.learned = Learned({}, values=values, until=data.until, bought=data.has_purchases)
    snapshot.tuning = log.defaults
    catalog = LiveCatalog(snapshot, None)
    popular = rank_popular(compute_popularity(data.events, data.product_count, until=data.until).count)
    random = np.random.default_rng(SEED)
    defaults = WEIGHTS[Placement.HOME_PAGE]
    bought = [visit.bought for visit in visits]
    fits: dict[str, Fit] = {}
    asked = ask_visits(catalog, visits, labels, popular)
    fits[KNOWN] = fit_weights(line_up(asked, bought, labels), defaults, random)
    fresh, fresh_bought = _leave_known(asked, visits)
    if len(fresh) >= LEAST_VISITS:
        fits[EXPLORING] = fit_weights(line_up(fresh, fresh_bought, labels), defaults, random)
    strangers = ask_visits(catalog, visits, labels, popular, strangers=True)
    fits[NEW] = fit_weights(line_up(strangers, bought, labels), defaults, random)
    kept = {kind: fit for kind, fit in fits.items() if fit.gain.low > 0}
    note = "" if kept else "what was learned gains nothing certain over the defaults"
    return replace(
        log.defaults,
        weights={kind: fit.weights for kind, fit in kept.items()},
        slopes={kind: fit.slopes for kind, fit in kept.items()},
        gains={kind: fit.gain for kind, fit in fits.items()},
        note=note,
    )


def _leave_known(
    lists: Sequence[Mapping[str, RankedList]], visits: Sequence[HeldVisit]
) -> tuple[list[dict[str, RankedList]], list[Int32]]:
    """Leave out of lists and purchases what each shopper had bought before; visits without anything new go."""
    kept, bought = [], []
    for own, visit in zip(lists, visits, strict=True):
        known = visit.history.rows[visit.history.type == PURCHASE]
        fresh = visit.bought[~np.isin(visit.bought, known)]
        if len(fresh):
            keep = {label: ~np.isin(item.rows, known) for label, item in own.items()}
            kept.append(
                {
                    label: RankedList(rows=item.rows[keep[label]], scores=item.scores[keep[label]])
                    for label, item in own.items()
                    if keep[label].any()
                }
            )
            bought.append(fresh)
    return kept, bought


def _choose(default: float, sides: Sequence[Sequence[float]], quality: Callable[[float], Float64]) -> float:
    """Choose what is best on the visits: the default unless another is better by more than its standard error.

    Args:
        default: what stands where nothing is certain.
        sides: other choices, those of each side of the default away from it, until one is no better than the last.
        quality: float64 [visits] of a choice.
    """
    first = quality(default)
    best, reached = default, 0.0
    for side in sides:
        before = 0.0
        for choice in side:
            less = quality(choice) - first
            error = CERTAIN * float(less.std(ddof=1)) / np.sqrt(len(less))
            if less.mean() > max(reached, error):
                best, reached = choice, float(less.mean())
            if less.mean() <= before:
                break
            before = float(less.mean())
    return best


def _measure_nearness(neighbours: Neighbours, visits: Sequence[HeldVisit], fade: float) -> Float64:
    """Return the gain of what is nearest to each history by a matrix: float64 [visits]."""
    found = np.zeros(len(visits))
    for number, visit in enumerate(visits):
        rows, _ = neighbours.add_up(*whole_history(visit.history, fade)).find(HIT_CUTOFF)
        found[number] = _gain(rows, visit)
    return found


def _measure_repeats(intervals: Float32, visits: Sequence[HeldVisit], due: float) -> Float64:
    """Return the gain of the order in which what a shopper has is shown again: float64 [visits]."""
    found = np.zeros(len(visits))
    for number, visit in enumerate(visits):
        ranked = rank_repeats(visit.history, visit.time, 1.0)
        ranked = wait_until_due(ranked, visit.history, visit.time, intervals, due) if due else ranked
        found[number] = _gain(ranked.rows[:HIT_CUTOFF], visit)
    return found


def _gain(rows: Int32, visit: HeldVisit) -> float:
    """Return the discounted gain of some products, beside that of as many hits as there could be."""
    hit = np.flatnonzero(np.isin(rows, visit.bought))
    most = min(len(visit.bought), HIT_CUTOFF)
    return float((1.0 / np.log2(hit + 2.0)).sum() / (1.0 / np.log2(np.arange(2, most + 2))).sum())
