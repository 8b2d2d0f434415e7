"""The texts nearest to queries, from Milvus."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mercato.arrays import Float32, Int64
from mercato.errors import DenseError
from mercato.index.dense import EF_PER_CANDIDATE
from mercato.index.nearest import FilteredQuery
from mercato.index.snapshot import Snapshot
from mercato.milvus.address import MilvusAddress, parse_address
from mercato.milvus.collection import (
    LEVEL,
    METRIC,
    VECTOR,
    CollectionFacts,
    check_collection,
    name_collection,
)
from mercato.milvus.connection import connect, translate
from mercato.milvus.facts import write_condition

logger = logging.getLogger(__name__)

REST_S = 1.0
"""Seconds for which nothing is asked after something failed, so that a dead server does not make every answer late."""
MOST_IDS = 1_000
"""So few texts are named to Milvus one by one, whatever the filter."""
WIDE_SHARE = 0.4
"""From this share of allowed texts on more are fetched than are wanted, and nothing is filtered by Milvus."""
MARGIN = 1.5
"""Of the texts that are fetched for k allowed ones, if the filter had nothing to do with the query."""
MOST_FETCHED = 4_096
"""Texts that are fetched of one query; Milvus itself gives 16,384."""


class MilvusTexts:
    """A `TextIndex` over the collection of a snapshot.

    What a filter leaves is found in one of three ways: few texts are named by their numbers; of a filter that leaves
    most, more is fetched and what does not pass left out; any other is asked of Milvus as far as it goes
    (`write_condition`), twice as many as are wanted, and what still does not pass is left out. Calls that ask the same
    go together.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        address: MilvusAddress,
        snapshot: Snapshot,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make it; nothing is asked yet.

        Args:
            connect: makes a client, and raises `DenseError` where it cannot.
            address: where the collection is.
            snapshot: the snapshot that is served.
            timeout_s: seconds of a call.
            clock: seconds, for `REST_S`.
        """
        self._connect = connect
        self._address = address
        self._snapshot = snapshot
        self._timeout_s = timeout_s
        self._clock = clock
        self._client: Any = None
        self._facts: CollectionFacts | None = None
        self._rests_until = -math.inf
        self._name = name_collection(address, snapshot.manifest)

    def check(self) -> CollectionFacts:
        """Connect and check that the collection belongs to the snapshot, unless that was done before.

        Raises:
            CollectionError: it does not; the message has the command that fills it.
            DenseError: the server cannot be asked.
        """
        if self._facts is None:
            client = self._connect()
            self._facts = check_collection(client, self._address, self._snapshot.manifest, timeout_s=self._timeout_s)
            self._client = client
        return self._facts

    def search(self, queries: Float32, k: int, *, ef_search: int) -> tuple[Float32, Int64]:
        """Find the texts nearest to each of some queries, in one call; see `TextIndex`."""
        found = self._ask(queries, min(k, self._snapshot.manifest.texts), "", ef_search)
        width = max((len(texts) for _, texts in found), default=0)
        scores = np.full((len(found), width), -np.inf, np.float32)
        numbers = np.full((len(found), width), -1, np.int64)
        for row, (row_scores, row_texts) in enumerate(found):
            scores[row, : len(row_scores)] = row_scores
            numbers[row, : len(row_texts)] = row_texts
        return scores, numbers

    def search_filtered(self, asked: Sequence[FilteredQuery], k: int) -> list[tuple[Float32, Int64]]:
        """Find the allowed texts nearest to each of some queries, one call for those that ask the same."""
        found = [(np.zeros(0, np.float32), np.zeros(0, np.int64)) for _ in asked]
        calls: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, one in enumerate(asked):
            plan = self._plan(one, k)
            if plan is not None:
                calls[plan].append(index)
        for (expression, wanted), members in calls.items():
            queries = np.stack([asked[index].query for index in members])
            answers = self._ask(queries, wanted, expression, EF_PER_CANDIDATE * wanted)
            for index, (scores, texts) in zip(members, answers, strict=True):
                passing = asked[index].allowed[texts]
                found[index] = scores[passing][:k], texts[passing][:k]
        return found

    def _plan(self, one: FilteredQuery, k: int) -> tuple[str, int] | None:
        """Choose how a query is asked: an expression, empty for none, and how many are fetched; None for nothing."""
        left = int(np.count_nonzero(one.allowed))
        if not left:
            return None
        if left <= MOST_IDS:
            return _name_texts(np.flatnonzero(one.allowed)), min(k, left)
        share = left / self._snapshot.manifest.texts
        expression = "" if share >= WIDE_SHARE else self._push(one)
        wanted = math.ceil(MARGIN * k / share) if not expression else 2 * k
        return expression, min(wanted, MOST_FETCHED, self._snapshot.manifest.texts)

    def _push(self, one: FilteredQuery) -> str:
        if one.condition is None:
            return ""
        expression = write_condition(one.condition.expression, self._snapshot.columns, self._require().fields)
        moved = one.find_moved() if expression else np.zeros(0, np.int64)
        if len(moved) > MOST_IDS:
            return ""
        return f"({expression}) or {_name_texts(moved)}" if expression and len(moved) else expression

    def _require(self) -> CollectionFacts:
        """Return what the collection says of itself, of a server that is not resting from a failure.

        Raises:
            DenseError: it is resting, or cannot be reached.
        """
        if self._clock() < self._rests_until:
            raise DenseError(f"Milvus at {self._address.uri} failed less than {REST_S:g} s ago; not asked")
        try:
            return self.check()
        except DenseError as exc:
            self._rest(exc)
            raise

    def _rest(self, problem: DenseError) -> None:
        logger.warning("answering without the nearest texts: %s", problem)
        # The next one to ask connects anew: after a restart the collection has to be loaded, or is another.
        self._rests_until = self._clock() + REST_S
        self._client, self._facts = None, None

    def _ask(self, queries: Float32, k: int, expression: str, ef_search: int) -> list[tuple[Float32, Int64]]:
        """Make one call of Milvus: for each query scores float32 [m], descending, and text numbers int64 [m]."""
        self._require()
        try:
            with translate(self._address):
                answer = self._client.search(
                    self._name,
                    data=list(queries),
                    anns_field=VECTOR,
                    filter=expression,
                    limit=k,
                    search_params={"metric_type": METRIC, "params": {"ef": max(ef_search, k)}},
                    consistency_level=LEVEL,
                    timeout=self._timeout_s,
                )
        except DenseError as exc:
            self._rest(exc)
            raise
        return [_read_hits(hits) for hits in answer]


def _read_hits(hits: Any) -> tuple[Float32, Int64]:
    """Read the hits of one query; ties by text number, so that answers repeat."""
    texts: Int64 = np.array(hits.ids, np.int64)
    scores: Float32 = np.array(hits.distances, np.float32)
    order = np.lexsort((texts, -scores))
    return scores[order], texts[order]


def _name_texts(texts: Int64) -> str:
    return f"text in [{', '.join(map(str, texts.tolist()))}]"


def open_texts(address: str, snapshot: Snapshot, *, token: str, ca: Path | None, timeout_s: float) -> MilvusTexts:
    """Open the collection of a snapshot; it is asked once something is searched, or checked.

    Args:
        address: where it is, see `parse_address`, which has the errors too.
        snapshot: the snapshot.
        token: credentials; empty for none.
        ca: certificates to check the server's with; None for those of the system.
        timeout_s: seconds of a call.
    """
    place = parse_address(address)
    return MilvusTexts(
        lambda: connect(place, token=token, ca=ca, timeout_s=timeout_s), place, snapshot, timeout_s=timeout_s
    )
