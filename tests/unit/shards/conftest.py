"""A shop that is served whole, and the same in three shards behind a router; messages go through as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mercato.catalog.product import Product
from mercato.errors import ModelError
from mercato.events.event import Event, parse_event
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.pipeline.pipeline import Pipeline
from mercato.retrieval.retriever import Retriever
from mercato.shards.cut import ROUTER, cut_snapshot
from mercato.shards.fan_out import FanOut, ShardAddress, ShardCall
from mercato.shards.messages import answer_message
from mercato.shards.products import ShardProducts
from mercato.shards.router import ShardRetriever
from mercato.shards.shard import Shard
from tests.stores import DAY, NOW, HashEncoder, build, open_store, product, purchase

SHARDS = 3
COLOURS = ("red", "blue", "green", "black", "white")
KINDS = ("coffee mug", "tea pot", "desk lamp", "floor lamp", "office chair", "garden chair", "water bottle")
BRANDS = ("Acme", "Bolt", "Cobalt", "Dune")


def make_shop(count: int = 700) -> list[Product]:
    """Products with numbers, codes, variants of their own, variants by group, and texts that several share."""
    draw = np.random.default_rng(7)
    products = []
    for number in range(count):
        kind, colour = KINDS[number % len(KINDS)], COLOURS[int(draw.integers(len(COLOURS)))]
        attributes: dict[str, Any] = {
            "model": f"XK-{number:04d}",
            "colour": colour,
            "item_group_id": f"G{number // 2 if number % 5 else number}",
        }
        if draw.random() < 0.6:
            attributes["weight"] = int(draw.integers(1, 40))
        variants = [
            {"id": f"v{number}-{size}", "price": float(draw.integers(5, 90)), "attributes": {"size": size}}
            for size in ("S", "M", "L")[: int(draw.integers(0, 4))]
        ]
        products.append(
            product(
                f"p{number:03d}",
                f"{colour.title()} {kind}" if draw.random() < 0.7 else f"{kind.title()} {number}",
                brand=BRANDS[int(draw.integers(len(BRANDS)))],
                categories=["Home", kind.split()[-1].title()],
                price=float(draw.integers(5, 90)),
                attributes=attributes,
                variants=variants,
            )
        )
    return products


def make_events() -> list[Event]:
    """What sells, and what forty people chose after the same query."""
    draw = np.random.default_rng(11)
    bought = [purchase(f"u{n % 60}", f"p{int(draw.integers(90)):03d}", float(draw.integers(1, 60))) for n in range(900)]
    for shopper in range(40):
        time = NOW - 2 * DAY
        query = {"event_type": "search", "user_id": f"c{shopper}", "search_query": "coffee mug", "time": time}
        chosen = {"event_type": "purchase-complete", "user_id": f"c{shopper}", "time": time + 60}
        bought.append(parse_event(query, now=NOW))
        bought.append(parse_event({**chosen, "product_id": f"p{7 * (30 + shopper % 3):03d}"}, now=NOW))
    return bought


def open_router(
    cut: Path, *, answers_in_part: bool = False, lasting: Mapping[int, int] | None = None
) -> ShardRetriever:
    """Open the shards of a cut in this process; those of some numbers answer so many messages and no more."""

    left = dict(lasting or {})

    def reach(number: int) -> ShardCall:
        shard = Shard(LiveCatalog(Snapshot(cut / str(number)), None))

        def call(message: bytes) -> bytes:
            left[number] = left.get(number, 1 << 30) - 1
            if left[number] < 0:
                raise ModelError("cannot be reached (refused)")
            return answer_message(shard, message)

        return call

    catalog = LiveCatalog(Snapshot(cut / ROUTER), None)
    part = catalog.snapshot.part
    sizes = np.bincount(part.owners, minlength=part.shards).tolist()
    shards = FanOut(
        [ShardAddress(name=f"shard-{n}", call=reach(n), products=size) for n, size in enumerate(sizes, start=1)],
        answers_in_part=answers_in_part,
    )
    catalog.snapshot.read_elsewhere(ShardProducts(part, catalog.snapshot.manifest.dimension, shards))
    return ShardRetriever(catalog, shards)


OpenRouter = Callable[..., Pipeline]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop as `mercato index` leaves it."""
    folder = tmp_path_factory.mktemp("shards")
    store = open_store(folder / "state.db", make_events())
    build(folder / "catalog", make_shop(), events=store.event_columns())
    store.close()
    return folder / "catalog"


@pytest.fixture(scope="session")
def cut(shop: Path) -> Path:
    """The shop in shards."""
    out = shop.parent / "cut"
    cut_snapshot(shop, out, SHARDS)
    return out


@pytest.fixture(scope="session")
def whole(shop: Path) -> Pipeline:
    """One server of all."""
    catalog = LiveCatalog(Snapshot(shop), None)
    return Pipeline(catalog, HashEncoder(), Retriever(catalog, None), None)


@pytest.fixture(scope="session")
def open_routed(cut: Path) -> OpenRouter:
    """Opens a router, as `open_router` does, with its pipeline."""

    def opened(**options: object) -> Pipeline:
        retriever = open_router(cut, **options)  # type: ignore[arg-type]
        return Pipeline(retriever.catalog, HashEncoder(), retriever, None)

    return opened
