"""The ``config.pbtxt`` and ``configs/*.pbtxt`` of the model repository, written from the declarations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mercato.models.engine.declaration import EngineModel, Tensor
from mercato.models.engine.shapes import MAX_BATCH_SIZE
from mercato.triton_models.declaration import DEFAULT_PROFILE, ModelProfile, TritonModel
from mercato.triton_models.registry import TRITON_MODELS

CONFIG = "config.pbtxt"
ORIGIN = "Written by `mercato export config` from src/mercato/triton_models; change that and write it again."


def write_configurations(repository: Path) -> list[Path]:
    """Write the configurations of all models into a model repository.

    Args:
        repository: the folder of models; each model's folder has to be there.

    Returns:
        The files that were changed.

    Raises:
        OSError: a file cannot be written.
    """
    changed = []
    for model in TRITON_MODELS:
        for profile in model.profiles:
            path = locate_configuration(repository / model.name, profile)
            content = render_configuration(model, profile)
            if path.is_file() and path.read_text(encoding="utf-8") == content:
                continue
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
            changed.append(path)
    return changed


def locate_configuration(folder: Path, profile: str) -> Path:
    """Return where the configuration of a model for a profile lies, as ``--model-config-name`` has it.

    Args:
        folder: the model's folder in the repository.
        profile: the profile.
    """
    return folder / CONFIG if profile == DEFAULT_PROFILE else folder / "configs" / f"{profile}.pbtxt"


def render_configuration(model: TritonModel[Any], profile: str) -> str:
    """Write a model's configuration for one of its profiles."""
    declared = model.profiles[profile]
    head = f'# {declared.about}\n# {ORIGIN}\nname: "{model.name}"\n'
    tensors = f"input [\n{_render_tensors(model.inputs)}\n]\noutput [\n{_render_tensors(model.outputs)}\n]\n"
    if declared.engine:
        if model.engine is None:
            raise ValueError(f"{model.name}: profile {profile} runs it as an engine, which needs shapes")
        return head + _render_engine(model.engine, declared, tensors)
    file = f'default_model_filename: "{declared.file}"\n' if declared.file else ""
    stages = (
        f'parameters [ {{ key: "stages" value: {{ string_value: "{declared.stages}" }} }} ]\n'
        if declared.stages
        else ""
    )
    return (
        f'{head}backend: "python"\n{file}max_batch_size: {MAX_BATCH_SIZE}\n{tensors}'
        f"instance_group [ {{ kind: KIND_CPU count: {declared.instances} }} ]\n"
        f"dynamic_batching {{\n{_render_queue(declared)}}}\n{stages}"
    )


def _render_engine(model: EngineModel, profile: ModelProfile, tensors: str) -> str:
    """Write what follows the name of a model that runs as an engine.

    CUDA graphs are captured for each bucket and batch size. A graph's lower bound lets every batch down to the next
    smaller graph's run as this one: rows do not see each other, and Triton's buffers hold zeros or an earlier batch in
    the rows that are too many.
    """
    shapes = model.shapes
    built = ", ".join(f'"{number}"' for number in range(len(shapes.profiles())))
    graphs = [
        _render_graph(model, bucket, batch, least)
        for bucket in shapes.buckets
        for batch, least in zip(shapes.graph_batches, [1, *(size + 1 for size in shapes.graph_batches)], strict=False)
    ]
    warmups = [
        _render_warmup(model, bucket, batch) for bucket in shapes.buckets for batch in (1, shapes.max_batch_size)
    ]
    preferred = ", ".join(str(batch) for batch in shapes.graph_batches if batch > 1)
    return (
        f'platform: "tensorrt_plan"\nmax_batch_size: {shapes.max_batch_size}\n{tensors}'
        f"instance_group [ {{ kind: KIND_GPU count: {profile.instances} profile: [ {built} ] }} ]\n"
        f"dynamic_batching {{\n  preferred_batch_size: [ {preferred} ]\n{_render_queue(profile)}}}\n"
        f"optimization {{\n  cuda {{\n    graphs: true\n{''.join(graphs)}  }}\n}}\n"
        f"model_warmup [\n{_join(warmups)}\n]\n"
    )


def _render_queue(profile: ModelProfile) -> str:
    """Write how requests wait: a queue that is bounded in length and time, which the caller's own deadline reaches."""
    return (
        f"  max_queue_delay_microseconds: {profile.queue_delay_us}\n"
        f"  default_queue_policy {{ max_queue_size: {profile.max_queue_size} allow_timeout_override: true "
        f"default_timeout_microseconds: {profile.queue_timeout_s * 1_000_000} }}\n"
    )


def _render_tensors(tensors: Iterable[Tensor]) -> str:
    return _join(
        f'  {{ name: "{tensor.name}" data_type: {_type_of(tensor)} dims: [ {_list(tensor.dims())} ]'
        f"{' optional: true' if tensor.optional else ''} }}"
        for tensor in tensors
    )


def _type_of(tensor: Tensor) -> str:
    """Return Triton's name of a type in configurations: BYTES is a string there."""
    return f"TYPE_{'STRING' if tensor.data_type == 'BYTES' else tensor.data_type}"


def _render_graph(model: EngineModel, bucket: int, batch: int, least: int) -> str:
    shapes = " ".join(
        f'input {{ key: "{tensor.name}" value {{ dim: [ {_list(tensor.dims(bucket))} ] }} }}' for tensor in model.inputs
    )
    return (
        f"    graph_spec {{\n      batch_size: {batch} {shapes}\n"
        f"      graph_lower_bound {{ batch_size: {least} {shapes} }}\n    }}\n"
    )


def _render_warmup(model: EngineModel, bucket: int, batch: int) -> str:
    inputs = "\n".join(
        f'    inputs {{ key: "{tensor.name}" value {{ data_type: {_type_of(tensor)} '
        f"dims: [ {_list(tensor.dims(bucket))} ] zero_data: true }} }}"
        for tensor in model.inputs
    )
    return f'  {{\n    name: "{model.shapes.axis} {bucket}, batch {batch}"\n    batch_size: {batch}\n{inputs}\n  }}'


def _list(lengths: Sequence[int]) -> str:
    return ", ".join(map(str, lengths))


def _join(parts: Iterable[str]) -> str:
    return ",\n".join(parts)
