"""On a GPU: engines and the torch profile against the module in full precision, CUDA graphs on and off.

``pytest -m gpu tests/gpu``. Every declared model whose weights are there: ``var/models/NAME-training``.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.gpu.engine_runner import EngineRunner
from benchmarks.gpu.models import describe_declared, load_module, make_inputs
from benchmarks.harness.command import BenchmarkError
from mercato.models.engine.declaration import EngineModel
from mercato.models.engine.machine import read_machine
from mercato.torch_profile import GraphedNetwork
from mercato.triton_models.registry import ENGINES
from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable
from mercato_export.options import BuildOptions
from mercato_export.pipeline import export_model
from mercato_export.tensorrt_flavour import FLAVOURS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use"),
]

# fp16 has 11 bits: a few dozen roundings on the way, of values up to the spread of the outputs. Unit vectors keep a
# cosine of 1 - 1e-6 on CPU; the order of additions differs on a GPU.
LARGEST_SHARE = 0.02
BATCHES = (1, 3, 64)
Described = tuple[EngineModel, Exportable]


@pytest.fixture(scope="module", params=sorted(ENGINES))
def described(request: pytest.FixtureRequest) -> Described:
    model = ENGINES[request.param]
    try:
        module = load_module(model.name, Path("var/models") / f"{model.name}-training")
    except (BenchmarkError, ExportError) as exc:
        pytest.skip(str(exc))
    return model, describe_declared(model, module)


def assert_near(actual: np.ndarray, described: Described, inputs: dict[str, torch.Tensor]) -> None:
    with torch.inference_mode():
        expected = described[1].module(*inputs.values()).numpy()
    # the spread of one value would be 0
    assert np.abs(actual - expected).max() <= LARGEST_SHARE * max(float(np.ptp(expected)), 1.0)


@pytest.fixture(scope="module", params=sorted(FLAVOURS))
def engine(request: pytest.FixtureRequest, described: Described, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as an engine for this machine's GPU, of each library that is here and takes it."""
    folder = tmp_path_factory.mktemp(request.param) / described[0].name
    present = tuple(gpu.compute_capability for gpu in read_machine().gpus)[:1]
    try:
        export_model(
            described[1],
            target=request.param,
            out=folder,
            parity_source={},
            engine=BuildOptions(capabilities=present, timing_cache=None),
        )
    except ExportError as exc:
        pytest.skip(f"no engine of {request.param} here: {exc}")
    return folder / FLAVOURS[request.param].engine_file


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("batch", BATCHES)
def test_an_engine_computes_what_the_module_does(described: Described, engine: Path, batch: int, graph: bool) -> None:
    device, model = torch.device("cuda"), described[0]
    runner = EngineRunner(engine, model, device)
    for bucket in model.shapes.buckets:
        inputs = make_inputs(model, batch, bucket)
        start, output = runner.prepare({name: tensor.to(device) for name, tensor in inputs.items()}, graph=graph)
        output.zero_()
        start()
        torch.cuda.synchronize()
        assert_near(output.cpu().numpy(), described, inputs)


@pytest.fixture(scope="module")
def network(described: Described, tmp_path_factory: pytest.TempPathFactory) -> GraphedNetwork:
    folder = tmp_path_factory.mktemp("torch") / described[0].name
    export_model(described[1], target="torch", out=folder, parity_source={})
    return GraphedNetwork(folder, described[0])


def test_every_shape_has_a_graph_before_the_first_request(network: GraphedNetwork) -> None:
    shapes = network.model.shapes
    assert set(network.captured) == {(size, bucket) for bucket in shapes.buckets for size in shapes.graph_batches}


@pytest.mark.parametrize(("batch", "length"), [(1, 5), (3, 16), (5, 17), (64, 128), (2, 100)])
def test_the_torch_profile_computes_what_the_module_does(
    described: Described, network: GraphedNetwork, batch: int, length: int
) -> None:
    inputs = make_inputs(described[0], batch, length)
    assert_near(network.run(*(tensor.numpy() for tensor in inputs.values())), described, inputs)


def test_an_answer_does_not_depend_on_the_one_before(described: Described, network: GraphedNetwork) -> None:
    model = described[0]
    short = [tensor.numpy() for tensor in make_inputs(model, 3, 5).values()]
    before = network.run(*short)
    network.run(*(tensor.numpy() for tensor in make_inputs(model, 4, model.shapes.buckets[0]).values()))
    np.testing.assert_array_equal(network.run(*short), before)
