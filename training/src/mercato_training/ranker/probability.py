"""The ranker's probabilities: fitted after the network to lists it has not seen, kept beside its weights, described."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from mercato.features.features import COLUMN
from mercato.models.ranker.calibration import Calibration
from mercato_export.networks.ranker import RankerNetwork
from mercato_export.ranker import CALIBRATION_FILE
from mercato_training.ranker.calibrate import FOLDS, SHOPPER_FEATURES, CalibrationFit, fit_calibration, join_candidates
from mercato_training.ranker.examples import ExampleSet
from mercato_training.ranker.fit import compute_scores
from mercato_training.ranker.metrics import CalibrationGroup, CalibrationMetrics
from mercato_training.ranker.prepare import RankerData
from mercato_training.ranker.reliability import measure_reliability

PLOT_FILE = "reliability.png"
GROUPS = ("new", "light", "heavy")
"""Shoppers with no purchase known, with fewer orders than the median of the others, and the rest."""


def calibrate_network(network: RankerNetwork, data: RankerData, *, seed: int) -> CalibrationFit | None:
    """Fit probabilities to the lists of ``data.calibration`` whose shoppers had bought before.

    Args:
        network: trained, and stopped, without these lists.
        data: what it was trained on.
        seed: of the folds.

    Returns:
        None where there is too little to fit to, as :func:`mercato_training.ranker.calibrate.fit_calibration` says.
    """
    examples = data.calibration
    known = examples.select(examples.features[..., COLUMN["log_orders"]].any(axis=1))
    if not len(known):
        return None
    return fit_calibration(join_candidates(known, compute_scores(network, known, data.vectors)), data.event, seed=seed)


def save_calibration(folder: Path, calibration: Calibration | None) -> None:
    """Write a calibration beside the weights, or take an earlier training's away where there is none."""
    path = folder / CALIBRATION_FILE
    if calibration is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(orjson.dumps(calibration.as_json(), option=orjson.OPT_INDENT_2))


def draw_calibration(folder: Path, fit: CalibrationFit | None) -> bool:
    """Draw the reliability of a fit beside the weights, or take an earlier training's plot away where there is none.

    Returns:
        Whether there is a plot: none without a fit, nor where the extra ``evaluation`` is not installed.
    """
    path = folder / PLOT_FILE
    path.unlink(missing_ok=True)
    if fit is None:
        return False
    try:
        from mercato.evaluation.plots import draw_reliability, write_png
    except ImportError:
        return False
    bins = measure_reliability(fit.probabilities, fit.candidates.bought).bins
    predicted, observed = (np.array([getattr(one, name) for one in bins]) for name in ("predicted", "observed"))
    path.write_bytes(write_png(draw_reliability(predicted, observed)))
    return True


def describe_calibration(fit: CalibrationFit) -> CalibrationMetrics:
    """Say what a calibration is worth; every figure is of shoppers left out of its fit."""
    candidates = fit.candidates
    groups = group_by_orders(candidates.features[:, COLUMN["log_orders"]])
    return CalibrationMetrics(
        event=fit.calibration.event,
        method=fit.method,
        log_losses=dict(fit.log_losses),
        shoppers=len(np.unique(candidates.actor)),
        purchases=int(candidates.bought.sum()),
        folds=FOLDS,
        shopper_features=[name for name in SHOPPER_FEATURES if name in fit.calibration.shopper],
        reliability=measure_reliability(fit.probabilities, candidates.bought),
        groups={
            name: CalibrationGroup(
                candidates=int((groups == name).sum()),
                predicted=float(fit.probabilities[groups == name].mean()),
                observed=float(candidates.bought[groups == name].mean()),
            )
            for name in GROUPS
            if (groups == name).any()
        },
    )


def group_by_orders(log_orders: NDArray[np.float32]) -> NDArray[np.str_]:
    """Return one of :data:`GROUPS` for each value of the feature ``log_orders``, float32 [n]."""
    known = log_orders[log_orders > 0]
    middle = float(np.median(known)) if len(known) else 0.0
    return np.where(log_orders <= 0, GROUPS[0], np.where(log_orders < middle, GROUPS[1], GROUPS[2]))


def group_examples(examples: ExampleSet) -> NDArray[np.str_]:
    """Return one of :data:`GROUPS` for each list, by its shopper's orders."""
    return group_by_orders(examples.features[..., COLUMN["log_orders"]].max(axis=1, initial=0.0))
