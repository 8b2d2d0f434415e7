"""From single requests to figures: percentiles, throughput, goodput, errors by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
ANSWERED = ""
"""The error of a request that was answered."""

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of each request of a load; times are seconds since it began.

    Attributes:
        due_s: float64 [requests], when it had to be sent; in a closed loop when it was.
        sent_s: float64 [requests], when it was.
        done_s: float64 [requests], when its answer or its error was there.
        errors: its error's kind, `ANSWERED` where there was none.
        answers: some of the answers, as they came.
        cpu_s: what the driver's own processes computed meanwhile, in seconds.
        wall_s: how long it took, until the last request was done.
    """

    due_s: Float64
    sent_s: Float64
    done_s: Float64
    errors: Sequence[str]
    answers: Sequence[bytes] = field(default_factory=tuple)
    cpu_s: float = 0.0
    wall_s: float = 0.0


def join_outcomes(outcomes: Sequence[Outcome]) -> Outcome:
    """Return what several drivers of one load saw as if one had; the slowest says how long it took."""
    return Outcome(
        due_s=np.concatenate([one.due_s for one in outcomes]),
        sent_s=np.concatenate([one.sent_s for one in outcomes]),
        done_s=np.concatenate([one.done_s for one in outcomes]),
        errors=[error for one in outcomes for error in one.errors],
        answers=[answer for one in outcomes for answer in one.answers],
        cpu_s=sum(one.cpu_s for one in outcomes),
        wall_s=max(one.wall_s for one in outcomes),
    )


def find_percentile(values: Float64, percentile: float) -> float | None:
    """Return the least value that at least a share of all does not exceed (nearest rank; no value is made up).

    Args:
        values: float64 [n], sorted, rising.
        percentile: above 0, at most 100.

    Returns:
        ``values[ceil(n * percentile / 100) - 1]``; None where there are too few for it to differ from the greatest
        by more than its name: fewer than 1 / (1 - percentile / 100), as 1,000 for 99.9.
    """
    count = len(values)
    # In thousandths, whole numbers: 0.999 has no exact form.
    above = round(1000 * (100 - percentile))
    if count == 0 or count * above < 100_000:
        return None
    return float(values[-(-count * (100_000 - above) // 100_000) - 1])


def summarize_latency(latency_s: Float64) -> dict[str, float | None]:
    """Return mean, percentiles and greatest of latencies in milliseconds; None for what too few requests say.

    Args:
        latency_s: float64 [requests], in any order; may be empty.
    """
    ordered = 1000 * np.sort(latency_s)
    shown = {f"p{percentile:g}": find_percentile(ordered, percentile) for percentile in PERCENTILES}
    ends = {"mean": float(ordered.mean()), "max": float(ordered[-1])} if len(ordered) else {"mean": None, "max": None}
    return {name: None if value is None else round(value, 3) for name, value in {**ends, **shown}.items()}


def summarize(outcome: Outcome, *, begin_s: float, seconds: float, within_s: float) -> dict[str, Any]:
    """Return what a load reached in a window of it.

    Throughput and goodput count what was answered inside of the window, whenever it was due; latency, errors and the
    share that was good are of what was due in it, whenever it was answered. Latency is counted from the moment that a
    request was due: a server (or driver) that falls behind is not spared what waited meanwhile (coordinated omission,
    Tene 2013).

    Args:
        outcome: of the load.
        begin_s: begin of the window, in seconds since the load began.
        seconds: its length.
        within_s: latency up to which an answer is good.

    Returns:
        ``requests`` due, ``queries_per_s``, ``goodput_per_s``, ``good_share`` (None where none was due),
        ``errors`` by kind, ``latency_ms``, ``late_ms`` (of the driver: sent after it was due).
    """
    end_s = begin_s + seconds
    answered = np.array([error == ANSWERED for error in outcome.errors], dtype=bool)
    latency = outcome.done_s - outcome.due_s
    good = answered & (latency <= within_s)
    finished = (outcome.done_s >= begin_s) & (outcome.done_s < end_s)
    due = (outcome.due_s >= begin_s) & (outcome.due_s < end_s)
    count = int(due.sum())
    kinds = Counter(error for error, inside in zip(outcome.errors, due.tolist(), strict=True) if inside and error)
    late = summarize_latency((outcome.sent_s - outcome.due_s)[due])
    return {
        "requests": count,
        "queries_per_s": round(float((answered & finished).sum()) / seconds, 2),
        "goodput_per_s": round(float((good & finished).sum()) / seconds, 2),
        "good_share": round(float((good & due).sum()) / count, 4) if count else None,
        "errors": dict(sorted(kinds.items())),
        "latency_ms": summarize_latency(latency[answered & due]),
        "late_ms": {name: late[name] for name in ("mean", "p99", "max")},
    }


def stack_stages(
    outcome: Outcome, triton_ms: Mapping[str, float], details: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return the mean time of an answer by where it was spent, in milliseconds; the parts sum to the mean latency.

    Args:
        outcome: of the load; all answers count, those of the warm-up too, as Triton's counters do.
        triton_ms: mean of a request by Triton's counters: ``queue``, ``input``, ``infer``, ``output``; empty where
            they cannot be read.
        details: of some answers; ``timings`` are microseconds of the batch by stage, and ``total_us``.

    Returns:
        In the order of the way of a request: ``driver late``, ``network and client``, ``queue``, the stages of the
        model, ``rest of the model``, ``Triton``. A part that would be negative, because means of a few answers stand
        beside those of all, is 0.
    """
    answered = np.array([error == ANSWERED for error in outcome.errors], dtype=bool)
    if not answered.any():
        return {}
    late = 1000 * float((outcome.sent_s - outcome.due_s)[answered].mean())
    outside = 1000 * float((outcome.done_s - outcome.sent_s)[answered].mean())
    if not triton_ms:
        return {"driver late": round(late, 3), "server and network": round(outside, 3)}
    timings = [one["timings"] for one in details if isinstance(one.get("timings"), Mapping)]
    names = list(dict.fromkeys(name for one in timings for name in one if name != "total_us"))
    stages = {
        name.removesuffix("_us"): sum(float(one.get(name, 0)) for one in timings) / len(timings) / 1000
        for name in names
    }
    total = sum(triton_ms.values())
    parts = {
        "driver late": late,
        "network and client": outside - total,
        "queue": triton_ms["queue"],
        **stages,
        "rest of the model": triton_ms["infer"] - sum(stages.values()),
        "Triton": triton_ms["input"] + triton_ms["output"],
    }
    return {name: round(max(0.0, value), 3) for name, value in parts.items()}
