from pathlib import Path

import pytest

from mercato.errors import ModelError, ServerError
from mercato.serving.repository import list_models, list_profiles, project_repository, stage_repository

PYTHON_CONFIG = 'backend: "python" instance_group [ { kind: KIND_CPU count: 3 } ]'
ENGINE_CONFIG = 'platform: "tensorrt_plan" instance_group [ { kind: KIND_GPU count: 1 } ]'


def write_model(repository: Path, name: str, config: str, **profiles: str) -> Path:
    model = repository / name
    (model / "1" / "__pycache__").mkdir(parents=True)
    (model / "1" / "__pycache__" / "model.pyc").write_text("")
    (model / "1" / "model.py").write_text(f"# {name}")
    (model / "config.pbtxt").write_text(f'name: "{name}" {config}')
    for profile, text in profiles.items():
        (model / "configs").mkdir(exist_ok=True)
        (model / "configs" / f"{profile}.pbtxt").write_text(f'name: "{name}" {text}')
    return model


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    write_model(source, "search", PYTHON_CONFIG)
    write_model(source, "encoder", ENGINE_CONFIG, cpu='backend: "python"')
    write_model(source, "reranker", ENGINE_CONFIG)
    return source


def test_profile_takes_the_models_it_can_run(repository: Path) -> None:
    assert list_profiles(repository) == ["cpu", "default"]
    # reranker is an engine and has no cpu configuration; search is python in every profile.
    assert list_models(repository, "cpu") == ["encoder", "search"]
    assert list_models(repository, "default") == ["encoder", "reranker", "search"]


def test_staged_models_are_copies_with_their_instances(repository: Path, tmp_path: Path) -> None:
    target = tmp_path / "staged"
    staged = stage_repository(repository, target, profile="cpu")
    assert [(model.name, model.backend, model.instances) for model in staged] == [
        ("encoder", "python", 1),
        ("search", "python", 3),
    ]
    files = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert files == [
        "encoder/1/model.py",
        "encoder/config.pbtxt",
        "encoder/configs/cpu.pbtxt",
        "search/1/model.py",
        "search/config.pbtxt",
    ]
    assert not any(path.is_symlink() for path in target.rglob("*"))


def test_engine_is_linked_from_where_it_was_built(repository: Path, tmp_path: Path) -> None:
    engine = tmp_path / "built" / "model.plan"
    engine.parent.mkdir()
    engine.write_text("engine")
    target = tmp_path / "staged"
    stage_repository(repository, target, profile="default", models=["encoder"], engines={"encoder": engine})
    assert (target / "encoder" / "1" / "model.plan").resolve() == engine


def test_missing_engine_comes_with_the_command_that_builds_it(repository: Path, tmp_path: Path) -> None:
    missing = tmp_path / "model.plan"
    with pytest.raises(
        ModelError, match="model.plan does not exist; build it: mercato export encoder --target tensorrt"
    ):
        stage_repository(
            repository, tmp_path / "s", profile="default", models=["encoder"], engines={"encoder": missing}
        )


def test_unknown_profile_and_model_are_answered_with_the_known_ones(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="profile: must be one of cpu, default, given 'gpu'"):
        stage_repository(repository, tmp_path / "staged", profile="gpu")
    with pytest.raises(ServerError, match="models: reranker not in .* for profile cpu; there are encoder, search"):
        stage_repository(repository, tmp_path / "staged", profile="cpu", models=["reranker"])


def test_models_left_out(repository: Path, tmp_path: Path) -> None:
    staged = stage_repository(repository, tmp_path / "staged", profile="cpu", without={"encoder"})
    assert [model.name for model in staged] == ["search"]
    with pytest.raises(ServerError, match="models: none to serve"):
        stage_repository(repository, tmp_path / "none", profile="cpu", without={"encoder", "search"})


def test_configuration_that_does_not_parse_is_named(repository: Path, tmp_path: Path) -> None:
    (repository / "search" / "config.pbtxt").write_text("backend = python")
    with pytest.raises(ModelError, match=r"model search: .*config\.pbtxt is no model configuration"):
        stage_repository(repository, tmp_path / "staged", profile="cpu")


def test_project_repository_can_be_staged_for_both_cpu_profiles(tmp_path: Path) -> None:
    source = project_repository()
    for profile in ("cpu", "cpu-bls"):
        staged = stage_repository(source, tmp_path / profile, profile=profile)
        assert {model.backend for model in staged} == {"python"}
        assert {"encoder", "retriever", "ranker", "search", "recommend", "events", "catalog"} <= {
            m.name for m in staged
        }
