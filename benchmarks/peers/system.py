"""What is compared: something that serves the shop, and can be asked its queries."""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from benchmarks.harness.command import BenchmarkError
from benchmarks.peers.shop import Shop
from mercato.bench.driver import Load
from mercato.bench.figures import ANSWERED, Outcome

Prepare = Callable[[Load, Sequence[str]], Callable[[], Outcome]]
"""Writes the requests of a load, which asks its queries in turn and from the first again after the last; what it
returns makes the load."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A system that serves.

    Attributes:
        pid: its first process: what it uses is that of this process and of all below it.
        prepare: makes loads.
        count_products: tells how many products an answer has; None where answers are not handed out.
        versions: what it is made of.
    """

    pid: int
    prepare: Prepare
    count_products: Callable[[bytes], int] | None = None
    versions: dict[str, str] = field(default_factory=dict)


class System(ABC):
    """Something that can serve a shop."""

    name: str
    """As `--only` takes it."""
    about: str
    """What it is, in a line."""
    serves: bool = True
    """Whether callers reach it over a network; else it is one process that makes its own batches."""

    @abstractmethod
    def start(self, shop: Shop) -> AbstractContextManager[Running]:
        """Serve a shop for as long as the context lasts.

        Raises:
            BenchmarkError: it cannot be had here.
        """


def read_tree_cpu_s(pid: int) -> float:
    """Return user and system time of a process and of all that ever ran below it, in seconds.

    A process that ended counts where its parent waited for it: PostgreSQL has one for each connection.
    """
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def ask_pipe(process: subprocess.Popen[str], load: Load, queries: Sequence[str]) -> Outcome:
    """Let a process of `pipe.serve_pipe` answer batches, each as large as there would be callers.

    Raises:
        BenchmarkError: it ended.
    """
    assert process.stdin is not None and process.stdout is not None
    told = {"queries": list(queries), "batch": load.callers, "seconds": load.total_s}
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise BenchmarkError(f"the process that answers batches ended with {process.wait()}; see its log")
    return read_batches(json.loads(line), load.callers or 1)


def read_batches(measured: dict[str, Any], batch: int) -> Outcome:
    """Return batches as requests: each of a batch was sent when it began and is answered when it ends."""
    begin, end = (np.repeat(np.array(measured[name]), batch) for name in ("begin_s", "end_s"))
    return Outcome(due_s=begin, sent_s=begin, done_s=end, errors=[ANSWERED] * len(end), wall_s=float(end[-1]))
