"""Searches of the log that a ranker learns from."""

import numpy as np

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.signals.query_log import QueryLog
from mercato_training.ranker.logged_searches import (
    MAX_OF_A_PERSON,
    MAX_OF_A_QUERY,
    LoggedSearch,
    add_texts,
    ask_again,
    find_logged_searches,
)

Row = tuple[int, str, int, str, float]
"""Actor, query, product, type, time."""


def make_log(rows: list[Row]) -> QueryLog:
    texts = list(dict.fromkeys(row[1] for row in rows))
    return QueryLog(
        actor=np.array([row[0] for row in rows], np.int32),
        query=np.array([texts.index(row[1]) for row in rows], np.int32),
        product=np.array([row[2] for row in rows], np.int32),
        type=np.array([EVENT_TYPE_CODES[row[3]] for row in rows], np.uint8),
        rank=np.zeros(len(rows), np.int32),
        time=np.array([row[4] for row in rows], np.float64),
        keys=np.arange(1, len(texts) + 1).astype(np.uint64),
        texts=texts,
    )


def find(rows: list[Row], since: float = 0.0, until: float = 1e9) -> list[LoggedSearch]:
    return find_logged_searches(make_log(rows), since=since, until=until, rng=np.random.default_rng(1))


def buy(actor: int, query: str = "Tea pot", product: int = 3, time: float = 10.0) -> Row:
    return actor, query, product, "purchase-complete", time


def test_a_person_counts_once_with_a_query_and_two_are_too_few() -> None:
    assert find([buy(1), *[buy(2, time=float(n)) for n in range(600)]]) == []
    found = find([buy(1), buy(2, time=11), buy(2, product=4, time=12), buy(3, "tea  POT", time=13)])
    assert [(one.actor, one.text, one.rows) for one in found] == [
        (1, "tea pot", (3,)),
        (2, "tea pot", (3, 4)),
        (3, "tea pot", (3,)),
    ]


def test_carts_count_where_nothing_was_bought_and_views_never() -> None:
    carts = [(n, "tea", 5, "add-to-cart", 10.0) for n in range(3)]
    views = [(n, "mug", 6, "detail-page-view", 10.0) for n in range(9)]
    found = find([*carts, *views, buy(0, "tea")])
    assert [one.rows for one in found] == [(3,), (5,), (5,)]


def test_what_lies_outside_of_the_stretch_is_no_part_of_it() -> None:
    rows = [buy(n, time=float(n)) for n in range(10)]
    assert [one.actor for one in find(rows, since=2, until=6)] == [2, 3, 4, 5]


def test_no_person_and_no_query_has_more_than_its_share() -> None:
    busy = [buy(0, f"q{n}", time=float(n)) for n in range(50)]
    others = [buy(actor, f"q{n}", time=float(n)) for n in range(50) for actor in (1000 + 2 * n, 1001 + 2 * n)]
    assert {one.text for one in find([*busy, *others])} == {f"q{n}" for n in range(50 - MAX_OF_A_PERSON, 50)}
    many = find([buy(n) for n in range(2 * MAX_OF_A_QUERY)])
    assert len(many) == MAX_OF_A_QUERY
    assert len({one.actor for one in many}) == MAX_OF_A_QUERY


def test_tasks_know_their_texts_and_whose_history_is_known() -> None:
    found = find([buy(n) for n in range(4)])
    texts = ["coffee", "milk"]
    positions = add_texts(texts, found)
    assert texts == ["coffee", "milk", "tea pot"]
    assert add_texts(texts, found) == positions
    tasks = ask_again(found, positions, 2, 9, np.random.default_rng(1))
    assert sorted((task.actor, task.history_limit > 0, task.query) for task in tasks) == [
        (0, False, 2),
        (0, False, 2),
        (0, True, 2),
        (1, True, 2),
    ]
    assert len(ask_again(found, positions, 2, 3, np.random.default_rng(1))) == 3
    assert ask_again([], {}, 2, 3, np.random.default_rng(1)) == []
