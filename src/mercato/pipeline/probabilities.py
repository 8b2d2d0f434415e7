"""How likely the shopper is to buy each product of a recommendation, where the ranker was calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mercato.errors import MercatoError
from mercato.models.ranker.calibration import Calibration
from mercato.requests.page import PageRequest
from mercato.requests.retrieval import Retrieved

Float32 = npt.NDArray[np.float32]

_DIGITS = 6


def tell_probabilities(
    calibration: Calibration | None,
    pages: Sequence[PageRequest],
    outcomes: Sequence[Retrieved | MercatoError],
    scores: Mapping[int, Float32],
) -> dict[int, dict[int, float]]:
    """Compute the probabilities of the recommendations that the ranker scored.

    Args:
        calibration: of the ranker that is served; None where it has none.
        pages: the requests.
        outcomes: the candidates of each.
        scores: float32 [w], the ranker's own, by place in the batch.

    Returns:
        By place in the batch, row to probability, 0 to 1. Nothing of a search, nor of a shopper of whom no purchase is
        known: probabilities were fitted to neither.
    """
    if calibration is None:
        return {}
    told: dict[int, dict[int, float]] = {}
    for place, own in scores.items():
        outcome = outcomes[place]
        if pages[place].retrieval.is_search or not isinstance(outcome, Retrieved):
            continue
        if calibration.covers(outcome.features):
            values = calibration.compute_probabilities(own, outcome.features)
            told[place] = dict(zip(outcome.rows.tolist(), values.round(_DIGITS).tolist(), strict=True))
    return told
