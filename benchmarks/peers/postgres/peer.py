"""Starts PostgreSQL with pgvector and hands it the catalogue; the query's vector is given, and costs it nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness.command import BenchmarkError
from benchmarks.peers.environment import (
    can_connect,
    find_free_port,
    find_package,
    make_environment,
    read_requirements,
    start_process,
)
from benchmarks.peers.shop import PRODUCTS, VECTORS, Shop
from benchmarks.peers.system import Running, System
from benchmarks.peers.wire import Postgres, count_rows, drive_wire, encode_vector
from mercato.arrays import Float32
from mercato.bench.driver import Load
from mercato.bench.figures import Outcome

FOLDER = Path(__file__).parent
USER, DATABASE = "postgres", "postgres"
NOBODY = "nobody"
"""PostgreSQL refuses to run as root: then it runs as this user."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "work_mem": "16MB",
    "max_parallel_workers_per_gather": "0",  # callers are the parallelism
    "synchronous_commit": "off",
    "plan_cache_mode": "force_generic_plan",  # planned once a connection, not once a query
    "max_connections": "100",
}
_ENCODED = 4_096  # queries of a block
_TEXTS = ("id", "title", "brand", "categories", "description", "attributes")


class PostgresServer(System):
    """PostgreSQL 18.3 with pgvector 0.8.2."""

    name = "postgres"
    about = "full text and vectors fused in SQL, the query's vector given: rows of ten products"

    @contextmanager
    def start(self, shop: Shop) -> Iterator[Running]:
        """Serve the catalogue from a folder that goes when it ends.

        Raises:
            BenchmarkError: it cannot be started, or refuses the catalogue.
        """
        programs = find_package(make_environment(FOLDER), "pgserver") / "pginstall" / "bin"
        user = NOBODY if os.geteuid() == 0 else None
        port = find_free_port()
        with tempfile.TemporaryDirectory(prefix="peer-postgres-") as name:
            folder, log = Path(name), shop.folder / f"{self.name}.log"
            if user:
                shutil.chown(folder, user)
            data = folder / "data"
            run([str(programs / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8"], user)
            command = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
            command += [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
            with start_process(
                command, log, lambda: can_connect(port), user=user, stop=signal.SIGINT
            ) as process:  # SIGINT: at once, without waiting for callers
                load_products(programs / "psql", port, shop, folder)
                statement = (FOLDER / "search.sql").read_text().replace("$page_size", str(shop.page_size))
                framing = Postgres(statement, user=USER, database=DATABASE)
                vectors = QueryVectors(shop)

                def prepare(load: Load, queries: Sequence[str]) -> Callable[[], Outcome]:
                    messages = [framing.bind(query, encode_vector(vectors.find(query))) for query in queries]
                    return partial(drive_wire, port, load, messages, framing)

                yield Running(
                    pid=process.pid,
                    prepare=prepare,
                    count_products=count_rows,
                    versions=dict(read_requirements(FOLDER)),
                )


class QueryVectors:
    """Vectors of a shop's queries, encoded by the block as they are asked for: the fastest peers take most queries."""

    def __init__(self, shop: Shop) -> None:
        """Encode nothing yet."""
        self._shop = shop
        self._queries = [*shop.hot, *shop.queries]
        self._places = {query: place for place, query in enumerate(self._queries)}
        self._blocks: dict[int, Float32] = {}

    def find(self, query: str) -> Float32:
        """Return the vector of one of the shop's queries, float32 [dimension]."""
        block, place = divmod(self._places[query], _ENCODED)
        if block not in self._blocks:
            self._blocks[block] = self._shop.encode(self._queries[block * _ENCODED : (block + 1) * _ENCODED])
        vector: Float32 = self._blocks[block][place]
        return vector


def run(command: Sequence[str], user: str | None) -> None:
    """Run a program to its end.

    Raises:
        BenchmarkError: it fails; its own message is in it.
    """
    try:
        done = subprocess.run(list(command), user=user, cwd="/", capture_output=True, text=True)
    except PermissionError as exc:
        raise BenchmarkError(
            f"postgres: does not run as root, and {user} may not reach its environment ({exc}); run as another user"
        ) from exc
    if done.returncode != 0:
        raise BenchmarkError(f"postgres: {Path(command[0]).name}: {done.stderr.strip()[-1500:]}")


def load_products(psql: Path, port: int, shop: Shop, folder: Path) -> None:
    """Make the table, fill it and index it.

    Raises:
        BenchmarkError: the server refuses something.
    """
    vectors = np.load(shop.folder / VECTORS, mmap_mode="r")
    rows, script = folder / "products.tsv", folder / "schema.sql"
    with rows.open("w") as file, (shop.folder / PRODUCTS).open() as products:
        for row, line in enumerate(products):
            product = json.loads(line)
            fields = [str(row), *(escape(product[name]) for name in _TEXTS)]
            fields += [str(product["price"]), escape(product["image"])]
            file.write("\t".join([*fields, f"[{','.join(f'{value:.7g}' for value in vectors[row].tolist())}]"]) + "\n")
    schema = (FOLDER / "schema.sql").read_text()
    script.write_text(schema.replace("$dimension", str(vectors.shape[1])).replace("$products", str(rows)))
    server = ["-h", "127.0.0.1", "-p", str(port), "-U", USER, "-d", DATABASE]
    run([str(psql), *server, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script)], None)


def escape(text: str) -> str:
    """Return a text as COPY reads it: its own backslashes and what ends a field or a row are escaped."""
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "")):
        text = text.replace(plain, escaped)
    return text
