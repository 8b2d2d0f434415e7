"""In which order subjects are asked for, and queries made of a shop's own titles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mercato.errors import InvalidInputError

DRAWS = ("unique", "zipf")
"""``unique``: no subject again before all were asked for. ``zipf``: few of them most of the time."""

ZIPF_EXPONENT = 1.0
"""Zipf's own law. Breslau et al. 1999 measured .64 to .83 for the pages that people ask web caches for."""

# Words of a query -> its share; their mean is 2.65, a little above the 2.21 of web searches (Jansen et al. 2000).
QUERY_LENGTHS = (0.20, 0.30, 0.25, 0.15, 0.10)
MIXED = 0.2  # share of queries with a word of another title
_BLOCK = 4096
_MOST_WORDS = 50  # of a title: the first say what it is
_ATTEMPTS = 40  # for each query wanted, before a catalogue is said to have no more


class Subjects:
    """Subjects in the order of a draw, without an end."""

    def __init__(self, subjects: Sequence[str], draw: str, rng: np.random.Generator, exponent: float = ZIPF_EXPONENT):
        """Prepare a draw.

        Args:
            subjects: what there is, at least one; the first is the one most asked for where the draw is ``zipf``.
            draw: one of `DRAWS`.
            rng: of the draw.
            exponent: s of ``zipf``: the subject of rank r is drawn with a probability proportional to r^-s.

        Raises:
            InvalidInputError: there is no subject, or no such draw.
        """
        if not subjects:
            raise InvalidInputError("--workload", "must have something to ask for, and the shop has nothing of it")
        if draw not in DRAWS:
            raise InvalidInputError("--draw", f"must be one of {', '.join(DRAWS)}, got {draw!r}")
        if not exponent >= 0:
            raise InvalidInputError("--zipf-exponent", f"must be 0 or more, got {exponent}")
        self._subjects = subjects
        self._rng = rng
        self._cumulated = np.cumsum(weigh_ranks(len(subjects), exponent)) if draw == "zipf" else None
        self._next = 0

    def take(self, count: int) -> list[str]:
        """Return the next subjects; where the draw is ``unique`` and all were taken, from the first again."""
        if self._cumulated is not None:
            drawn = np.searchsorted(self._cumulated, self._rng.random(count) * self._cumulated[-1], side="right")
            return [self._subjects[index] for index in np.minimum(drawn, len(self._subjects) - 1).tolist()]
        first, self._next = self._next, self._next + count
        return [self._subjects[index % len(self._subjects)] for index in range(first, self._next)]


def weigh_ranks(count: int, exponent: float) -> npt.NDArray[np.float64]:
    """Return how likely each rank is asked for, r^-s over their sum (Zipf's law).

    Args:
        count: of ranks.
        exponent: s; 0 makes all alike.

    Returns:
        float64 [count], falling, their sum is 1.
    """
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def make_queries(titles: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Make queries of the words of titles: one to five words of one title, in its order, and no query twice.

    One in five has a word of another title among them, so that not every query has an answer that holds all of it.

    Args:
        titles: of products of the shop.
        count: how many queries are wanted.
        rng: decides.

    Returns:
        At most ``count``; fewer where the titles have no more.
    """
    made: dict[str, None] = {}
    words = [title.lower().split()[:_MOST_WORDS] for title in titles]
    words = [one for one in words if one]
    for query in _recombine(words, rng, count * _ATTEMPTS if words else 0):
        made.setdefault(query)
        if len(made) >= count:
            break
    return list(made)


def _recombine(titles: Sequence[Sequence[str]], rng: np.random.Generator, attempts: int) -> Iterator[str]:
    for start in range(0, attempts, _BLOCK):
        size = min(_BLOCK, attempts - start)
        lengths = (rng.choice(len(QUERY_LENGTHS), size, p=QUERY_LENGTHS) + 1).tolist()
        chosen, others = rng.integers(len(titles), size=(2, size)).tolist()
        longest = max(len(titles[title]) for title in chosen)
        keys, mixed = rng.random((size, longest)).tolist(), rng.random((size, 2)).tolist()
        for length, title, other, key, (mix, place) in zip(lengths, chosen, others, keys, mixed, strict=True):
            words = titles[title]
            kept = sorted(range(len(words)), key=key.__getitem__)[:length]
            query = [words[index] for index in sorted(kept)]
            if mix < MIXED:
                query[-1] = titles[other][int(place * len(titles[other]))]
            yield " ".join(query)
