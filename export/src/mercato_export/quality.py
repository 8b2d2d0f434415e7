"""What a user would notice of a smaller precision: results that are worse, or in another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import ir_measures
import numpy as np
import numpy.typing as npt
from ir_measures import R, nDCG
from scipy.stats import kendalltau

from mercato_export.options import DEFAULT_TOLERANCE
from mercato_export.parity import Figure, Outputs

TOP = 10
RUN_DEPTH = 100
RELEVANT = 2  # of ratings 0 to 3
# Gain 2^rating - 1, as is usual for ratings of more than two levels.
NDCG = nDCG(dcg="exp-log2") @ TOP
RECALL = R(rel=RELEVANT) @ RUN_DEPTH

Tensors = dict[str, npt.NDArray[Any]]


class Quality(Protocol):
    """Compares what two precisions make of the same inputs."""

    @property
    def items(self) -> Sequence[Tensors]:
        """The inputs, each with a batch axis of 1."""
        ...

    def compare(self, expected: Outputs, actual: Outputs, *, precision: str) -> tuple[Figure, ...]:
        """Return the figures of one comparison.

        Args:
            expected: fp32's outputs for the items.
            actual: those of the other precision.
            precision: which one that is.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SearchQuality:
    """For encoders: exact search with the vectors of both precisions.

    Attributes:
        items: the queries, then the documents.
        query_count: how many of them are queries.
        ratings: query number to document number to rating 0 to 3; none compares the two top tens.
        agreement: precision to the least share of fp32's top ten that has to be found, without ratings.
        tolerance: most that a measure may lose.
    """

    items: Sequence[Tensors]
    query_count: int
    ratings: Mapping[int, Mapping[int, int]]
    agreement: Mapping[str, float]
    tolerance: float = DEFAULT_TOLERANCE

    def compare(self, expected: Outputs, actual: Outputs, *, precision: str) -> tuple[Figure, ...]:
        """Return the loss of nDCG@10 and recall@100 where there are ratings, else what the top ten lost."""
        wanted, found = (self._search(outputs) for outputs in (expected, actual))
        if self.ratings:
            before, after = (self._measure(rows) for rows in (wanted, found))
            return tuple(
                Figure(name=f"loss of {name}", value=before[name] - after[name], limit=self.tolerance, at_least=False)
                for name in before
            )
        top, other = wanted[:, :TOP], found[:, :TOP]
        shared = np.mean([np.isin(row, best).mean() for row, best in zip(other, top, strict=True)])
        return (
            Figure(
                name="agreement of the top 10",
                value=float(shared),
                limit=self.agreement.get(precision, 1 - self.tolerance),
                at_least=True,
            ),
            Figure(
                name="loss of similarity in the top 10",
                value=self._similarity(expected, top) - self._similarity(expected, other),
                limit=self.tolerance,
                at_least=False,
            ),
        )

    def _search(self, outputs: Outputs) -> npt.NDArray[np.int64]:
        """Return the rows of the best documents: int64 [queries, RUN_DEPTH]; equal ones in the order of rows."""
        scores = outputs[: self.query_count] @ outputs[self.query_count :].T
        return np.argsort(-scores, axis=1, kind="stable")[:, :RUN_DEPTH].astype(np.int64)

    def _similarity(self, outputs: Outputs, rows: npt.NDArray[np.int64]) -> float:
        """Return the mean cosine, as fp32 has it, of queries and the documents found for them."""
        queries, documents = outputs[: self.query_count], outputs[self.query_count :]
        return float(np.einsum("qd,qkd->qk", queries, documents[rows]).mean())

    def _measure(self, rows: npt.NDArray[np.int64]) -> dict[str, float]:
        run = [
            ir_measures.ScoredDoc(str(query), str(row), float(RUN_DEPTH - index))
            for query in self.ratings
            for index, row in enumerate(rows[query].tolist())
        ]
        ratings = [
            ir_measures.Qrel(str(query), str(document), rating)
            for query, rated in self.ratings.items()
            for document, rating in rated.items()
        ]
        measured = ir_measures.calc_aggregate([NDCG, RECALL], ratings, run)
        return {"nDCG@10": float(measured[NDCG]), "recall@100": float(measured[RECALL])}


@dataclass(frozen=True, kw_only=True)
class OrderQuality:
    """For rankers: what the orders of candidate lists lost.

    Attributes:
        items: candidate lists.
        lengths: candidates of each list; what follows is padding.
        tolerance: most that the mean tau may miss of 1, and most that nDCG@10 may lose.
        tau_tolerance: precision to what its mean tau may miss of 1, where that is declared apart.
    """

    items: Sequence[Tensors]
    lengths: Sequence[int]
    tolerance: float = DEFAULT_TOLERANCE
    tau_tolerance: Mapping[str, float] = field(default_factory=dict)

    def compare(self, expected: Outputs, actual: Outputs, *, precision: str) -> tuple[Figure, ...]:
        """Return the mean over the lists that fp32 orders at all of tau-b and `lose_gain`; NaN in ``actual`` fails."""
        pairs = [
            (left[:length], right[:length])
            for left, right, length in zip(expected, actual, self.lengths, strict=True)
            if length > 1 and np.ptp(left[:length]) > 0
        ]
        tau = float(np.mean([kendalltau(left, right).statistic for left, right in pairs])) if pairs else 1.0
        loss = float(np.mean([lose_gain(left, right) for left, right in pairs])) if pairs else 0.0
        least = 1 - self.tau_tolerance.get(precision, self.tolerance)
        return (
            Figure(name="Kendall tau to fp32, mean", value=tau, limit=least, at_least=True),
            Figure(name="loss of nDCG@10 by fp32's scores", value=loss, limit=self.tolerance, at_least=False),
        )


def lose_gain(expected: Outputs, actual: Outputs) -> float:
    """Return the share of nDCG@10 that another order of a list loses, with the expected scores as gains.

    ``gain_i = (e_i - min e) / (max e - min e)``, and ``1 - DCG@10(order of a) / DCG@10(order of e)``: products that
    change positions cost what they differ in. Kendall's tau counts every pair alike, wherever in the list it stands.

    Args:
        expected: float [candidates], not all equal.
        actual: float [candidates]; equal ones keep their positions.

    Returns:
        0 to 1; NaN where ``actual`` has a value that is not finite.
    """
    if not np.isfinite(actual).all():
        return float("nan")
    gains = (expected - expected.min()).astype(np.float64) / float(np.ptp(expected))
    discounts = 1 / np.log2(np.arange(2, 2 + min(TOP, len(gains))))
    best, found = (float(gains[np.argsort(-scores, kind="stable")[:TOP]] @ discounts) for scores in (expected, actual))
    return 1 - found / best
