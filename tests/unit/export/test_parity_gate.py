"""The gates and what they say."""

import numpy as np
import pytest

from mercato_export.errors import ParityError
from mercato_export.parity import CosineGate, DifferenceGate, Figure, require_parity

GATE = CosineGate(mean=0.99, minimum=0.97)


def test_cosine_figures_are_mean_and_minimum() -> None:
    expected = np.array([[1.0, 0.0], [3.0, 4.0]])
    actual = np.array([[2.0, 0.0], [4.0, 3.0]])
    # cosines 1 and (12 + 12) / 25 = 0.96
    mean, minimum = GATE.compare(expected, actual, what="reference")
    assert (mean.value, minimum.value) == pytest.approx(((1 + 0.96) / 2, 0.96))
    assert not mean.passed
    assert not minimum.passed


def test_equal_vectors_pass() -> None:
    vectors = np.eye(3)
    require_parity("model.onnx", GATE.compare(vectors, vectors, what="reference"))
    require_parity("model.onnx", GATE.compare(vectors, vectors, what="alone"))


def test_alone_has_its_own_limit() -> None:
    expected = np.array([[1.0, 0.0]])
    actual = np.array([[1.0, 0.01]])
    # 1 / sqrt(1 + 0.0001) = 0.99995: good against PyTorch, too far for the same file
    (alone,) = GATE.compare(expected, actual, what="alone")
    assert alone.value == pytest.approx(1 / np.sqrt(1.0001))
    assert not alone.passed
    assert all(figure.passed for figure in GATE.compare(expected, actual, what="reference"))


@pytest.mark.parametrize("broken", [np.zeros((1, 2)), np.full((1, 2), np.nan)])
def test_zero_and_nan_vectors_never_pass(broken: np.ndarray) -> None:
    figures = GATE.compare(np.array([[1.0, 0.0]]), broken, what="reference")
    assert not any(figure.passed for figure in figures)


def test_largest_difference() -> None:
    gate = DifferenceGate(maximum=0.1)
    (figure,) = gate.compare(np.array([[1.0, 2.0]]), np.array([[1.05, 1.75]]), what="reference")
    assert figure.value == pytest.approx(2.0 - 1.75)
    assert not figure.passed
    (figure,) = gate.compare(np.array([1.0]), np.array([np.nan]), what="reference")
    assert not figure.passed


def test_the_error_names_file_figure_limit_and_by_how_much() -> None:
    figures = [
        Figure(name="mean", value=0.95, limit=0.99, at_least=True),
        Figure(name="minimum", value=0.98, limit=0.97, at_least=True),
    ]
    with pytest.raises(ParityError) as raised:
        require_parity("model.int8.onnx", figures)
    message = str(raised.value)
    assert message.startswith("model.int8.onnx: mean 0.95 (must be >= 0.99, misses it by 0.04)")
    assert "minimum" not in message
