"""What every declaration of a Triton model holds to, whichever models there are."""

from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from mercato.features.features import FEATURE_NAMES
from mercato.models.engine.declaration import Tensor
from mercato.serving.options import ServerOptions
from mercato.settings import SharedOptions
from mercato.triton_models.configuration import render_configuration
from mercato.triton_models.declaration import DEFAULT_PROFILE, ModelProfile, TritonModel, python_profiles, text
from mercato.triton_models.registry import ENGINES, PROFILES, TRITON_MODELS

EVERY_MODEL = pytest.mark.parametrize("model", TRITON_MODELS, ids=lambda model: model.name)


def open_nothing(settings: Any, call: Any) -> None:
    """What a declaration of these tests opens."""


def declare(**changes: Any) -> TritonModel[None]:
    model = {
        "name": "echo",
        "inputs": (text("TEXT"), text("LANGUAGE", optional=True)),
        "outputs": (Tensor(name="LENGTHS", data_type="INT32", axes=("words", 2)),),
        "profiles": python_profiles("Says what it is told.", default=3, cpu=2),
        "needs": (),
        "open": open_nothing,
    }
    return TritonModel(**{**model, **changes})


def parse(model: TritonModel[Any], profile: str) -> Any:
    return text_format.Parse(render_configuration(model, profile), model_config_pb2.ModelConfig())


def test_names_are_unique() -> None:
    names = [model.name for model in TRITON_MODELS]
    assert len(set(names)) == len(names)


@EVERY_MODEL
def test_every_model_says_how_it_runs_by_default(model: TritonModel[Any]) -> None:
    assert DEFAULT_PROFILE in model.profiles
    assert set(model.profiles) <= set(PROFILES)


@EVERY_MODEL
def test_needs_are_options_of_the_server_that_may_be_left_out(model: TritonModel[Any]) -> None:
    assert all(ServerOptions.model_fields[name].default is None for name in model.needs)


@EVERY_MODEL
def test_a_model_with_a_folder_is_told_it_and_needs_it(model: TritonModel[Any]) -> None:
    if model.folder is not None:
        assert model.name in SharedOptions.model_fields
        assert model.name in model.needs


@EVERY_MODEL
def test_what_runs_as_an_engine_has_shapes_and_a_folder_for_it(model: TritonModel[Any]) -> None:
    runs = any(profile.engine for profile in model.profiles.values())
    assert runs == (model.shapes is not None) == (model.name in ENGINES)
    assert not runs or model.folder is not None


@EVERY_MODEL
def test_a_canary_gives_every_input_that_must_be_given(model: TritonModel[Any]) -> None:
    if model.canary is not None:
        assert set(model.input_names) - set(model.optional_inputs) <= set(model.canary) <= set(model.input_names)


def test_tensors_of_features_have_a_column_for_each() -> None:
    wide = {
        (model.name, tensor.name): tensor.axes[-1]
        for model in TRITON_MODELS
        for tensor in (*model.inputs, *model.outputs)
        if tensor.name.lower() == "features"
    }
    assert wide == dict.fromkeys([("retriever", "FEATURES"), ("ranker", "features")], len(FEATURE_NAMES))


def test_configuration_of_a_python_model() -> None:
    config = parse(declare(), "cpu")
    assert (config.name, config.backend, config.max_batch_size) == ("echo", "python", 64)
    assert [(tensor.name, list(tensor.dims), tensor.optional) for tensor in config.input] == [
        ("TEXT", [1], False),
        ("LANGUAGE", [1], True),
    ]
    assert [(tensor.name, list(tensor.dims)) for tensor in config.output] == [("LENGTHS", [-1, 2])]
    assert config.output[0].data_type == model_config_pb2.TYPE_INT32
    assert [(group.kind, group.count) for group in config.instance_group] == [(2, 2)]  # KIND_CPU
    assert config.default_model_filename == ""
    assert not config.parameters


def test_configuration_says_file_and_stages_and_how_long_requests_wait() -> None:
    profile = ModelProfile(
        about="Elsewhere.",
        queue_delay_us=700,
        max_queue_size=16,
        queue_timeout_s=3,
        stages="remote",
        file="model_other.py",
    )
    config = parse(declare(profiles={DEFAULT_PROFILE: profile}), DEFAULT_PROFILE)
    assert config.default_model_filename == "model_other.py"
    assert config.parameters["stages"].string_value == "remote"
    assert config.dynamic_batching.max_queue_delay_microseconds == 700
    queue = config.dynamic_batching.default_queue_policy
    assert (queue.max_queue_size, queue.default_timeout_microseconds) == (16, 3_000_000)


def test_an_engine_without_shapes_is_refused() -> None:
    engine = declare(profiles={DEFAULT_PROFILE: ModelProfile(about="GPU.", engine=True)})
    with pytest.raises(ValueError, match="echo: profile default runs it as an engine, which needs shapes"):
        render_configuration(engine, DEFAULT_PROFILE)
