"""Mercato as its command serves it, with answers that are given again; and its very stages without a server."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mercato_client.contract as contract

from benchmarks.harness.command import BenchmarkError
from benchmarks.harness.record import REPOSITORY
from benchmarks.peers.environment import ONE_THREAD, stop_process
from benchmarks.peers.pipe import READY, serve_pipe
from benchmarks.peers.shop import Shop
from benchmarks.peers.system import Running, System, ask_pipe
from benchmarks.serving.one_process import encode_fields, make_run_batch
from mercato.bench.driver import Load, drive
from mercato.bench.figures import Outcome
from mercato.bench.requests import decode_details, encode_request
from mercato.pipeline.factory import build_pipeline
from mercato.requests.page import parse_search
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer
from mercato.settings import DEFAULT_ANSWER_CACHE_MB, Settings

MODEL = "search"
_WARM_UP_BATCHES, _STAGE_BATCHES = 10, 60


@dataclass(kw_only=True)
class MercatoServer(System):
    """The whole server.

    Attributes:
        ranker: folder of the exported ranker; None serves the order of retrieval.
        state: SQLite file with the store's events; None without.
    """

    ranker: Path | None
    state: Path | None = None
    name: str = "mercato"
    about: str = "words and meaning, spelling, what matches, ranker, whole answers with details"

    @contextmanager
    def start(self, shop: Shop) -> Iterator[Running]:
        """Serve with the profile ``cpu`` and the options that a user has who names none."""
        options = ServerOptions(
            catalog=shop.catalog,
            encoder=shop.encoder,
            ranker=self.ranker,
            state=None if self.state is None else f"sqlite:{self.state}",
            profile="cpu",
            answer_cache_mb=DEFAULT_ANSWER_CACHE_MB,
            ports=Ports(grpc=0, http=0, metrics=0),
        )
        with TritonServer(options) as server:

            def prepare(load: Load, queries: Sequence[str]) -> Callable[[], Outcome]:
                messages = [
                    encode_request(
                        contract.MODELS[MODEL],
                        {"QUERY": query, "PAGE_SIZE": shop.page_size},
                        timeout_s=load.timeout_s,
                    )
                    for query in queries
                ]
                return partial(drive, server.grpc_address, load, messages)

            yield Running(pid=server.pid, prepare=prepare, count_products=count_results)


@dataclass(kw_only=True)
class MercatoStages(System):
    """The pipeline that the server's model runs, in one process with one thread.

    Attributes:
        ranker: as of `MercatoServer`.
        state: as of `MercatoServer`.
    """

    ranker: Path | None
    state: Path | None = None
    name: str = "mercato_stages"
    about: str = "Mercato's very stages in one process, in batches as large as there are callers: no server"
    serves: bool = False

    @contextmanager
    def start(self, shop: Shop) -> Iterator[Running]:
        """Start the process."""
        settings = find_settings(shop, self.ranker, self.state).model_dump(mode="json")
        told = {"settings": settings, "page_size": shop.page_size}
        command = [sys.executable, "-c", f"from {__name__} import work; work({json.dumps(told)!r})"]
        with start_pipe(command, shop.folder / f"{self.name}.log") as running:
            yield running


def count_results(answer: bytes) -> int:
    """Return how many products an answer of the server has."""
    return len(decode_details(answer).get("results", ()))


def find_settings(shop: Shop, ranker: Path | None, state: Path | None) -> Settings:
    """Return what a pipeline without kept answers is built from."""
    events = None if state is None else f"sqlite:{state}"
    return Settings(catalog=shop.catalog, encoder=shop.encoder, ranker=ranker, state=events, answer_cache_mb=0)


@contextmanager
def start_pipe(command: Sequence[str], log: Path) -> Iterator[Running]:
    """Run a process of `pipe.serve_pipe` for as long as the context lasts.

    Raises:
        BenchmarkError: it ended before it was ready.
    """
    with log.open("wb") as written:
        process = subprocess.Popen(
            list(command),
            cwd=REPOSITORY,
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != READY:
            raise BenchmarkError(f"{log.stem}: {log.read_text(errors='replace')[-1500:]}")
        yield Running(pid=process.pid, prepare=lambda load, queries: partial(ask_pipe, process, load, queries))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        stop_process(process)


def work(told: str) -> None:
    """Be the process of `MercatoStages`.

    Args:
        told: JSON object with ``settings`` and ``page_size``.
    """
    given = json.loads(told)
    run_batch = make_run_batch(MODEL, Settings(**given["settings"]))
    size = given["page_size"]
    serve_pipe(lambda queries: run_batch([{"QUERY": query, "PAGE_SIZE": size} for query in queries]))


def measure_stages(shop: Shop, ranker: Path | None, state: Path | None, batches: Sequence[int]) -> dict[str, Any]:
    """Return by batch what each stage takes, in microseconds a query, as the answers themselves tell: medians.

    Args:
        shop: what is asked; its last queries are.
        ranker: as of `MercatoServer`.
        state: as of `MercatoServer`.
        batches: sizes.

    Raises:
        BenchmarkError: a query fails.
    """
    settings = find_settings(shop, ranker, state).model_dump(mode="json")
    told = {
        "settings": settings,
        "page_size": shop.page_size,
        "queries": list(shop.queries[-(_WARM_UP_BATCHES + _STAGE_BATCHES) * max(batches) :]),
        "batches": list(batches),
    }
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import tell_stages; tell_stages()"],
        cwd=REPOSITORY,
        env={**os.environ, **ONE_THREAD},
        input=json.dumps(told),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"mercato, stages: {done.stderr.strip()[-1500:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def tell_stages() -> None:
    """Be the process of `measure_stages`: it is told on standard input and writes to standard output."""
    told = json.load(sys.stdin)
    pipeline = build_pipeline(Settings(**told["settings"]))
    requests = [{"QUERY": query, "PAGE_SIZE": told["page_size"]} for query in told["queries"]]
    found: dict[str, dict[str, float]] = {}
    for batch in told["batches"]:
        taken: dict[str, list[float]] = defaultdict(list)
        for number in range(min(_WARM_UP_BATCHES + _STAGE_BATCHES, len(requests) // batch)):
            asked = requests[number * batch : (number + 1) * batch]
            answer = pipeline.answer([parse_search(encode_fields(request)) for request in asked])[0]
            if isinstance(answer, Exception):
                raise BenchmarkError(f"a query of the benchmark failed: {answer}") from answer
            if number >= _WARM_UP_BATCHES:
                for name, microseconds in json.loads(answer.details)["timings"].items():
                    taken[name].append(microseconds / batch)
        found[str(batch)] = {name: round(statistics.median(values), 1) for name, values in taken.items()}
    sys.stdout.write(json.dumps(found) + "\n")
