"""The ``torch`` profile has the tensors of the others; only the networks differ in it."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from mercato.serving.repository import list_models, project_repository, read_config

NETWORKS = ("encoder", "ranker", "reranker", "sequence")


def read(model: str, profile: str) -> Any:
    return read_config(project_repository() / model, profile)


@pytest.mark.parametrize("model", NETWORKS)
def test_tensors_are_those_of_tensorrt(model: str) -> None:
    torch, default = read(model, "torch"), read(model, "default")
    assert list(torch.input) == list(default.input)
    assert list(torch.output) == list(default.output)
    assert torch.max_batch_size == default.max_batch_size
    assert (torch.dynamic_batching.max_queue_delay_microseconds, torch.dynamic_batching.default_queue_policy) == (
        default.dynamic_batching.max_queue_delay_microseconds,
        default.dynamic_batching.default_queue_policy,
    )


@pytest.mark.parametrize("model", NETWORKS)
def test_one_process_holds_the_gpu_and_runs_its_own_file(model: str) -> None:
    config = read(model, "torch")
    assert config.backend == "python"
    assert [group.count for group in config.instance_group] == [1]
    assert (project_repository() / model / "1" / config.default_model_filename).is_file()


def test_every_other_model_runs_as_in_default() -> None:
    repository = project_repository()
    assert list_models(repository, "torch") == list_models(repository, "default")
    for model in set(list_models(repository, "torch")) - set(NETWORKS):
        assert not (repository / model / "configs" / "torch.pbtxt").exists()
        assert read(model, "torch") == read(model, "default")


def test_no_other_configuration_names_the_file_with_torch() -> None:
    for path in sorted(project_repository().glob("*/**/*.pbtxt")):
        config = text_format.Parse(Path(path).read_text(), model_config_pb2.ModelConfig())
        assert (config.default_model_filename != "") == (path.stem == "torch")
