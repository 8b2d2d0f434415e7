"""What shoppers say: the last word counts, and looks back only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.events.event_type import EVENT_TYPE_CODES, EVENT_TYPES, STATEMENT_TYPES, STATEMENTS
from mercato.signals.history import TYPE_WEIGHTS
from mercato.signals.said import NEVER, find_said
from mercato.signals.undone import Standing, find_standing

Row = tuple[str, float] | tuple[str, float, int]
"""Type, time, and where it is no 1 the number: hundredths of a star, or of a statement."""


def stand(*rows: Row, products: list[int] | None = None, actors: list[int] | None = None) -> Standing:
    count = len(rows)
    found = find_standing(
        np.array(actors or [0] * count, np.int32),
        np.array(products or [4] * count, np.int32),
        np.full(count, -1, np.int32),
        np.array([row[1] for row in rows], np.float64),
        np.array([EVENT_TYPE_CODES[row[0]] for row in rows], np.uint8),
        np.array([row[2] if len(row) > 2 else 1 for row in rows], np.int32),
    )
    assert found is not None
    return found


def counts(*rows: Row, **given: list[int]) -> list[bool]:
    return stand(*rows, **given).counts().tolist()


def is_disliked(*rows: Row) -> bool:
    until = stand(*rows).against_until
    return until is not None and bool((until == NEVER).any())


@pytest.mark.parametrize("against", [("dislike", 5.0), ("not-interested", 5.0), ("hide", 5.0), ("rating", 5.0, 200)])
def test_an_opinion_against_a_product_takes_views_carts_and_wishes_before_it(against: Row) -> None:
    before: list[Row] = [("detail-page-view", 1.0), ("add-to-cart", 2.0), ("wishlist-add", 3.0)]
    after: list[Row] = [("purchase-complete", 4.0), against, ("detail-page-view", 6.0)]
    assert counts(*before, *after) == [False, False, False, True, False, True]
    assert is_disliked(*before, *after)


@pytest.mark.parametrize(("stars", "counts_as_like", "disliked"), [(100, False, True), (200, False, True)])
@pytest.mark.parametrize("kind", ["rating"])
def test_few_stars_are_a_dislike(kind: str, stars: int, counts_as_like: bool, disliked: bool) -> None:
    assert counts((kind, 1.0, stars)) == [counts_as_like]
    assert is_disliked((kind, 1.0, stars)) == disliked


@pytest.mark.parametrize(("stars", "liked"), [(201, False), (300, False), (399, False), (400, True), (500, True)])
def test_many_stars_are_a_like_and_those_between_are_neither(stars: int, liked: bool) -> None:
    assert counts(("detail-page-view", 0.0), ("rating", 1.0, stars)) == [True, liked]
    assert not is_disliked(("rating", 1.0, stars))


def test_the_last_word_counts() -> None:
    assert not is_disliked(("dislike", 1.0), ("rating", 2.0, 500))
    assert is_disliked(("rating", 1.0, 500), ("hide", 2.0))
    assert counts(("like", 1.0), ("hide", 2.0), ("like", 3.0)) == [False, False, True]
    assert not is_disliked(("dislike", 1.0), ("rating", 2.0, 300))
    # Of one moment the one that was written later.
    assert is_disliked(("like", 1.0), ("dislike", 1.0))


def test_what_is_taken_off_a_wishlist_was_no_wish() -> None:
    wishes: list[Row] = [("wishlist-add", 1.0), ("wishlist-add", 2.0), ("wishlist-remove", 3.0), ("wishlist-add", 4.0)]
    assert counts(*wishes) == [False, False, False, True]


def test_a_reset_forgets_all_but_purchases() -> None:
    rows: list[Row] = [
        ("detail-page-view", 1.0),
        ("like", 2.0),
        ("dislike", 3.0),
        ("purchase-complete", 4.0),
        ("search", 4.5),
        ("reset", 5.0),
        ("detail-page-view", 6.0),
    ]
    products = [1, 2, 3, 4, -1, -1, 1]
    standing = stand(*rows, products=products)
    assert standing.counts().tolist() == [False, False, False, True, False, False, True]
    assert standing.against_until is not None
    assert standing.against_until.tolist()[2] == 5.0  # until then it held
    # As of a moment before it all counts.
    assert standing.counts(4.9).tolist() == [True, True, False, True, True, False, True]
    # It is nobody else's.
    assert counts(("detail-page-view", 1.0), ("reset", 5.0), actors=[1, 0], products=[4, -1]) == [True, False]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_forget_takes_back_one_statement_about_one_product(statement: str) -> None:
    kinds = ("detail-page-view", "add-to-cart", "purchase-complete", "wishlist-add", "like")
    number = STATEMENTS.index(statement) + 1
    rows: list[Row] = [(kind, 1.0) for kind in kinds]
    found = counts(*rows, ("forget", 2.0, number), ("like", 1.5), products=[4, 4, 4, 4, 4, 4, 5])
    expected = [kind not in STATEMENT_TYPES[statement] for kind in kinds]
    assert found == [*expected, False, True]


def test_what_takes_back_never_counts_itself() -> None:
    for name in ("wishlist-remove", "reset", "forget", "dislike", "not-interested", "hide"):
        assert TYPE_WEIGHTS[EVENT_TYPE_CODES[name]] == 0.0
        assert counts((name, 1.0)) == [False]


def test_nobody_says_anything() -> None:
    assert find_said(*(np.zeros(2, kind) for kind in (np.int32, np.int32, np.float64, np.uint8, np.int32))) is None


def slowly(rows: list[tuple[int, int, float, int, int]]) -> list[float]:
    """The rules one event after the other: actor, product, time, type, number."""
    order = sorted(range(len(rows)), key=lambda one: (rows[one][2], one))
    until = [NEVER] * len(rows)
    for place, one in enumerate(order):
        actor, product, time, code, number = rows[one]
        name = EVENT_TYPES[code]
        against = name in ("dislike", "not-interested", "hide") or (name == "rating" and number <= 200)
        for earlier in order[:place]:
            same_actor, same = rows[earlier][0] == actor, rows[earlier][:2] == (actor, product) and product >= 0
            what = EVENT_TYPES[rows[earlier][3]]
            opinion = STATEMENT_TYPES["opinion"]
            ends = (
                (same and name in opinion and what in opinion)
                or (same and against and what in ("detail-page-view", "add-to-cart", "wishlist-add"))
                or (same and name == "wishlist-remove" and what == "wishlist-add")
                or (same and name == "forget" and what in STATEMENT_TYPES[STATEMENTS[(number - 1) % 6]])
                or (same_actor and name == "reset" and what not in ("purchase-complete", "refund"))
            )
            if ends:
                until[earlier] = min(until[earlier], time)
    return until


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(-1, 2),
            st.integers(0, 6).map(float),
            st.integers(0, len(EVENT_TYPES) - 1),
            st.integers(1, 6),
        ),
        max_size=12,
    )
)
def test_it_is_what_the_rules_say_event_by_event(rows: list[tuple[int, int, float, int, int]]) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * 5
    kinds = (np.int32, np.int32, np.float64, np.uint8, np.int32)
    found = find_said(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))
    assert ([NEVER] * len(rows) if found is None else found.until.tolist()) == slowly(rows)
