"""The sequence model over a catalogue: histories of rows to ranked lists of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mercato.ranker.history import TYPE_WEIGHTS
from mercato.ranker.inputs import History
from mercato.sequence.onnx_sequence import SequenceModel, select_best

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]


class NextProducts:
    """Foretells in rows of a snapshot; what the model or the snapshot does not know is left out.

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
        self._code = np.zeros(base + 1, np.int64)  # the last is of row -1
        known = np.flatnonzero(self.rows >= 0)
        self._code[self.rows[known]] = known + 1

    def read_history(self, rows: Int32, history: History) -> npt.NDArray[np.int64]:
        """Return the codes of a history, oldest first.

        Args:
            rows: int32 [h], the snapshot row of each of its events; -1 for a product that is not in the snapshot.
            history: newest first; views, carts and purchases count, as in training.
        """
        codes = np.where(TYPE_WEIGHTS[history.type] > 0, self._code[rows], 0)
        return codes[codes > 0][: self._model.max_length][::-1]

    def rank(
        self, histories: Sequence[npt.NDArray[np.int64]], allowed: Sequence[Bool], k: int
    ) -> list[tuple[Int32, Float32]]:
        """Rank the next products of histories, one call of the network for all.

        Args:
            histories: codes of each, from `read_history`; at least one in each.
            allowed: for each bool [products], which products of the model may be ranked.
            k: how many.

        Returns:
            For each snapshot rows int32 [m], best first, and scores float32 [m], descending.

        Raises:
            ModelError: the model fails.
        """
        scores = self._model.score(histories)
        best = [select_best(row, k, held) for row, held in zip(scores, allowed, strict=True)]
        return [(self.rows[places], row[places]) for row, places in zip(scores, best, strict=True)]
