from dataclasses import replace

import numpy as np
import pytest

from mercato.features.features import COLUMN, compute_features
from mercato.features.inputs import CandidateList, Context, History, ProductFeatures, RankRequest
from mercato.features.shopping_features import NEVER_DAYS
from mercato.retrieval.signals import SIGNALS
from mercato.signals.history import PURCHASE

DAY = 86_400.0
NOW = 1000 * DAY + 0.5 * DAY
VIEW = 0 if PURCHASE else 1


def make_products(count: int) -> ProductFeatures:
    zeros = np.zeros(count, np.float32)
    return ProductFeatures(
        log_popularity=zeros,
        trend=zeros,
        repeat_rate=zeros,
        repeat_interval_days=np.full(count, 30, np.float32),
        price=zeros,
        leaf_category=np.full(count, -1, np.int32),
        brand=np.full(count, -1, np.int32),
        in_stock=np.ones(count, np.bool_),
        available_days=np.zeros(0, np.float32),
        kind_bounds=np.zeros(0, np.int64),
        kind_names=np.zeros(0, np.int32),
        kind_weights=np.zeros(0, np.float32),
    )


def make_history(*events: tuple[int, float, int]) -> History:
    """Events as row, days ago and type, newest first."""
    return History(
        rows=np.array([row for row, _, _ in events], np.int32),
        time=np.array([NOW - days * DAY for _, days, _ in events]),
        type=np.array([kind for _, _, kind in events], np.uint8),
        price=np.full(len(events), np.nan, np.float32),
    )


def compute(rows: list[int], history: History, signals: dict[str, np.ndarray] | None) -> dict[str, list[float]]:
    count = len(rows)
    zeros, none = np.zeros(count, np.float32), np.zeros(count, np.int32)
    request = RankRequest(
        candidates=CandidateList(
            rows=np.array(rows, np.int32),
            dense_score=zeros,
            word_score=zeros,
            cooccurrence=zeros,
            dense_rank=none,
            word_rank=none,
            fused=np.ones(count, np.float32),
            signals=signals,
        ),
        history=history,
        context=Context(time=NOW),
        has_query=False,
    )
    features = compute_features([request], make_products(10))
    return {name: features[:, column].tolist() for name, column in COLUMN.items()}


def make_signals(count: int, **columns: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(columns.get(name, [0.0] * count), np.float32) for name in SIGNALS}


def test_signals_are_given_as_they_are_and_against_the_best_of_the_list() -> None:
    signals = make_signals(
        3,
        also_bought=[0.2, 0.0, 0.4],
        fresh_buyers=[2, 0, 5],
        recent_buyers=[8, 0, 5],
        days_on_sale=[100, 730, 3],
        days_since_sale=[1, 730, 0],
    )
    found = compute([4, 5, 6], History.empty(), signals)
    assert found["also_bought"] == pytest.approx([0.2, 0, 0.4])
    assert found["also_bought_relative"] == pytest.approx([0.5, 0, 1])
    assert found["lately_relative"] == [0, 0, 0]
    assert found["log_fresh_buyers"] == pytest.approx(np.log([3, 1, 6]))
    assert found["surge"] == pytest.approx([np.log((4 * 2 + 1) / (8 + 1)), 0, np.log((4 * 5 + 1) / (5 + 1))], abs=1e-6)
    assert found["log_days_on_sale"] == pytest.approx(np.log([101, 731, 4]))
    assert found["log_days_since_sale"] == pytest.approx(np.log([2, 731, 1]), abs=1e-6)


def test_habits_are_counted_in_days_with_a_purchase() -> None:
    # Four orders, 10, 30, 60 and 160 days ago: 3 in all but the second, 4 in the last, twice on that day; 5 looked at.
    history = make_history(
        (5, 1, VIEW),
        *((row, 10, PURCHASE) for row in (3, 4, 4)),
        (6, 30, PURCHASE),
        (3, 60, PURCHASE),
        (3, 160, PURCHASE),
    )
    found = compute([3, 4, 5, 6], history, make_signals(4))
    slow = [0.5 ** (10 / 150) + 0.5 ** (60 / 150) + 0.5 ** (160 / 150), 0.5 ** (10 / 150), 0, 0.5 ** (30 / 150)]
    assert found["slow_purchases"] == pytest.approx(np.log1p(slow), abs=1e-6)
    assert found["purchase_share"] == pytest.approx([3 / 4, 1 / 4, 0, 1 / 4])
    assert found["log_days_missed"] == pytest.approx(np.log1p([0, 0, NEVER_DAYS, 30 - 10]))
    assert found["in_last_order"] == [1, 1, 0, 0]
    expected = {
        "log_orders": np.log1p(4),
        "log_order_size": np.log1p((2 + 1 + 1 + 1) / 4),
        "repeat_share": 1 - 3 / 5,
        "log_days_since_order": np.log1p(10),
        "log_order_interval": np.log1p((160 - 10) / 3),
        "log_distinct_products": np.log1p(3),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx([value] * 4, abs=1e-6), name


@pytest.mark.parametrize("history", [History.empty(), make_history((5, 1, VIEW))], ids=["unknown", "looked only"])
def test_who_never_bought_has_no_habits(history: History) -> None:
    found = compute([3, 4], history, make_signals(2))
    assert found["slow_purchases"] == [0, 0]
    assert found["log_orders"] == [0, 0]
    assert found["log_days_missed"] == pytest.approx([np.log1p(NEVER_DAYS)] * 2)


def test_a_search_has_none_of_them() -> None:
    found = compute([3, 4], make_history((3, 10, PURCHASE)), None)
    first = COLUMN["also_bought"]
    assert all(found[name] == [0, 0] for name, column in COLUMN.items() if column >= first)


def test_purchases_after_the_request_are_as_fresh_as_can_be() -> None:
    found = compute([3], make_history((3, -2, PURCHASE)), make_signals(1))
    assert found["slow_purchases"] == pytest.approx([np.log(2)])
    assert found["log_days_since_order"] == [0]


def test_factors_are_given_as_they_are_and_against_the_best_of_the_list_within_bounds() -> None:
    found = compute([4, 5, 6], History.empty(), make_signals(3, factors=[0.5, -0.1, -2.0]))
    assert found["factors"] == pytest.approx([0.5, -0.1, -2.0])
    assert found["factors_relative"] == pytest.approx([1.0, -0.2, -1.0])
    nobody = compute([4, 5], History.empty(), make_signals(2, factors=[-0.5, -0.1]))
    assert nobody["factors_relative"] == [0, 0]


def test_pieces_are_those_of_purchases_and_stand_beside_what_others_take() -> None:
    history = replace(
        make_history((5, 1, VIEW), (3, 10, PURCHASE), (3, 20, PURCHASE), (4, 30, PURCHASE)),
        quantity=np.array([50, 12, 6, 1], np.int32),
    )
    found = compute([4, 3, 5, 6], history, make_signals(4, usual_pieces=[0.5, 2.0, 1.0, 0.25]))
    assert found["usual_pieces"] == pytest.approx([0.5, 2.0, 1.0, 0.25])
    assert found["log_pieces"] == pytest.approx(np.log1p([1, 12 + 6, 0, 0]))
    mean = (np.log1p(12) + np.log1p(6)) / 2
    assert found["pieces_relative"] == pytest.approx([np.log1p(1) - 0.5, mean - 2.0, 0, 0])
    assert found["shopper_pieces"] == pytest.approx([(np.log1p(12) + np.log1p(6) + np.log1p(1)) / 3] * 4)


def test_where_no_event_says_how_many_it_was_one() -> None:
    found = compute([3], make_history((3, 10, PURCHASE), (3, 20, PURCHASE)), make_signals(1))
    assert found["log_pieces"] == pytest.approx([np.log1p(2)])
    assert found["shopper_pieces"] == pytest.approx([np.log1p(1)])
