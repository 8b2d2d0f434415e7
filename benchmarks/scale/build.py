"""Indexing one generated catalogue in a process of its own, so that its time and memory are its own."""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mercato.cli.output import Output
from mercato.cli.product_file import Reading
from mercato.progress import Progress

RECORD = "build.json"


class Stages:
    """Wall and CPU seconds by what is told to be done; each lasts until the next one begins."""

    def __init__(self) -> None:
        """Begin."""
        self._last: str | None = None
        self._since = (time.monotonic(), time.process_time())
        self.seconds: dict[str, dict[str, float]] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Begin a stage, or go on with it."""
        if what != self._last:
            self.close()
            self._last = what

    def close(self) -> None:
        """End the stage that is under way."""
        now = (time.monotonic(), time.process_time())
        if self._last is not None:
            spent = self.seconds.setdefault(self._last, {"wall_s": 0.0, "cpu_s": 0.0})
            for name, end, begin in zip(("wall_s", "cpu_s"), now, self._since, strict=True):
                spent[name] = round(spent[name] + end - begin, 1)
        self._since = now


class _Timed(Output):
    """A command's output that measures in place of showing bars."""

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self._stages = stages

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        yield self._stages


def index_products(folder: Path, encoder: Path) -> dict[str, Any]:
    """Index ``products.parquet`` of a folder with its vectors, once.

    Returns:
        ``stages``, ``wall_s``, ``cpu_s`` and ``peak_rss_mib`` of `mercato index`, and ``encoded``, which must be 0.

    Raises:
        MercatoError: it failed.
    """
    record = folder / RECORD
    if not record.exists():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(_index_here, folder, encoder).result()
    read: dict[str, Any] = json.loads(record.read_text())
    return read


def _index_here(folder: Path, encoder: Path) -> None:
    """Index in this process, and write what it took."""
    from mercato.cli.index import build_index

    stages = Stages()
    result = build_index(
        folder / "products.parquet",
        folder / "catalog",
        None,
        Reading(),
        encoder,
        "english",
        "title",
        _Timed(stages),
        vectors=[folder / "vectors"],
    )
    stages.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "stages": stages.seconds,
        "wall_s": result["seconds"],
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mib": usage.ru_maxrss // 1024,
        "texts": result["texts"],
        "encoded": result["texts"] - result["vectors"],
    }
    (folder / RECORD).write_text(json.dumps(figures))
