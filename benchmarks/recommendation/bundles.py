"""What bundles are worth in a cart and at a product page, beside what is bought together pair by pair.

    .venv/bin/python -m benchmarks bundles

The last orders of each shopper are held back; bundles and co-occurrence are learned from what came before the first
of them by the same shopper. Half of each held order (at most four products) is the cart, the rest is what is bought
yet; at the product page one product of it stands for itself. Both offer what they hold best, and nothing of the cart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.harness.command import BenchmarkError, run_command
from benchmarks.harness.record import REPOSITORY, write_record
from mercato.arrays import Bool, Float64, Int32
from mercato.evaluation.intervals import estimate_mean
from mercato.features.inputs import Context, History
from mercato.index.learned import Learned, LearningInput, Signal
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.indexing.learn import find_moment, find_rows, select_events
from mercato.indexing.mine_bundles import mine_bundles, need_people
from mercato.requests.retrieval import MAX_BUNDLES, Placement, RetrievalRequest
from mercato.retrieval.bundles import find_bundles
from mercato.retrieval.context import RetrievalContext, prepare_context
from mercato.retrieval.recommend import ask_for, ask_sources, keep_allowed
from mercato.retrieval.sources.cooccurrence import COOCCURRENCE
from mercato.signals.events import EventColumns
from mercato.signals.undone import drop_undone
from mercato.state.store import open_state

NEEDS = "the demo store"
HELD_ORDERS = 3
MOST_CARTS = 2_000
SEED = 10


@dataclass(frozen=True, kw_only=True)
class Cart:
    """The beginning of an order that was held back, rows of products, and the rest of it."""

    rows: Int32
    rest: frozenset[int]


def hold_back(purchases: EventColumns, random: np.random.Generator) -> tuple[EventColumns, list[Cart]]:
    """Hold back the last orders of each shopper; return the others, and the carts."""
    key = purchases.actor.astype(np.int64) * (int(purchases.order.max()) + 2) + purchases.order
    orders, index = np.unique(key, return_inverse=True)
    ended, actor = np.full(len(orders), -np.inf), np.zeros(len(orders), np.int64)
    np.maximum.at(ended, index, purchases.time)
    actor[index] = purchases.actor
    newest = np.lexsort((-ended, actor))
    place = np.empty(len(orders), np.int64)
    place[newest] = np.arange(len(orders)) - np.searchsorted(actor[newest], actor[newest])
    held: Bool = (place < HELD_ORDERS)[index]
    lines = np.flatnonzero(held)[np.argsort(index[held], kind="stable")]
    carts = []
    for own in np.split(lines, np.flatnonzero(np.diff(index[lines])) + 1):
        rows = random.permutation(np.unique(purchases.product[own])).astype(np.int32)
        size = min((len(rows) + 1) // 2, 4)
        if len(rows) > size:
            carts.append(Cart(rows=rows[:size], rest=frozenset(rows[size:].tolist())))
    return purchases.select(~held), carts


def offer_pairs(catalog: LiveCatalog, context: RetrievalContext) -> list[tuple[int, ...]]:
    """Return what co-occurrence alone offers, in stock, the best first, one product at a time."""
    lists = ask_sources([ask_for(catalog, context, {COOCCURRENCE.label: 1.0})])[0]
    if not lists:
        return []
    [found] = keep_allowed(catalog, context, list(lists.values()))
    free = ~np.isin(found.rows, context.seeds) & catalog.features().in_stock[found.rows]
    return [(row,) for row in found.rows[free].tolist()]


def offer_bundles(catalog: LiveCatalog, context: RetrievalContext) -> list[tuple[int, ...]]:
    """Return what each bundle adds, the best first."""
    return [bundle.rows[bundle.held :] for bundle in find_bundles(catalog, context)]


OFFERS = {"bundles": offer_bundles, "cooccurrence": offer_pairs}


def measure(catalog: LiveCatalog, placement: Placement, carts: Sequence[Cart], until: float) -> dict[str, Any]:
    """Measure the offers for some carts: whether anything, or all, of the first and of the first three was bought."""
    hits = {name: np.zeros((len(carts), 3)) for name in OFFERS}
    sizes = {name: np.zeros(len(carts)) for name in OFFERS}
    cost = dict.fromkeys(OFFERS, 0.0)
    for number, cart in enumerate(carts):
        ids = tuple(catalog.id_of(row) for row in cart.rows.tolist())
        request = RetrievalRequest(
            placement=placement, seed_ids=ids, context=Context(time=until), depth=20, bundles=MAX_BUNDLES
        )
        context = prepare_context(catalog, request, History.empty(), None)
        for name, offer in OFFERS.items():
            started = time.process_time()
            added = offer(catalog, context)
            cost[name] += time.process_time() - started
            sizes[name][number] = len(added[0]) if added else 0
            bought = [[row in cart.rest for row in one] for one in added[:3]]
            hits[name][number] = (
                bool(bought) and any(bought[0]),
                bool(bought) and all(bought[0]),
                any(any(one) for one in bought),
            )
    offered = sizes["bundles"] > 0
    return {
        "carts": len(carts),
        "all carts": _compare(hits, np.ones(len(carts), np.bool_)),
        "carts that a bundle is offered for": _compare(hits, offered),
        "offered": {name: round(float((size > 0).mean()), 4) for name, size in sizes.items()},
        "products added by the first": {
            name: round(float(size[size > 0].mean()), 2) if size.any() else 0.0 for name, size in sizes.items()
        },
        "ms": {name: round(1e3 * seconds / max(len(carts), 1), 3) for name, seconds in cost.items()},
    }


def _compare(hits: Mapping[str, Float64], chosen: Bool) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for column, name in enumerate(("any of the first", "all of the first", "any of three")):
        ours, theirs = (hits[offer][chosen, column] for offer in OFFERS)
        found = estimate_mean(ours - theirs)
        figures[name] = {
            **{offer: round(float(hits[offer][chosen, column].mean()), 4) for offer in OFFERS},
            "difference": [round(value, 4) for value in (found.mean, found.low, found.high)],
        }
    return figures


def main(
    catalog: Annotated[Path, typer.Option(help="A snapshot.")] = REPOSITORY / "var" / "demo" / "catalog",
    state: Annotated[Path, typer.Option(help="Its events.")] = REPOSITORY / "var" / "demo" / "state.db",
    name: Annotated[str, typer.Option(help="Of the record.")] = "bundles",
) -> None:
    """Measure bundles in carts and at product pages."""
    snapshot = Snapshot(catalog)
    store = open_state(f"sqlite:{state}")
    events = store.event_columns()
    store.close()
    until = find_moment(events, now=time.time())
    known = snapshot.row_by_any_id
    _, purchases = select_events(drop_undone(events, find_rows(events, known), until=until), known)
    if not len(purchases):
        raise BenchmarkError("nobody bought anything: there are no orders to hold back")
    random = np.random.default_rng(SEED)
    learned, carts = hold_back(purchases, random)
    chosen = [carts[number] for number in np.sort(random.permutation(len(carts))[:MOST_CARTS]).tolist()]
    started = time.process_time()
    snapshot.bundles = mine_bundles(learned, snapshot.count, until=until)
    seconds = time.process_time() - started
    data = LearningInput(events=learned, purchases=learned, product_count=snapshot.count, until=until)
    needed: tuple[Signal[Any], ...] = COOCCURRENCE.signals
    signals = {signal: data.learn(signal) for signal in needed}
    snapshot.learned = Learned({}, values=signals, until=until, bought=True)
    live = LiveCatalog(snapshot, None)
    sizes = (snapshot.bundles.members >= 0).sum(axis=1)
    shoppers = int(snapshot.bundles.shoppers[0])
    pages = [Cart(rows=cart.rows[:1], rest=cart.rest | set(cart.rows[1:].tolist())) for cart in chosen]
    write_record(
        name,
        {
            "shoppers": shoppers,
            "people needed": need_people(shoppers),
            "bundles": {str(size): int((sizes == size).sum()) for size in (2, 3, 4)},
            "mining, CPU seconds": round(seconds, 2),
            "cart": measure(live, Placement.CART, chosen, until),
            "product page": measure(live, Placement.PRODUCT_PAGE, pages, until),
        },
    )


if __name__ == "__main__":
    run_command(main)
