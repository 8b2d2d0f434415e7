"""A small shop: 48 products in six categories, 24 shoppers who buy each week, mostly what they bought before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from mercato.catalog.product import Product
from mercato.index.snapshot import Snapshot
from mercato.indexing.build import BuildOptions, build_snapshot
from mercato.signals.history import PURCHASE
from mercato.state.values import EventTable
from mercato.text import TextRole

# The networks of these tests are tiny: threads cost more than they save, the more so on a busy machine.
torch.set_num_threads(1)

DAY = 86_400.0
START = 17_000 * DAY
KINDS = ("milk", "bread", "apples", "cheese", "soap", "tea")


class WordEncoder:
    """Encodes a text as the normalised sum of a fixed random vector for each of its words."""

    dimension = 16
    identity = "words-16"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_many(texts, workers=1, progress=None)

    def encode_many(
        self,
        texts: Sequence[str],
        *,
        role: TextRole = "product",
        workers: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for position, text in enumerate(texts):
            for word in text.lower().split():
                seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
                vectors[position] += np.random.default_rng(seed).normal(size=self.dimension)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


@pytest.fixture(scope="session")
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture(scope="session")
def products() -> list[Product]:
    return [
        Product(
            id=f"p{number:02d}",
            title=f"{KINDS[number % 6]} number {number}",
            brand=("Acme", "Best")[number % 2],
            categories=("food", KINDS[number % 6]),
            price=1.0 + number / 10,
        )
        for number in range(48)
    ]


@pytest.fixture(scope="session")
def events(products: list[Product]) -> EventTable:
    """Weekly orders over 20 weeks; each shopper has eight favourites and at times takes something else."""
    rng = np.random.default_rng(11)
    lines: list[tuple[float, int, int, int]] = []
    order = 0
    for user in range(24):
        favourites = rng.choice(48, 8, replace=False)
        for week in range(20):
            time = START + (7 * week + rng.integers(7)) * DAY + float(rng.integers(8, 20)) * 3600.0
            chosen = set(rng.choice(favourites, 4, replace=False).tolist()) | {int(rng.integers(48))}
            lines += [(time, user, product, order) for product in sorted(chosen)]
            order += 1
    lines.sort()
    time, user, product, orders = (np.array(column) for column in zip(*lines, strict=True))
    count = len(lines)
    return EventTable(
        sequence=np.arange(1, count + 1),
        time=time,
        event_type=np.full(count, PURCHASE, np.uint8),
        user=user.astype(np.int32),
        visitor=np.full(count, -1, np.int32),
        product=product.astype(np.int32),
        order=orders.astype(np.int32),
        quantity=np.ones(count, np.int32),
        price=(1.0 + product / 10).astype(np.float32),
        users=[f"u{number}" for number in range(24)],
        visitors=[],
        products=[product.id for product in products],
        orders=[f"o{number}" for number in range(order)],
    )


@pytest.fixture(scope="session")
def build(
    products: list[Product], events: EventTable, encoder: WordEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[float], Snapshot]:
    """Build a snapshot that learned from the events before a moment."""

    def build_until(until: float) -> Snapshot:
        folder: Path = tmp_path_factory.mktemp("snapshot") / "catalog"
        build_snapshot(products, events, encoder, folder, BuildOptions(until=until, workers=1))
        snapshot = Snapshot(folder)
        snapshot.floor = None  # whatever is near matches
        return snapshot

    return build_until


@pytest.fixture(scope="session")
def snapshot(build: Callable[[float], Snapshot], events: EventTable) -> Snapshot:
    return build(float(events.time.max()) + 1.0)
