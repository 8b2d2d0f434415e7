"""Measures points: a load, what it reached, what the server spent meanwhile."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import mercato_client.contract as contract
import numpy as np

from mercato.bench.driver import METHOD, NOT_SENT, Load, drive, name_error
from mercato.bench.figures import ANSWERED, PERCENTILES, Outcome, stack_stages, summarize
from mercato.bench.perf_analyzer import LoadGenerator, PerfLoad, find_perf_analyzer, run_load
from mercato.bench.plan import Plan
from mercato.bench.requests import (
    RequestSettings,
    Shop,
    Values,
    Workload,
    decode_details,
    encode_request,
    find_workload,
    list_writing_visitors,
)
from mercato.bench.server_usage import (
    ServerMeter,
    Usage,
    mean_of_request_ms,
    subtract_counters,
    subtract_cpu,
)
from mercato.bench.subjects import Subjects
from mercato.errors import InvalidInputError, ServerError
from mercato.progress import Progress, no_progress

WARM_UP_CALLERS = 8
WARM_UP_S = 1.0
_FIRST_GUESS_PER_S, _FEWEST_PER_S = 500.0, 20.0
MARGIN = 1.3
"""So many times the requests that are expected are ready."""
_MOST_MESSAGES = 200_000
PLENTY = 1000
"""Subjects of a draw from which each draw has some of its own."""
BUSY_DRIVER = 0.8
"""Share of one core from which a driver is said to be at its limit."""


class RequestSupply:
    """The requests of one workload in the order of one draw: each is sent once as long as there are others."""

    def __init__(self, workload: Workload, shop: Shop, settings: RequestSettings, plan: Plan, draw: str) -> None:
        """Begin at the first."""
        subjects = choose_subjects(workload, shop, plan, draw)
        self._subjects = Subjects(subjects, draw, np.random.default_rng(plan.seed), plan.zipf_exponent)
        self._workload = workload
        self._model = contract.MODELS[workload.model]
        self._settings = settings
        self._timeout_s = plan.timeout_s
        self._values: list[Values] = []
        self._messages: list[bytes] = []
        self._number = 0
        self._sent = self._again = 0
        # Every event is one of its own, and a draw of Zipf is meant to repeat.
        self._distinct = 0 if workload.writes or draw == "zipf" else len(subjects)

    @property
    def repeated(self) -> int:
        """Requests that had been sent before: a ``unique`` draw had no more subjects, or too few were ready."""
        return self._again + (max(0, self._sent - self._distinct) if self._distinct else 0)

    def look_ahead(self, count: int) -> list[Values]:
        """Return at least the next so many requests; they stay the next until `advance`."""
        for subject in self._subjects.take(max(0, count - len(self._values))):
            self._values.append(self._workload.make(self._settings, subject, self._number))
            self._number += 1
        return self._values

    def encode(self, count: int) -> list[bytes]:
        """Return the same as they travel, each encoded once."""
        for values in self.look_ahead(count)[len(self._messages) :]:
            self._messages.append(encode_request(self._model, values, timeout_s=self._timeout_s))
        return self._messages

    def advance(self, count: int) -> None:
        """Leave the requests behind that were sent; more than were ready were sent from the first again."""
        self._again += max(0, count - len(self._values))
        self._sent += min(count, len(self._values))
        del self._values[:count]
        del self._messages[:count]


def choose_subjects(workload: Workload, shop: Shop, plan: Plan, draw: str) -> Sequence[str]:
    """Return what one workload asks for in one draw: where there is plenty, nothing that another one asks for.

    What a server remembers of one measurement then serves no other.

    Raises:
        InvalidInputError: the shop has nothing to ask for.
    """
    subjects = workload.subjects(shop)
    if not subjects:
        raise InvalidInputError("--workload", f"{workload.name} has nothing to ask for in this shop")
    parts = [
        (name, each)
        for name in plan.workloads
        for each in plan.draws_of(name)
        if find_workload(name).subjects is workload.subjects and not find_workload(name).writes
    ]
    if (workload.name, draw) in parts and len(subjects) >= PLENTY * len(parts):
        subjects = subjects[parts.index((workload.name, draw)) :: len(parts)]
    return subjects[: plan.zipf_subjects] if draw == "zipf" else subjects


class Bench:
    """Measures one running server by a plan."""

    def __init__(self, meter: ServerMeter, plan: Plan, shop: Shop, progress: Progress = no_progress) -> None:
        """Prepare.

        Args:
            meter: of the server.
            plan: what to do.
            shop: what to ask for.
            progress: told of points.

        Raises:
            MercatoError: perf_analyzer is asked for, and there is none that runs here.
        """
        self._meter = meter
        self._plan = plan
        self._shop = shop
        self._progress = progress
        self._done = 0
        self._generator = find_perf_analyzer(plan.perf_analyzer) if plan.driver == "perf_analyzer" else None
        self._settings = RequestSettings(page_size=plan.page_size, options=plan.options, run=secrets.token_hex(4))

    @property
    def driver(self) -> str:
        """What makes the load, with its version where it is not this program."""
        return self._plan.driver if self._generator is None else f"{self._plan.driver} {self._generator.version}"

    @property
    def writing_visitors(self) -> list[str]:
        """The made-up visitors whom events were written of; empty where nothing is written."""
        writes = any(find_workload(name).writes for name in self._plan.workloads)
        return list_writing_visitors(self._settings.run) if writes else []

    def measure_all(self) -> list[dict[str, Any]]:
        """Measure every point of the plan.

        Raises:
            MercatoError: the server cannot answer a workload, or is gone.
        """
        points = []
        for name in self._plan.workloads:
            workload = find_workload(name)
            for draw in self._plan.draws_of(name):
                points += self._measure_workload(workload, draw)
        return points

    def _measure_workload(self, workload: Workload, draw: str) -> list[dict[str, Any]]:
        plan = self._plan
        supply = RequestSupply(workload, self._shop, self._settings, plan, draw)
        self._try_one(workload, supply)
        warm_up = self._load(callers=WARM_UP_CALLERS, seconds=min(WARM_UP_S, plan.seconds))
        outcome = self._run(supply, warm_up, _FIRST_GUESS_PER_S)
        points = []
        # Throughput grows no faster than callers do; a single one gets no more than those of the warm-up together.
        each = max(_FEWEST_PER_S, len(outcome.errors) / outcome.wall_s)
        reached = 0.0
        for callers in plan.callers:
            point = self._measure_point(workload, draw, supply, self._load(callers=callers), MARGIN * each * callers)
            each = max(_FEWEST_PER_S, point["queries_per_s"]) / callers
            reached = max(reached, point["queries_per_s"])
            points.append(point)
        rates = [(rate, None) for rate in plan.rates]
        if plan.load_percent and not reached:
            raise ServerError(
                f"{workload.name}: no request was answered in time; there is no capacity to take a share of"
            )
        shares = [(reached * percent / 100, percent) for percent in plan.load_percent]
        for rate, percent in [*shares, *rates]:
            point = self._measure_point(workload, draw, supply, self._load(rate_per_s=rate), MARGIN * rate)
            points.append({**point, "load_percent": percent})
        return points

    def _load(self, *, callers: int | None = None, rate_per_s: float | None = None, seconds: float = 0.0) -> Load:
        plan = self._plan
        return Load(
            callers=callers,
            rate_per_s=rate_per_s,
            seconds=seconds or plan.seconds,
            warm_up_s=plan.warm_up_s,
            timeout_s=plan.timeout_s,
            seed=plan.seed,
        )

    def _measure_point(
        self, workload: Workload, draw: str, supply: RequestSupply, load: Load, expected_per_s: float
    ) -> dict[str, Any]:
        self._progress("measuring", self._done, self._plan.count_points())
        before, repeated = self._meter.read(), supply.repeated
        reached: dict[str, Any]
        if self._generator is None:
            outcome = self._run(supply, load, expected_per_s)
            after = self._meter.read()
            within_s = self._plan.within_ms / 1000
            reached = {
                **summarize(outcome, begin_s=load.warm_up_s, seconds=load.seconds, within_s=within_s),
                **describe_server(before, after, workload.model, sum(error == ANSWERED for error in outcome.errors)),
                **describe_answers(outcome, before, after, workload.model),
            }
        else:
            figures = self._run_perf_analyzer(self._generator, workload, supply, load, expected_per_s)
            after = self._meter.read()
            answered = subtract_counters(before, after, workload.model).answered
            supply.advance(answered)
            reached = {**figures, **describe_server(before, after, workload.model, answered)}
        self._done += 1
        self._progress("measuring", self._done, self._plan.count_points())
        return {
            "workload": workload.name,
            "draw": draw,
            "callers": load.callers,
            "rate_per_s": None if load.rate_per_s is None else round(load.rate_per_s, 2),
            "load_percent": None,
            **reached,
            "repeated": supply.repeated - repeated,
            "memory_mib": self._meter.read_memory(),
        }

    def _run_perf_analyzer(
        self, generator: LoadGenerator, workload: Workload, supply: RequestSupply, load: Load, expected_per_s: float
    ) -> dict[str, Any]:
        """Let perf_analyzer make a load, and write what it tells in the form of `summarize`."""
        count = min(_MOST_MESSAGES, 64 + int(expected_per_s * load.total_s))
        values = [complete_values(contract.MODELS[workload.model], one) for one in supply.look_ahead(count)]
        shape = PerfLoad(
            model=workload.model, concurrency=load.callers, request_rate=load.rate_per_s, window_s=load.seconds
        )
        figures = run_load(generator, self._meter.server, shape, values)
        latency = {f"p{percentile:g}": figures.latency_ms.get(int(percentile)) for percentile in PERCENTILES[:-1]}
        return {
            "requests": None,
            "queries_per_s": figures.queries_per_s,
            "goodput_per_s": None,
            "good_share": None,
            "errors": {},
            "latency_ms": {"mean": None, "max": None, **latency, "p99.9": None},
            "settled": figures.settled,
            "stages_ms": {"queue": figures.queue_ms},
        }

    def _run(self, supply: RequestSupply, load: Load, expected_per_s: float) -> Outcome:
        messages = supply.encode(min(_MOST_MESSAGES, 64 + int(expected_per_s * load.total_s)))
        outcome = drive(self._meter.server, load, messages, self._plan.processes)
        supply.advance(len(outcome.errors))
        return outcome

    def _try_one(self, workload: Workload, supply: RequestSupply) -> None:
        """Ask once, for the message that a server refuses a workload with."""
        message = supply.encode(1)[0]
        supply.advance(1)
        with grpc.insecure_channel(self._meter.server) as channel:
            try:
                answer = channel.unary_unary(METHOD)(message, timeout=30.0)
            except grpc.RpcError as exc:
                kind = name_error(exc.code(), exc.details() or "")
                raise ServerError(
                    f"{workload.name}: the server refused the first request ({kind}: {exc.details()})"
                ) from exc
        details = decode_details(answer)
        if workload.writes and details.get("rejected"):
            raise ServerError(f"{workload.name}: the server rejected the first event ({details['rejected']})")


def describe_server(before: Usage, after: Usage, model: str, answered: int) -> dict[str, Any]:
    """Return what a server spent on a load, by process.

    Args:
        before: the server's counters before it.
        after: and behind it; both include the warm-up.
        model: that was asked.
        answered: requests, those of the warm-up too.
    """
    taken, counters = subtract_cpu(before, after), subtract_counters(before, after, model)
    each = {name: round(1000 * seconds / answered, 3) for name, seconds in taken.items()} if answered else {}
    return {
        "cpu_ms_per_query": round(sum(each.values()), 3) if each else None,
        "cpu_ms_by_process": {name: value for name, value in each.items() if value},
        "mean_batch": round(counters.answered / counters.executions, 2) if counters.executions else None,
    }


def describe_answers(outcome: Outcome, before: Usage, after: Usage, model: str) -> dict[str, Any]:
    """Return where the time of answers went, what they left out, and what the driver took.

    Args:
        outcome: of the load.
        before: the server's counters before it.
        after: and behind it.
        model: that was asked.
    """
    answered = sum(error == ANSWERED for error in outcome.errors)
    details = [decode_details(answer) for answer in outcome.answers]
    return {
        "driver_cpu_ms_per_query": round(1000 * outcome.cpu_s / answered, 3) if answered else None,
        "driver_cpu_share": round(outcome.cpu_s / outcome.wall_s, 3) if outcome.wall_s else None,
        "stages_ms": stack_stages(outcome, mean_of_request_ms(subtract_counters(before, after, model)), details),
        "degraded_share": share_degraded(details),
    }


def complete_values(model: contract.ModelSpec, values: Values) -> Values:
    """Return a request with every input of its model, those that it leaves out as unset."""
    unset = {spec.name: spec.unset for spec in model.inputs if spec.unset is not None}
    return {**unset, **values}


def share_degraded(details: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of some answers that left a stage out; None where there is none to look at."""
    if not details:
        return None
    return round(sum(bool(one.get("degraded")) for one in details) / len(details), 4)


def list_warnings(points: Sequence[Mapping[str, Any]], processes: int) -> list[str]:
    """Return what keeps figures from meaning what they seem to mean."""
    warnings = []
    again: Counter[str] = Counter()
    for point in points:
        again[f"{point['workload']}, {point['draw']}"] += point["repeated"]
        shape = f"{point['callers']} callers" if point["callers"] is not None else f"{point['rate_per_s']:g}/s"
        name = f"{point['workload']}, {point['draw']}, {shape}"
        if (point.get("driver_cpu_share") or 0.0) > BUSY_DRIVER * processes or NOT_SENT in point["errors"]:
            warnings.append(f"{name}: the driver was at its limit; more --processes would ask for more")
        if point["errors"]:
            shown = ", ".join(f"{count} {kind}" for kind, count in point["errors"].items())
            warnings.append(f"{name}: of {point['requests']:,} requests failed: {shown}")
        if point.get("degraded_share"):
            warnings.append(f"{name}: {point['degraded_share']:.0%} of the answers left a stage out")
    return warnings + [
        f"{name}: {count:,} requests asked again for what had been asked for before, since there was no more of it"
        for name, count in again.items()
        if count
    ]
