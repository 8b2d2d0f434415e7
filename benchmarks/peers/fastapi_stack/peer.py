"""Starts the FastAPI stack: a worker for each core, each with the model and the index of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from benchmarks.peers.environment import (
    ONE_THREAD,
    can_connect,
    find_free_port,
    make_environment,
    read_requirements,
    start_process,
)
from benchmarks.peers.shop import Shop
from benchmarks.peers.system import Running, System
from benchmarks.peers.wire import Http, decode_json, drive_wire, encode_get
from mercato.bench.driver import Load
from mercato.bench.figures import Outcome

FOLDER = Path(__file__).parent


def find_weights(encoder: Path) -> Path:
    """Return the folder with the weights that the encoder was exported from, as sentence-transformers reads it.

    Raises:
        WeightsError: they are not installed.
    """
    from mercato_export.weights import find_exported_model, locate_weights

    return locate_weights(find_exported_model(encoder), allow_hub=False).folder


class FastApiStack(System):
    """FastAPI, sentence-transformers on torch, faiss."""

    name = "fastapi"
    about = "meaning only: float32 torch encoder, HNSW, JSON of ten products"

    @contextmanager
    def start(self, shop: Shop) -> Iterator[Running]:
        """Serve with uvicorn."""
        environment = make_environment(FOLDER)
        port, workers = find_free_port(), os.cpu_count() or 1
        told = {
            "PEER_SHOP": str(shop.folder),
            "PEER_WEIGHTS": str(find_weights(shop.encoder)),
            "PEER_PAGE_SIZE": str(shop.page_size),
        }
        command = [str(environment / "bin" / "uvicorn"), "benchmarks.peers.fastapi_stack.serve:app"]
        command += ["--port", str(port), "--workers", str(workers), "--log-level", "warning", "--no-access-log"]
        log = shop.folder / f"{self.name}.log"

        def ready() -> bool:
            return log.is_file() and log.read_text().count("worker ready") >= workers and can_connect(port)

        with start_process(
            command, log, ready, environment={**ONE_THREAD, **told, "HF_HUB_OFFLINE": "1"}, stop=signal.SIGTERM
        ) as process:

            def prepare(load: Load, queries: Sequence[str]) -> Callable[[], Outcome]:
                messages = [encode_get(f"/search?q={quote(query)}") for query in queries]
                return partial(drive_wire, port, load, messages, Http())

            yield Running(
                pid=process.pid,
                prepare=prepare,
                count_products=lambda answer: len(decode_json(answer)["results"]),
                versions=dict(read_requirements(FOLDER)),
            )
