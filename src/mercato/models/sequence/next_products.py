"""The sequence model over a catalogue: histories of rows to ranked lists of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mercato.arrays import Bool, Float32, Int32
from mercato.features.inputs import History
from mercato.models.sequence.onnx_sequence import SequenceModel, select_best
from mercato.signals.history import TYPE_WEIGHTS

FIRST_ASKED = 2
"""Times as many of the best products as are wanted are looked at, before all are."""


class NextProducts:
    """Predicts in rows of a snapshot; what the model or the snapshot does not know is left out.

    Attributes:
        rows: int32 [products], the snapshot row of each product of the model; -1 for one that is not in the snapshot.
    """

    def __init__(self, model: SequenceModel, row_by_id: Mapping[str, int], base: int) -> None:
        """Join a model with a snapshot.

        Args:
            model: the model.
            row_by_id: rows of the snapshot by product id.
            base: how many rows the snapshot has.
        """
        self._model = model
        self.rows = np.array([row_by_id.get(product, -1) for product in model.products.ids], np.int32)
        # A model that learned from ids of variants has several of one product.
        self._repeats = len(np.unique(self.rows[self.rows >= 0])) < np.count_nonzero(self.rows >= 0)
        self._code = np.zeros(base + 1, np.int64)  # the last is of row -1
        known = np.flatnonzero(self.rows >= 0)
        self._code[self.rows[known]] = known + 1

    def read_history(self, rows: Int32, history: History) -> npt.NDArray[np.int64]:
        """Return the codes of a history, oldest first.

        Args:
            rows: int32 [h], the snapshot row of each of its events; -1 for a product that is not in the snapshot.
            history: newest first; views, carts and purchases count, as in training.
        """
        codes = self._codes(rows, history)
        return codes[codes > 0][: self._model.max_length][::-1]

    def _codes(self, rows: Int32, history: History) -> npt.NDArray[np.int64]:
        return np.where(TYPE_WEIGHTS[history.type] > 0, self._code[rows], 0)

    def find_evidence(self, rows: Int32, history: History, candidates: Int32) -> npt.NDArray[np.int64]:
        """Find the event of a history that speaks for each candidate: without it the candidate's score falls most.

        The history is read once more without each of the last events, all in one batch. Without one of them the event
        before the first that is read is read too, as it would be had the event never happened.

        Args:
            rows: int32 [h], as of `read_history`.
            history: newest first.
            candidates: int32 [n], snapshot rows.

        Returns:
            int64 [n], positions in ``history``, of equal falls the newest; -1 where nothing lowers the score, or for a
            product that the model does not know.

        Raises:
            ModelError: the model fails.
        """
        found = np.full(len(candidates), -1, np.int64)
        codes = self._codes(rows, history)
        events = np.flatnonzero(codes > 0)[: self._model.max_length + 1]
        read = codes[events][::-1]  # oldest first
        last = min(len(read), self._model.max_length)
        wanted = self._code[candidates]
        if not last or not wanted.any():
            return found
        without = [np.delete(read, len(read) - 1 - position) for position in range(last)]  # the newest first
        states = self._model.encode(self._model.pad([read, *without]))
        known = np.flatnonzero(wanted > 0)
        scores = states @ self._model.products.vectors[wanted[known] - 1].T
        fall = scores[0] - scores[1:]
        best = fall.argmax(axis=0)
        falls = fall[best, np.arange(len(known))] > 0
        found[known[falls]] = events[best[falls]]
        return found

    def rank(
        self, histories: Sequence[npt.NDArray[np.int64]], allow: Sequence[Callable[[Int32], Bool]], k: int
    ) -> list[tuple[Int32, Float32]]:
        """Rank the next products of histories, one call of the network for all.

        Args:
            histories: codes of each, from `read_history`; at least one in each.
            allow: for each what says which of some snapshot rows, int32 [n], may be ranked; never asked of -1.
            k: how many.

        Returns:
            For each snapshot rows int32 [m], best first, and scores float32 [m], descending.

        Raises:
            ModelError: the model fails.
        """
        scores = self._model.score(histories)
        best = [self._select(row, may, k) for row, may in zip(scores, allow, strict=True)]
        if self._repeats:
            best = [positions[_find_first(self.rows[positions])] for positions in best]
        return [(self.rows[positions], row[positions]) for row, positions in zip(scores, best, strict=True)]

    def _select(self, scores: Float32, allow: Callable[[Int32], Bool], k: int) -> Int32:
        """Return the indices of the k best that are allowed; most requests allow most: a few are looked at first."""
        positions = select_best(scores, FIRST_ASKED * k)
        positions = positions[self.rows[positions] >= 0]
        kept = positions[allow(self.rows[positions])][:k]
        if len(kept) == k or len(scores) <= FIRST_ASKED * k:
            return kept
        allowed = self.rows >= 0
        allowed[allowed] = allow(self.rows[allowed])
        return select_best(scores, k, allowed)


def _find_first(rows: Int32) -> npt.NDArray[np.int64]:
    """Return the positions where each row stands first, ascending."""
    _, first = np.unique(rows, return_index=True)
    return np.sort(first)
