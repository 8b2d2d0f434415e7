"""A model repository staged for one run: configurations and adapters copied, engine files linked.

A copy of its own lets a run reload a model by touching it (Triton ignores a load of an unchanged model), keeps
``__pycache__`` out of the source, and lets engines lie wherever they were built.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from mercato.errors import ModelError, ServerError
from mercato.models.engine.manifest import SERVED_FLAVOUR, export_command
from mercato.triton_models.configuration import CONFIG, locate_configuration
from mercato.triton_models.declaration import DEFAULT_PROFILE, ENGINE

# What serves a model in place of its engine: ONNX on CPU, called by the other models.
FALLBACK_PROFILE = "cpu-bls"
PYTHON_BACKEND = "python"


@dataclass(frozen=True, kw_only=True)
class StagedModel:
    """A model of a staged repository.

    Attributes:
        name: the model's name.
        backend: the backend that runs it in the chosen profile.
        instances: how many instances of it run; for the python backend that many stub processes.
        folder: its folder in the staged repository.
    """

    name: str
    backend: str
    instances: int
    folder: Path


def project_repository() -> Path:
    """Return the project's model repository: beside ``src`` in a checkout, inside the package when installed.

    Raises:
        ServerError: it is in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package.parents[1] / "model_repository", package / "model_repository")
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise ServerError(f"model_repository: not found in {' or '.join(map(str, candidates))}; install mercato again")


def list_profiles(repository: Path) -> list[str]:
    """List the profiles that at least one model of a repository is configured for."""
    return sorted({DEFAULT_PROFILE} | {path.stem for path in repository.glob("*/configs/*.pbtxt")})


def list_models(repository: Path, profile: str) -> list[str]:
    """List the models of a repository that a profile can run.

    A model whose only configuration names another backend than python is left out of profiles it has no
    configuration for: what the default profile runs as an engine needs a configuration of its own elsewhere.

    Args:
        repository: the folder of models.
        profile: the profile.

    Returns:
        Sorted names.
    """
    names = []
    for path in sorted(repository.iterdir()):
        own = locate_configuration(path, profile).is_file()
        if not own and not (path / CONFIG).is_file():
            continue
        if own or read_config(path, profile).backend == PYTHON_BACKEND:
            names.append(path.name)
    return names


def read_config(model: Path, profile: str) -> Any:
    """Read a model's configuration for a profile, as Triton does with ``--model-config-name``.

    Args:
        model: the model's folder.
        profile: the profile; without ``configs/<profile>.pbtxt`` it is ``config.pbtxt`` that counts.

    Returns:
        The parsed ``ModelConfig``.

    Raises:
        ModelError: there is none, or it does not parse.
    """
    path = locate_configuration(model, profile)
    if not path.is_file():
        path = model / CONFIG
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    except OSError as exc:
        raise ModelError(f"model {model.name}: {path} cannot be read ({exc.strerror})") from exc
    except text_format.ParseError as exc:
        raise ModelError(f"model {model.name}: {path} is no model configuration ({exc})") from exc


def stage_repository(
    source: Path,
    target: Path,
    *,
    profile: str,
    models: Sequence[str] | None = None,
    engines: Mapping[str, Path] | None = None,
    without: Collection[str] = (),
    fallback: Collection[str] = (),
) -> list[StagedModel]:
    """Copy a model repository into a run's folder and link engine files into it.

    Args:
        source: the repository.
        target: where to stage it; made here.
        profile: the profile that will be served.
        models: the models to stage; None for all that the profile can run.
        engines: a TensorRT engine for each model that has one, linked as ``1/model.plan``.
        without: models to leave out when ``models`` is None.
        fallback: models that get their configuration for the CPU in place of the profile's.

    Returns:
        The staged models, sorted by name.

    Raises:
        ServerError: the profile or a model is unknown, or there is no model at all.
        ModelError: a configuration does not parse, or an engine is missing.
    """
    profiles = list_profiles(source)
    if profile not in profiles:
        raise ServerError(f"profile: must be one of {', '.join(profiles)}, given {profile!r}")
    available = list_models(source, profile)
    unknown = sorted(set(models or ()) - set(available))
    if unknown:
        raise ServerError(
            f"models: {', '.join(unknown)} not in {source} for profile {profile}; there are {', '.join(available)}"
        )
    chosen = [name for name in available if name not in without] if models is None else sorted(set(models))
    if not chosen:
        there = f"{source} has {', '.join(available) or 'none'} for profile {profile}"
        raise ServerError(f"models: none to serve; {there}; give the catalogue, encoder or ranker they need")
    return [
        _stage_model(source / name, target / name, profile, (engines or {}).get(name), replaced=name in fallback)
        for name in chosen
    ]


def _stage_model(source: Path, target: Path, profile: str, engine: Path | None, *, replaced: bool) -> StagedModel:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ENGINE))
    if replaced:
        replacement = locate_configuration(target, FALLBACK_PROFILE)
        if not replacement.is_file():
            raise ModelError(f"model {source.name}: has no configuration {FALLBACK_PROFILE} to fall back to")
        shutil.copyfile(replacement, target / CONFIG)
        profile = DEFAULT_PROFILE
    config = read_config(target, profile)
    backend = config.backend or config.platform
    version = target / "1"
    version.mkdir(exist_ok=True)
    if backend == PYTHON_BACKEND:
        watched = version / "model.py"
        if not watched.is_file():
            raise ModelError(f"model {source.name}: {source / '1' / 'model.py'} is missing; install mercato again")
    else:
        watched = version / ENGINE
        if engine is None or not engine.is_file():
            raise ModelError(
                f"model {source.name}: profile {profile} needs an engine, {engine or 'none was given'} does not exist; "
                f"build it: {export_command(source.name, SERVED_FLAVOUR, Path('DIR'))}"
            )
        watched.symlink_to(engine.resolve())
    instances = sum(max(1, group.count) for group in config.instance_group) or 1
    return StagedModel(name=source.name, backend=backend, instances=instances, folder=target)
