"""The generated log of views, carts and purchases."""

import numpy as np
import pytest

from benchmarks.training.ranker_outcomes import BUY, CART, VIEW, Recipe, make_log
from mercato.state.values import EventTable

RECIPE = Recipe(products=60, shoppers=80, days=60, seed=5)


@pytest.fixture(scope="module")
def log() -> EventTable:
    return make_log(RECIPE)[1]


def test_what_is_bought_was_carted_and_what_is_carted_was_looked_at_before(log: EventTable) -> None:
    seen: dict[tuple[int, int, int], float] = {}
    for time, kind, user, product in zip(log.time, log.event_type, log.user, log.product, strict=True):
        if kind != VIEW:
            before = {CART: VIEW, BUY: CART}[int(kind)]
            # In the same visit: at most an hour ago.
            assert 0 <= time - seen[before, int(user), int(product)] < 3600.0
        seen[int(kind), int(user), int(product)] = float(time)


def test_each_step_is_rarer_than_the_one_before(log: EventTable) -> None:
    views, carts, purchases = (int((log.event_type == kind).sum()) for kind in (VIEW, CART, BUY))
    # Chances of 0.2 and 0.4 at the mean of a visit, more for what is liked best.
    assert 0.1 * views < carts < 0.4 * views
    assert 0.2 * carts < purchases < 0.8 * carts
    assert (np.diff(log.time) >= 0).all()
    assert ((log.order >= 0) == (log.event_type == BUY)).all()


def test_looking_tells_of_the_taste_that_buys(log: EventTable) -> None:
    # Halves of the log, so that a purchase does not count its own view.
    early = log.time < np.median(log.time)
    views = np.zeros((RECIPE.shoppers, RECIPE.products))
    looked = early & (log.event_type == VIEW)
    np.add.at(views, (log.user[looked], log.product[looked]), 1)
    later = (~early) & (log.event_type == BUY)
    bought = views[log.user[later], log.product[later]].mean()
    others = views[log.user[later]].mean()
    assert bought > 2 * others


def test_one_seed_gives_one_log() -> None:
    first, again = make_log(RECIPE), make_log(RECIPE)
    np.testing.assert_array_equal(first[1].product, again[1].product)
    titles = [product.title for product in first[0]]
    np.testing.assert_array_equal(first[2].encode_many(titles), again[2].encode_many(titles))
