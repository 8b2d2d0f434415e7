from dataclasses import replace

import numpy as np
import pytest

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.features import FEATURE_NAMES, compute_features
from mercato.features.history_features import NEVER_DAYS
from mercato.features.inputs import CandidateList, Context, History, ProductFeatures, RankRequest
from mercato.signals.history import PURCHASE

DAY = 86_400.0
NOW = 1_000 * DAY  # a Wednesday, at midnight: 1000 % 7 == 6 days after a Thursday
VIEW = EVENT_TYPE_CODES["detail-page-view"]

PRODUCTS = ProductFeatures(
    log_popularity=np.array([3.0, 2.0, 1.0, 0.5, 0.0], np.float32),
    trend=np.array([0.1, 0.0, -0.1, 0.2, 0.0], np.float32),
    repeat_rate=np.array([0.4, 0.3, 0.2, 0.1, 0.0], np.float32),
    repeat_interval_days=np.array([20.0, 10.0, 10.0, 10.0, 10.0], np.float32),
    price=np.array([1.0, 3.0, np.nan, 7.0, 1.0], np.float32),
    leaf_category=np.array([0, 0, 1, -1, 2], np.int32),
    brand=np.array([1, 0, 1, 1, -1], np.int32),
    in_stock=np.array([True, False, True, True, True]),
)


def make_candidates(*rows: int, **columns: list[float]) -> CandidateList:
    count = len(rows)
    values = {
        "dense_score": np.zeros(count, np.float32),
        "word_score": np.zeros(count, np.float32),
        "cooccurrence": np.zeros(count, np.float32),
        "dense_rank": np.zeros(count, np.int32),
        "word_rank": np.zeros(count, np.int32),
        "fused": np.zeros(count, np.float32),
    }
    given = {name: np.array(column, values[name].dtype) for name, column in columns.items()}
    return CandidateList(rows=np.array(rows, np.int32), **{**values, **given})


def make_history(*events: tuple[int, float, float], event_type: int = PURCHASE) -> History:
    """Make a history of (row, days ago, price), newest first."""
    rows, days, price = zip(*events, strict=True)
    return History(
        rows=np.array(rows, np.int32),
        time=NOW - np.array(days) * DAY,
        type=np.full(len(rows), event_type, np.uint8),
        price=np.array(price, np.float32),
    )


def make_request(
    candidates: CandidateList, history: History | None = None, *, has_query: bool = True, time: float = NOW
) -> RankRequest:
    return RankRequest(
        candidates=candidates,
        history=history if history is not None else History.empty(),
        context=Context(time=time),
        has_query=has_query,
    )


def compute_columns(request: RankRequest, products: ProductFeatures = PRODUCTS) -> dict[str, np.ndarray]:
    features = compute_features([request], products)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    return dict(zip(FEATURE_NAMES, features.T, strict=True))


def test_names_are_distinct() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


def test_scores_and_ranks_of_retrieval() -> None:
    columns = compute_columns(
        make_request(
            make_candidates(
                0, 1, 2,
                dense_score=[0.5, 0.0, 0.25], word_score=[0.0, 8.0, 4.0], cooccurrence=[0.0, 0.5, 0.25],
                dense_rank=[1, 0, 3], word_rank=[0, 1, 2], fused=[0.04, 0.02, 0.01],
            )
        )
    )  # fmt: skip
    assert columns["dense_score"].tolist() == [0.5, 0.0, 0.25]
    assert columns["word_score"].tolist() == [0.0, 8 / 8, 4 / 8]
    assert columns["dense_rank_discount"] == pytest.approx([1 / np.log2(2), 0.0, 1 / np.log2(4)])
    assert columns["word_rank_discount"] == pytest.approx([0.0, 1 / np.log2(2), 1 / np.log2(3)])
    assert columns["fused"] == pytest.approx([1.0, 0.02 / 0.04, 0.01 / 0.04])
    assert columns["cooccurrence"] == pytest.approx(np.log1p([0.0, 0.5, 0.25]))
    assert columns["cooccurrence_relative"] == pytest.approx([0.0, 1.0, 0.5])


def test_product_columns() -> None:
    columns = compute_columns(make_request(make_candidates(1, 2, 0)))
    assert columns["log_popularity"].tolist() == [2.0, 1.0, 3.0]
    assert columns["popularity_relative"].tolist() == [2.0 - 3.0, 1.0 - 3.0, 0.0]
    assert columns["in_stock"].tolist() == [0.0, 1.0, 1.0]
    # Product 2 has no price and reads as the list's mean.
    mean = (np.log(4.0) + np.log(2.0)) / 2
    assert columns["log_price"] == pytest.approx([np.log(4.0), mean, np.log(2.0)])
    assert columns["price_relative"] == pytest.approx([np.log(4.0) - mean, 0.0, np.log(2.0) - mean], abs=1e-6)


def test_a_list_without_any_price() -> None:
    columns = compute_columns(make_request(make_candidates(2), make_history((0, 1, 5.0))))
    assert columns["log_price"].tolist() == [0.0]
    assert columns["price_relative"].tolist() == [0.0]


def test_what_the_user_bought_before() -> None:
    # Product 0 three times, 2, 10 and 30 days ago; product 1 once, 40 days ago; 4 is no candidate.
    history = make_history((0, 2, 1.0), (0, 10, 1.0), (4, 20, 9.0), (0, 30, 1.0), (1, 40, 3.0))
    columns = compute_columns(make_request(make_candidates(1, 0, 3), history))
    assert columns["log_purchases"] == pytest.approx([np.log(1 + 1), np.log(1 + 3), 0.0])
    assert columns["log_days_since_purchase"] == pytest.approx([np.log1p(40), np.log1p(2), np.log1p(NEVER_DAYS)])
    recent = sum(0.5 ** (days / 30) for days in (2, 10, 30))
    assert columns["recent_purchases"] == pytest.approx([np.log1p(0.5 ** (40 / 30)), np.log1p(recent), 0.0])
    # Two own gaps of 28 days together, and the product's 20 days as one more.
    expected = np.array([10.0 / 1, (28 + 20.0) / 3])
    assert columns["repeat_position"] == pytest.approx(
        [*np.log((np.array([40.0, 2.0]) + 0.5) / (expected + 0.5)), 0.0], abs=1e-5
    )
    assert columns["log_history_length"] == pytest.approx([np.log1p(5)] * 3)


def test_repeat_position_is_bounded() -> None:
    columns = compute_columns(make_request(make_candidates(1), make_history((1, 5000, 1.0))))
    assert columns["repeat_position"].tolist() == [3.0]
    assert columns["log_days_since_purchase"] == pytest.approx([np.log1p(NEVER_DAYS)])


def test_views_are_no_purchases_but_tell_of_interest() -> None:
    columns = compute_columns(make_request(make_candidates(0, 2), make_history((0, 3, 1.0), event_type=VIEW)))
    assert columns["log_purchases"].tolist() == [0.0, 0.0]
    assert columns["price_to_user_median"].tolist() == [0.0, 0.0]
    assert columns["category_share"].tolist() == [1.0, 0.0]


def test_shares_of_category_and_brand() -> None:
    # Weights 1/2 and 1/4 of products 0 (category 0, brand 1) and 3 (no category, brand 1), 1/4 of 4 (category 2, none).
    history = make_history((0, 30, 1.0), (3, 60, 1.0), (4, 60, 1.0))
    columns = compute_columns(make_request(make_candidates(0, 1, 2, 3, 4), history))
    assert columns["category_share"] == pytest.approx([0.5, 0.5, 0.0, 0.0, 0.25])
    assert columns["brand_share"] == pytest.approx([0.75, 0.0, 0.75, 0.75, 0.0])


def test_price_relates_to_the_median_paid() -> None:
    history = make_history((4, 1, 1.0), (4, 2, np.nan), (4, 3, 3.0), (4, 4, 99.0))
    columns = compute_columns(make_request(make_candidates(0, 3), history))
    assert columns["price_to_user_median"] == pytest.approx([np.log(2 / 4), np.log(8 / 4)])


def test_products_that_are_no_longer_known_are_ignored() -> None:
    known = make_history((0, 2, 1.0), (4, 5, 2.0))
    unknown = make_history((0, 2, 1.0), (-1, 3, np.nan), (4, 5, 2.0), (-1, 9, np.nan))
    expected = compute_columns(make_request(make_candidates(0, 2, 4), known))
    given = compute_columns(make_request(make_candidates(0, 2, 4), unknown))
    for name in FEATURE_NAMES:
        if name != "log_history_length":
            np.testing.assert_array_equal(given[name], expected[name], err_msg=name)


def test_context_is_local_time() -> None:
    request = make_request(make_candidates(0))
    six = replace(request, context=Context(time=NOW, utc_offset_s=6 * 3600.0))
    columns = compute_columns(six)
    assert columns["hour_sin"] == pytest.approx([1.0])
    assert columns["hour_cos"] == pytest.approx([0.0], abs=1e-6)
    wednesday = 2 * 2 * np.pi / 7
    assert columns["weekday_sin"] == pytest.approx([np.sin(wednesday)])
    assert columns["weekday_cos"] == pytest.approx([np.cos(wednesday)])
    assert columns["weekend"].tolist() == [0.0]
    saturday = compute_columns(make_request(make_candidates(0), time=NOW + 3 * DAY))
    assert saturday["weekend"].tolist() == [1.0]
    # An hour before Saturday's midnight in the user's time it is still Friday.
    friday = replace(request, context=Context(time=NOW + 3 * DAY, utc_offset_s=-3600.0))
    assert compute_columns(friday)["weekend"].tolist() == [0.0]


@pytest.mark.parametrize("has_query", [True, False])
def test_query_flag(has_query: bool) -> None:
    columns = compute_columns(make_request(make_candidates(0, 1), has_query=has_query))
    assert columns["has_query"].tolist() == [float(has_query)] * 2


def test_without_history_its_columns_are_zero() -> None:
    columns = compute_columns(make_request(make_candidates(0, 1)))
    for name in ("log_purchases", "repeat_position", "category_share", "brand_share", "price_to_user_median"):
        assert columns[name].tolist() == [0.0, 0.0], name


def test_nan_and_infinite_scores_become_zero_and_harm_no_neighbour() -> None:
    nan, inf = float("nan"), float("inf")
    columns = compute_columns(
        make_request(
            make_candidates(0, 1, 2, dense_score=[nan, inf, 0.5], word_score=[nan, 2.0, 1.0], fused=[1.0, nan, 0.5])
        )
    )
    assert columns["dense_score"].tolist() == [0.0, 0.0, 0.5]
    assert columns["word_score"].tolist() == [0.0, 1.0, 0.5]
    assert columns["fused"].tolist() == [1.0, 0.0, 0.5]


def test_no_request_and_no_candidates() -> None:
    assert compute_features([], PRODUCTS).shape == (0, len(FEATURE_NAMES))
    assert compute_features([make_request(make_candidates())], PRODUCTS).shape == (0, len(FEATURE_NAMES))


def test_a_request_equals_its_rows_in_a_batch() -> None:
    rng = np.random.default_rng(5)
    requests = []
    for count, events in ((3, 4), (0, 2), (5, 0), (1, 9), (4, 30)):
        candidates = make_candidates(
            *rng.permutation(5)[:count].tolist(),
            **{name: rng.random(count).tolist() for name in ("dense_score", "word_score", "cooccurrence", "fused")},
        )
        history = History.empty()
        if events:
            past = [
                (int(rng.integers(-1, 5)), float(day), float(rng.random())) for day in np.sort(rng.random(events) * 90)
            ]
            history = make_history(*past)
        requests.append(
            make_request(candidates, history, has_query=bool(rng.integers(2)), time=NOW + rng.random() * DAY)
        )
    together = compute_features(requests, PRODUCTS)
    alone = np.concatenate([compute_features([request], PRODUCTS) for request in requests])
    assert together.shape == (3 + 0 + 5 + 1 + 4, len(FEATURE_NAMES))
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)
    assert np.isfinite(together).all()


def test_what_the_query_found_and_how_much_of_it_a_candidate_holds() -> None:
    candidates = replace(make_candidates(0, 1), coverage=np.array([1.0, 0.5], np.float32), matches=99)
    columns = compute_columns(make_request(candidates))
    assert columns["coverage"].tolist() == [1.0, 0.5]
    assert columns["log_matches"] == pytest.approx([np.log(1 + 99)] * 2)
    without = compute_columns(make_request(make_candidates(0, 1), has_query=False))
    assert without["coverage"].tolist() == without["log_matches"].tolist() == [0.0, 0.0]


def test_agreement_with_the_first_of_the_list() -> None:
    # Brands 1, 0, 1, 1 and none; categories 0, 0, 1, none and 2.
    columns = compute_columns(make_request(make_candidates(0, 1, 2, 3, 4)))
    assert columns["brand_agreement"] == pytest.approx([3 / 5, 1 / 5, 3 / 5, 3 / 5, 0.0])
    assert columns["category_agreement"] == pytest.approx([2 / 5, 2 / 5, 1 / 5, 0.0, 1 / 5])


def test_kinds_are_compared_with_the_best_by_words_by_meaning_and_in_all() -> None:
    # Products 0 and 1 are of one kind, 2 of another, 3 is half of each, 4 of none.
    half = np.float32(np.sqrt(0.5))
    products = replace(
        PRODUCTS,
        kind_bounds=np.array([0, 1, 2, 3, 5, 5]),
        kind_names=np.array([0, 0, 1, 0, 1], np.int32),
        kind_weights=np.array([1, 1, 1, half, half], np.float32),
    )
    candidates = make_candidates(3, 2, 0, 4, 1, word_rank=[0, 0, 1, 0, 2], dense_rank=[0, 1, 0, 11, 0])
    columns = compute_columns(make_request(candidates), products)
    assert columns["kind_words"] == pytest.approx([half, 0.0, 1.0, 0.0, 1.0])
    assert columns["kind_dense"] == pytest.approx([half, 1.0, 0.0, 0.0, 0.0])
    mean = np.array([half + 1 + 1, half + 1]) / 5  # of all five: one kind twice and half, the other once and half
    assert columns["kind_fused"] == pytest.approx([half * mean.sum(), mean[1], mean[0], 0.0, mean[0]])


def test_age_of_a_product_and_beside_the_others() -> None:
    available = np.array([1000 - 10, 1000 + 5, np.nan, 0, 0], np.float32)
    columns = compute_columns(make_request(make_candidates(0, 1, 2)), replace(PRODUCTS, available_days=available))
    # The one to come has age 0; the unknown one reads as the mean.
    mean = (np.log(1 + 10) + 0.0) / 2
    assert columns["log_age_days"] == pytest.approx([np.log(1 + 10), 0.0, mean], abs=1e-5)
    assert columns["age_relative"] == pytest.approx([np.log(1 + 10) - mean, -mean, 0.0], abs=1e-5)
    assert compute_columns(make_request(make_candidates(0)))["log_age_days"].tolist() == [0.0]


def test_what_was_looked_at_lately() -> None:
    columns = compute_columns(make_request(make_candidates(0, 2), make_history((0, 30, 1.0), event_type=VIEW)))
    # A view weighs 0.3, and half of it after 30 days.
    assert columns["recent_views"] == pytest.approx([np.log1p(0.3 / 2), 0.0], rel=1e-5)


def test_device_and_region_have_places_of_their_own() -> None:
    request = make_request(make_candidates(0, 1))
    phone = replace(request, context=Context(time=NOW, device="Phone", region="DE"))
    tablet = replace(request, context=Context(time=NOW, device="tablet", region="DE"))
    names = ("device_1", "device_2", "device_3", "region_1", "region_2", "region_3")
    unknown, first, second = (compute_columns(one) for one in (request, phone, tablet))
    assert all(unknown[name].tolist() == [0.0, 0.0] for name in names)
    assert all(-1 <= first[name][0] <= 1 and first[name][0] == first[name][1] for name in names)
    assert [first[name][0] for name in names[:3]] != [second[name][0] for name in names[:3]]
    assert [first[name][0] for name in names[3:]] == [second[name][0] for name in names[3:]]
    again = compute_columns(replace(request, context=Context(time=NOW, device=" phone ")))
    assert [again[name][0] for name in names[:3]] == [first[name][0] for name in names[:3]]
