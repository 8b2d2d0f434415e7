from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.events.event_order import order_to_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.inputs import History
from mercato.requests.retrieval import Placement
from mercato.retrieval.fusion import rank_in_order
from mercato.retrieval.histories import recent_products, whole_history
from mercato.retrieval.sources.base import CANDIDATES
from mercato.retrieval.sources.popular import first_allowed
from mercato.retrieval.sources.registry import FLAGS, list_labels
from mercato.retrieval.sources.repeat import rank_repeats
from mercato.signals.neighbours import Neighbours
from tests.stores import DAY, NOW


def history(*events: tuple[int, float, str]) -> History:
    """Events as row, age in days, type."""
    return History(
        rows=np.array([row for row, _, _ in events], np.int32),
        time=np.array([NOW - age * DAY for _, age, _ in events]),
        type=np.array([EVENT_TYPE_CODES[name] for _, _, name in events], np.uint8),
        price=np.full(len(events), np.nan, np.float32),
    )


BUY, VIEW = "purchase-complete", "detail-page-view"


def test_repeats_are_ranked_by_frequency_and_recency() -> None:
    ranked = rank_repeats(history((5, 0, BUY), (9, 30, BUY), (5, 60, BUY), (2, 120, BUY)), NOW, 3.0)

    assert ranked.rows.tolist() == [5, 9, 2]
    assert ranked.scores.tolist() == pytest.approx([1 + 0.5 ** (60 / 60), 0.5 ** (30 / 60), 0.5 ** (120 / 60)])
    assert ranked.weight == 3.0


def test_a_view_counts_less_than_a_purchase_and_a_removal_nothing() -> None:
    ranked = rank_repeats(
        history((1, 0, VIEW), (2, 0, "add-to-cart"), (3, 60, BUY), (4, 0, "remove-from-cart"), (-1, 0, BUY)), NOW, 1.0
    )

    assert ranked.rows.tolist() == [2, 3, 1]
    assert ranked.scores.tolist() == pytest.approx([0.7, 1.0 * 0.5, 0.3])


def test_equal_repeats_are_in_row_order_and_an_event_of_the_future_is_fresh() -> None:
    ranked = rank_repeats(history((9, -1, BUY), (3, 0, BUY)), NOW, 1.0)

    assert ranked.rows.tolist() == [3, 9]
    assert ranked.scores.tolist() == [1, 1]


def test_events_without_times_count_half() -> None:
    of_orders = replace(history((9, 0, BUY), (5, 0, BUY), (5, 0, BUY)), time=order_to_time([3, 2, 1]))
    ranked = rank_repeats(of_orders, NOW, 1.0)

    assert ranked.rows.tolist() == [5, 9]
    assert ranked.scores.tolist() == [0.5 + 0.5, 0.5]


def test_no_history_has_no_repeats() -> None:
    ranked = rank_repeats(History.empty(), NOW, 1.0)

    assert (ranked.rows.tolist(), ranked.scores.tolist()) == ([], [])


def test_a_long_history_gives_only_so_many_candidates() -> None:
    ranked = rank_repeats(history(*((row, row, BUY) for row in range(CANDIDATES + 20))), NOW, 1.0)

    assert ranked.rows.tolist() == list(range(CANDIDATES))


def test_recent_products_are_distinct_newest_first() -> None:
    rows, weights = recent_products(np.array([7, -1, 3, 7, 9, 3], np.int32), limit=3)

    assert rows.tolist() == [7, 3, 9]
    assert weights.tolist() == pytest.approx([1, 1 / 2**0.5, 1 / 3**0.5])
    assert recent_products(np.array([7, 3, 9], np.int32), limit=2)[0].tolist() == [7, 3]
    assert recent_products(np.zeros(0, np.int32))[0].tolist() == []


def test_cooccurring_products_are_summed_over_what_was_given() -> None:
    # 0 goes with 2 (0.5) and 3 (0.4), 1 with 3 (0.3).
    together = Neighbours(
        indptr=np.array([0, 2, 3, 3, 3]),
        neighbours=np.array([2, 3, 3], np.int32),
        scores=np.array([0.5, 0.4, 0.3], np.float32),
    )

    nearness = together.add_up(np.array([0, 1, -1], np.int32), np.array([1, 2, 9], np.float32))
    rows, scores = nearness.find(CANDIDATES)

    assert rows.tolist() == [3, 2]
    assert scores.tolist() == pytest.approx([0.4 + 2 * 0.3, 0.5])


def test_ranks_become_falling_scores() -> None:
    ranked = rank_in_order(np.array([4, 1, 8], np.int32), 0.5)

    assert ranked.scores.tolist() == pytest.approx([1, 1 / 2, 1 / 3])


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 20))
def test_the_first_allowed(mask: list[bool], count: int) -> None:
    found = first_allowed(np.array(mask, np.bool_), count)

    assert found.dtype == np.int32
    assert found.tolist() == [index for index, allowed in enumerate(mask) if allowed][:count]


def test_a_whole_history_has_each_product_once_with_its_most_weighted_event() -> None:
    rows, weights = whole_history(
        history((7, 1, "detail-page-view"), (3, 2, BUY), (7, 9, BUY), (5, 9, "add-to-cart"), (4, 1, "remove-from-cart"))
    )

    assert rows.tolist() == [3, 5, 7]
    assert weights.tolist() == pytest.approx([1.0, 0.7, 1.0])


EVENTS = st.lists(
    st.tuples(st.integers(-1, 12), st.sampled_from([0, 30, 60, 120]), st.sampled_from([BUY, VIEW, "remove-from-cart"])),
    max_size=40,
)


@given(EVENTS, st.integers(1, 6))
def test_sources_of_any_history_are_the_plain_sums_over_its_events(
    events: list[tuple[int, float, str]], limit: int
) -> None:
    counts = {BUY: 1.0, VIEW: 0.3, "remove-from-cart": 0.0}
    told = [(row, age, counts[name]) for row, age, name in events if row >= 0 and counts[name] > 0]
    sums: dict[int, float] = {}
    largest: dict[int, float] = {}
    for row, age, weight in told:
        sums[row] = sums.get(row, 0.0) + weight * 0.5 ** (age / 60)
        largest[row] = max(largest.get(row, 0.0), weight)

    repeats = rank_repeats(history(*events), NOW, 1.0)
    whole, weights = whole_history(history(*events))
    recent, _ = recent_products(np.array([row for row, _, _ in events], np.int32), limit)

    assert dict(zip(repeats.rows.tolist(), repeats.scores.tolist(), strict=True)) == pytest.approx(sums)
    assert repeats.scores.tolist() == sorted(repeats.scores.tolist(), reverse=True)
    assert dict(zip(whole.tolist(), weights.tolist(), strict=True)) == pytest.approx(largest)
    assert whole.tolist() == sorted(largest)
    assert recent.tolist() == list(dict.fromkeys(row for row, _, _ in events if row >= 0))[:limit]


def test_labels_are_the_names_on_the_wire() -> None:
    assert [placement.label for placement in Placement] == [
        "search",
        "home-page",
        "product-page",
        "cart",
        "category",
        "rank",
    ]
    assert list_labels(FLAGS["words"] | FLAGS["dense"]) == ["dense", "words"]
