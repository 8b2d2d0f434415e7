import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.errors import InvalidInputError
from mercato.requests.page_token import (
    NOTHING_SHOWN,
    ShownPages,
    mark_product,
    parse_page_token,
    write_page_token,
)

MARKS = st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=40).map(lambda one: np.array(one, np.uint32))


def pages(first: int, *marks: int) -> ShownPages:
    return ShownPages(first=first, marks=np.array(marks, np.uint32))


def told(shown: ShownPages) -> tuple[int, list[int]]:
    return shown.first, shown.marks.tolist()


@given(st.integers(0, 100_000), MARKS)
def test_a_token_says_what_was_written(first: int, marks: np.ndarray) -> None:
    read = parse_page_token(write_page_token(ShownPages(first=first, marks=marks)), "OPTIONS.page_token")
    assert told(read) == (first, marks.tolist())


@pytest.mark.parametrize("given_", ["x", "1", "1!!", "2AAAAAA", "1AAA", "1AAAAAAA", 5, ["1"], "1" + "A" * 600_000])
def test_another_text_is_refused(given_: object) -> None:
    with pytest.raises(InvalidInputError, match=r"OPTIONS\.page_token: must be .*the page_token of the answer before"):
        parse_page_token(given_, "OPTIONS.page_token")


def test_no_token_shows_nothing() -> None:
    assert parse_page_token("", "OPTIONS.page_token") is NOTHING_SHOWN
    assert NOTHING_SHOWN.stop == 0


def test_pages_that_touch_are_one_list() -> None:
    shown = pages(0, 1, 2).add(2, np.array([3, 4], np.uint32))
    assert told(shown) == (0, [1, 2, 3, 4])
    assert told(shown.add(0, np.array([1, 2], np.uint32))) == (0, [1, 2, 3, 4])  # back to the first
    assert told(pages(4, 5, 6).add(2, np.array([3, 4], np.uint32))) == (2, [3, 4, 5, 6])


def test_a_page_elsewhere_begins_another_list() -> None:
    assert told(pages(0, 1, 2).add(40, np.array([9], np.uint32))) == (40, [9])
    assert told(NOTHING_SHOWN.add(20, np.array([9], np.uint32))) == (20, [9])


def test_marks_of_ids_are_32_bits_and_always_the_same() -> None:
    assert mark_product("123456789") == 0xCBF43926  # the check value of CRC-32
    assert len({mark_product(f"product {number}") for number in range(10_000)}) == 10_000
