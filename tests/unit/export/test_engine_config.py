"""The default configurations are what the declaration says, and nobody has to keep the two equal by hand."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from mercato.models.engine.shapes import EngineShapes
from mercato.triton_models.configuration import locate_configuration, render_configuration
from mercato.triton_models.registry import ENGINES, TRITON_MODELS
from mercato_export.config import write_configs
from mercato_export.encoder import limit_buckets
from mercato_export.errors import ExportError
from mercato_export.exportable import Exportable

NAMES = sorted(ENGINES)
MODELS = {model.name: model for model in TRITON_MODELS}


def parse(name: str) -> Any:
    return text_format.Parse(render_configuration(MODELS[name], "default"), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_of_the_engine_is_loaded(name: str) -> None:
    (group,) = parse(name).instance_group
    assert list(group.profile) == [str(number) for number in range(len(ENGINES[name].shapes.profiles()))]


@pytest.mark.parametrize("name", NAMES)
def test_every_bucket_has_a_graph_for_each_batch_and_no_batch_goes_without(name: str) -> None:
    model = ENGINES[name]
    cuda = parse(name).optimization.cuda
    assert cuda.graphs
    for bucket in model.shapes.buckets:
        shapes = {tensor.name: tensor.dims(bucket) for tensor in model.inputs}
        specs = [
            spec for spec in cuda.graph_spec if {key: list(value.dim) for key, value in spec.input.items()} == shapes
        ]
        assert [spec.batch_size for spec in specs] == list(model.shapes.graph_batches)
        covered = [batch for spec in specs for batch in range(spec.graph_lower_bound.batch_size, spec.batch_size + 1)]
        assert covered == list(range(1, model.shapes.max_batch_size + 1))
        for spec in specs:
            lower = {key: list(value.dim) for key, value in spec.graph_lower_bound.input.items()}
            assert lower == shapes, "only the batch may be smaller: a shorter text would see the rest of an older one"


@pytest.mark.parametrize("name", NAMES)
def test_every_bucket_is_warm_before_ready(name: str) -> None:
    model = ENGINES[name]
    warm = {(next(iter(w.inputs.values())) and w.name): w for w in parse(name).model_warmup}
    lengths = {(entry.batch_size, tuple(entry.inputs[model.inputs[-1].name].dims)) for entry in warm.values()}
    assert lengths == {
        (batch, tuple(model.inputs[-1].dims(bucket))) for bucket in model.shapes.buckets for batch in (1, 64)
    }


@pytest.mark.parametrize("name", NAMES)
def test_batches_that_have_a_graph_are_preferred(name: str) -> None:
    batching = parse(name).dynamic_batching
    assert list(batching.preferred_batch_size) == [2, 4, 8, 16, 32, 64]


def test_the_exporter_knows_the_encoder_as_it_is_declared(exportable: Exportable) -> None:
    declared = ENGINES["encoder"]
    assert exportable.inputs == tuple(tensor.name for tensor in declared.inputs)
    assert exportable.outputs == tuple(tensor.name for tensor in declared.outputs)
    for tensor in declared.inputs:
        assert exportable.axes[tensor.name] == ("batch", *tensor.axes)


def test_the_last_bucket_is_the_longest_input() -> None:
    shapes = EngineShapes(axis="sequence", buckets=(16, 32, 64))
    assert limit_buckets(shapes, 40).buckets == (16, 32, 40)
    assert limit_buckets(shapes, 64).buckets == (16, 32, 64)


def test_writing_changes_only_what_differs(tmp_path: Path) -> None:
    for name in MODELS:
        (tmp_path / name).mkdir()
    files = [locate_configuration(tmp_path / name, profile) for name in MODELS for profile in MODELS[name].profiles]
    files[0].write_text(render_configuration(TRITON_MODELS[0], "default"))
    assert write_configs(tmp_path) == files[1:]
    assert write_configs(tmp_path) == []
    with pytest.raises(ExportError, match="--repository: .* cannot be written"):
        write_configs(tmp_path / "absent")
