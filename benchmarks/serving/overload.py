"""More load than a server can carry: what is still answered in time, what refusing costs, how soon all is well again.

    .venv/bin/python -m benchmarks overload                                  explained pages of 48 products
    .venv/bin/python -m benchmarks overload --light                          plain pages of 10: refusing costs more
    .venv/bin/python -m benchmarks overload --compare-repository FOLDER      another model repository first, in one run

The capacity is what callers that wait for their answers get in a closed loop. Then calls arrive at random moments, at
multiples of it, each given up after its deadline. The generator runs on the cores of the server, and its share is told:
what it takes at ten times the capacity is lost to the server, so a request has to cost much more than making a call.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from mercato.serving.server import TritonServer

NEEDS = "the demo store, and ten minutes of a quiet machine"
MULTIPLES = (1, 2, 5, 10)
DEADLINE_S = 1.0
CALLERS = 32
LIGHT: dict[str, str | int] = {"PAGE_SIZE": 10}
HEAVY: dict[str, str | int] = {"PAGE_SIZE": 48, "OPTIONS": '{"explain": true}'}
CLOSED_S = 5.0
AFTER_S = 6.0  # of half the capacity after the greatest load, in which all becomes well again
USUAL_SHARE = 0.99  # of a second's calls that are answered, before it counts as well


class Meter:
    """Offers loads to one server."""

    def __init__(self, server: TritonServer, messages: Messages, patient: Messages) -> None:
        """Make it.

        Args:
            server: a server of this machine.
            messages: what is asked under a deadline.
            patient: the same, naming no deadline.
        """
        self._server = server
        self._messages = messages
        self._patient = patient

    def measure_capacity(self, seconds: float) -> dict[str, Any]:
        """Measure what callers get that wait for their answers; with the processor time of an answer."""
        cpu_s = read_cpu_s(self._server.pid)
        outcomes = saturate(self._server.grpc_address, self._patient, callers=CALLERS, seconds=seconds)
        return {**outcomes.describe(), **self._describe_usage(outcomes, cpu_s)}

    def offer(self, rate_per_s: float, seconds: float) -> Outcomes:
        """Offer calls at random moments."""
        return offer_load(
            self._server.grpc_address,
            self._messages,
            rate_per_s=rate_per_s,
            seconds=seconds,
            deadline_s=DEADLINE_S,
        )

    def measure_load(self, rate_per_s: float, seconds: float) -> dict[str, Any]:
        """Offer one load and return its figures, with memory before and after."""
        before, cpu_s = read_memory(self._server.pid), read_cpu_s(self._server.pid)
        outcomes = self.offer(rate_per_s, seconds)
        return {
            **outcomes.describe(),
            **self._describe_usage(outcomes, cpu_s),
            "pss_mib_before": before["pss_mib"],
            "pss_mib_after": read_memory(self._server.pid)["pss_mib"],
        }

    def measure_multiple(self, multiple: int, seconds: float) -> dict[str, Any]:
        """Offer a multiple of the capacity, which is measured before and after: a machine's neighbours come and go.

        Returns:
            The load's figures, with the share of the capacity that was answered in time; and the share of the server's
            processor time that answers took, at what one takes in a closed loop, which others on the machine change
            less.
        """
        before = self.measure_capacity(CLOSED_S)
        figures = self.measure_load(multiple * before["answered_per_s"], seconds)
        around = [before, self.measure_capacity(CLOSED_S)]
        capacity = sum(one["answered_per_s"] for one in around) / len(around)
        answer_ms = sum(one["cpu_ms_per_answer"] for one in around) / len(around)
        return {
            **figures,
            "capacity_before_and_after": [one["answered_per_s"] for one in around],
            "closed_loop_cpu_ms_per_answer": round(answer_ms, 2),
            "goodput_of_capacity": round(figures["answered_per_s"] / capacity, 3),
            "goodput_of_processor_time": round(answer_ms / figures["cpu_ms_per_answer"], 3),
        }

    def _describe_usage(self, outcomes: Outcomes, cpu_s: float) -> dict[str, float]:
        used_s = read_cpu_s(self._server.pid) - cpu_s
        return {
            "server_cores": round(used_s / outcomes.seconds, 3),
            "cpu_ms_per_answer": round(1000 * used_s / max(1, len(outcomes.latencies_s)), 2),
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
    multiples: Sequence[int],
    seconds: float,
    longest_s: float,
) -> dict[str, Any]:
    """Measure capacity, loads and recovery of one server; the capacity by callers that name no deadline."""
    with store.serve(repository=repository) as server:
        meter = Meter(server, messages, patient)
        meter.measure_capacity(CLOSED_S)  # touches what is mapped
        capacity = meter.measure_capacity(CLOSED_S)["answered_per_s"]
        usual = meter.offer(capacity / 2, AFTER_S).describe()
        loads = {}
        for multiple in multiples:
            loads[f"{multiple}x"] = meter.measure_multiple(multiple, seconds)
            console.print(f"{multiple} times: {loads[f'{multiple}x']}")
        longest = meter.measure_load(max(multiples) * capacity, longest_s)
        after = meter.offer(capacity / 2, AFTER_S)
        result = {
            "half_of_capacity": usual,
            "loads": loads,
            "longest": {"seconds": longest_s, **longest},
            "half_of_capacity_right_afterwards": after.describe(),
            "normal_after_s": find_recovery(after, usual["p99_ms"]),
        }
        for name in ("half_of_capacity", "longest", "half_of_capacity_right_afterwards", "normal_after_s"):
            console.print(f"{name}: {result[name]}")
        return result


def main(
    multiple: Annotated[list[int] | None, typer.Option(help="of the capacity; repeatable; 1, 2, 5 and 10")] = None,
    seconds: Annotated[float, typer.Option(help="of each load")] = 10.0,
    longest_s: Annotated[float, typer.Option(help="seconds of the greatest load once more")] = 60.0,
    light: Annotated[bool, typer.Option("--light", help="plain pages of 10 in place of explained ones of 48")] = False,
    name_deadline: Annotated[bool, typer.Option(help="requests carry their deadline, as the clients send it")] = True,
    compare_repository: Annotated[
        Path | None, typer.Option(help="another model repository, measured first in the same run")
    ] = None,
) -> None:
    """Measure a server of the demo store at 1, 2, 5 and 10 times its capacity, with deadlines of one second."""
    console = Console(width=200)
    multiples = multiple or MULTIPLES
    store = Store(catalog=CATALOG, state=STATE, encoder=ENCODER, ranker=RANKER)
    form = LIGHT if light else HEAVY
    requests = [{**request, **form} for request in make_search_requests()]
    patient = prepare_messages("search", requests, timeout_s=None)
    messages = prepare_messages("search", requests, timeout_s=DEADLINE_S) if name_deadline else patient
    figures: dict[str, Any] = {"deadline_s": DEADLINE_S, "deadline_named": name_deadline, "request": dict(form)}
    if compare_repository is not None:
        figures["compared"] = measure_server(
            console, store, compare_repository, messages, patient, multiples, seconds, longest_s
        )
    figures["server"] = measure_server(console, store, None, messages, patient, multiples, seconds, longest_s)
    name = "overload_light" if light else "overload"
    console.print(f"written: {write_record(name, figures).name}")


if __name__ == "__main__":
    run_command(main)
