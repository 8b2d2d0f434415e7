"""From scores to probabilities, as served."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from mercato.features.features import COLUMN, FEATURE_NAMES
from mercato.models.ranker.calibration import Calibration, read_calibration

CURVE = Calibration(event="bought", offset=-1.0, slope=2.0, shopper={"log_orders": 0.5})
KNOTS = Calibration(event="bought", offset=0.0, slope=1.0, logits=(-1.0, 0.0, 2.0), probabilities=(0.1, 0.1, 0.5))


def make_features(count: int, log_orders: float) -> NDArray[np.float32]:
    features = np.zeros((count, len(FEATURE_NAMES)), np.float32)
    features[:, COLUMN["log_orders"]] = log_orders
    return features


def test_the_curve() -> None:
    found = CURVE.compute_probabilities(np.array([0.5, -1.0], np.float32), make_features(2, 3.0))
    # -1 + 2 * 0.5 + 0.5 * 3 = 1.5 and -1 - 2 + 1.5 = -1.5
    assert found.tolist() == pytest.approx([1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(1.5))])


def test_between_knots_and_beyond_them() -> None:
    found = KNOTS.compute_probabilities(np.array([-9.0, -0.5, 1.0, 9.0], np.float32), make_features(4, 0.0))
    assert found.tolist() == pytest.approx([0.1, 0.1, (0.1 + 0.5) / 2, 0.5])


@pytest.mark.parametrize("calibration", [CURVE, KNOTS])
def test_within_a_list_a_higher_score_is_never_less_probable(calibration: Calibration) -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(rng.normal(0, 5, 200)).astype(np.float32)
    found = calibration.compute_probabilities(scores, make_features(200, 1.0))
    assert (np.diff(found) >= 0).all()
    assert found[0] < found[-1]
    assert ((found >= 0) & (found <= 1)).all()


def test_extreme_scores_stay_probabilities() -> None:
    found = CURVE.compute_probabilities(np.array([-1e30, 1e30], np.float32), make_features(2, 0.0))
    assert found.tolist() == pytest.approx([0.0, 1.0])


def test_an_empty_list() -> None:
    assert CURVE.compute_probabilities(np.zeros(0, np.float32), make_features(0, 0.0)).shape == (0,)


@pytest.mark.parametrize("calibration", [CURVE, KNOTS])
def test_written_and_read_it_is_the_same(calibration: Calibration) -> None:
    document = json.loads(json.dumps(calibration.as_json()))
    scores, features = np.linspace(-2, 2, 9, dtype=np.float32), make_features(9, 0.7)
    np.testing.assert_array_equal(
        read_calibration(document).compute_probabilities(scores, features),
        calibration.compute_probabilities(scores, features),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slope": 0.0}, "slope must be more than 0, given 0.0"),
        ({"shopper": {"shoe_size": 1.0}}, "shopper must name features, given shoe_size"),
        ({"offset": float("nan")}, "numbers must be finite"),
        ({"logits": [0.0]}, "knots must be none or two and more, given 1 logits and 0"),
        ({"logits": [0.0, 0.0], "probabilities": [0.1, 0.2]}, "logits must rise"),
        ({"logits": [0.0, 1.0], "probabilities": [0.2, 0.1]}, "must not fall"),
        ({"logits": [0.0, 1.0], "probabilities": [0.2, 1.1]}, "from 0 to 1"),
        ({"slope": "steep"}, "could not convert"),
        ({"slope": None}, "event, offset and slope must be given"),
    ],
)
def test_a_map_that_would_break_an_order_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_calibration({**CURVE.as_json(), **change})


def test_nothing_is_said_of_a_shopper_of_whom_no_purchase_is_known() -> None:
    assert CURVE.covers(make_features(3, 0.7))
    assert not CURVE.covers(make_features(3, 0.0))
