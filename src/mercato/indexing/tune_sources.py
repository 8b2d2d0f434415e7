"""Learning from a shop's own log how its sources are learned and weighed, on visits that are held back from it.

The last visits of a sample of shoppers are taken out, signals are learned from the rest, and each source is asked for
the beginning of each visit. Nothing of it is a network, and nothing after the moment of learning is read. What gains
nothing certain is left at its default, and what is kept says what it gained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mercato.arrays import Bool, Float32, Float64, Int32
from mercato.index.learned import Learned, LearningInput
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.index.source_tuning import DEFAULT_FADE, SourceTuning
from mercato.indexing.ask_visits import (
    Occasion,
    ask_sources_for,
    begin_visits,
    fill_carts,
    leave_known,
    list_labels,
    open_first_pages,
    rank_popular,
)
from mercato.indexing.choose_windows import LEAST_VISITS, SAMPLE_PRODUCTS, choose_best, choose_lately
from mercato.indexing.fit_weights import Fit, fit_weights
from mercato.indexing.held_visits import HeldBack, HeldVisit, hold_back
from mercato.indexing.learn import find_rows, list_regions, select_events
from mercato.indexing.source_lists import line_up
from mercato.requests.retrieval import Placement
from mercato.retrieval.fusion import RankedList
from mercato.retrieval.histories import whole_history
from mercato.retrieval.source_weights import AROUND, EXPLORING, HEAVY, KNOWN, LIGHT, NEW, WEIGHTS, Weighing
from mercato.retrieval.sources.registry import SOURCES
from mercato.retrieval.sources.repeat import rank_repeats, wait_until_due
from mercato.signals.cooccurrence import compute_together
from mercato.signals.ease import EaseOptions, compute_ease
from mercato.signals.history import PURCHASE
from mercato.signals.learning_settings import LearningSettings
from mercato.signals.neighbours import Neighbours
from mercato.signals.popularity import compute_popularity
from mercato.signals.repeat import compute_repeat
from mercato.state.values import EventTable

VISITS = 1_500
SEED = 15
FADES = (DEFAULT_FADE, ((0.5, 1.0),))
REGULARIZATIONS = (LearningSettings().regularization, ((100.0, 30.0), (1000.0,)))
SHRINKAGES = (LearningSettings().shrinkage, ((3.0, 1.0, 0.0), (30.0, 100.0)))
DUES = (0.0, ((0.5, 1.0),))
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
    table: EventTable,
    row_by_id: Mapping[str, int],
    product_count: int,
    categories: Int32,
    *,
    half_life_days: float,
    until: float,
) -> HeldLog:
    """Hold visits back, and choose with them how signals are learned.

    Args:
        table: all events.
        row_by_id: the row of each product and variant.
        product_count: number of rows.
        categories: int32 [rows], code of each product's most specific category, -1 for none.
        half_life_days: of popularity, as it was chosen.
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
        settings=LearningSettings(half_life_days=half_life_days),
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

    fade = choose_best(*FADES, lambda one: _measure_nearness(learn(REGULARIZATIONS[0]), held.visits, one))
    regularization = choose_best(*REGULARIZATIONS, lambda one: _measure_nearness(learn(one), held.visits, fade))
    settings = replace(data.settings, regularization=regularization, shrinkage=_choose_shrinkage(data, held.visits))
    everything, bought = select_events(table, row_by_id)
    bought = bought if data.has_purchases else everything
    settings = replace(settings, lately_days=choose_lately(bought, product_count, settings, until=until))
    intervals = compute_repeat(data.bought, product_count, until=until).interval_days
    due = choose_best(*DUES, lambda one: _measure_repeats(intervals, held.visits, one))
    return HeldLog(data=replace(data, settings=settings), held=held, fade=fade, due=due)


def tune_sources(snapshot: Snapshot, log: HeldLog) -> SourceTuning:
    """Learn what each source weighs: on the home page by kind of shopper, and around products and carts.

    Args:
        snapshot: of the same rows; nobody else reads it, and what it has learned is replaced.
        log: what `choose_settings` held back.
    """
    if log.note:
        return log.defaults
    visits = log.held.visits
    weigher = _Weigher(snapshot, log)
    heavy = _bound_heavy(visits)
    weigher.weigh(KNOWN, begin_visits(visits))
    many = np.array([len(visit.history.distinct[0]) >= heavy for visit in visits], np.bool_)
    for name, chosen in ((LIGHT, ~many), (HEAVY, many)):
        weigher.weigh_part(name, KNOWN, chosen)
    weigher.weigh_fresh(EXPLORING, KNOWN, visits)
    weigher.weigh(NEW, begin_visits(visits, strangers=True))
    weigher.weigh(Placement.PRODUCT_PAGE.label, open_first_pages(visits))
    weigher.weigh(Placement.CART.label, fill_carts(visits))
    fits, kept = weigher.fits, weigher.kept
    return replace(
        log.defaults,
        weights={name: fit.weights for name, fit in kept.items()},
        slopes={name: fit.slopes for name, fit in kept.items()},
        heavy=heavy if {LIGHT, HEAVY} & kept.keys() else 0,
        gains={name: fit.gain for name, fit in fits.items()},
        note="" if kept else "what was learned gains nothing certain over the defaults",
    )


def _bound_heavy(visits: Sequence[HeldVisit]) -> int:
    """Return the number of distinct products from which on a shopper is a heavy one: half of them are."""
    return int(np.median([len(visit.history.distinct[0]) for visit in visits])) + 1


class _Weigher:
    """Weighs the sources on one occasion after the other.

    Attributes:
        fits: what was found, by the name of what it was found for.
    """

    def __init__(self, snapshot: Snapshot, log: HeldLog) -> None:
        """Learn the signals without the visits.

        Args:
            snapshot: of the same rows; what it has learned is replaced.
            log: what was held back.
        """
        data = log.data
        self._labels = {one: list_labels(one) for one in (Placement.HOME_PAGE, *AROUND)}
        asked = {label for labels in self._labels.values() for label in labels}
        signals = dict.fromkeys(signal for source in SOURCES if source.label in asked for signal in source.signals)
        values = {signal: data.learn(signal) for signal in signals}
        snapshot.learned = Learned({}, values=values, until=data.until, bought=data.has_purchases)
        snapshot.tuning = log.defaults
        self._catalog = LiveCatalog(snapshot, None)
        half_life = log.settings.half_life_days
        popularity = compute_popularity(data.events, data.product_count, until=data.until, half_life_days=half_life)
        self._popular = rank_popular(popularity.count)
        self._asked: dict[str, tuple[list[dict[str, RankedList]], Sequence[Occasion]]] = {}
        self.fits: dict[str, Fit] = {}

    @property
    def kept(self) -> dict[str, Fit]:
        """What gains something for certain."""
        return {name: fit for name, fit in self.fits.items() if fit.gain.low > 0}

    def weigh(self, name: str, occasions: Sequence[Occasion]) -> None:
        """Weigh the sources of a placement, where there are enough occasions of it."""
        if len(occasions) < LEAST_VISITS:
            return
        placement = occasions[0].placement
        lists = ask_sources_for(self._catalog, occasions, self._labels[placement], self._popular)
        self._asked[name] = lists, occasions
        self._fit(name, placement, lists, [one.bought for one in occasions])

    def weigh_part(self, name: str, whole: str, chosen: Bool) -> None:
        """Weigh for some occasions (bool [occasions]) of what was weighed before, from the weights found for all."""
        if np.count_nonzero(chosen) < LEAST_VISITS or whole not in self._asked:
            return
        lists, occasions = self._asked[whole]
        numbers = np.flatnonzero(chosen).tolist()
        found = self.kept.get(whole)
        start = None if found is None else Weighing(weights=found.weights, slopes=found.slopes)
        placement = occasions[0].placement
        self._fit(name, placement, [lists[at] for at in numbers], [occasions[at].bought for at in numbers], start)

    def weigh_fresh(self, name: str, whole: str, visits: Sequence[HeldVisit]) -> None:
        """Weigh for what nobody had before, on the occasions of visits that were weighed before."""
        if whole not in self._asked:
            return
        lists, occasions = self._asked[whole]
        known = [visit.history.rows[visit.history.type == PURCHASE] for visit in visits]
        fresh, bought = leave_known(lists, occasions, known)
        if len(fresh) >= LEAST_VISITS:
            self._fit(name, occasions[0].placement, fresh, bought)

    def _fit(
        self,
        name: str,
        placement: Placement,
        lists: Sequence[Mapping[str, RankedList]],
        bought: Sequence[Int32],
        start: Weighing | None = None,
    ) -> None:
        start = start or Weighing(weights=WEIGHTS[placement])
        # Of its own: what one occasion is found to weigh depends on no other.
        random = np.random.default_rng(SEED)
        self.fits[name] = fit_weights(line_up(lists, bought, self._labels[placement]), start, random)


def _measure_nearness(neighbours: Neighbours, visits: Sequence[HeldVisit], fade: float) -> Float64:
    """Return the gain of what is nearest to each history by a matrix: float64 [visits]."""
    found = np.zeros(len(visits))
    for number, visit in enumerate(visits):
        rows, _ = neighbours.add_up(*whole_history(visit.history, fade)).find(HIT_CUTOFF)
        found[number] = _gain(rows, visit.bought)
    return found


def _measure_repeats(intervals: Float32, visits: Sequence[HeldVisit], due: float) -> Float64:
    """Return the gain of the order in which what a shopper has is shown again: float64 [visits]."""
    found = np.zeros(len(visits))
    for number, visit in enumerate(visits):
        ranked = rank_repeats(visit.history, visit.time, 1.0)
        ranked = wait_until_due(ranked, visit.history, visit.time, intervals, due) if due else ranked
        found[number] = _gain(ranked.rows[:HIT_CUTOFF], visit.bought)
    return found


def _choose_shrinkage(data: LearningInput, visits: Sequence[HeldVisit]) -> float:
    """Choose how thin evidence of what is bought together is shrunk: by what else was bought in visits.

    It is learned once, with the products of the most buyers; another shrinkage gives their pairs other scores.
    """
    pages = open_first_pages(visits)
    if len(pages) < LEAST_VISITS:
        return SHRINKAGES[0]
    bought = data.bought
    most = np.argsort(-np.bincount(bought.product, minlength=data.product_count), kind="stable")[:SAMPLE_PRODUCTS]
    head = np.zeros(data.product_count, np.bool_)
    head[most] = True
    found = compute_together(
        bought.select(head[bought.product]), data.product_count, until=data.until, shrinkage=SHRINKAGES[0]
    )
    pairs, people = found.neighbours, found.people.astype(np.float64)

    def measure(shrinkage: float) -> Float64:
        scores = pairs.scores * (people + SHRINKAGES[0]) / (people + shrinkage)
        gains = np.zeros(len(pages))
        for number, page in enumerate(pages):
            near = slice(int(pairs.indptr[page.seeds[0]]), int(pairs.indptr[page.seeds[0] + 1]))
            best = np.argsort(-scores[near], kind="stable")[:HIT_CUTOFF]
            gains[number] = _gain(pairs.neighbours[near][best], page.bought)
        return gains

    return choose_best(*SHRINKAGES, measure)


def _gain(rows: Int32, bought: Int32) -> float:
    """Return the discounted gain of some products, beside that of as many hits as there could be."""
    hit = np.flatnonzero(np.isin(rows, bought))
    most = min(len(bought), HIT_CUTOFF)
    return float((1.0 / np.log2(hit + 2.0)).sum() / (1.0 / np.log2(np.arange(2, most + 2))).sum())
