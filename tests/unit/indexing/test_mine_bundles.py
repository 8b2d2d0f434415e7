"""Sets that are bought together: people count, parts are known, and nothing is missed that brute force finds."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.index.bundles import Bundles
from mercato.indexing import mine_bundles as mining
from mercato.indexing.mine_bundles import LEAST_LIFT, LEAST_PEOPLE, mine_bundles, need_people
from mercato.signals.events import NO_ORDER, EventColumns

UNTIL = 1_000_000.0
Order = tuple[int, Sequence[int]]
"""Who ordered which products."""


def purchases(orders: Sequence[Order], *, time: float = 0.0, numbered: bool = True) -> EventColumns:
    lines = [(actor, item, number) for number, (actor, items) in enumerate(orders) for item in items]
    columns = np.array(lines, np.int32).reshape(-1, 3)
    return EventColumns(
        actor=columns[:, 0],
        product=columns[:, 1],
        order=columns[:, 2] if numbered else np.full(len(columns), NO_ORDER, np.int32),
        time=np.full(len(columns), time),
        weight=np.ones(len(columns), np.float32),
    )


def list_sets(bundles: Bundles) -> dict[tuple[int, ...], int]:
    """The people of each set."""
    return {
        tuple(row for row in members if row >= 0): people
        for members, people in zip(bundles.members.tolist(), bundles.people.tolist(), strict=True)
    }


def support_of(bundles: Bundles, members: tuple[int, ...], part: tuple[int, ...]) -> float:
    number = list(list_sets(bundles)).index(members)
    return float(bundles.support[number, sum(1 << members.index(one) for one in part)])


TRIO: list[Order] = [(actor, (1, 2, 3)) for actor in range(8)]
PAIR: list[Order] = [(actor, (1, 2)) for actor in range(8, 12)]
OTHERS: list[Order] = [(actor, (9,)) for actor in range(12, 32)]


def test_people_and_support_of_sets_and_their_parts() -> None:
    bundles = mine_bundles(purchases([*TRIO, *PAIR, *OTHERS]), 10, until=UNTIL)
    assert list_sets(bundles) == {(1, 2): 8 + 4, (1, 3): 8, (2, 3): 8, (1, 2, 3): 8}
    assert bundles.shoppers.tolist() == [8 + 4 + 20]
    assert support_of(bundles, (1, 2, 3), (1,)) == 12
    assert support_of(bundles, (1, 2, 3), (1, 2)) == 12
    assert support_of(bundles, (1, 2, 3), (3,)) == 8
    assert support_of(bundles, (1, 2, 3), (1, 2, 3)) == 8
    assert bundles.find(np.array([3, 9, -1, 500], np.int32)).tolist() == [
        number for number, members in enumerate(list_sets(bundles)) if 3 in members
    ]


def test_who_orders_a_set_three_hundred_times_is_one_of_its_people() -> None:
    company: list[Order] = [(99, (4, 5))] * 300
    bundles = mine_bundles(purchases([*TRIO, *PAIR, *OTHERS, *company]), 10, until=UNTIL)
    assert (4, 5) not in list_sets(bundles)

    four: list[Order] = [(actor, (4, 5)) for actor in range(40, 44)]
    bundles = mine_bundles(purchases([*TRIO, *PAIR, *OTHERS, *four, *company]), 10, until=UNTIL)
    assert list_sets(bundles)[4, 5] == 4 + 1
    assert support_of(bundles, (4, 5), (4,)) == pytest.approx(5)  # and counts no more than any other


def test_each_person_is_divided_among_the_own_orders() -> None:
    twice: list[Order] = [(actor, items) for actor in range(8) for items in ((1, 2), (1, 7))]
    bundles = mine_bundles(purchases([*twice, *OTHERS]), 10, until=UNTIL)
    assert list_sets(bundles) == {(1, 2): 8, (1, 7): 8}  # never all three in one order
    assert support_of(bundles, (1, 2), (1,)) == 8  # in both orders of each
    assert support_of(bundles, (1, 2), (1, 2)) == 8 / 2


def test_without_orders_a_day_is_one_and_what_comes_later_is_not_read() -> None:
    assert (1, 2, 3) in list_sets(mine_bundles(purchases([*TRIO, *OTHERS], numbered=False), 10, until=UNTIL))
    assert not len(mine_bundles(purchases([*TRIO, *OTHERS], time=UNTIL), 10, until=UNTIL))
    assert not len(mine_bundles(purchases([]), 10, until=UNTIL))


def test_what_everybody_has_belongs_to_no_set() -> None:
    everybody: list[Order] = [(actor, (0, 1 + actor % 4)) for actor in range(80)]
    assert not len(mine_bundles(purchases(everybody), 10, until=UNTIL))  # lift 20 * 80 / (80 * 20) = 1


def test_a_larger_shop_asks_for_more_people() -> None:
    assert need_people(0) == need_people(1_000) == LEAST_PEOPLE
    assert need_people(4_000) == LEAST_PEOPLE + 2 * 4  # two doublings
    assert need_people(1_000_000) == LEAST_PEOPLE + 40


def test_the_best_are_kept_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mining, "MOST_BUNDLES", 1)
    bundles = mine_bundles(purchases([*TRIO, *PAIR, *OTHERS]), 10, until=UNTIL)
    assert list_sets(bundles) == {(1, 2): 12}  # all have a lift of 2.67, of which most people bought it


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.integers(2, 9), st.floats(0.1, 0.6))
def test_brute_force_finds_the_same(seed: int, actors: int, kinds: int, usual: float) -> None:
    random = np.random.default_rng(seed)
    tastes = random.random((kinds, 8)) < usual
    orders: list[Order] = [
        (
            int(random.integers(actors)),
            np.flatnonzero(tastes[random.integers(kinds)] & (random.random(8) < 0.9)).tolist(),
        )
        for _ in range(5 * actors)
    ]
    orders = [(actor, items) for actor, items in orders if items]
    bundles = mine_bundles(purchases(orders), 8, until=UNTIL)
    found = list_sets(bundles)
    counted = [(actor, frozenset(items)) for actor, items in orders]

    def people(members: Sequence[int]) -> int:
        return len({actor for actor, items in counted if items.issuperset(members)})

    popular = {item for item in range(8) if people([item]) >= LEAST_PEOPLE}
    read = [(actor, items & popular) for actor, items in counted if items & popular]
    orders_of = {actor: sum(one == actor for one, _ in read) for actor, _ in read}

    def support(members: Sequence[int]) -> float:
        return sum(1.0 / orders_of[actor] for actor, items in read if items.issuperset(members))

    def lift(members: tuple[int, ...]) -> float:
        rests = [tuple(one for one in members if one != left) for left in members]
        return min(
            support(members) * len(orders_of) / (support(rest) * support([left]))
            for rest, left in zip(rests, members, strict=True)
        )

    expected = set()
    for size in (2, 3, 4):
        for members in combinations(sorted(popular), size):
            pairs = all(pair in expected for pair in combinations(members, 2)) if size > 2 else True
            if people(members) >= LEAST_PEOPLE and pairs and lift(members) >= LEAST_LIFT * (1 + 1e-6):
                expected.add(members)
    near = {members for members in found if lift(members) < LEAST_LIFT * (1 + 1e-6)}
    if not near:
        assert set(found) == expected
        assert all(found[members] == people(members) for members in found)
        for members in found:
            for size in range(1, len(members) + 1):
                for part in combinations(members, size):
                    assert support_of(bundles, members, part) == pytest.approx(support(part), rel=1e-5)
