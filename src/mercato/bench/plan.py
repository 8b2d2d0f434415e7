"""What a benchmark does: which requests, how many at a time, for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mercato.bench.requests import WORKLOADS, find_workload
from mercato.bench.subjects import DRAWS, ZIPF_EXPONENT
from mercato.errors import InvalidInputError

CALLERS = (1, 4, 16, 32, 64)
LOAD_PERCENT = (50.0, 80.0, 95.0)
DRIVERS = ("asyncio", "perf_analyzer")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        workloads: names of `WORKLOADS`, in order; none for all that a server answers and the plan may do.
        draws: names of `DRAWS`: in which order subjects are asked for.
        callers: each a closed loop of so many requests in flight.
        load_percent: each an open loop at so much of the greatest throughput that a closed loop reached; above 100 is
            overload.
        rates: each an open loop at so many requests a second, whatever was reached.
        seconds: of each point that are measured.
        warm_up_s: before them.
        timeout_s: after which a request is given up, and the server may drop it from its queue.
        within_ms: latency up to which an answer counts as goodput.
        page_size: products of a page.
        options: OPTIONS of every request.
        zipf_exponent: of the draw ``zipf``.
        zipf_subjects: most subjects that it draws from.
        processes: of the driver.
        driver: one of `DRIVERS`.
        perf_analyzer: the program, where it is not on PATH.
        seed: of everything drawn.
        write: whether workloads that change the server's state may run.
    """

    workloads: Sequence[str] = ()
    draws: Sequence[str] = DRAWS
    callers: Sequence[int] = CALLERS
    load_percent: Sequence[float] = LOAD_PERCENT
    rates: Sequence[float] = ()
    seconds: float = 5.0
    warm_up_s: float = 0.5
    timeout_s: float = 5.0
    within_ms: float = 1000.0
    page_size: int = 10
    options: Mapping[str, Any] = field(default_factory=dict)
    zipf_exponent: float = ZIPF_EXPONENT
    zipf_subjects: int = 10_000
    processes: int = 1
    driver: str = DRIVERS[0]
    perf_analyzer: Path | None = None
    seed: int = 7
    write: bool = False

    def __post_init__(self) -> None:
        """Check all that was given.

        Raises:
            InvalidInputError: something of it cannot be done; all such things are in the message.
        """
        problems = list(self._list_problems())
        if problems:
            raise (
                InvalidInputError(*problems[0])
                if len(problems) == 1
                else InvalidInputError("bench", "; ".join(f"{name} {problem}" for name, problem in problems))
            )

    def _list_problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []

        def check(holds: bool, name: str, constraint: str, given: object) -> None:
            if not holds:
                problems.append((name, f"{constraint}, got {given}"))

        for name in self.workloads:
            known = name in WORKLOADS
            check(known, "--workload", f"must be one of {', '.join(WORKLOADS)}", repr(name))
            if known and find_workload(name).writes and not self.write:
                problems.append(("--workload", f"{name} writes into the server's state; say so with --write"))
        for draw in self.draws:
            check(draw in DRAWS, "--draw", f"must be one of {', '.join(DRAWS)}", repr(draw))
        check(bool(self.draws), "--draw", "must name one or more", "none")
        for callers in self.callers:
            check(1 <= callers <= 10_000, "--callers", "must be 1 to 10,000", callers)
        for percent in self.load_percent:
            check(0 < percent <= 10_000, "--load-percent", "must be above 0 and at most 10,000", f"{percent:g}")
        for rate in self.rates:
            check(0 < rate < 1e6, "--rate", "must be above 0 and below 1,000,000 a second", f"{rate:g}")
        if not self.callers:
            check(bool(self.rates), "--callers", "must be given where there is no --rate", "neither")
            check(not self.load_percent, "--load-percent", "needs --callers, which measure the capacity", "none")
        check(0 < self.seconds < 86_400, "--seconds", "must be above 0 and less than a day", f"{self.seconds:g}")
        check(0 <= self.warm_up_s < 86_400, "--warm-up-s", "must be 0 or more", f"{self.warm_up_s:g}")
        check(0 < self.timeout_s < 86_400, "--timeout-s", "must be above 0 and less than a day", f"{self.timeout_s:g}")
        check(self.within_ms > 0, "--within-ms", "must be above 0", f"{self.within_ms:g}")
        check(1 <= self.page_size <= 500, "--page-size", "must be 1 to 500", self.page_size)
        check(0 <= self.zipf_exponent <= 10, "--zipf-exponent", "must be 0 to 10", f"{self.zipf_exponent:g}")
        check(self.zipf_subjects >= 1, "--zipf-subjects", "must be 1 or more", self.zipf_subjects)
        check(1 <= self.processes <= 64, "--processes", "must be 1 to 64", self.processes)
        check(self.seed >= 0, "--seed", "must be 0 or more", self.seed)
        check(self.driver in DRIVERS, "--driver", f"must be one of {', '.join(DRIVERS)}", repr(self.driver))
        return problems

    def shorten(self) -> Plan:
        """Return a plan of under a minute: one caller and 16, 80 % of what they reach, nothing asked for twice."""
        return replace(self, draws=DRAWS[:1], callers=(1, 16), load_percent=(80.0,), seconds=2.0, warm_up_s=0.3)

    def draws_of(self, workload: str) -> Sequence[str]:
        """Return the draws of a workload: of what is written each event is one of its own, and one draw says all."""
        return self.draws[:1] if find_workload(workload).writes else self.draws

    @property
    def total_s(self) -> float:
        """Seconds in which requests of one workload are sent."""
        points = len(self.callers) + len(self.load_percent) + len(self.rates)
        return points * len(self.draws) * (self.warm_up_s + self.seconds)

    def count_points(self) -> int:
        """Return how many points are measured."""
        points = len(self.callers) + len(self.load_percent) + len(self.rates)
        return points * sum(len(self.draws_of(workload)) for workload in self.workloads)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        del plain["perf_analyzer"]  # a path of this machine
        return plain
