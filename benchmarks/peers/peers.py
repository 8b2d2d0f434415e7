"""Mercato beside FastAPI, PyTriton, PostgreSQL, Typesense and one process: same catalogue, same queries, by turns.

    .venv/bin/python -m benchmarks peers
    .venv/bin/python -m benchmarks peers --quick --only mercato,pytriton
    .venv/bin/python -m benchmarks peers --catalog var/demo/catalog --rounds 3

Each peer runs in an environment of its own, which is made on the first run; docs/peers.md says what each does.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import CATALOG, ENCODER, RANKER, STATE, EncoderOption, RoundsOption
from benchmarks.harness.workload import list_queries
from benchmarks.peers.arithmetic import count_work, find_floor, measure_peaks
from benchmarks.peers.fastapi_stack.peer import FastApiStack
from benchmarks.peers.figures import compare_systems, describe_load, merge_rounds
from benchmarks.peers.mercato_server import MercatoServer, MercatoStages, measure_stages
from benchmarks.peers.postgres.peer import PostgresServer
from benchmarks.peers.pytriton_callable.peer import PyTriton, PyTritonStages
from benchmarks.peers.shop import HOT_QUERIES, SEED, Shop, mix_queries, read_queries, read_titles
from benchmarks.peers.system import Running, System, read_tree_cpu_s
from benchmarks.peers.typesense.peer import Typesense
from benchmarks.search.icecat import DATA, WORK, build_catalog
from benchmarks.serving.server_usage import read_memory
from mercato.bench.driver import Load
from mercato.bench.subjects import Subjects
from mercato.retrieval.sources.base import SEARCH_CANDIDATES

NEEDS = "the demo store, or the evaluation data"
REFERENCE = "mercato"
CALLERS = (1, 16, 32)
HOT_CALLERS = 32
WARM_UP = Load(callers=8, seconds=1.5, warm_up_s=0.0, timeout_s=30.0)
TIMEOUT_S = 30.0  # nothing is to be given up: what is slow shall be seen
MOST_QUERIES_PER_S = 3_500  # of the fastest peer
_MARGIN = 1.5  # so many times the requests that are expected are ready
_FEWEST = 64


class Supply:
    """The queries of one system: each is asked once as long as there are others; or drawn by Zipf's law."""

    def __init__(self, shop: Shop) -> None:
        """Begin at the first."""
        self._cold = shop.queries
        self._next = 0
        self._hot = Subjects(shop.hot, "zipf", np.random.default_rng(SEED))
        self.repeated = 0

    def take_cold(self, count: int) -> list[str]:
        """Return the next queries; they stay the next until `advance`."""
        return [self._cold[(self._next + offset) % len(self._cold)] for offset in range(min(count, len(self._cold)))]

    def take_hot(self, count: int) -> list[str]:
        """Draw queries."""
        return self._hot.take(count)

    def advance(self, asked: int, ready: int) -> None:
        """Leave queries behind that were asked; more than were ready were asked from the first again."""
        before = self._next
        self._next += asked
        self.repeated += max(0, asked - ready) + max(0, self._next - max(before, len(self._cold)))


class Contest:
    """Systems that serve, and what they reached so far."""

    def __init__(self, shop: Shop, running: Mapping[str, Running], systems: Mapping[str, System], seconds: float):
        """Prepare.

        Args:
            shop: what is asked.
            running: system -> what serves it.
            systems: the same systems by name.
            seconds: of a window.
        """
        self._running = running
        self._systems = systems
        self._seconds = seconds
        self.supplies = {name: Supply(shop) for name in running}
        self._rates: dict[tuple[str, str], float] = {}
        self.points: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))

    def warm_up(self) -> None:
        """Let each touch what it maps, and learn how much it can answer."""
        for name in self._running:
            point = self._measure(name, WARM_UP, hot=False)
            for callers in CALLERS:
                self._rates[name, str(callers)] = 2 * point["queries_per_s"]
            self._rates[name, f"{HOT_CALLERS} hot"] = 4 * point["queries_per_s"]

    def run_round(self, number: int) -> None:
        """Measure each load with each system in turn; another begins in each round."""
        names = list(self._running)
        names = names[number % len(names) :] + names[: number % len(names)]
        for label, callers, hot in [
            *((str(callers), callers, False) for callers in CALLERS),
            (f"{HOT_CALLERS} hot", HOT_CALLERS, True),
        ]:
            for name in names:
                if hot and not self._systems[name].serves:
                    continue
                load = Load(callers=callers, seconds=self._seconds, warm_up_s=0.5, timeout_s=TIMEOUT_S)
                point = self._measure(name, load, hot=hot, label=label)
                self._rates[name, label] = point["queries_per_s"]
                self.points[name][label].append(point)

    def _measure(self, name: str, load: Load, *, hot: bool, label: str = "") -> dict[str, Any]:
        running, supply = self._running[name], self.supplies[name]
        count = _FEWEST + int(_MARGIN * load.total_s * self._rates.get((name, label), MOST_QUERIES_PER_S / 2))
        queries = supply.take_hot(count) if hot else supply.take_cold(count)
        drive = running.prepare(load, queries)
        before = read_tree_cpu_s(running.pid)
        outcome = drive()
        cpu_s = read_tree_cpu_s(running.pid) - before
        if not hot:
            supply.advance(len(outcome.errors), len(queries))
        point = describe_load(outcome, load, cpu_s, running.count_products)
        if not point["queries_per_s"]:
            raise BenchmarkError(f"{name}: no query was answered: {point['errors']}; --only leaves it out")
        return point


@contextmanager
def start_all(systems: Sequence[System], shop: Shop, console: Console) -> Iterator[tuple[dict[str, Running], Any]]:
    """Serve a shop by all systems at once; gives them by name, and the seconds that each took until it answered."""
    with ExitStack() as stack:
        running, ready_s = {}, {}
        for system in systems:
            begin = time.monotonic()
            running[system.name] = stack.enter_context(system.start(shop))
            ready_s[system.name] = round(time.monotonic() - begin, 1)
            console.print(f"{system.name}: ready after {ready_s[system.name]} s", highlight=False)
        yield running, ready_s


def open_shop(
    catalog: Path | None, encoder: Path, queries: Path | None, count: int
) -> tuple[Shop, Path | None, dict[str, Any]]:
    """Return what is served and asked, the state beside it, and words about it.

    Args:
        catalog: a snapshot; None for icecat where its snapshot or its data is there, else the demo store's.
        encoder: folder of the exported encoder.
        queries: file of real queries; None for those of the catalogue.
        count: queries to make.

    Raises:
        BenchmarkError: there is no catalogue.
    """
    icecat = (WORK / "catalog").is_dir() or (DATA / "products.parquet").is_file()
    if catalog is None:
        catalog = build_catalog(DATA, WORK, encoder, rebuild=False) if icecat else CATALOG
    if not (catalog / "manifest.json").is_file():
        raise BenchmarkError(f"--catalog: {catalog.name} is no snapshot; run make demo first, or name one")
    same = catalog.resolve()
    real: Sequence[str] = ()
    if queries is not None:
        real = read_queries(queries)
    elif same == (WORK / "catalog").resolve() and (DATA / "judgements.parquet").is_file():
        real = read_queries(DATA / "judgements.parquet")
    elif same == CATALOG.resolve():
        real = list_queries()
    made = mix_queries(real, read_titles(catalog), count + HOT_QUERIES, np.random.default_rng(SEED))
    if len(made) < 2 * HOT_QUERIES:
        raise BenchmarkError(f"--catalog: {catalog.name} has words for {len(made)} queries only; name a larger one")
    shop = Shop(
        catalog=same, encoder=encoder.resolve(), queries=made[: len(made) - HOT_QUERIES], hot=made[-HOT_QUERIES:]
    )
    state = STATE if same == CATALOG.resolve() and STATE.is_file() else None
    about = {
        "catalog": f"{catalog.absolute().parent.name}/{catalog.name}",
        "products": shop.products,
        "real_queries": len(real),
        "queries": len(shop.queries),
        "hot_queries": len(shop.hot),
        "page_size": shop.page_size,
    }
    return shop, state, about


def list_systems(ranker: Path | None, state: Path | None) -> dict[str, System]:
    """Return all systems by name, the reference first."""
    systems: tuple[System, ...] = (
        MercatoServer(ranker=ranker, state=state),
        PyTriton(),
        FastApiStack(),
        PostgresServer(),
        Typesense(),
        MercatoStages(ranker=ranker, state=state),
        PyTritonStages(),
    )
    return {system.name: system for system in systems}


def choose_systems(systems: Mapping[str, System], only: str | None) -> dict[str, System]:
    """Return the systems that are named, in their own order; all where none is.

    Raises:
        BenchmarkError: there is none of a name.
    """
    named = list(systems) if only is None else [name.strip() for name in only.split(",") if name.strip()]
    unknown = sorted(set(named) - set(systems))
    if unknown or not named:
        raise BenchmarkError(f"--only: must name some of {', '.join(systems)}, given {', '.join(unknown) or 'none'}")
    return {name: system for name, system in systems.items() if name in named}


def describe_floor(shop: Shop, ranker: Path | None, state: Path | None) -> dict[str, Any]:
    """Return the floor of each stage, and what Mercato's stages take in one process."""
    peaks = measure_peaks()
    batches = (CALLERS[0], CALLERS[-1])
    return {
        "peaks_of_a_core": {name: round(value) for name, value in asdict(peaks).items()},
        "stages": find_floor(count_work(shop, ranker, SEARCH_CANDIDATES), peaks, batches),
        "measured_us_per_query_by_batch": measure_stages(shop, ranker, state, batches),
    }


def print_tables(console: Console, document: Mapping[str, Any]) -> None:
    """Show what was reached, and the floor."""
    table = Table("", "queries/s at 1 / 16 / 32", "hot at 32", "p50 at 1, p99 at 32 (ms)", "CPU ms at 1, 32", "MiB")
    for name, figures in document["systems"].items():
        loads = figures["loads"]

        def show(label: str, figure: str, digits: int = 1, loads: Any = loads) -> str:
            value = loads.get(label, {}).get(figure)
            return "-" if value is None else f"{value['median']:.{digits}f}"

        rates = " / ".join(show(str(callers), "queries_per_s", 0) for callers in CALLERS)
        cpu = ", ".join(show(label, "cpu_ms_per_query", 2) for label in ("1", "32"))
        latency = f"{show('1', 'p50_ms')}, {show('32', 'p99_ms')}"
        table.add_row(
            name, rates, show(f"{HOT_CALLERS} hot", "queries_per_s", 0), latency, cpu, str(figures["memory"]["pss_mib"])
        )
    console.print(table)
    floor = document["floor"]
    if floor:
        first, last = CALLERS[0], CALLERS[-1]
        below = Table("floor of a core, us a query", f"at {first}", f"at {last}", "counted")
        for stage in floor["stages"]:
            below.add_row(
                stage["stage"], str(stage[f"floor_us_at_{first}"]), str(stage[f"floor_us_at_{last}"]), stage["counted"]
            )
        console.print(below)
        console.print(f"measured in one process: {floor['measured_us_per_query_by_batch']}", highlight=False)


def main(
    catalog: Annotated[Path | None, typer.Option(help="snapshot; icecat's, else the demo store's")] = None,
    encoder: EncoderOption = ENCODER,
    ranker: Annotated[Path | None, typer.Option(help="folder of the exported ranker; the demo store's")] = None,
    queries: Annotated[Path | None, typer.Option(help="file of real queries, one a line")] = None,
    only: Annotated[str | None, typer.Option(help="systems to measure, names with commas")] = None,
    rounds: RoundsOption = 5,
    window_s: Annotated[float, typer.Option(min=0.5, help="seconds of one measurement")] = 2.5,
    quick: Annotated[bool, typer.Option("--quick", help="one round of short windows")] = False,
) -> None:
    """Serve one catalogue by all systems at once and load them by turns."""
    console = Console()
    rounds, window_s = (1, 1.5) if quick else (rounds, window_s)
    count = int(MOST_QUERIES_PER_S * ((window_s + 0.5) * len(CALLERS) * rounds + WARM_UP.seconds))
    chosen_ranker = ranker or (RANKER if RANKER.is_dir() else None)
    shop, state, about = open_shop(catalog, encoder, queries, count)
    systems = choose_systems(list_systems(chosen_ranker, state), only)
    with start_all(list(systems.values()), shop, console) as (running, ready_s):
        contest = Contest(shop, running, systems, window_s)
        contest.warm_up()
        for number in range(rounds):
            contest.run_round(number)
            console.print(f"round {number + 1} of {rounds}", highlight=False)
        memory = {name: read_memory(one.pid) for name, one in running.items()}
    own = any(name.startswith(REFERENCE) for name in systems)
    document = {
        "shop": {**about, "ranker": chosen_ranker.name if chosen_ranker else None, "events": state is not None},
        "rounds": rounds,
        "window_s": window_s,
        "systems": {
            name: {
                "about": system.about,
                "server": system.serves,
                "versions": running[name].versions,
                "ready_s": ready_s[name],
                "memory": {key: memory[name][key] for key in ("rss_mib", "pss_mib")},
                "queries_asked_again": contest.supplies[name].repeated,
                "loads": {label: merge_rounds(points) for label, points in contest.points[name].items()},
            }
            for name, system in systems.items()
        },
        "ratios_to_mercato": compare_systems(contest.points, REFERENCE),
        "floor": describe_floor(shop, chosen_ranker, state) if own else None,
    }
    print_tables(console, document)
    console.print(f"written: {write_record('peers', document).name}")


if __name__ == "__main__":
    run_command(main)
