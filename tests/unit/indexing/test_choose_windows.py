"""How far back a log is believed: as far as it foretells what follows, and the default where nothing is certain."""

import numpy as np
import pytest

from mercato.indexing.choose_windows import HALF_LIVES, LATELY, choose_best, choose_half_life, choose_lately
from mercato.signals.events import SECONDS_PER_DAY, EventColumns
from mercato.signals.learning_settings import LearningSettings

PRODUCTS = 400
END = 19_600 * SECONDS_PER_DAY


def columns(actor: list[int], product: list[int], days_ago: list[float]) -> EventColumns:
    count = len(actor)
    return EventColumns(
        actor=np.array(actor, np.int32),
        product=np.array(product, np.int32),
        order=np.arange(count, dtype=np.int32),
        time=END - np.array(days_ago, np.float64) * SECONDS_PER_DAY,
        weight=np.ones(count, np.float32),
    )


def sell(favourites: float, days: int = 200, a_day: int = 12) -> EventColumns:
    """Shoppers who come once and buy one of eight favourites, which are others after so many days."""
    random = np.random.default_rng(3)
    actor, product, ago = [], [], []
    for day in range(days):
        first = int(day // favourites) * 8 % PRODUCTS
        for number in range(a_day):
            actor.append(day * a_day + number)
            product.append(first + int(random.integers(8)) if random.random() < 0.6 else int(random.integers(PRODUCTS)))
            ago.append(days - day - 0.5)
    return columns(actor, product, ago)


def choose(events: EventColumns) -> float:
    nothing = events.select(np.zeros(len(events.actor), np.bool_))
    found = {
        choose_half_life(events, events, PRODUCTS, until=END),
        choose_half_life(events, nothing, PRODUCTS, until=END),
    }
    (days,) = found  # where nobody buys, what is looked at counts
    return days


def test_where_favourites_change_popularity_forgets_soon() -> None:
    assert choose(sell(favourites=9)) < HALF_LIVES[0]


def test_where_nothing_changes_the_default_stays_or_more_is_believed() -> None:
    assert choose(sell(favourites=1_000)) >= HALF_LIVES[0]


def test_a_small_log_has_the_default() -> None:
    assert choose(sell(favourites=5, days=20)) == HALF_LIVES[0]
    assert choose(sell(favourites=5, a_day=1)) == HALF_LIVES[0]
    assert choose(columns([], [], [])) == HALF_LIVES[0]


def follow(change: float, users: int = 500) -> EventColumns:
    """Who bought one of ten first products buys its fellow three days later: another one after so many days."""
    random = np.random.default_rng(5)
    actor, product, ago = [], [], []
    for user in range(users):
        first, day = int(random.integers(10)), float(random.uniform(4, 300))
        fellow = 10 + (first + 10 * int((300 - day + 3) // change)) % (PRODUCTS - 10)
        actor += [user, user]
        product += [first, fellow]
        ago += [day, day - 3]
    return columns(actor, product, ago)


def test_what_goes_together_of_late_is_learned_from_fewer_days_where_it_changes() -> None:
    settings = LearningSettings(regularization=1.0)
    changing, steady = (choose_lately(follow(days, users=6_000), PRODUCTS, settings, until=END) for days in (30, 1_000))
    assert changing <= LATELY[0] <= steady
    assert changing < steady


def test_too_few_shoppers_come_back_to_tell_what_lately_is() -> None:
    assert choose_lately(follow(10, users=40), PRODUCTS, LearningSettings(), until=END) == LATELY[0]
    assert choose_lately(columns([], [], []), PRODUCTS, LearningSettings(), until=END) == LATELY[0]


@pytest.mark.parametrize(
    ("gains", "best"),
    [
        ({2.0: 0.1, 3.0: 0.2, 0.5: 0.3}, 0.5),
        ({2.0: -0.1, 3.0: 0.9, 0.5: 0.0}, 1.0),  # what follows a worse one is not tried
        ({2.0: 0.1, 3.0: 0.05, 0.5: 0.02}, 2.0),
    ],
)
def test_the_best_of_both_sides_is_chosen(gains: dict[float, float], best: float) -> None:
    noise = np.linspace(-0.01, 0.01, 50)
    assert choose_best(1.0, ((2.0, 3.0), (0.5,)), lambda one: noise * one + gains.get(one, 0.0)) == best


def test_what_is_no_better_than_chance_is_not_taken() -> None:
    noise = np.random.default_rng(1).normal(size=200)
    assert choose_best(1.0, ((2.0,),), lambda one: noise - noise.mean() + 0.01 if one == 2.0 else np.zeros(200)) == 1.0
