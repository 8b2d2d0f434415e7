"""One contract in three places: the client's table, every configuration, and the networks' files."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from mercato_client import contract
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import triton_to_np_dtype

from mercato.errors import ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.models.ranker.manifest import read_ranker_manifest
from mercato.models.ranker.onnx_ranker import INPUT_NAMES, OUTPUT_NAME
from mercato.models.reranker import onnx_reranker
from mercato.models.sequence import onnx_sequence
from mercato.pipeline.remote import RETRIEVER_OUTPUTS
from mercato.requests.page import (
    DEFAULT_PAGE_SIZE,
    MAX_PAGE_SIZE,
    RECOMMEND_FIELDS,
    SEARCH_FIELDS,
    parse_recommend,
)
from mercato.requests.retrieval import MAX_RANKED
from mercato.triton_models.configuration import locate_configuration, render_configuration
from mercato.triton_models.registry import ENGINES, TRITON_MODELS
from mercato.triton_models.sequence import SEQUENCE_WIDTH
from tests.adapters.tiny_models import write_encoder, write_ranker, write_reranker, write_sequence

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "model_repository"
MODELS = tuple(sorted(model.name for model in TRITON_MODELS))
PROFILES = ("default", "cpu", "cpu-bls")
WIDTH = contract.EMBEDDING_WIDTH
ONNX_TYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64"}

# name, type, dims without the batch, optional
Tensor = tuple[str, str, tuple[int, ...], bool]


def read_config(model: str, profile: str) -> Any:
    folder = REPOSITORY / model
    path = folder / "config.pbtxt" if profile == "default" else folder / "configs" / f"{profile}.pbtxt"
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def list_config_tensors(config: Any) -> tuple[list[Tensor], list[Tensor]]:
    def describe(tensor: Any) -> Tensor:
        name = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
        return tensor.name, name.replace("STRING", "BYTES"), tuple(tensor.dims), getattr(tensor, "optional", False)

    return [describe(tensor) for tensor in config.input], [describe(tensor) for tensor in config.output]


def list_contract_tensors(spec: contract.ModelSpec) -> tuple[list[Tensor], list[Tensor]]:
    def describe(tensor: contract.TensorSpec) -> Tensor:
        return tensor.name, tensor.dtype, tensor.dims, tensor.optional

    return [describe(tensor) for tensor in spec.inputs], [describe(tensor) for tensor in spec.outputs]


def list_onnx_tensors(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors of a network without the batch: inputs as declared, outputs as they come (-1 where they vary)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs: list[Tensor] = []
    for value in session.get_inputs():
        dims = tuple(extent if isinstance(extent, int) else -1 for extent in value.shape)
        assert dims[0] == -1, f"{value.name}: the batch must be free"
        inputs.append((value.name, ONNX_TYPES[value.type], dims[1:], False))
    shapes = []
    for batch, length in ((1, 2), (3, 5)):
        given = {
            name: np.ones([batch, *(length if extent == -1 else extent for extent in dims)], triton_to_np_dtype(dtype))
            for name, dtype, dims, _ in inputs
        }
        arrays = session.run(None, given)
        assert [array.shape[0] for array in arrays] == [batch] * len(arrays)
        shapes.append([array.shape[1:] for array in arrays])
    outputs: list[Tensor] = []
    for value, one, other in zip(session.get_outputs(), *shapes, strict=True):
        dims = tuple(left if left == right else -1 for left, right in zip(one, other, strict=True))
        outputs.append((value.name, ONNX_TYPES[value.type], dims, False))
    return inputs, outputs


def test_repository_holds_the_models_that_are_declared() -> None:
    folders = sorted(path.name for path in REPOSITORY.iterdir() if (path / "1" / "model.py").exists())
    assert tuple(folders) == MODELS


def test_configurations_are_written_from_the_declarations() -> None:
    written = {
        str(locate_configuration(REPOSITORY / model.name, profile).relative_to(REPOSITORY)): render_configuration(
            model, profile
        )
        for model in TRITON_MODELS
        for profile in model.profiles
    }
    found = {str(path.relative_to(REPOSITORY)): path.read_text() for path in REPOSITORY.glob("**/*.pbtxt")}
    assert found == written, "write them again: mercato export config"


def test_the_page_of_contracts_names_every_tensor_that_a_caller_sees() -> None:
    page = (ROOT / "docs" / "model-contracts.md").read_text()
    named = {
        tensor.name
        for model in TRITON_MODELS
        for tensor in (*model.inputs, *(model.outputs if model.name != "retriever" else ()))
    }
    assert {name for name in named if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_every_profile(model: str) -> None:
    profiles = {path.stem for path in (REPOSITORY / model / "configs").glob("*.pbtxt")}
    assert set(PROFILES) - {"default"} <= profiles
    assert (REPOSITORY / model / "config.pbtxt").is_file()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", sorted(contract.MODELS))
def test_configuration_equals_the_clients_table(model: str, profile: str) -> None:
    assert list_config_tensors(read_config(model, profile)) == list_contract_tensors(contract.MODELS[model])


@pytest.mark.parametrize("profile", PROFILES[1:])
@pytest.mark.parametrize("model", MODELS)
def test_profiles_have_the_tensors_of_tensorrt(model: str, profile: str) -> None:
    assert list_config_tensors(read_config(model, profile)) == list_config_tensors(read_config(model, "default"))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", MODELS)
def test_configuration_batches_and_sheds_load(model: str, profile: str) -> None:
    config = read_config(model, profile)
    assert config.name == model
    assert config.max_batch_size == 64
    assert config.HasField("dynamic_batching")
    queue = config.dynamic_batching.default_queue_policy
    assert 0 < queue.max_queue_size <= 4096, "a bounded queue: too much load is shed at once"
    assert queue.allow_timeout_override, "the caller's deadline reaches the queue"
    assert queue.default_timeout_microseconds > 0, "without a default Triton heeds no caller's deadline"
    assert all(group.count > 0 for group in config.instance_group)
    assert len(config.instance_group) == 1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", ["search", "recommend"])
def test_no_page_waits_longer_than_for_the_batch_before_it(model: str, profile: str) -> None:
    config = read_config(model, profile)
    instances = sum(group.count for group in config.instance_group)
    assert config.dynamic_batching.default_queue_policy.max_queue_size == instances * config.max_batch_size


@pytest.mark.parametrize("model", MODELS)
def test_engines_run_on_the_gpu_and_everything_else_on_cpu(model: str) -> None:
    config = read_config(model, "default")
    kind = model_config_pb2.ModelInstanceGroup.Kind.Name(config.instance_group[0].kind)
    if model in ENGINES:
        assert (config.platform, kind) == ("tensorrt_plan", "KIND_GPU")
    else:
        assert (config.backend, kind) == ("python", "KIND_CPU")
    for profile in PROFILES[1:]:
        config = read_config(model, profile)
        assert config.backend == "python"
        assert model_config_pb2.ModelInstanceGroup.Kind.Name(config.instance_group[0].kind) == "KIND_CPU"
        assert (REPOSITORY / model / "1" / "model.py").is_file()


@pytest.mark.parametrize(("profile", "stages"), [("default", "remote"), ("cpu-bls", "remote"), ("cpu", "in_process")])
@pytest.mark.parametrize("model", ["search", "recommend", "catalog"])
def test_profile_says_where_the_stages_live(model: str, profile: str, stages: str) -> None:
    assert read_config(model, profile).parameters["stages"].string_value == stages


@pytest.mark.parametrize("profile", PROFILES)
def test_writers_have_one_instance(profile: str) -> None:
    for model in ("events", "catalog"):
        assert read_config(model, profile).instance_group[0].count == 1


def test_a_list_to_order_has_one_limit() -> None:
    assert contract.MAX_RANKED == MAX_RANKED == MAX_PAGE_SIZE
    assert parse_recommend({"PLACEMENT": b"rank"}).page_size == contract.MAX_RANKED


def test_search_and_recommend_read_the_inputs_of_the_contract() -> None:
    assert set(SEARCH_FIELDS) == {tensor.name for tensor in contract.SEARCH.inputs}
    assert set(RECOMMEND_FIELDS) == {tensor.name for tensor in contract.RECOMMEND.inputs}


def test_client_sends_the_servers_own_default_of_what_is_not_given() -> None:
    assert contract.DEFAULT_PAGE_SIZE == DEFAULT_PAGE_SIZE


def test_retriever_and_ranker_are_as_wide_as_the_features() -> None:
    count = len(FEATURE_NAMES)
    inputs, outputs = list_config_tensors(read_config("retriever", "default"))
    assert inputs == [("REQUEST", "BYTES", (1,), False), ("QUERY_VECTOR", "FP32", (WIDTH,), True)]
    assert outputs == [
        ("ROWS", "INT32", (-1,), False),
        ("FUSED", "FP32", (-1,), False),
        ("SOURCES", "UINT32", (-1,), False),
        ("FEATURES", "FP32", (-1, count), False),
        ("HISTORY_VECTOR", "FP32", (WIDTH,), False),
        ("TAIL", "INT32", (-1,), False),
        ("NOTES", "BYTES", (1,), False),
    ]
    assert tuple(name for name, *_ in outputs) == RETRIEVER_OUTPUTS
    inputs, outputs = list_config_tensors(read_config("ranker", "default"))
    assert inputs == [
        ("query", "FP32", (WIDTH,), False),
        ("history", "FP32", (WIDTH,), False),
        ("candidates", "FP32", (-1, WIDTH), False),
        ("features", "FP32", (-1, count), False),
    ]
    assert outputs == [("score", "FP32", (-1,), False)]
    assert (tuple(name for name, *_ in inputs), outputs[0][0]) == (INPUT_NAMES, OUTPUT_NAME)


def test_reranker_reads_pairs() -> None:
    inputs, outputs = list_config_tensors(read_config("reranker", "default"))
    assert inputs == [(name, "INT64", (-1,), False) for name in onnx_reranker.INPUT_NAMES]
    assert outputs == [(onnx_reranker.OUTPUT_NAME, "FP32", (1,), False)]


def test_sequence_reads_codes() -> None:
    inputs, outputs = list_config_tensors(read_config("sequence", "default"))
    assert inputs == [(onnx_sequence.INPUT_NAME, "INT64", (-1,), False)]
    assert outputs == [(onnx_sequence.OUTPUT_NAME, "FP32", (SEQUENCE_WIDTH,), False)]


@pytest.mark.parametrize("file", ["model.onnx", "model.int8.onnx"])
def test_exported_encoder_fits_its_configuration(encoder_folder: Path, file: str) -> None:
    assert list_onnx_tensors(encoder_folder / file) == list_config_tensors(read_config("encoder", "default"))


def test_exported_ranker_fits_its_configuration() -> None:
    path = ROOT / "var" / "demo" / "ranker" / "model.onnx"
    if not path.is_file():
        pytest.skip("no ranker was exported on this machine: mercato export ranker")
    try:
        read_ranker_manifest(path.parent, FEATURE_NAMES)
    except ModelError as exc:
        pytest.skip(f"the ranker on this machine is refused by serving: {exc}")
    assert list_onnx_tensors(path) == list_config_tensors(read_config("ranker", "default"))


def test_networks_of_the_tests_fit_the_configuration_too(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder", WIDTH, ["milk"])
    ranker = write_ranker(tmp_path / "ranker", WIDTH)
    reranker = write_reranker(tmp_path / "reranker", {"milk": 1.0})
    sequence = write_sequence(tmp_path / "sequence", {"milk": "tea"})
    folders = {"encoder": encoder, "ranker": ranker, "reranker": reranker, "sequence": sequence}
    for model, folder in folders.items():
        assert list_onnx_tensors(folder / "model.onnx") == list_config_tensors(read_config(model, "default"))
