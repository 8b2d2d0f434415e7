"""What is among others, as NumPy's own function tells it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mercato.membership import is_among

NUMBERS = st.lists(st.integers(-5, 40), max_size=60)


@given(values=NUMBERS, others=NUMBERS)
def test_it_agrees_with_numpy(values: list[int], others: list[int]) -> None:
    first, second = np.array(values, np.int32), np.array(others, np.int64)
    np.testing.assert_array_equal(is_among(first, second), np.isin(first, second))
