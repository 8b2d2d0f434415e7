from collections.abc import Sequence

import numpy as np
import pytest

from mercato.signals import regional as module
from mercato.signals.events import EventColumns
from mercato.signals.regional import (
    MIN_BUYERS,
    MIN_REGION_BUYERS,
    PRIOR_BUYERS,
    Regional,
    compute_regional,
    fold_region,
)

DAY = 86_400.0
NOW = 1000 * DAY
NAMES = ("North", "South")
NORTH, SOUTH, NOWHERE = 0, 1, -1


def make_events(lines: Sequence[tuple[int, int, float, int]], weight: float = 1.0) -> EventColumns:
    """Lines of actor, product, days ago and region."""
    actor, product, days, region = (np.array(column) for column in zip(*lines, strict=True))
    return EventColumns(
        actor=actor.astype(np.int32),
        product=product.astype(np.int32),
        order=np.full(len(lines), -1, np.int32),
        time=NOW - days * DAY,
        weight=np.full(len(lines), weight, np.float32),
        region=region.astype(np.int32),
    )


def two_regions() -> list[tuple[int, int, float, int]]:
    """Twelve shoppers of the north, twelve of the south; all buy 0, five of the north 1 and four of the south 2."""
    lines = [(shopper, 0, 3.0, NORTH if shopper < 12 else SOUTH) for shopper in range(24)]
    lines += [(shopper, 1, 10.0, NORTH) for shopper in range(5)]
    return lines + [(shopper, 2, 2.0, SOUTH) for shopper in range(12, 16)]


def compute(lines: Sequence[tuple[int, int, float, int]], products: int = 4) -> Regional:
    return compute_regional(make_events(lines), NAMES, products, until=NOW)


def test_a_region_names_what_its_shoppers_buy_most_shrunk_towards_the_shop() -> None:
    found = compute(two_regions())

    rows, scores = found.rank("North")
    k = PRIOR_BUYERS
    assert rows.tolist() == [0, 1]
    assert scores.tolist() == pytest.approx([(12 + k * 24 / 24) / (12 + k), (5 + k * 5 / 24) / (12 + k)])
    rows, scores = found.rank("South")
    assert rows.tolist() == [0, 2]
    assert scores[1] == pytest.approx((4 + k * 4 / 24) / (12 + k))


def test_what_more_buy_there_goes_before_what_more_buy_elsewhere() -> None:
    # 1 and 3 sell alike in the shop: 6 shoppers each. Five of 1's are in the north, three of 3's.
    lines = [*two_regions(), (20, 1, 3.0, SOUTH)]
    lines += [(shopper, 3, 3.0, NORTH if shopper < 12 else SOUTH) for shopper in (6, 7, 8, 13, 14, 15)]
    assert compute(lines).rank("North")[0].tolist() == [0, 1, 3]


def test_buyers_are_distinct_shoppers_of_the_last_days() -> None:
    lines = two_regions()
    lines += [(0, 1, 9.0, NORTH), (1, 1, 6.9, NORTH), (5, 1, 27.9, NORTH), (6, 1, 28.1, NORTH), (12, 1, 1.0, SOUTH)]
    found = compute(lines)
    assert found.count_buyers("North", 1) == (1, 6)  # shopper 1 a second time, shopper 5 once, shopper 6 too long ago
    assert found.count_buyers("North", 0) == (12, 12)
    assert found.count_buyers("South", 1) == (0, 0)  # one buyer is not kept
    assert found.count_buyers("West", 0) == (0, 0)


def test_a_few_purchases_say_nothing() -> None:
    few = [(100 + shopper, 3, 1.0, SOUTH) for shopper in range(MIN_REGION_BUYERS - 1)]
    crowd = [(shopper, 0, 3.0, NORTH) for shopper in range(24)]
    assert len(compute([*crowd, *few]).rank("South")[0]) == 0
    assert compute([*crowd, *few, (200, 2, 1.0, SOUTH)]).rank("South")[0].tolist() == [3]

    assert MIN_BUYERS == 3
    assert compute([*two_regions(), (0, 3, 1.0, NORTH), (1, 3, 1.0, NORTH)]).rank("North")[0].tolist() == [0, 1]
    assert 3 in compute([*two_regions(), *((s, 3, 1.0, NORTH) for s in range(3))]).rank("North")[0]


def test_names_are_compared_without_case_and_space() -> None:
    events = make_events(two_regions())
    found = compute_regional(events, (" Île-de-France ", "ÎLE-DE-FRANCE"), 4, until=NOW)
    rows, scores = found.rank("île-de-france")
    k = PRIOR_BUYERS
    assert rows.tolist() == [0, 1, 2]
    assert scores[0] == pytest.approx((24 + k) / (24 + k)), "two spellings are one region"
    assert len(found.rank("")[0]) == len(found.rank("Paris")[0]) == 0
    assert fold_region("  STRASSE ") == fold_region("straße")


def test_an_event_without_a_region_counts_for_the_shop_alone() -> None:
    found = compute([*two_regions(), *((shopper, 1, 1.0, NOWHERE) for shopper in range(30, 40))])
    k = PRIOR_BUYERS
    assert found.count_buyers("North", 1) == (0, 5)
    assert found.rank("North")[1][1] == pytest.approx((5 + k * 15 / 34) / (12 + k))
    empty_name = compute_regional(make_events(two_regions()), ("North", " "), 4, until=NOW)
    assert len(empty_name.rank("")[0]) == len(empty_name.rank(" ")[0]) == 0


def test_the_future_does_not_count() -> None:
    lines = two_regions()
    later = [(shopper, 3, days, NORTH) for shopper in range(12) for days in (0.0, -1.0)]
    one, other = compute(lines), compute([*lines, *later])
    for name in one.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=name)


def test_only_the_best_products_and_the_largest_regions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REGION_PRODUCTS", 1)
    assert compute(two_regions()).rank("North")[0].tolist() == [0]
    monkeypatch.setattr(module, "MAX_REGIONS", 1)
    found = compute([*two_regions(), (30, 0, 1.0, SOUTH)])  # 13 shoppers against 12
    assert len(found.rank("North")[0]) == 0
    assert found.rank("South")[0].tolist() == [0]


def test_nothing_said_is_no_error() -> None:
    silent = make_events([(0, 0, 1.0, NOWHERE)])
    without = EventColumns(
        actor=silent.actor, product=silent.product, order=silent.order, time=silent.time, weight=silent.weight
    )
    views_of_none = make_events([(0, 9, 1.0, NORTH)])  # a row that is not there
    weightless = make_events(two_regions(), weight=0.0)
    for events in (silent, without, views_of_none, weightless):
        assert len(compute_regional(events, NAMES, 4, until=NOW).rank("North")[0]) == 0
    assert len(Regional.empty().rank("North")[0]) == 0
    assert Regional.empty().count_buyers("North", 0) == (0, 0)


def test_as_counted_one_by_one() -> None:
    rng = np.random.default_rng(4)
    lines = [
        (int(rng.integers(60)), int(rng.integers(12) ** 2 // 12), float(rng.uniform(-2, 40)), int(rng.integers(-1, 2)))
        for _ in range(600)
    ]
    found = compute(lines, products=11)

    in_time = [(actor, row, days, region) for actor, row, days, region in lines if 0 < days <= 28 and row < 11]
    everybody = {actor for actor, *_ in in_time}
    for region, name in enumerate(NAMES):
        own = {actor for actor, _, _, index in in_time if index == region}
        expected = []
        for row in range(11):
            buyers = {actor for actor, r, _, index in in_time if r == row and index == region}
            share = len({actor for actor, r, *_ in in_time if r == row}) / len(everybody)
            if len(buyers) >= MIN_BUYERS:
                expected.append((-(len(buyers) + PRIOR_BUYERS * share) / (len(own) + PRIOR_BUYERS), row, len(buyers)))
        expected.sort()
        rows, scores = found.rank(name)
        assert rows.tolist() == [row for _, row, _ in expected]
        np.testing.assert_allclose(scores, [-score for score, *_ in expected], rtol=1e-6)
        assert [found.count_buyers(name, row)[1] for _, row, _ in expected] == [count for *_, count in expected]


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="'region': 1"):
        columns = make_events([(0, 0, 1.0, 0), (0, 0, 1.0, 0)])
        EventColumns(
            actor=columns.actor,
            product=columns.product,
            order=columns.order,
            time=columns.time,
            weight=columns.weight,
            region=columns.region[:1] if columns.region is not None else None,
        )
