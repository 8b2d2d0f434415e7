from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mercato.signals.dated_counts import DatedCounts

entries = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(-3, 3)), max_size=60)


def fill(added: list[tuple[int, int, int]], counts: DatedCounts) -> DatedCounts:
    """Add (hour, key, amount)."""
    for hour, key, amount in added:
        counts.add(hour, np.array([key], np.int64), np.array([amount], np.int64))
    return counts


def sums_of(added: list[tuple[int, int, int]], before: int = 99) -> dict[int, int]:
    sums: Counter[int] = Counter()
    for hour, key, amount in added:
        if hour < before:
            sums[key] += amount
    return {key: amount for key, amount in sorted(sums.items()) if amount}


@given(entries, st.integers(0, 6))
def test_sums_are_those_of_what_was_known(added: list[tuple[int, int, int]], before: int) -> None:
    counts = fill(added, DatedCounts())
    for known in (None, before):
        keys, amounts = counts.totals(known)
        expected = sums_of(added, 99 if known is None else known)
        assert dict(zip(keys.tolist(), amounts.tolist(), strict=True)) == expected
        keys, amounts = counts.between(np.array([1, 6], np.int64), np.array([3, 8], np.int64), known)
        assert dict(zip(keys.tolist(), amounts.tolist(), strict=True)) == {
            key: amount for key, amount in expected.items() if key in (1, 2, 6, 7)
        }


@given(entries, st.randoms())
def test_sums_do_not_depend_on_the_order(added: list[tuple[int, int, int]], random: object) -> None:
    shuffled = sorted(added, key=lambda _: random.random())  # type: ignore[attr-defined]
    for one, other in zip(fill(added, DatedCounts()).totals(), fill(shuffled, DatedCounts()).totals(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_too_much_loses_its_dates_first_and_then_the_oldest_goes() -> None:
    counts = DatedCounts(limit=20)
    for hour in range(30):
        counts.add(hour, np.arange(2), np.ones(2, np.int64))
    assert counts.totals()[1].tolist() == [30, 30]
    assert not counts.forgotten
    for key in range(100, 140):
        counts.add(key, np.array([key], np.int64), np.ones(1, np.int64))
    assert counts.forgotten
    assert len(counts) <= 20 + 8  # parts that are not joined yet
    assert counts.totals()[0].max() == 139
