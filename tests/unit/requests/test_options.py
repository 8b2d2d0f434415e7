"""A request's options: declared once, checked by their declaration, sent on as they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pytest

from mercato.errors import InvalidInputError
from mercato.requests.options import (
    list_options,
    member_of,
    number_between,
    option,
    parse_flag,
    parse_options,
    write_options,
)
from mercato.requests.page import OPTION_NAMES, PageRequest
from mercato.requests.retrieval import RetrievalRequest


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True, kw_only=True)
class Order:
    cup: str
    hot: bool = option(parse_flag, True)
    size: Size = option(member_of(Size), Size.SMALL, lambda size: size.value)
    sugar: float = option(number_between(0, 5, "spoons"), 0.0)


def test_the_options_are_the_fields_that_are_declared_as_such() -> None:
    assert list_options(Order) == ("hot", "size", "sugar")


def test_what_is_given_is_checked_and_the_rest_left_to_the_defaults() -> None:
    given = {"size": "large", "sugar": 2, "hot": None, "of somebody else": 1}
    assert parse_options(Order, given) == {"size": Size.LARGE, "sugar": 2.0}
    assert Order(cup="blue", **parse_options(Order, {})) == Order(cup="blue")


def test_what_is_written_is_read_back() -> None:
    order = Order(cup="blue", hot=False, size=Size.LARGE, sugar=1.0)
    written = write_options(order)
    assert written == {"hot": False, "size": "large", "sugar": 1.0}
    assert Order(cup="blue", **parse_options(Order, written)) == order


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hot": 1}, "OPTIONS.hot: must be true or false, got 1"),
        ({"size": "huge"}, "OPTIONS.size: must be one of small, large, got 'huge'"),
        ({"sugar": 6}, "OPTIONS.sugar: must be spoons between 0 and 5, got 6"),
        ({"sugar": True}, "OPTIONS.sugar: must be spoons between 0 and 5, got True"),
    ],
)
def test_a_wrong_value_is_named_with_its_constraint(given: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_options(Order, given)
    assert str(caught.value).startswith(message)


def test_no_option_belongs_to_both_requests() -> None:
    assert not set(list_options(RetrievalRequest)) & set(list_options(PageRequest))
    assert len(set(OPTION_NAMES)) == len(OPTION_NAMES)
