"""The sums for a catalogue and a rate that no machine here can carry: machines, memory, network and money.

    .venv/bin/python -m benchmarks scale                                     # 100 million products, 50,000 searches/s
    .venv/bin/python -m benchmarks scale --products 1e7 --rate 2000 --machine-price 1.2
    .venv/bin/python -m benchmarks scale --page docs/scale.md                # writes the tables of that page again

What a search costs is read from the records of `benchmarks shards`; all else is an option, and an assumption.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import RESULTS

NEEDS = "the records of `benchmarks shards`"
START = "<!-- Written by `python -m benchmarks scale --page docs/scale.md`. -->"
END = "<!-- End of the sums. -->"
SHARDS = (10, 30, 100, 300, 1000)
HOURS_A_MONTH = 730
OF_THE_WHOLE = ("kinds.", "spelling.", "suggestions.", "vocabulary.", "settings.", "words/vocabulary.", "columns.json")
"""Files that say something of words, categories and fields: they grow slower than the products, and are left out."""
OF_RECOMMENDATIONS = ("behaviour.", "signals.", "together.")
"""Files of a router that searches do not read."""


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the sums are for, and what nobody measured here.

    Attributes:
        products: in the catalogue.
        rate: searches a second.
        cached_share: of the searches, answered again without any work.
        cores: of a machine.
        memory_gb: of a machine.
        machine_price: of a machine, dollars an hour.
        busy: share of the processor time that may be used, so that queues stay short.
        filled: share of the memory that files may take.
        replicas: least number of machines that hold each shard, so that one may be lost.
        network_gbit_s: of a machine, `busy` of which may be used.
    """

    products: float = 100e6
    rate: float = 50_000.0
    cached_share: float = 0.0
    cores: int = 64
    memory_gb: float = 256.0
    machine_price: float = 3.0
    busy: float = 0.6
    filled: float = 0.75
    replicas: int = 2
    network_gbit_s: float = 25.0


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What was measured: straight lines through the figures of a record, in milliseconds of one core and kilobytes.

    Attributes:
        shard_ms: of a search in a shard, whatever its size.
        shard_ms_a_million: of each million products besides.
        router_ms: of a search in the router.
        router_ms_a_shard: of each shard besides.
        messages: to a shard, a search.
        sent_kb: to a shard, a search.
        received_kb: a search, from all shards.
        received_kb_a_shard: of each shard besides.
        shard_bytes: of a product in its shard.
        router_bytes: of a product in the router, as far as searches read it.
    """

    shard_ms: float
    shard_ms_a_million: float
    router_ms: float
    router_ms_a_shard: float
    messages: float
    sent_kb: float
    received_kb: float
    received_kb_a_shard: float
    shard_bytes: float
    router_bytes: float


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What it takes with so many shards; machines are whole ones."""

    shards: int
    shard_ms: float
    core_ms: float
    shard_machines: int
    router_machines: int
    messages_a_s: float
    router_gbit_s: float
    price_a_month: float


def fit_costs(speed: Mapping[str, Any], sizes: Mapping[str, Any]) -> Costs:
    """Fit lines to the records.

    Args:
        speed: the record whose times and messages count: of the largest catalogue.
        sizes: the record whose bytes count: of a catalogue whose products have texts of their own.
    """
    cuts = speed["cuts"]
    products = [cut["products_a_shard"] / 1e6 for cut in cuts]
    shards = [cut["shards"] for cut in cuts]
    a_million, fixed = _fit(products, [cut["cpu_ms_a_query"]["a_shard"] for cut in cuts])
    a_shard, router = _fit(shards, [cut["cpu_ms_a_query"]["router"] for cut in cuts])
    received = [cut["kilobytes_a_query_and_shard"]["received"] * cut["shards"] for cut in cuts]
    more, least = _fit(shards, received)
    files = sizes["cuts"][0]["bytes_a_product"]
    return Costs(
        shard_ms=fixed,
        shard_ms_a_million=a_million,
        router_ms=router,
        router_ms_a_shard=a_shard,
        messages=float(np.mean([cut["messages_a_query_and_shard"] for cut in cuts])),
        sent_kb=float(np.mean([cut["kilobytes_a_query_and_shard"]["sent"] for cut in cuts])),
        received_kb=least,
        received_kb_a_shard=more,
        shard_bytes=_sum_files(files["first_shard"], OF_THE_WHOLE),
        router_bytes=_sum_files(files["router"], OF_THE_WHOLE + OF_RECOMMENDATIONS),
    )


def _fit(places: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return slope and intercept of the straight line nearest to points, neither of them below 0."""
    slope, intercept = np.polyfit(places, values, 1).tolist()
    return max(slope, 0.0), max(intercept, 0.0)


def _sum_files(files: Mapping[str, float], left_out: tuple[str, ...]) -> float:
    return sum(size for name, size in files.items() if not name.startswith(left_out))


def sum_up(assumed: Assumptions, costs: Costs, shards: int) -> Sums:
    """Do the sums for a number of shards."""
    asked = assumed.rate * (1 - assumed.cached_share)
    shard_ms = costs.shard_ms + costs.shard_ms_a_million * assumed.products / shards / 1e6
    router_ms = costs.router_ms + costs.router_ms_a_shard * shards
    usable_ms = assumed.cores * assumed.busy * 1e3
    held = _count(assumed.products * costs.shard_bytes / 1e9, assumed) * assumed.replicas
    kilobytes = shards * (costs.sent_kb + costs.received_kb_a_shard) + costs.received_kb
    gbit_s = asked * kilobytes * 8e3 / 1e9
    worked = math.ceil(asked * router_ms / usable_ms)
    carried = math.ceil(gbit_s / (assumed.network_gbit_s * assumed.busy))
    shard_machines = max(held, math.ceil(asked * shards * shard_ms / usable_ms))
    routers = max(assumed.replicas, worked, carried)
    return Sums(
        shards=shards,
        shard_ms=shard_ms,
        core_ms=shards * shard_ms + router_ms,
        shard_machines=shard_machines,
        router_machines=routers,
        messages_a_s=asked * shards * costs.messages,
        router_gbit_s=gbit_s / routers,
        price_a_month=(shard_machines + routers) * assumed.machine_price * HOURS_A_MONTH,
    )


def _count(gigabytes: float, assumed: Assumptions) -> int:
    """Return how many machines hold so much."""
    return math.ceil(gigabytes / (assumed.memory_gb * assumed.filled))


def write_table(assumed: Assumptions, costs: Costs) -> str:
    """Write the sums as a table, a row for each number of shards."""
    rows = [
        "| shards | ms of a core in one shard | ms of cores, all | machines: shards | routers | messages/s "
        "| Gbit/s a router | dollars a month |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for shards in SHARDS:
        one = sum_up(assumed, costs, shards)
        machines = f"{one.shard_machines:,} | {one.router_machines:,}"
        rows.append(
            f"| {shards:,} | {one.shard_ms:,.1f} | {one.core_ms:,.0f} | {machines} "
            f"| {one.messages_a_s / 1e6:,.1f} million | {one.router_gbit_s:,.2f} | {one.price_a_month:,.0f} |"
        )
    return "\n".join(rows)


def write_page(assumed: Assumptions, costs: Costs) -> str:
    """Write the part of docs/scale.md that is computed."""
    measured = [f"| `{name}` | {value:,.2f} |" for name, value in asdict(costs).items()]
    assumptions = [f"| `{name}` | {value:,g} |" for name, value in asdict(assumed).items()]
    sparse = replace(costs, shard_ms_a_million=0.0)
    lean = replace(sparse, shard_ms=costs.shard_ms / 10, router_ms_a_shard=costs.router_ms_a_shard / 10)
    parts = [
        START,
        "**Measured** (a line through the figures of `shards.json`; bytes of `shards_icecat.json`):",
        "\n".join(["| | |", "|---|---|", *measured]),
        "**Assumed** (each an option of the command):",
        "\n".join(["| | |", "|---|---|", *assumptions]),
        f"Files of one copy of all shards: {assumed.products * costs.shard_bytes / 1e9:,.0f} GB; of what each router "
        f"holds: {assumed.products * costs.router_bytes / 1e9:,.0f} GB.",
        "**As it stands:**",
        write_table(assumed, costs),
        "**If no work of a shard grew with its products** (`shard_ms_a_million` 0), what is left being as measured:",
        write_table(assumed, sparse),
        "**If besides a shard's fixed work and the router's work for each shard cost a tenth:**",
        write_table(assumed, lean),
        END,
    ]
    return "\n\n".join(parts)


def replace_sums(page: str, sums: str) -> str:
    """Return a page with its sums in place of those that it has.

    Raises:
        BenchmarkError: it has no place for them.
    """
    before, found, rest = page.partition(START)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise BenchmarkError(f"the page has no place for the sums: put {START} and {END} into it")
    return before + sums + after


def read_costs(folder: Path = RESULTS) -> Costs:
    """Read the records, and fit.

    Raises:
        BenchmarkError: they are not there.
    """
    try:
        speed, sizes = (json.loads((folder / f"{name}.json").read_bytes()) for name in ("shards", "shards_icecat"))
    except OSError as exc:
        raise BenchmarkError(f"{exc.filename} is missing; run `python -m benchmarks shards` first") from exc
    return fit_costs(speed, sizes)


def main(
    products: Annotated[float, typer.Option(help="in the catalogue")] = Assumptions.products,
    rate: Annotated[float, typer.Option(help="searches a second")] = Assumptions.rate,
    cached_share: Annotated[float, typer.Option(min=0, max=1, help="answered again")] = Assumptions.cached_share,
    cores: Annotated[int, typer.Option(min=1, help="of a machine")] = Assumptions.cores,
    memory_gb: Annotated[float, typer.Option(help="of a machine")] = Assumptions.memory_gb,
    machine_price: Annotated[float, typer.Option(help="of a machine, dollars an hour")] = Assumptions.machine_price,
    page: Annotated[Path | None, typer.Option(help="page to write the sums into")] = None,
) -> None:
    """Do the sums."""
    assumed = Assumptions(
        products=products,
        rate=rate,
        cached_share=cached_share,
        cores=cores,
        memory_gb=memory_gb,
        machine_price=machine_price,
    )
    sums = write_page(assumed, read_costs())
    if page is None:
        Console().print(sums, markup=False)
    else:
        page.write_text(replace_sums(page.read_text(encoding="utf-8"), sums), encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
