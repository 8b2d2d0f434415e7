"""The default ``config.pbtxt`` of a model that runs as an engine, written from its declaration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mercato.models.engine.declaration import ENGINES, EngineModel, Tensor
from mercato_export.errors import ExportError

CONFIG_FILE = "config.pbtxt"
HEADER = """\
# GPU: a TensorRT engine, linked as 1/model.plan when the server starts.
# Written by `mercato export config` from src/mercato/models/engine/declaration.py; change that and write it again.
"""


def write_configs(repository: Path) -> list[Path]:
    """Write the default configuration of every engine into a model repository.

    Args:
        repository: the folder of models; each engine's folder has to be there.

    Returns:
        The files that were changed.

    Raises:
        ExportError: a file cannot be written.
    """
    changed = []
    for model in ENGINES.values():
        path = repository / model.name / CONFIG_FILE
        text = render_config(model)
        try:
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            path.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise ExportError(f"--repository: {path} cannot be written: {exc}") from exc
        changed.append(path)
    return changed


def render_config(model: EngineModel) -> str:
    """Write a model's configuration.

    CUDA graphs are captured for each bucket and batch size. A graph's lower bound lets every batch down to the next
    smaller graph's run as this one: rows do not see each other, and Triton's buffers hold zeros or an earlier batch in
    the rows that are too many.
    """
    shapes = model.shapes
    profiles = ", ".join(f'"{number}"' for number in range(len(shapes.profiles())))
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
        f'{HEADER}name: "{model.name}"\n'
        'platform: "tensorrt_plan"\n'
        f"max_batch_size: {shapes.max_batch_size}\n"
        f"input [\n{_render_tensors(model.inputs)}\n]\n"
        f"output [\n{_render_tensors(model.outputs)}\n]\n"
        f"instance_group [ {{ kind: KIND_GPU count: 1 profile: [ {profiles} ] }} ]\n"
        "dynamic_batching {\n"
        f"  preferred_batch_size: [ {preferred} ]\n"
        f"  max_queue_delay_microseconds: {model.queue_delay_us}\n"
        f"  default_queue_policy {{ max_queue_size: {model.max_queue_size} allow_timeout_override: true }}\n"
        "}\n"
        f"optimization {{\n  cuda {{\n    graphs: true\n{''.join(graphs)}  }}\n}}\n"
        f"model_warmup [\n{_join(warmups)}\n]\n"
    )


def _render_tensors(tensors: Iterable[Tensor]) -> str:
    return _join(
        f'  {{ name: "{tensor.name}" data_type: TYPE_{tensor.data_type} dims: [ {_list(tensor.dims())} ] }}'
        for tensor in tensors
    )


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
        f'    inputs {{ key: "{tensor.name}" value {{ data_type: TYPE_{tensor.data_type} '
        f"dims: [ {_list(tensor.dims(bucket))} ] zero_data: true }} }}"
        for tensor in model.inputs
    )
    return f'  {{\n    name: "{model.shapes.axis} {bucket}, batch {batch}"\n    batch_size: {batch}\n{inputs}\n  }}'


def _list(lengths: Sequence[int]) -> str:
    return ", ".join(map(str, lengths))


def _join(parts: Iterable[str]) -> str:
    return ",\n".join(parts)
