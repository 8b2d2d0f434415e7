"""What people chose after queries: people count, not what they do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals.past_queries import learn_past_queries
from mercato.signals.query_log import NO_PRODUCT, QueryLog
from mercato.signals.query_use import (
    CART_VOTE,
    MIN_PEOPLE,
    PRIOR_PEOPLE,
    VOTES_A_DAY,
    QueryUse,
    learn_query_use,
    limit_by_day,
)
from mercato.text.query_key import hash_query
from tests.stores import DAY, NOW
from tests.unit.signals.query_events import ANALYZER

Row = tuple[int, int, int, str, int, float]
"""Actor, query, product, type, rank, days ago."""
TEXTS = ("red mug", "mugs, red", "tea pot")
MUG, POT = (hash_query(text, ANALYZER) for text in ("red mug", "tea pot"))


def make_log(rows: list[Row], category: tuple[int, ...] = (0, 0, 1, 1)) -> QueryLog:
    actor, query, product, kind, rank, days = zip(*rows, strict=True) if rows else ((),) * 6
    return QueryLog(
        actor=np.array(actor, np.int32),
        query=np.array(query, np.int32),
        product=np.array(product, np.int32),
        type=np.array([EVENT_TYPE_CODES[name] for name in kind], np.uint8),
        rank=np.array(rank, np.int32),
        time=NOW - np.array(days, np.float64) * DAY,
        keys=np.array([hash_query(text, ANALYZER) for text in TEXTS], np.uint64),
        texts=TEXTS,
        category=np.array(category, np.int32),
    )


def buy(actor: int, product: int, *, query: int = 0, days: float = 0.5) -> Row:
    return actor, query, product, "purchase-complete", 0, days


def learn(rows: list[Row]) -> QueryUse:
    """Learn just after now: what was done 0 days ago has not faded."""
    return learn_query_use(make_log(rows), until=np.nextafter(NOW, np.inf))


def strengths(use: QueryUse, key: int = MUG) -> dict[int, float]:
    part = use.find(key)
    return dict(zip(use.products[part].tolist(), use.strengths[part].tolist(), strict=True))


@pytest.mark.parametrize("people", [1, 3, MIN_PEOPLE - 1])
def test_few_people_move_nothing_however_much_they_do(people: int) -> None:
    rows = [buy(n % people, 0, days=0.5 + n % 60) for n in range(600)]
    assert strengths(learn(rows)) == {}
    assert learn(rows).count_categories(MUG) == {}


def test_each_person_is_one_vote() -> None:
    once = [buy(actor, 0, days=0.0) for actor in range(1, 6)]
    often = once + [buy(1, 0, days=n / 600) for n in range(600)]
    assert strengths(learn(once)) == pytest.approx({0: 5 / (5 + PRIOR_PEOPLE)}, abs=1e-6)
    assert strengths(learn(often)) == strengths(learn(once))


def test_strengths_are_told_beside_the_strongest_and_grow_with_people() -> None:
    rows = [buy(n, 0, days=0) for n in range(40)] + [buy(n, 1, days=0) for n in range(40, 50)]
    assert strengths(learn(rows)) == pytest.approx({0: 40 / 50, 1: 10 / 50}, abs=1e-6)
    use = learn(rows)
    assert use.people[use.find(MUG)].tolist() == [40, 10]
    assert use.find(POT) == slice(0, 0)


def test_queries_of_the_same_words_are_one() -> None:
    rows = [buy(n, 0, query=n % 2, days=0) for n in range(6)]
    assert list(strengths(learn(rows))) == [0]
    assert strengths(learn(rows), POT) == {}


def test_votes_fade_by_half_in_sixty_days_and_the_newest_of_a_person_counts() -> None:
    rows = [buy(n, 0, days=60) for n in range(8)] + [buy(n, 0, days=120) for n in range(8)]
    assert strengths(learn(rows))[0] == pytest.approx(4 / (4 + PRIOR_PEOPLE), rel=1e-5)


def test_a_view_counts_by_the_inverse_of_how_likely_its_rank_is_looked_at() -> None:
    def view(rank: int) -> float:
        use = learn([(n, 0, 0, "detail-page-view", rank, 0.0) for n in range(10)])
        return strengths(use).get(0, 0.0)

    # vote = 0.2 * rank, at most 1
    assert view(0) == 0.0
    assert view(1) == pytest.approx(10 * 0.2 / (10 * 0.2 + PRIOR_PEOPLE))
    assert view(3) == pytest.approx(10 * 0.6 / (10 * 0.6 + PRIOR_PEOPLE))
    assert view(5) == view(5_000) == pytest.approx(10 / (10 + PRIOR_PEOPLE))


def test_a_cart_counts_less_than_a_purchase_and_is_not_added_to_it() -> None:
    carts = [(n, 0, 1, "add-to-cart", 0, 0.0) for n in range(10)]
    both = carts + [buy(n, 1, days=0) for n in range(10)]
    assert (
        strengths(learn(carts))[1]
        == pytest.approx(7 / (7 + PRIOR_PEOPLE))
        == pytest.approx(10 * CART_VOTE / (10 * CART_VOTE + PRIOR_PEOPLE))
    )
    assert strengths(learn(both))[1] == pytest.approx(10 / (10 + PRIOR_PEOPLE))


def test_nothing_from_the_moment_on_is_learned() -> None:
    rows = [buy(n, 0, days=0) for n in range(10)]  # at the moment itself
    assert strengths(learn_query_use(make_log(rows), until=NOW)) == {}
    assert strengths(learn_query_use(make_log(rows), until=NOW + 1)) != {}
    assert len(learn_query_use(make_log([]), until=NOW)) == 0


def test_a_person_has_so_many_votes_a_day() -> None:
    count = 10 * VOTES_A_DAY
    actor, time = np.zeros(count, np.int32), np.full(count, NOW)
    kept = limit_by_day(actor, time, np.arange(count), np.linspace(0.1, 1.0, count))
    assert np.flatnonzero(kept).tolist() == list(range(count - VOTES_A_DAY, count))  # the heaviest
    twice = limit_by_day(actor, time, np.arange(count) // 2, np.linspace(0.1, 1.0, count))
    assert np.flatnonzero(twice).tolist() == list(range(count - 2 * VOTES_A_DAY + 1, count, 2))
    spread = limit_by_day(actor, NOW + np.arange(count) * DAY, np.arange(count), np.ones(count))
    assert spread.all()


def test_categories_are_counted_by_people_where_products_are_too_many() -> None:
    rows = [buy(n, n % 4, days=0) for n in range(8)]  # two people each; categories 0, 0, 1, 1
    rows += [buy(8, 0, days=0), buy(8, 1, days=0)]
    use = learn(rows)
    assert strengths(use) == {}
    assert use.count_categories(MUG) == {0: 5}
    assert list(learn([*rows, buy(9, 2, days=0)]).count_categories(MUG).items()) == [(0, 5), (1, 5)]
    assert use.count_categories(POT) == {}


def test_fifty_who_push_look_as_fifty_who_like() -> None:
    honest = [buy(n, 0, days=0) for n in range(40)]
    pushed = honest + [buy(n, 1, days=0) for n in range(100, 150)]
    assert strengths(learn(pushed)) == pytest.approx({1: 50 / 60, 0: 40 / 60}, abs=1e-6)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12), st.integers(0, 2), st.integers(0, 3),
            st.sampled_from(["search", "detail-page-view", "add-to-cart", "purchase-complete"]),
            st.integers(0, 9), st.floats(0, 400, allow_nan=False),
        ),
        max_size=120,
    )
)  # fmt: skip
def test_counted_as_a_person_would(rows: list[Row]) -> None:
    rows = [row if row[3] != "search" else (*row[:2], NO_PRODUCT, *row[3:]) for row in rows]
    votes: dict[tuple[int, int, int], float] = {}
    for actor, query, product, kind, rank, days in rows:
        if product < 0:
            continue
        deed = {"purchase-complete": 1.0, "add-to-cart": 0.7, "detail-page-view": min(0.2 * rank, 1.0)}[kind]
        pair = (hash_query(TEXTS[query], ANALYZER), product, actor)
        votes[pair] = max(votes.get(pair, 0.0), deed * 0.5 ** (days / 60))
    use = learn(rows)
    for key in (MUG, POT):
        sums = {
            product: sum(vote for (k, p, _), vote in votes.items() if (k, p) == (key, product))
            for product in range(4)
            if sum(k == key and p == product and vote > 0 for (k, p, _), vote in votes.items()) >= MIN_PEOPLE
        }
        most = max(sums.values(), default=0.0)
        expected = {product: total / (most + PRIOR_PEOPLE) for product, total in sums.items()}
        assert strengths(use, key) == pytest.approx(expected, rel=1e-4)


def test_queries_are_kept_from_three_people_on_and_counted_once_a_person() -> None:
    def search(actor: int, query: int) -> Row:
        return actor, query, NO_PRODUCT, "search", 0, 0.5

    rows = [search(n, 2) for n in range(3)] + [search(1, 0)] * 600 + [search(2, 0)] + [search(n, 1) for n in range(4)]
    past = learn_past_queries(make_log([*rows, buy(2, 3, query=2), buy(2, 2, query=2)]), until=NOW)
    assert past.count_people() == {"tea pot": 3, "mugs, red": 4}
    assert past.choosers[past.texts().index("tea pot")] == 1
    assert past.weights == pytest.approx(past.people * 0.5 ** (0.5 / 60))
    assert learn_past_queries(make_log(rows), until=NOW - DAY).count_people() == {}
    assert len(learn_past_queries(make_log([]), until=NOW)) == 0
