"""What a benchmark asks a shop for: from its snapshot, from files, or found out from the server itself."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mercato.bench.requests import Shop
from mercato.bench.subjects import make_queries
from mercato.errors import DataError, MercatoError, ServerError

if TYPE_CHECKING:
    from mercato_client import Client, Product

MAX_PRODUCTS = 20_000
FOUND_PRODUCTS = 1_000
"""Products that are looked for where only the server knows them; queries are made of their titles."""
_PAGE = 100
_PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class ShopFiles:
    """Where what is asked for comes from; what is None is made from the rest.

    Attributes:
        catalog: snapshot of the served catalogue, whose titles and products are taken evenly.
        queries: file of queries, one a line.
        users: file of user ids, one a line.
    """

    catalog: Path | None = None
    queries: Path | None = None
    users: Path | None = None


def read_shop(files: ShopFiles, server: str, queries: int, rng: np.random.Generator) -> Shop:
    """Return what requests can be made of.

    Args:
        files: what there is.
        server: gRPC address, asked for products where no snapshot is given.
        queries: most queries to make of titles.
        rng: chooses.

    Raises:
        MercatoError: a file cannot be used, or neither file nor server has a product.
    """
    products = sample_snapshot(files.catalog, rng) if files.catalog else find_products(server, rng)
    if not products:
        raise ServerError(f"--server: {server} has no products to ask for; index a catalogue, or name it by --catalog")
    given = read_lines(files.queries, "--query-file") if files.queries else None
    ids, titles = zip(*products, strict=True)
    return Shop(
        queries=given or make_queries(titles, queries, rng),
        product_ids=list(ids),
        users=read_lines(files.users, "--users") if files.users else (),
    )


def sample_snapshot(folder: Path, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return ids and titles of at most `MAX_PRODUCTS` products of a snapshot, in a random order.

    Raises:
        SnapshotError: it cannot be read.
    """
    from mercato.index import layout
    from mercato.index.documents import Documents
    from mercato.index.manifest import read_manifest

    folder = folder.resolve()
    read_manifest(folder)
    documents = Documents(folder / layout.PRODUCTS)
    rows = rng.permutation(documents.count)[:MAX_PRODUCTS].tolist()
    return [(documents.id(row), str(json.loads(documents.document(row)).get("title") or "")) for row in rows]


def find_products(server: str, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return ids and titles of products that a server shows: what is popular, and what its words lead to.

    Args:
        server: gRPC address.
        rng: chooses the words, and the order.

    Returns:
        Up to some `FOUND_PRODUCTS`; fewer from a small shop.

    Raises:
        ServerError: it does not answer.
    """
    from mercato_client import Client, MercatoClientError, Timeouts

    try:
        with Client(server, timeouts=Timeouts(read_s=_PATIENCE_S)) as client:
            found = _follow_words(client, rng)
    except MercatoClientError as exc:
        raise ServerError(f"--server: {exc}") from exc
    ids = list(found)
    return [(ids[index], found[ids[index]]) for index in rng.permutation(len(ids)).tolist()]


def _follow_words(client: Client, rng: np.random.Generator) -> dict[str, str]:
    found: dict[str, str] = {}
    asked: set[str] = set()
    words: deque[str] = deque()

    def keep(products: Sequence[Product]) -> None:
        for product in products:
            if product.id not in found:
                found[product.id] = product.title
                words.extend(rng.permutation(product.title.split())[:2].tolist())

    keep(client.recommend("home-page", page_size=_PAGE).results)
    while words and len(found) < FOUND_PRODUCTS and len(asked) < FOUND_PRODUCTS // 2:
        word = words.popleft()
        if word not in asked:
            asked.add(word)
            keep(client.search(word, page_size=_PAGE).results)
    return found


def read_lines(path: Path, option: str) -> list[str]:
    """Return the lines of a file that hold something, each once, in their order.

    Raises:
        DataError: it cannot be read, or holds nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{option}: {path.name} cannot be read ({exc}); give a text file in UTF-8, one a line") from exc
    kept = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not kept:
        raise DataError(f"{option}: {path.name} holds nothing; write one a line")
    return kept


def serves_reranker(server: str, query: str) -> bool:
    """Tell whether a server reads the top of a search again, by the timings of an answer.

    Raises:
        MercatoError: it does not answer.
    """
    from mercato_client import Client, MercatoClientError, Timeouts

    try:
        with Client(server, timeouts=Timeouts(read_s=_PATIENCE_S)) as client:
            return "rerank_us" in client.search(query, page_size=1).timings
    except MercatoClientError as exc:
        raise _translate(exc) from exc


def _translate(exc: Exception) -> MercatoError:
    return ServerError(f"--server: {exc}")
