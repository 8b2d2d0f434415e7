"""What learning between two indexings is worth: online retail replayed day by day, indexed monthly and learned daily.

.venv/bin/python -m benchmarks between_indexings

Every day its customers are asked for as of its midnight, with their history and as strangers, and their baskets of the
day are to be found. Three shops know the same log: one is indexed monthly and does not go on in between, one is indexed
monthly and goes on, and one goes on and learns each day all else anew (EASE, lately, factors, repeats), but for the
weights of its sources: what indexing each day would give. In process, without a ranker; histories are fresh in all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import ENCODER
from benchmarks.recommendation.online_retail_data import CUTOFF, DATA, KEY_METRICS, read_sales, to_seconds
from benchmarks.recommendation.online_retail_shop import make_events, make_products
from mercato.arrays import Float64
from mercato.catalog.product import Product, parse_product
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.evaluation.result import describe_comparison, describe_values
from mercato.events.event import Event
from mercato.features.inputs import Context
from mercato.index.learned import Learned
from mercato.index.live import LiveCatalog
from mercato.index.live_learning import LiveLearning
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.indexing.learn import learn_signals, select_events
from mercato.models.encoder.onnx_encoder import OnnxEncoder
from mercato.requests.retrieval import Placement, RetrievalRequest, Retrieved
from mercato.retrieval.nearness import FACTORS
from mercato.retrieval.retriever import Retriever
from mercato.retrieval.sources.registry import list_needed, list_signals
from mercato.state.sqlite import SqliteStateStore
from mercato.text.timestamps import format_timestamp

NEEDS = "the evaluation data"
END = "2011-12-10"
LAST_WEEKS = 8
WEEKS_A_MONTH = 4
SEED = 43
WEEK, DAY = 604_800.0, 86_400.0
STOPPED, GOES_ON, DAILY = "indexed monthly", "indexed monthly, goes on", "goes on, the rest learned daily"
ASKED = ("known", "stranger", "new to them")
"""With the history; without; and with it, of what they had not bought before."""


class Replay:
    """The shop's log, and snapshots of it as of the beginning of its weeks."""

    def __init__(
        self, events: pd.DataFrame, products: Sequence[Product], begin: float, folder: Path, reuse: Path | None
    ) -> None:
        """Write the log, in the order of time."""
        self.products, self.folder, self.begin, self.reuse = products, folder, begin, reuse
        self.state = SqliteStateStore(str(folder / "state.db"))
        written = [_make_event(row) for row in events.to_dict("records")]
        written.sort(key=lambda event: event.time)
        self.events = written
        self.times = np.array([event.time for event in written])
        for start in range(self.state.event_sequence(), len(written), 5_000):
            self.state.append_events(written[start : start + 5_000])
        self.encoder = OnnxEncoder(ENCODER)
        self.seconds: list[float] = []
        self.counted: list[float] = []

    def open(self, month: int, *, goes_on: bool, learned: float | None = None) -> Retriever:
        """Open the shop as it was indexed at the beginning of a week.

        Args:
            month: the week.
            goes_on: whether what came since is counted.
            learned: the moment, seconds since 1970, at which all is learned anew that does not go on; None for never.
        """
        folder = self.folder / f"week-{month}"
        if not folder.exists():
            started, until = time.process_time(), self.begin + month * WEEK
            reuse = next(self.folder.glob("week-*"), self.reuse)
            options = BuildOptions(until=until, reuse=reuse)
            build_snapshot(self.products, self.state.event_columns(until=until), self.encoder, folder, options)
            self.seconds.append(time.process_time() - started)
        snapshot = Snapshot(folder)
        if learned is not None:
            snapshot.learned = self._learn(snapshot, learned)
        catalog = LiveCatalog(snapshot, self.state)
        learning = LiveLearning(catalog, self.state if goes_on else None, list_needed(), every_s=0.0, look_s=np.inf)
        started = time.process_time()
        learning.catch_up()
        if goes_on:
            self.counted.append(time.process_time() - started)
        return Retriever(catalog, self.state, learning=learning)

    def _learn(self, snapshot: Snapshot, until: float) -> Learned:
        """Learn what does not go on as of a moment; the rest stays the snapshot's."""
        events, purchases = select_events(self.state.event_columns(until=until), snapshot.row_by_id)
        settings = snapshot.tuning.settings
        anew = learn_signals(events, purchases, snapshot.count, until=until, settings=settings).learned
        signals = [*list_signals(), FACTORS]
        needed = list_needed()
        values = {
            signal: (snapshot.learned if signal.go_on or signal in needed else anew).get(signal) for signal in signals
        }
        return Learned({}, values=values, until=snapshot.learned.until, bought=True)

    def list_days(self, week: int, most: int, random: np.random.Generator) -> list[tuple[float, dict[str, set[str]]]]:
        """List the days of a week: midnight, and what each of a sample of its known customers bought."""
        days = []
        for number in range(7):
            start = self.begin + week * WEEK + number * DAY
            today: dict[str, set[str]] = {}
            first, stop = np.searchsorted(self.times, [start, start + DAY]).tolist()
            for event in self.events[first:stop]:
                today.setdefault(event.user_id, set()).add(event.product_id)
            known = {event.user_id for event in self.events[:first]}
            users = sorted(set(today) & known)
            chosen = [users[index] for index in np.sort(random.permutation(len(users))[:most]).tolist()]
            if chosen:
                days.append((start, {user: today[user] for user in chosen}))
        return days


def _make_event(row: dict[str, Any]) -> Event:
    return Event(
        event_type="purchase-complete",
        user_id=row["user_id"],
        product_id=row["product_id"],
        time=row["time"].timestamp(),
        order_id=row["order_id"],
        quantity=int(row["quantity"]),
    )


def ask(retriever: Retriever, users: Sequence[str], moment: float) -> tuple[list[list[str]], float]:
    """Ask the home page for users ("" for a stranger) as of a moment; returns the lists, and CPU seconds."""
    started = time.process_time()
    now = Context(time=moment)
    requests = [
        RetrievalRequest(placement=Placement.HOME_PAGE, user_id=user, context=now, as_of=True, depth=128)
        for user in users
    ]
    lists = []
    for answer in retriever.retrieve(requests, None):
        if not isinstance(answer, Retrieved):
            raise answer
        lists.append([retriever.catalog.id_of(row) for row in answer.rows.tolist()])
    return lists, time.process_time() - started


def measure(lists: Sequence[Sequence[str]], right: Sequence[set[str]]) -> dict[str, Float64]:
    """Measure the first 20 of each list."""
    found = measure_orders(
        [dict.fromkeys(one, 1) for one in right], [list(one)[:CUTOFF] for one in lists], MeasurePlan(cutoffs=(CUTOFF,))
    )
    return {name: found[name] for name in KEY_METRICS}


def measure_cost(replay: Replay, week: int) -> dict[str, Any]:
    """Write a day's events one by one, and ask after each: CPU milliseconds with and without going on, by turns."""
    last = max(event.time for event in replay.events)
    day = [event for event in replay.events if event.time > last - 2 * DAY][:100]
    taken: dict[str, list[float]] = {"event": [], STOPPED: [], GOES_ON: [], "asked again": [], "without": []}
    shops = {STOPPED: replay.open(week, goes_on=False), GOES_ON: replay.open(week, goes_on=True)}
    for shop in shops.values():
        ask(shop, [""], last + 1.0)
    for number, event in enumerate(day):
        started = time.process_time()
        user, product = event.user_id, event.product_id
        written = Event(event_type="purchase-complete", user_id=user, product_id=product, time=last + number)
        replay.state.append_events([written])
        taken["event"].append(time.process_time() - started)
        for name in (STOPPED, GOES_ON) if number % 2 else (GOES_ON, STOPPED):
            taken[name].append(ask(shops[name], [day[-number].user_id], last + number + 1.0)[1])
        for name, kept in ((STOPPED, "without"), (GOES_ON, "asked again")):
            taken[kept].append(ask(shops[name], [day[number // 2].user_id], last + number + 1.0)[1])
    milliseconds = {name: 1e3 * np.array(values) for name, values in taken.items()}
    return {
        "events": len(day),
        "event_written_ms": float(np.median(milliseconds["event"])),
        "asked_after_an_event_ms": {
            "stopped": float(np.median(milliseconds[STOPPED])),
            "goes_on": float(np.median(milliseconds[GOES_ON])),
            "difference": describe_comparison(compare_values(milliseconds[GOES_ON], milliseconds[STOPPED])),
        },
        "asked_with_nothing_new_ms": {
            "stopped": float(np.median(milliseconds["without"])),
            "goes_on": float(np.median(milliseconds["asked again"])),
            "difference": describe_comparison(compare_values(milliseconds["asked again"], milliseconds["without"])),
        },
    }


def main(
    data: Annotated[Path, typer.Option(help="folder with transactions.parquet")] = DATA,
    weeks: Annotated[int, typer.Option(min=1, max=LAST_WEEKS, help="weeks to replay, of the last eight")] = LAST_WEEKS,
    customers: Annotated[int, typer.Option(min=1, help="customers of a day that are asked for, drawn")] = 40,
    reuse: Annotated[Path | None, typer.Option(help="snapshot of this shop whose vectors are taken")] = None,
    work: Annotated[
        Path | None, typer.Option(help="folder of the shop's files, which are taken again; a temporary one without")
    ] = None,
) -> None:
    """Replay online retail, indexed monthly."""
    console = Console()
    lines = read_sales(data).lines
    begin = to_seconds(END) - LAST_WEEKS * WEEK
    products = [parse_product(row) for row in make_products(lines, END).to_dict("records")]
    with TemporaryDirectory() as folder:
        replay = Replay(make_events(lines, END), products, begin, work or Path(folder), reuse)
        values, visits = _replay(replay, weeks, customers, console.print)
        cost = measure_cost(replay, (weeks - 1) // WEEKS_A_MONTH * WEEKS_A_MONTH)
        replay.state.close()
    gains = {
        asked: {
            f"{one} less {other}": {
                metric: describe_comparison(compare_values(values[asked][one][metric], values[asked][other][metric]))
                for metric in KEY_METRICS
            }
            for one, other in ((GOES_ON, STOPPED), (DAILY, GOES_ON), (DAILY, STOPPED))
        }
        for asked in ASKED
    }
    figures: dict[str, Any] = {
        "weeks": weeks,
        "until": END,
        "visits": visits,
        "begin": format_timestamp(begin),
        "indexing_cpu_s": [round(one, 1) for one in replay.seconds],
        "events_counted_at_start": sum(event.time >= begin for event in replay.events),
        "counting_at_start_cpu_s": [round(one, 1) for one in replay.counted],
        "shops": {asked: {name: describe_values(one) for name, one in by.items()} for asked, by in values.items()},
        "gains": gains,
        "cost": cost,
    }
    for asked in ASKED:
        for name, described in figures["shops"][asked].items():
            console.print(f"{asked}, {name}: {described['metrics']}", highlight=False)
        for name, gain in gains[asked].items():
            console.print(
                f"    {name}: {[(m, g['difference'], g['interval']) for m, g in gain.items()]}", highlight=False
            )
    console.print(f"written: {write_record('between_indexings', figures).name}")


def _replay(
    replay: Replay, weeks: int, customers: int, tell: Callable[[str], None]
) -> tuple[dict[str, dict[str, dict[str, Float64]]], int]:
    """Ask the three shops for every visit; returns by kind of question, shop and metric the value of each visit."""
    random = np.random.default_rng(SEED)
    lists: dict[str, dict[str, list[list[str]]]] = {asked: {} for asked in ASKED}
    right: dict[str, list[set[str]]] = {asked: [] for asked in ASKED}
    bought: dict[str, set[str]] = {}
    position = 0
    shops: dict[str, Retriever] = {}
    for week in range(weeks):
        month = week - week % WEEKS_A_MONTH
        if week == month:
            shops = {STOPPED: replay.open(month, goes_on=False), GOES_ON: replay.open(month, goes_on=True)}
        for moment, today in replay.list_days(week, customers, random):
            while replay.events[position].time < moment:
                event = replay.events[position]
                bought.setdefault(event.user_id, set()).add(event.product_id)
                position += 1
            shops[DAILY] = replay.open(month, goes_on=True, learned=moment)
            users = list(today)
            right["known"] += today.values()
            right["stranger"] += today.values()
            right["new to them"] += [today[user] - bought[user] for user in users]
            for name, shop in shops.items():
                found, _ = ask(shop, users, moment)
                lists["known"].setdefault(name, []).extend(found)
                fresh = [
                    [one for one in order if one not in bought[user]] for user, order in zip(users, found, strict=True)
                ]
                lists["new to them"].setdefault(name, []).extend(fresh)
                lists["stranger"].setdefault(name, []).extend(ask(shop, [""], moment)[0] * len(users))
        tell(f"week {week + 1} of {weeks} is asked")
    values = {asked: {name: measure(found, right[asked]) for name, found in by.items()} for asked, by in lists.items()}
    return values, len(right["known"])


if __name__ == "__main__":
    run_command(main)
