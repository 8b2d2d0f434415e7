"""On a GPU: engines and the torch profile against the module in full precision, CUDA graphs on and off.

``pytest -m gpu tests/gpu``
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.gpu.encode import make_inputs
from benchmarks.gpu.engine_runner import EngineRunner
from export.encoder import describe_encoder
from export.errors import ExportError
from export.exportable import Exportable
from export.options import BuildOptions
from export.pipeline import export_model
from export.tensorrt_flavour import FLAVOURS
from export.weights import MINILM, locate_weights
from mercato.engine.declaration import ENGINES
from mercato.engine.machine import read_machine
from mercato_torch import GraphedNetwork

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use"),
]

# Unit vectors in fp16: cosine 1 - 1e-6 on CPU; the order of additions differs on a GPU.
LEAST_COSINE = 0.9999
MODEL = ENGINES["encoder"]
SHAPES = [(batch, bucket) for bucket in MODEL.shapes.buckets for batch in (1, 3, 64)]


@pytest.fixture(scope="module")
def encoder() -> Exportable:
    described = describe_encoder(locate_weights(MINILM), [f"frozen pizza number {number}" for number in range(12)])
    return replace(described, quality=None)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def expected_of(encoder: Exportable, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    with torch.inference_mode():
        return encoder.module(*inputs.values()).numpy()


@pytest.fixture(scope="module", params=sorted(FLAVOURS))
def engine(request: pytest.FixtureRequest, encoder: Exportable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder as an engine for this machine's GPU, of each library that is here and takes it."""
    folder = tmp_path_factory.mktemp(request.param) / "encoder"
    present = tuple(gpu.compute_capability for gpu in read_machine().gpus)[:1]
    try:
        export_model(
            encoder,
            target=request.param,
            out=folder,
            parity_source={},
            engine=BuildOptions(capabilities=present, timing_cache=None),
        )
    except ExportError as exc:
        pytest.skip(f"no engine of {request.param} here: {exc}")
    return folder / FLAVOURS[request.param].engine_file


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("batch", "bucket"), SHAPES)
def test_an_engine_computes_what_the_module_does(
    encoder: Exportable, engine: Path, batch: int, bucket: int, graph: bool
) -> None:
    device = torch.device("cuda")
    runner = EngineRunner(engine, MODEL, device)
    inputs = make_inputs(MODEL, batch, bucket)
    start, output = runner.prepare({name: tensor.to(device) for name, tensor in inputs.items()}, graph=graph)
    output.zero_()
    start()
    torch.cuda.synchronize()
    assert cosines(output.cpu().numpy(), expected_of(encoder, inputs)).min() > LEAST_COSINE


@pytest.fixture(scope="module")
def network(encoder: Exportable, tmp_path_factory: pytest.TempPathFactory) -> GraphedNetwork:
    folder = tmp_path_factory.mktemp("torch") / "encoder"
    export_model(encoder, target="torch", out=folder, parity_source={})
    return GraphedNetwork(folder, MODEL)


def test_every_shape_has_a_graph_before_the_first_request(network: GraphedNetwork) -> None:
    assert set(network.captured) == {
        (size, bucket) for bucket in MODEL.shapes.buckets for size in MODEL.shapes.graph_batches
    }


@pytest.mark.parametrize(("batch", "length"), [(1, 5), (3, 16), (5, 17), (64, 128), (2, 100)])
def test_the_torch_profile_computes_what_the_module_does(
    encoder: Exportable, network: GraphedNetwork, batch: int, length: int
) -> None:
    inputs = make_inputs(MODEL, batch, length)
    answer = network.run(*(tensor.numpy() for tensor in inputs.values()))
    assert cosines(answer, expected_of(encoder, inputs)).min() > LEAST_COSINE


def test_an_answer_does_not_depend_on_the_one_before(network: GraphedNetwork) -> None:
    short = [tensor.numpy() for tensor in make_inputs(MODEL, 3, 5).values()]
    before = network.run(*short)
    network.run(*(tensor.numpy() for tensor in make_inputs(MODEL, 4, 16).values()))
    np.testing.assert_array_equal(network.run(*short), before)
