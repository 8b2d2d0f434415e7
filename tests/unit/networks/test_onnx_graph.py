"""A graph that is written by hand is one that the onnx package reads, and that ONNX Runtime runs."""

import numpy as np
import onnx

from mercato.networks.onnx_graph import Node, write_graph
from mercato.networks.onnx_session import open_session, run_session

WEIGHTS = {
    "w": np.arange(-6, 6, dtype=np.int8).reshape(3, 4),
    "zero": np.array(128, np.uint8),
    "shape": np.array([0, 2, -1], np.int64),
    "scale": np.linspace(0.5, 2, 4, dtype=np.float32),
}
NODES = [
    Node(operator="MatMulInteger", inputs=("x", "w", "zero"), outputs=("sums",)),
    Node(operator="Cast", inputs=("sums",), outputs=("floats",), attributes={"to": 1}),
    Node(operator="Mul", inputs=("floats", "scale"), outputs=("scaled",)),
    Node(operator="Reshape", inputs=("scaled", "shape"), outputs=("blocks",)),
    Node(operator="ReduceMax", inputs=("blocks",), outputs=("y",), attributes={"axes": [-1], "keepdims": 0}),
]


def test_it_is_read_and_run_as_it_was_meant() -> None:
    outputs = {"y": ("float32", ("batch", 2)), "scaled": ("float32", ("batch", 4))}
    written = write_graph(NODES, WEIGHTS, {"x": ("uint8", ("batch", 3))}, outputs)
    model = onnx.load_from_string(written)
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.initializer] == list(WEIGHTS)
    for one in model.graph.initializer:
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(one), WEIGHTS[one.name])
    assert model.graph.node[4].attribute[0].ints == [-1]

    x = np.random.default_rng(0).integers(0, 256, (300, 3)).astype(np.uint8)
    session = open_session(written, model="small")
    y, scaled = run_session(session, ["y", "scaled"], {"x": x}, model="small")
    expected = (x.astype(np.int32) - 128) @ WEIGHTS["w"].astype(np.int32) * WEIGHTS["scale"]
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)
    np.testing.assert_allclose(y, expected.reshape(300, 2, 2).max(axis=2), rtol=1e-6)
