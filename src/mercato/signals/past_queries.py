"""What people searched for, by how many of them: no text is kept that few people typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mercato.arrays import Float32, Int32, Int64, UInt8
from mercato.errors import InvalidInputError
from mercato.signals.events import SECONDS_PER_DAY
from mercato.signals.query_log import SEARCH, QueryLog
from mercato.signals.query_use import HALF_LIFE_DAYS, limit_by_day
from mercato.text.normalize import normalize_query

MIN_SEARCHERS = 3
"""Distinct people who must have sent a query before its text is kept: one alone may have typed a name or an address."""
QUERIES_A_DAY = 50
"""Distinct queries of one person in a day that count: more is a robot."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PastQueries:
    """The queries that at least `MIN_SEARCHERS` people sent.

    Attributes:
        blob: uint8, the texts in UTF-8, one after the other: normalised as queries are, in lower case.
        bounds: int64 [n + 1], where each lies.
        people: int32 [n], distinct people who sent it.
        weights: float32 [n], the same with those of `HALF_LIFE_DAYS` ago counting half.
        choosers: int32 [n], how many of them looked at, put into the cart or bought something after it.
    """

    blob: UInt8 = field(default_factory=lambda: np.zeros(0, np.uint8))
    bounds: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    people: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))
    weights: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    choosers: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))

    def __len__(self) -> int:
        """Count the queries."""
        return len(self.people)

    def texts(self) -> list[str]:
        """Return the queries, in their order."""
        blob = self.blob.tobytes()
        return [str(blob[start:end], "utf-8") for start, end in pairwise(self.bounds.tolist())]

    def count_people(self) -> dict[str, int]:
        """Return for each query how many distinct people sent it."""
        return dict(zip(self.texts(), self.people.tolist(), strict=True))


def learn_past_queries(log: QueryLog, *, until: float) -> PastQueries:
    """Count the people who sent each query.

    Args:
        log: searches and what followed from them.
        until: seconds since 1970 UTC; only what came strictly earlier counts.
    """
    log = log.select(log.time < until)
    names: dict[str, int] = {}
    code_of_text = np.full(len(log.texts), -1, np.int64)
    for position in np.unique(log.query).tolist():
        folded = fold_query(log.texts[position])
        if folded:
            code_of_text[position] = names.setdefault(folded, len(names))
    if not names:
        return PastQueries()
    code = code_of_text[log.query]
    searched = (log.type == SEARCH) & (code >= 0)
    decay = 0.5 ** ((until - log.time) / SECONDS_PER_DAY / HALF_LIFE_DAYS)
    kept = np.flatnonzero(searched)
    within = limit_by_day(log.actor[kept], log.time[kept], code[kept], decay[kept], QUERIES_A_DAY)
    kept = kept[within]
    people, weights = _count_once(code[kept], log.actor[kept], decay[kept], len(names))
    followed = np.flatnonzero((log.type != SEARCH) & (code >= 0))
    choosers, _ = _count_once(code[followed], log.actor[followed], decay[followed], len(names))
    enough = np.flatnonzero(people >= MIN_SEARCHERS)
    texts = list(names)
    written = [texts[position].encode("utf-8") for position in enough.tolist()]
    return PastQueries(
        blob=np.frombuffer(b"".join(written), np.uint8),
        bounds=np.cumsum([0, *map(len, written)]).astype(np.int64),
        people=people[enough].astype(np.int32),
        weights=weights[enough].astype(np.float32),
        choosers=choosers[enough].astype(np.int32),
    )


def fold_query(text: str) -> str:
    """Return a query as it is counted: normalised as queries are, in lower case; empty where it cannot be read."""
    try:
        return normalize_query(text).lower()
    except InvalidInputError:
        return ""


def _count_once(
    code: Int64, actor: Int32, decay: npt.NDArray[np.float64], count: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Count the distinct actors of each code, and the sum of the newest decay of each."""
    order = np.lexsort((-decay, actor, code))
    first = np.ones(len(order), np.bool_)
    if len(order):
        first[1:] = (code[order][1:] != code[order][:-1]) | (actor[order][1:] != actor[order][:-1])
    order = order[first]
    people = np.bincount(code[order], minlength=count)
    return people, np.bincount(code[order], weights=decay[order], minlength=count)
