"""Folds of queries: stable, complete, blind to how a query is typed."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from mercato.evaluation.folds import fold_of


def test_a_fold_is_the_first_eight_bytes_of_the_hash_modulo_the_folds() -> None:
    number = int(hashlib.sha256(b"usb c charger").hexdigest()[:16], 16)
    assert fold_of("usb c charger", 5) == number % 5
    assert fold_of("usb c charger", 7) == number % 7


def test_folds_are_the_same_tomorrow() -> None:
    assert [fold_of(query) for query in ("laptop", "bluetooth speaker", "toner", "LC51C")] == [0, 3, 0, 2]


@pytest.mark.parametrize("typed", ["USB C  charger", " usb c charger\t", "\uff35SB c charger"])
def test_the_same_wish_typed_differently_shares_a_fold(typed: str) -> None:
    assert fold_of(typed, 1_000_003) == fold_of("usb c charger", 1_000_003)


def test_every_fold_gets_its_share() -> None:
    counts = Counter(fold_of(f"query {number}") for number in range(5_000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    # 1,000 expected, standard deviation sqrt(5000 * 0.2 * 0.8) = 28: six of them
    assert all(abs(count - 1_000) < 170 for count in counts.values())


def test_no_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        fold_of("laptop", 0)
