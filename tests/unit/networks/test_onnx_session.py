"""The one session that every network runs in."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mercato.errors import ModelError
from mercato.networks.onnx_session import OnnxSession, open_session, run_session


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A network that answers twice its input."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_a_network_answers_with_its_output(doubling: Path, threads: int) -> None:
    session = OnnxSession(doubling, model="doubling", output="y", threads=threads)
    assert session.run({"x": np.array([[1.0, 2.0]], np.float32)}).tolist() == [[2.0, 4.0]]


def test_what_it_refuses_is_named_with_its_shape(doubling: Path) -> None:
    session = OnnxSession(doubling, model="doubling", output="y")
    with pytest.raises(ModelError, match=r"doubling: ONNX Runtime refused x \[1, 3\]: "):
        session.run({"x": np.zeros((1, 3), np.float32)})


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"ranker: .*model\.onnx cannot be loaded .*; export it again"):
        OnnxSession(tmp_path / "model.onnx", model="ranker", output="score")


def test_a_network_opens_from_its_bytes_too(doubling: Path) -> None:
    session = open_session(doubling.read_bytes(), model="doubling")
    (answer,) = run_session(session, None, {"x": np.array([[1.0, 2.0]], np.float32)}, model="doubling")
    assert answer.tolist() == [[2.0, 4.0]]


def test_bytes_that_are_no_network_are_refused() -> None:
    with pytest.raises(ModelError, match=r"calibration: a graph of 8 bytes cannot be loaded .*; export it again"):
        open_session(b"no model", model="calibration")
