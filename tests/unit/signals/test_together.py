import numpy as np
import pytest
from numpy.typing import NDArray

from mercato.signals import together as module
from mercato.signals.cooccurrence import compute_together
from mercato.signals.ease import EaseOptions, compute_ease
from mercato.signals.events import EventColumns
from mercato.signals.neighbours import Neighbours
from mercato.signals.together import count_orders_together, count_shoppers_together

DAY = 86_400.0
NOW = 1000 * DAY
PRODUCTS = 12


def make_events(lines: list[tuple[int, int, int, float]]) -> EventColumns:
    """Lines of actor, product, order and days ago."""
    actor, product, order, days = (np.array(column) for column in zip(*lines, strict=True))
    return EventColumns(
        actor=actor.astype(np.int32),
        product=product.astype(np.int32),
        order=order.astype(np.int32),
        time=NOW - days * DAY,
        weight=np.ones(len(lines), np.float32),
    )


def everything() -> Neighbours:
    """All pairs of different products."""
    others = np.array([[j for j in range(PRODUCTS) if j != i] for i in range(PRODUCTS)], np.int32)
    return Neighbours(
        indptr=np.arange(PRODUCTS + 1) * (PRODUCTS - 1),
        neighbours=others.ravel(),
        scores=np.ones(others.size, np.float32),
    )


def of_pairs(counts: NDArray[np.int32], neighbours: Neighbours) -> dict[tuple[int, int], int]:
    rows = np.repeat(np.arange(len(neighbours.indptr) - 1), np.diff(neighbours.indptr))
    return dict(zip(zip(rows.tolist(), neighbours.neighbours.tolist(), strict=True), counts.tolist(), strict=True))


@pytest.fixture
def lines() -> list[tuple[int, int, int, float]]:
    """Five hundred purchases of forty shoppers; every third belongs to no order, some are of the future or unknown."""
    rng = np.random.default_rng(3)
    return [
        (
            int(rng.integers(40)),
            int(rng.integers(PRODUCTS + 1)),  # one more than there are
            -1 if n % 3 == 0 else int(rng.integers(80)),
            float(rng.uniform(-5, 60)),
        )
        for n in range(500)
    ]


def test_shoppers_are_those_who_bought_both(lines: list[tuple[int, int, int, float]]) -> None:
    past = [(actor, product, days) for actor, product, _, days in lines if days > 0]
    ever = [{actor for actor, p, _ in past if p == product} for product in range(PRODUCTS)]
    lately = [{actor for actor, p, days in past if p == product and days <= 35} for product in range(PRODUCTS)]

    both = of_pairs(count_shoppers_together(make_events(lines), everything(), until=NOW), everything())
    recent = of_pairs(count_shoppers_together(make_events(lines), everything(), until=NOW, days=35.0), everything())

    assert both == {(i, j): len(ever[i] & ever[j]) for i in range(PRODUCTS) for j in range(PRODUCTS) if i != j}
    assert recent == {(i, j): len(ever[i] & lately[j]) for i in range(PRODUCTS) for j in range(PRODUCTS) if i != j}


def test_orders_are_those_that_have_both(lines: list[tuple[int, int, int, float]]) -> None:
    baskets: dict[object, set[int]] = {}
    for actor, product, order, days in lines:
        if days > 0:
            key = order if order >= 0 else (actor, (NOW - days * DAY) // DAY)
            baskets.setdefault(key, set()).add(product)

    counts = of_pairs(count_orders_together(make_events(lines), everything(), until=NOW), everything())

    assert counts == {
        (i, j): sum({i, j} <= basket for basket in baskets.values())
        for i in range(PRODUCTS)
        for j in range(PRODUCTS)
        if i != j
    }


def test_what_was_learned_was_bought_together(lines: list[tuple[int, int, int, float]]) -> None:
    events = make_events(lines)
    orders = compute_together(events, PRODUCTS, until=NOW, min_buyers=1).neighbours
    assert len(orders.neighbours)
    assert (count_orders_together(events, orders, until=NOW) >= 2).all(), "its own smallest support"
    shoppers = compute_ease(events, PRODUCTS, until=NOW, options=EaseOptions(regularization=5.0))
    assert len(shoppers.neighbours)
    assert (count_shoppers_together(events, shoppers, until=NOW) >= 1).all()


def test_both_ways_of_counting_agree(lines: list[tuple[int, int, int, float]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_PAIRS", 50)  # several blocks
    events = make_events([line for line in lines if line[1] < PRODUCTS])
    of_product = module._by_product(events, 40, PRODUCTS)
    of_group = of_product.T.tocsr()
    work = of_product @ np.diff(of_group.indptr).astype(np.float64)
    assert work.sum() > 50
    one = module._count_by_neighbour(of_product, of_product, everything())
    other = module._count_by_group(of_product, of_group, work, everything())
    np.testing.assert_array_equal(one, other)
    assert one.any()


def test_nothing_is_counted_where_nothing_was_bought() -> None:
    events = make_events([(0, 0, 0, -1.0), (0, 1, 0, -1.0)])  # the future
    assert not count_shoppers_together(events, everything(), until=NOW).any()
    assert not count_orders_together(events, everything(), until=NOW).any()
    old = make_events([(0, 0, 0, 50.0), (0, 1, 0, 50.0)])
    assert not count_shoppers_together(old, everything(), until=NOW, days=35.0).any()
    assert len(count_orders_together(old, Neighbours.empty(PRODUCTS), until=NOW)) == 0
