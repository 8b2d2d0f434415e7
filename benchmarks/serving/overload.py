"""More load than a server can carry: what is still answered in time, what refusing costs, how soon all is well again.

    .venv/bin/python -m benchmarks overload                                  explained pages of 48 products
    .venv/bin/python -m benchmarks overload --light                          plain pages of 10: refusing costs more
    .venv/bin/python -m benchmarks overload --compare-repository FOLDER      another model repository first, in one run

The capacity is what callers that wait for their answers get in a closed loop. Then calls arrive at random moments, at
multiples of it, each given up after its deadline. The generator runs on the cores of the server, and its share is told:
what it takes at ten times the capacity is lost to the server, so a request has to cost much more than making a call.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.harness.command import run_command
from benchmarks.harness.record import write_record
from benchmarks.harness.store import CATALOG, ENCODER, RANKER, STATE, Store
from benchmarks.harness.workload import make_search_requests
from benchmarks.serving.open_loop import Messages, Outcomes, offer_load, prepare_messages, saturate
from benchmarks.serving.server_usage import read_cpu_s, read_memory
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer

NEEDS = "the demo store, and ten minutes of a quiet machine"
MULTIPLES = (1, 2, 5, 10)
DEADLINE_S = 1.0
CALLERS = 32
LIGHT: dict[str, str | int] = {"PAGE_SIZE": 10}
HEAVY: dict[str, str | int] = {"PAGE_SIZE": 48, "OPTIONS": '{"explain": true}'}
AFTER_S = 6.0  # of half the capacity after the greatest load, in which all becomes well again
USUAL_SHARE = 0.99  # of a second's calls that are answered, before it counts as well


@contextmanager
def serve_store(store: Store, repository: Path | None) -> Iterator[TritonServer]:
    """Serve a store from a model repository; None for the project's."""
    settings = store.settings
    options = ServerOptions(
        catalog=settings.catalog,
        state=settings.state,
        encoder=settings.encoder,
        ranker=settings.ranker,
        repository=repository,
        ports=Ports(grpc=0, http=0, metrics=0),
    )
    with TritonServer(options) as server:
        yield server


def measure_load(server: TritonServer, messages: Messages, rate_per_s: float, seconds: float) -> dict[str, Any]:
    """Offer one load and return its figures, with memory before and after."""
    before, cpu_s = read_memory(server.pid), read_cpu_s(server.pid)
    outcomes = offer_load(server.grpc_address, messages, rate_per_s=rate_per_s, seconds=seconds, deadline_s=DEADLINE_S)
    return {
        **outcomes.describe(),
        "server_cores": round((read_cpu_s(server.pid) - cpu_s) / outcomes.seconds, 3),
        "pss_mib_before": before["pss_mib"],
        "pss_mib_after": read_memory(server.pid)["pss_mib"],
    }


def find_recovery(after: Outcomes, usual_p99_ms: float) -> float | None:
    """Find the second of a light load from which on all is as usual.

    Args:
        after: the outcomes of that load, offered right after a heavy one.
        usual_p99_ms: the latency of the same load before, in milliseconds.

    Returns:
        Seconds after the heavy load, to half a second; None where it never was.
    """
    step_s = 0.5
    late = [
        ended
        for ended, latency in zip(after.ended_s, after.latencies_s, strict=True)
        if 1000 * latency > 2 * usual_p99_ms
    ]
    if len(after.latencies_s) < USUAL_SHARE * after.offered:
        return None
    bound = (1 - USUAL_SHARE) * len(after.latencies_s)  # as many may be late at any time
    recovered = 0.0
    while recovered < after.seconds and sum(ended > recovered for ended in late) > bound:
        recovered += step_s
    return recovered if recovered < after.seconds else None


def measure_server(
    console: Console,
    store: Store,
    repository: Path | None,
    messages: Messages,
    patient: Messages,
    seconds: float,
    longest_s: float,
) -> dict[str, Any]:
    """Measure capacity, loads and recovery of one server; the capacity by callers that name no deadline."""
    with serve_store(store, repository) as server:
        saturate(server.grpc_address, patient, callers=CALLERS, seconds=min(4.0, seconds))  # touches what is mapped
        closed = saturate(server.grpc_address, patient, callers=CALLERS, seconds=seconds).describe()
        capacity = closed["answered_per_s"]
        console.print(f"capacity {closed}")
        usual = offer_load(
            server.grpc_address, messages, rate_per_s=capacity / 2, seconds=AFTER_S, deadline_s=DEADLINE_S
        ).describe()
        loads = {}
        for multiple in MULTIPLES:
            length_s = longest_s if multiple == MULTIPLES[-1] else seconds
            figures = measure_load(server, messages, multiple * capacity, length_s)
            figures["goodput_of_capacity"] = round(figures["answered_per_s"] / capacity, 3)
            loads[f"{multiple}x"] = figures
            console.print(f"{multiple} times: {figures}")
        ended = time.monotonic()
        after = offer_load(
            server.grpc_address, messages, rate_per_s=capacity / 2, seconds=AFTER_S, deadline_s=DEADLINE_S
        )
        began_s = time.monotonic() - ended - after.seconds
        recovered_s = find_recovery(after, usual["p99_ms"])
        result = {
            "capacity_closed_loop": closed,
            "half_of_capacity": usual,
            "loads": loads,
            "half_of_capacity_afterwards": after.describe(),
            "normal_after_s": None if recovered_s is None else round(recovered_s + max(0.0, began_s - 1), 1),
        }
        console.print(f"afterwards: {result['half_of_capacity_afterwards']}, normal after {result['normal_after_s']} s")
        return result


def main(
    seconds: Annotated[float, typer.Option(help="of each load but the greatest")] = 10.0,
    longest_s: Annotated[float, typer.Option(help="seconds of the greatest load")] = 60.0,
    light: Annotated[bool, typer.Option("--light", help="plain pages of 10 in place of explained ones of 48")] = False,
    name_deadline: Annotated[bool, typer.Option(help="requests carry their deadline, as the clients send it")] = True,
    compare_repository: Annotated[
        Path | None, typer.Option(help="another model repository, measured first in the same run")
    ] = None,
) -> None:
    """Measure a server of the demo store at 1, 2, 5 and 10 times its capacity, with deadlines of one second."""
    console = Console(width=200)
    store = Store(catalog=CATALOG, state=STATE, encoder=ENCODER, ranker=RANKER)
    form = LIGHT if light else HEAVY
    requests = [{**request, **form} for request in make_search_requests()]
    patient = prepare_messages("search", requests, timeout_s=None)
    messages = prepare_messages("search", requests, timeout_s=DEADLINE_S) if name_deadline else patient
    figures: dict[str, Any] = {"deadline_s": DEADLINE_S, "deadline_named": name_deadline, "request": dict(form)}
    if compare_repository is not None:
        figures["compared"] = measure_server(console, store, compare_repository, messages, patient, seconds, longest_s)
    figures["server"] = measure_server(console, store, None, messages, patient, seconds, longest_s)
    name = "overload_light" if light else "overload"
    console.print(f"written: {write_record(name, figures).name}")


if __name__ == "__main__":
    run_command(main)
