"""How much the sequence model should weigh among the other sources: measured on visits that were kept back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float64, Int32, Int64
from mercato.features import inputs
from mercato.index.allowed import Allowed
from mercato.index.delta import Delta
from mercato.index.learned import Learned
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import LearnedNow
from mercato.index.snapshot import Snapshot
from mercato.index.source_tuning import SourceTuning
from mercato.index.variant_groups import NO_GROUP, VariantGroups
from mercato.indexing.choose_windows import LEAST_VISITS
from mercato.indexing.fit_weights import fit_weights
from mercato.indexing.learn import learn_signals
from mercato.indexing.source_lists import line_up
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.context import RetrievalContext
from mercato.retrieval.fusion import RankedList, fuse_reciprocal_ranks, rank_in_order
from mercato.retrieval.nearness import LearnedNearness
from mercato.retrieval.retriever import HISTORY_LIMIT
from mercato.retrieval.source_weights import WEIGHTS, Weighing
from mercato.retrieval.sources.arrival import ARRIVAL
from mercato.retrieval.sources.base import SourceRequest
from mercato.retrieval.sources.registry import IN_TURN
from mercato.retrieval.sources.sequence import SEQUENCE
from mercato.signals.events import EventColumns
from mercato.signals.history import PURCHASE, TYPE_WEIGHTS
from mercato_training.sequence.data import Histories, History
from mercato_training.sequence.events import UserEvents

GRID = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Weights that are tried: the other sources weigh about 10 together, so the last is the model alone."""
MOST_ASKED = 2_000
"""Visits that are asked for at most."""
CUTOFF = 10

Rank = Callable[[Sequence[Int64]], Sequence[Int64]]
"""From histories, codes each, oldest first, to the codes of the best next products, as many as a source brings."""


@dataclass(frozen=True, kw_only=True)
class WeightChoice:
    """What each weight reached, and which was taken.

    Attributes:
        weight: the one taken.
        recall: weight -> mean recall@10 of the products of the visits that were kept back.
        alone: source -> the same of its list alone.
        visits: how many were asked for.
        rival: the best other source alone; empty where no other had anything to say.
        lead: by how much the model alone is better than that one.
        lead_error: standard error of the paired difference.
    """

    weight: float
    recall: Mapping[float, float]
    alone: Mapping[str, float]
    visits: int
    rival: str = ""
    lead: float = 0.0
    lead_error: float = 0.0


def choose_weight(
    events: UserEvents, histories: Histories, kept: Sequence[History], rank: Rank, *, seed: int
) -> WeightChoice | None:
    """Choose the weight of the sequence model in the fusion with what the other sources know without it.

    The others are those of the home page, as far as they need no texts, learned as `mercato index` learns them,
    without the visits that were kept back, and weighed as it weighs them for the shop: half of the visits by what the
    other half says, where that is certain. Of the weights that are not surely worse than the best (by less than one
    standard error of the paired difference) the smallest is taken: where the model adds nothing certain it shall not be
    heard.

    Args:
        events: all events.
        histories: what was made of them.
        kept: histories whose last visit was kept back.
        rank: the model.
        seed: of the draw where there are more visits than are asked for.

    Returns:
        The choice; None where nothing was kept back.
    """
    if not kept:
        return None
    others = OtherSources(events, histories, kept)
    drawn = np.random.default_rng(seed).permutation(len(kept))[:MOST_ASKED]
    asked = [kept[position] for position in np.sort(drawn).tolist()]
    predicted_codes = rank([one.before_last().codes for one in asked])
    wanted = [np.unique(others.row_of_code[one.codes[one.last_visit :]]).astype(np.int32) for one in asked]
    found = weigh_lists([others.ask(one) for one in asked], wanted, seed)
    recall = np.zeros((len(asked), len(GRID)))
    alone: dict[str, Float64] = {}
    for position, (lists, right, codes) in enumerate(zip(found, wanted, predicted_codes, strict=True)):
        predicted = others.row_of_code[codes]
        for column, weight in enumerate(GRID):
            held = list(lists.values())
            if weight > 0:
                held.append(rank_in_order(predicted, weight))
            recall[position, column] = _recall(fuse_reciprocal_ranks(held).rows, right)
        for name, rows in [*((label, item.rows) for label, item in lists.items()), (SEQUENCE.label, predicted)]:
            alone.setdefault(name, np.zeros(len(asked)))[position] = _recall(rows, right)
    means = recall.mean(axis=0)
    own = alone.pop(SEQUENCE.label)
    rival = max(alone, key=lambda name: float(alone[name].mean()), default="")
    lead = own - alone[rival] if rival else np.zeros(1)
    alone[SEQUENCE.label] = own
    return WeightChoice(
        weight=GRID[pick_smallest(recall)],
        recall=dict(zip(GRID, means.tolist(), strict=True)),
        alone={name: float(values.mean()) for name, values in sorted(alone.items(), key=lambda one: -one[1].mean())},
        visits=len(asked),
        rival=rival,
        lead=float(lead.mean()),
        lead_error=_standard_error(lead),
    )


def weigh_lists(
    lists: Sequence[Mapping[str, RankedList]], wanted: Sequence[Int32], seed: int
) -> list[dict[str, RankedList]]:
    """Weigh the lists of visits as `mercato index` would, each half of them by what the other says.

    Args:
        lists: of each visit, by source, of the default weights.
        wanted: of each visit int32 [n], the right rows, ascending.
        seed: of the halves.

    Returns:
        The same lists with the weights and slopes found; of the defaults where nothing certain is gained.
    """
    defaults = WEIGHTS[Placement.HOME_PAGE]
    random = np.random.default_rng(seed)
    half = random.permutation(len(lists)) % 2
    labels = sorted({label for own in lists for label in own})
    found: list[dict[str, RankedList]] = [dict(own) for own in lists]
    for side in (0, 1):
        learned = np.flatnonzero(half != side).tolist()
        if len(learned) < LEAST_VISITS:
            continue
        lined = line_up([lists[at] for at in learned], [wanted[at] for at in learned], labels)
        fit = fit_weights(lined, Weighing(weights=defaults), random)
        if fit.gain.low <= 0:
            continue
        for at in np.flatnonzero(half == side).tolist():
            for label, item in lists[at].items():
                # A source that is not sure of itself weighs less than its weight.
                part = item.weight / defaults[label] if defaults[label] > 0 else 1.0
                found[at][label] = replace(item, weight=fit.weights[label] * part, slope=fit.slopes[label])
    return found


def pick_smallest(values: Float64) -> int:
    """Return the first column that is less than one standard error of the paired difference below the best one.

    Args:
        values: float64 [n, columns], higher is better.
    """
    best = values[:, int(values.mean(axis=0).argmax())]
    less = best[:, None] - values
    error = np.array([_standard_error(column) for column in less.T])
    return int(np.flatnonzero((less.mean(axis=0) < error) | (less.mean(axis=0) <= 0))[0])


def _standard_error(values: Float64) -> float:
    """Return the standard error of a mean; 0 of a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


class OtherSources:
    """The sources of the home page that go by events, as a server has them that does not know the visits kept back.

    Attributes:
        row_of_code: int32 [products + 1], the row of each product, the most popular first; -1 for code 0.
        asked: the sources, in the order in which a server asks them; one that needs texts has nothing to say.
    """

    def __init__(self, events: UserEvents, histories: Histories, kept: Sequence[History]) -> None:
        """Learn the signals.

        Args:
            events: all events.
            histories: what was made of them.
            kept: histories whose last visit is not learned.
        """
        known = np.ones(len(events), np.bool_)
        for one in kept:
            known[one.indices[one.last_visit :]] = False
        self.row_of_code = _order_products(histories, known)
        self._events, self._weights = events, WEIGHTS[Placement.HOME_PAGE]
        columns = _columns(events, self.row_of_code[histories.event_codes])
        learned = known & (columns.product >= 0)
        signals = learn_signals(
            columns.select(learned),
            columns.select(learned & (events.type == PURCHASE)),
            len(histories.product_ids),
            until=float(np.nextafter(events.time[learned].max(), np.inf)),
        )
        self._catalog = EventCatalog(signals.learned, len(histories.product_ids))
        self.asked = [source for source in IN_TURN if source.label in self._weights and source is not SEQUENCE]

    def ask(self, one: History) -> dict[str, RankedList]:
        """Ask every source at the beginning of a visit that was kept back; what has nothing to say is left out."""
        now = float(self._events.time[one.indices[one.last_visit]])
        before = one.before_last()
        newest = before.indices[::-1][:HISTORY_LIMIT]
        history = inputs.History(
            rows=self.row_of_code[before.codes[::-1][:HISTORY_LIMIT]],
            time=self._events.time[newest],
            type=self._events.type[newest],
            price=np.full(len(newest), np.nan, np.float32),
        )
        asked = self._catalog.prepare(history, now, self._weights)
        lists = {source.label: source.find_batch([asked])[0] for source in self.asked}
        return {label: item for label, item in lists.items() if item is not None and len(item.rows)}


class EventCatalog(LiveCatalog):
    """A catalogue of which nothing is known but what events taught: no texts, no vectors, no dates, no filters."""

    def __init__(self, learned: Learned, product_count: int) -> None:
        """Make it.

        Args:
            learned: of its rows, the most popular first.
            product_count: number of rows.
        """
        self.snapshot = _EventSnapshot(learned, product_count)
        self.base = product_count
        self.delta = Delta(0, lambda product: {})
        self.alive = np.ones(product_count, np.bool_)
        self.current_row = np.arange(product_count, dtype=np.int32)
        self.vector_row = self.current_row
        self._groups = VariantGroups(None, "", np.full(product_count, NO_GROUP, np.int32))

    def features(self) -> inputs.ProductFeatures:
        """Return what is known of each product: nothing."""
        return self.snapshot.features

    def prepare(self, history: inputs.History, now: float, weights: Mapping[str, float]) -> SourceRequest:
        """Return what sources are asked of at a shopper's home page.

        Args:
            history: the shopper's, newest first.
            now: seconds since 1970 UTC.
            weights: of the sources, by label.
        """
        nothing = np.zeros(0, np.int32)
        context = RetrievalContext(
            request=RetrievalRequest(placement=Placement.HOME_PAGE, context=inputs.Context(time=now)),
            allowed=Allowed(rows=self.alive, texts=None, entries=np.zeros(0, np.bool_), rows_missing=False),
            relaxed=False,
            history=history,
            known_history=history,
            seeds=nothing,
            missing=[],
            probe=None,
            history_vector=np.zeros(0, np.float32),
            near=LearnedNearness(self, history, nothing, now),
            learned=LearnedNow(self.snapshot.learned),
        )
        return SourceRequest(catalog=self, context=context, weights=weights, wants_cold_start=ARRIVAL.label in weights)


class _EventSnapshot(Snapshot):
    """What of a snapshot events alone can tell."""

    def __init__(self, learned: Learned, product_count: int) -> None:
        self.learned = learned
        self.tuning = SourceTuning()
        unknown = np.zeros(product_count, np.float32)
        self.features = inputs.ProductFeatures(
            log_popularity=unknown,
            trend=unknown,
            repeat_rate=unknown,
            repeat_interval_days=unknown,
            price=np.full(product_count, np.nan, np.float32),
            leaf_category=np.full(product_count, -1, np.int32),
            brand=np.full(product_count, -1, np.int32),
            in_stock=np.ones(product_count, np.bool_),
        )


def _order_products(histories: Histories, known: npt.NDArray[np.bool_]) -> Int32:
    """Return the row of each code, the product of most events first, of equal ones that of the lower code."""
    counts = np.bincount(histories.event_codes[known], minlength=len(histories.product_ids) + 1)[1:]
    row_of_code = np.full(len(counts) + 1, -1, np.int32)
    row_of_code[1 + np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return row_of_code


def _columns(events: UserEvents, rows: Int32) -> EventColumns:
    actors: dict[str, int] = {}
    return EventColumns(
        actor=np.array([actors.setdefault(user, len(actors)) for user in events.users], np.int32),
        product=rows,
        order=events.order,
        time=events.time,
        weight=TYPE_WEIGHTS[events.type],
        type=events.type,
    )


def _recall(rows: Int32, right: Int32) -> float:
    return float(np.isin(right, rows[:CUTOFF]).mean())
