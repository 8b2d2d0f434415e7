"""A small shop for tests: real products, events, state and snapshots; only the encoder stands in for the network."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mercato.arrays import Float32
from mercato.catalog.product import TEXT_FIELDS, Product, parse_product
from mercato.errors import StateError
from mercato.events.event import Event, parse_event
from mercato.features.inputs import Context
from mercato.index.catalog_words import Numbering, NumberLists
from mercato.index.manifest import Manifest
from mercato.index.words import FieldTerms, Occurrences
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.progress import Progress
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import EventTable, ProductChange
from mercato.text import TextRole

DIMENSION = 32
NOW = 1_700_000_000.0
DAY = 86_400.0


class HashEncoder:
    """Words to vectors without a network: each word is a fixed random direction, a text the direction of their sum.

    Attributes:
        asked: every text that was encoded, in order.
        fail_after: refuses the call after this many; None never.
    """

    def __init__(self, identity: str = "hash-1", dimension: int = DIMENSION, fail_after: int | None = None) -> None:
        self._identity = identity
        self._dimension = dimension
        self.fail_after = fail_after
        self.calls = 0
        self.asked: list[str] = []

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def identity(self) -> str:
        return self._identity

    def encode(self, texts: Sequence[str], role: TextRole = "query") -> Float32:
        vectors = np.zeros((len(texts), self._dimension), np.float32)
        for position, text in enumerate(texts):
            words = re.findall(r"\w+", text.casefold()) or [text]
            total = np.sum([self._direction(word) for word in words], axis=0)
            vectors[position] = total / np.linalg.norm(total)
        return vectors

    def encode_many(
        self, texts: Sequence[str], *, role: TextRole = "product", workers: int, progress: Progress | None
    ) -> Float32:
        if self.fail_after is not None and self.calls >= self.fail_after:
            raise OSError("the encoder stopped")
        self.calls += 1
        self.asked += texts
        return self.encode(texts)

    def _direction(self, word: str) -> Float32:
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        return np.random.default_rng(seed).normal(size=self._dimension).astype(np.float32)


def make_products() -> list[Product]:
    """Forty products: ten kinds, four variants of each, prices 1.00 to 40.00 in steps of 1.

    Product p07 is the third kind's (7 // 4 = 1 -> "frozen pizza") fourth variant; all even ones are Acme's.
    """
    kinds = ["whole milk", "frozen pizza", "dark chocolate", "baby shampoo", "tomato soup"]
    kinds += ["ground coffee", "green tea", "dog food", "paper towels", "orange juice"]
    groups = ["Dairy", "Frozen", "Sweets", "Baby", "Canned", "Drinks", "Drinks", "Pets", "Household", "Drinks"]
    variants = ["small", "large", "organic", "family"]
    return [
        product(
            f"p{number:02d}",
            f"{variants[number % 4].title()} {kinds[number // 4]}",
            brand="Acme" if number % 2 == 0 else "Bolt",
            categories=["Store", groups[number // 4]],
            price=float(number + 1),
            availability="OUT_OF_STOCK" if number % 10 == 9 else "IN_STOCK",
            attributes={"size": variants[number % 4]},
        )
        for number in range(40)
    ]


def product(product_id: str, title: str, **fields: Any) -> Product:
    return parse_product({"id": product_id, "title": title, **fields})


def purchase(user: str, product_id: str, days_ago: float, *, order: str = "", now: float = NOW) -> Event:
    return event("purchase-complete", product_id, days_ago, user_id=user, order_id=order, now=now)


def event(event_type: str, product_id: str, days_ago: float, *, now: float = NOW, **fields: Any) -> Event:
    document = {"event_type": event_type, "product_id": product_id, "time": now - days_ago * DAY, **fields}
    return parse_event(document, now=now)


def make_purchases() -> list[Event]:
    """Five households buy p04 and p12 together on three days; u0 also buys p20 often; p30 has one buyer."""
    events = [
        purchase(f"u{user}", product_id, days_ago, order=f"{user}-{days_ago}")
        for user in range(5)
        for days_ago in (30, 20, 10)
        for product_id in ("p04", "p12")
    ]
    events += [purchase("u0", "p20", days_ago, order=f"0-{days_ago}") for days_ago in (30, 20, 10, 5)]
    return [*events, purchase("u1", "p30", 3)]


def open_store(path: Path, events: Iterable[Event] = ()) -> SqliteStateStore:
    store = SqliteStateStore(str(path))
    store.append_events(list(events))
    return store


class BreakableStore:
    """A real store that can be taken away: while ``broken`` every call raises what a store raises."""

    def __init__(self, store: SqliteStateStore) -> None:
        self.broken = False
        self._store = store

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.broken:
                raise StateError("state: cannot be reached")
            return getattr(self._store, name)(*args, **kwargs)

        return call


def build(
    out: Path,
    products: Sequence[Product] | None = None,
    events: EventTable | None = None,
    encoder: HashEncoder | None = None,
    **options: Any,
) -> Manifest:
    """Build a snapshot of the small shop, or of what is given, as of `NOW`."""
    return build_snapshot(
        make_products() if products is None else products,
        EventTable.empty() if events is None else events,
        encoder or HashEncoder(),
        out,
        BuildOptions(**{"until": NOW, **options}),
    )


def upsert(changed: Product, encoder: HashEncoder | None = None) -> ProductChange:
    """The change that a catalogue writer made of a product a minute ago."""
    vector = (encoder or HashEncoder()).encode([changed.text(TEXT_FIELDS)])[0]
    return ProductChange("upsert", changed.id, changed.document(), vector, time=NOW - 60.0)


def delete(product_id: str) -> ProductChange:
    return ProductChange("delete", product_id)


def request(placement: Placement, **fields: Any) -> RetrievalRequest:
    return RetrievalRequest(**{"placement": placement, "context": Context(time=NOW), **fields})


def search_request(text: str, **fields: Any) -> RetrievalRequest:
    return request(Placement.SEARCH, text=text, **fields)


def count_occurrences(documents: Sequence[FieldTerms]) -> Occurrences:
    """Terms given for each field of each product, as a word index is built from them; nothing is held beside."""
    numbers: Numbering[str] = Numbering()
    terms = NumberLists.collect([numbers[term] for term in field] for document in documents for field in document)
    return Occurrences(
        vocabulary=list(numbers),
        terms=terms,
        minor=NumberLists.collect(() for _ in terms.lengths),
        shares=np.zeros(0, np.float64),
    )
