"""Recommendations to learn from: at several moments of the past, what each shopper bought in the weeks that followed.

What a page shows is chosen before the shopper comes, and is right when it is bought within the next weeks: that is
what is learned, and what an evaluation with a time split measures. At each moment retrieval and features know the past
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.encode import TextEncoder
from mercato.progress import Progress, no_progress
from mercato.requests.retrieval import WINDOW
from mercato.retrieval.retriever import Retriever
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.history import PURCHASE
from mercato.state.values import EventTable
from mercato_training.ranker.examples import PADDING, ExampleBuilder, ExampleSet, Task
from mercato_training.ranker.past import PastSnapshot
from mercato_training.ranker.timeline import Timeline

NEW_SHARE = 0.5
"""Requests that are asked for new products alone, besides those for all: the ranker must tell those apart as well."""


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """Which moments are learned from.

    Attributes:
        days: how far ahead what is bought counts.
        snapshot_dates: how many moments, each with the catalogue's signals as of it.
        step_days: days between them.
        shoppers: most shoppers of a moment.
        width: candidates of a list: what was bought and a sample of the rest.
        held_out: share of shoppers who are not learned from: half of them stop the training, on the others
            probabilities are fitted and the ranker is measured.
        calibrated: most shoppers of the second half.
        seed: of every draw.
    """

    days: float = 35.0
    snapshot_dates: int = 4
    step_days: float = 14.0
    shoppers: int = 3_000
    width: int = WINDOW
    held_out: float = 0.15
    calibrated: int = 600
    seed: int = 17


def list_snapshot_dates(until: float, options: WindowOptions) -> list[float]:
    """Return the moments, latest first: the latest one's weeks end at ``until`` (seconds since 1970 UTC)."""
    last = until - options.days * SECONDS_PER_DAY
    return [last - position * options.step_days * SECONDS_PER_DAY for position in range(options.snapshot_dates)]


def draw_window_tasks(
    timeline: Timeline, snapshot_date: float, until: float, count: int, rng: np.random.Generator
) -> list[Task]:
    """Draw shoppers who bought something before a moment and something after it.

    A request comes from where the shopper's last purchase before the moment came from that says a device or a region.

    Args:
        timeline: the events.
        snapshot_date: the moment, seconds since 1970 UTC.
        until: purchases from ``snapshot_date`` on and before this count.
        count: how many shoppers, all where there are fewer.
        rng: for the draw.

    Returns:
        For each shopper a task for all products; for :data:`NEW_SHARE` of them one for new products too, where they
        bought such.
    """
    bought = timeline.type == PURCHASE
    known = np.unique(timeline.actor[bought & (timeline.time < snapshot_date)])
    after = np.flatnonzero(bought & (timeline.time >= snapshot_date) & (timeline.time < until))
    after = after[np.isin(timeline.actor[after], known)]
    actors = np.unique(timeline.actor[after])
    return ask_shoppers(timeline, rng.permutation(actors)[:count], snapshot_date, until, rng, teaching=True)


def ask_shoppers(
    timeline: Timeline,
    actors: NDArray[np.int32],
    snapshot_date: float,
    until: float,
    rng: np.random.Generator,
    *,
    teaching: bool = False,
) -> list[Task]:
    """Make the tasks of some shoppers at a moment, whatever they bought after it, as :func:`draw_window_tasks` says.

    Args:
        timeline: the events.
        actors: codes of the shoppers.
        snapshot_date: the moment, seconds since 1970 UTC.
        until: purchases from ``snapshot_date`` on and before this count.
        rng: for who is asked for new products too.
        teaching: leave out requests for new products that nothing answers. They teach no order, and leaving them out
            where probabilities are fitted would promise too much.
    """
    tasks: list[Task] = []
    for actor in actors.tolist():
        own = slice(*np.searchsorted(timeline.actor, (actor, actor + 1)))
        rows, time, is_bought = timeline.rows[own], timeline.time[own], timeline.type[own] == PURCHASE
        future = np.unique(rows[is_bought & (time >= snapshot_date) & (time < until)])
        known = timeline.device_region[own][is_bought & (time < snapshot_date)]
        known = known[known >= 0]
        device_region = timeline.device_regions[known[-1]] if len(known) else ("", "")
        further = timeline.find_further(actor, since=snapshot_date, until=until)
        tasks.append(
            Task(actor=actor, time=snapshot_date, query=-1, bought=future, device_region=device_region, further=further)
        )
        fresh = np.setdiff1d(future, rows[is_bought & (time < snapshot_date)])
        if (len(fresh) or not teaching) and rng.random() < NEW_SHARE:
            tasks.append(replace(tasks[-1], bought=fresh.astype(np.int32), only_new=True))
    return tasks


def build_window_examples(
    snapshot: Snapshot,
    events: EventTable,
    encoder: TextEncoder,
    snapshot_dates: Sequence[float],
    options: WindowOptions,
    report: Progress = no_progress,
) -> ExampleSet:
    """Build the examples of several moments, each through a retrieval that knows what came before it alone.

    Args:
        snapshot: the catalogue; its rows are those of the examples.
        events: all events; a moment's labels end ``options.days`` after it.
        encoder: the encoder that the snapshot was built with.
        snapshot_dates: the moments, seconds since 1970 UTC.
        options: what to build.
        report: told of progress.
    """
    nobody = np.zeros(0, dtype=np.int32)
    return build_groups(snapshot, events, encoder, snapshot_dates, options, nobody, report)[0]


def build_groups(
    snapshot: Snapshot,
    events: EventTable,
    encoder: TextEncoder,
    snapshot_dates: Sequence[float],
    options: WindowOptions,
    held_back: NDArray[np.int32],
    report: Progress = no_progress,
    latest: PastSnapshot | None = None,
) -> tuple[ExampleSet, ExampleSet]:
    """Build the examples of several moments, those of some shoppers apart.

    Args:
        snapshot: as for :func:`build_window_examples`.
        events: likewise.
        encoder: likewise.
        snapshot_dates: likewise.
        options: likewise.
        held_back: codes of the shoppers apart.
        report: told of progress.
        latest: the catalogue as of the first of the moments, where it was learned already.

    Returns:
        The others' examples, as :func:`draw_window_tasks` draws them; and whole lists of those held back who had bought
        before a moment, whether they bought after it or not.
    """
    rng = np.random.default_rng(options.seed)
    parts: list[ExampleSet] = []
    apart: list[ExampleSet] = []
    for position, snapshot_date in enumerate(snapshot_dates):
        report("learning from what came before a moment", position, len(snapshot_dates))
        past = latest if latest is not None and not position else PastSnapshot(snapshot, events, until=snapshot_date)
        timeline = Timeline(events, past.row_by_any_id)
        until = snapshot_date + options.days * SECONDS_PER_DAY
        drawn = draw_window_tasks(timeline, snapshot_date, until, options.shoppers, rng)
        tasks = [task for task, kept in zip(drawn, ~_are_in(drawn, held_back), strict=True) if kept]
        known = np.unique(timeline.actor[(timeline.type == PURCHASE) & (timeline.time < snapshot_date)])
        asked = ask_shoppers(timeline, np.intersect1d(held_back, known), snapshot_date, until, rng)
        builder = ExampleBuilder(Retriever(LiveCatalog(past, None), None), timeline, [], encoder)
        for sets, own, width in ((parts, tasks, options.width), (apart, asked, WINDOW)):
            sets.append(renumber(builder.build(own, width=width, rng=rng, report=report), past.original))
    return join_examples(parts), join_examples(apart)


def _are_in(tasks: Sequence[Task], actors: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return a mask of the tasks of some actors."""
    mask: NDArray[np.bool_] = np.isin(np.array([task.actor for task in tasks], dtype=np.int32), actors)
    return mask


def renumber(examples: ExampleSet, original: NDArray[np.int64]) -> ExampleSet:
    """Return examples in another numbering of products: row ``i`` becomes ``original[i]``."""
    rows = np.where(examples.rows >= 0, original[np.maximum(examples.rows, 0)], PADDING).astype(np.int32)
    tasks = [
        replace(
            task,
            bought=original[task.bought].astype(np.int32),
            further={name: original[touched].astype(np.int32) for name, touched in task.further.items()},
        )
        for task in examples.tasks
    ]
    return replace(examples, rows=rows, tasks=tasks)


def join_examples(parts: Sequence[ExampleSet]) -> ExampleSet:
    """Put sets one after the other; narrower lists are padded to the width of the widest."""
    widest = max(part.rows.shape[1] for part in parts)
    parts = [_widen(part, widest) for part in parts]
    kinds = {kind for part in parts for kind in part.further}
    return ExampleSet(
        rows=np.concatenate([part.rows for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        bought=np.concatenate([part.bought for part in parts]),
        query=np.concatenate([part.query for part in parts]),
        history=np.concatenate([part.history for part in parts]),
        tasks=[task for part in parts for task in part.tasks],
        further={
            kind: np.concatenate([part.further.get(kind, np.zeros_like(part.bought)) for part in parts])
            for kind in sorted(kinds)
        },
    )


def _widen(examples: ExampleSet, width: int) -> ExampleSet:
    """Pad lists on the right."""
    missing = ((0, 0), (0, width - examples.rows.shape[1]))
    if not missing[1][1]:
        return examples
    return replace(
        examples,
        rows=np.pad(examples.rows, missing, constant_values=PADDING),
        features=np.pad(examples.features, (*missing, (0, 0))),
        bought=np.pad(examples.bought, missing),
        further={kind: np.pad(hits, missing) for kind, hits in examples.further.items()},
    )


def split_shoppers(examples: ExampleSet, share: float, seed: int) -> tuple[ExampleSet, ExampleSet]:
    """Split by shopper: those who are learned from, and those held out.

    Every moment of a shopper is on the same side, so that nothing is learned of whom it is tried on.
    """
    actors = np.array([task.actor for task in examples.tasks])
    distinct = np.unique(actors)
    chosen = np.random.default_rng(seed).permutation(distinct)[: round(share * len(distinct))]
    held_out = np.isin(actors, chosen)
    return examples.select(~held_out), examples.select(held_out)


def group_shoppers(users: int, options: WindowOptions) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw the shoppers who are not learned from, from all users: those who stop the training, and those after them.

    Returns:
        Codes int32, rising, of the two halves of ``options.held_out``; nobody is in both.
    """
    count = round(options.held_out * users)
    drawn = np.random.default_rng(options.seed).permutation(users)[:count].astype(np.int32)
    half = count - count // 2
    return np.sort(drawn[:half]), np.sort(drawn[half:][: options.calibrated])
