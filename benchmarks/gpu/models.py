"""The declared models as PyTorch modules: where their weights are, and inputs to measure them with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.harness.command import BenchmarkError
from mercato.models.engine.declaration import EngineModel
from mercato.triton_models.registry import ENGINES
from mercato_export.exportable import Exportable
from mercato_export.networks.loading import LOADERS
from mercato_export.parity import DifferenceGate

SEED = 7
VOCABULARY = 30_000
ITEMS = 12
# Of drawn inputs, which no network was trained on; models that are served have gates of their own.
LARGEST_HALF_DIFFERENCE = 1.0


def load_module(name: str, weights: Path) -> torch.nn.Module:
    """Load a declared model in fp32.

    Args:
        name: a key of `mercato.triton_models.registry.ENGINES`.
        weights: what training wrote; the encoder's weights are pinned in the exporter.

    Raises:
        BenchmarkError: the weights are missing, or made for other features.
    """
    if name == "encoder":
        from mercato_export.encoder import describe_encoder
        from mercato_export.weights import MINILM, locate_weights

        return describe_encoder(locate_weights(MINILM), ["a product", "another product"]).module
    if not any(weights.glob("*.safetensors")):
        raise BenchmarkError(f"{name}: {weights} has no .safetensors file; train one with mercato train {name}")
    network, config = LOADERS[name](weights)
    declared = next((tensor.axes[-1] for tensor in ENGINES[name].inputs if tensor.name == "features"), None)
    if declared is not None and len(config.feature_names) != declared:
        raise BenchmarkError(
            f"{name}: {weights} was trained on {len(config.feature_names)} features, {declared} are declared; "
            f"train it again with mercato train {name}"
        )
    loaded: torch.nn.Module = network.eval()
    return loaded


def describe_declared(model: EngineModel, module: torch.nn.Module) -> Exportable:
    """Describe a declared model for export, with drawn inputs: for engines that are measured and not served.

    Args:
        model: the declaration.
        module: the model in fp32.
    """
    axes = {tensor.name: ("batch", *(str(axis) for axis in tensor.axes)) for tensor in (*model.inputs, *model.outputs)}
    fixed = {axis for tensor in (*model.inputs, *model.outputs) for axis in tensor.axes if isinstance(axis, int)}
    drawn = make_inputs(model, ITEMS, model.shapes.buckets[0])
    return Exportable(
        name=model.name,
        module=module,
        inputs=tuple(tensor.name for tensor in model.inputs),
        outputs=tuple(tensor.name for tensor in model.outputs),
        axes=axes,
        sizes={str(length): length for length in fixed},
        items=[{name: value[row : row + 1].numpy() for name, value in drawn.items()} for row in range(ITEMS)],
        gates={"fp32": DifferenceGate(maximum=0.01), "fp16": DifferenceGate(maximum=LARGEST_HALF_DIFFERENCE)},
        source={"drawn": ITEMS},
        serving={},
        shapes=model.shapes,
    )


def make_inputs(model: EngineModel, batch: int, bucket: int) -> dict[str, torch.Tensor]:
    """Return one full batch on CPU, always the same: random tokens in two segments, masks of ones, normal values."""
    random = np.random.default_rng(SEED)
    made = {}
    for tensor in model.inputs:
        shape = (batch, *tensor.dims(bucket))
        if tensor.name == "attention_mask":
            made[tensor.name] = torch.ones(shape, dtype=torch.int64)
        elif tensor.name == "token_type_ids":
            made[tensor.name] = (torch.arange(bucket) >= bucket // 2).long().repeat(batch, 1)
        elif tensor.data_type == "INT64":
            made[tensor.name] = torch.from_numpy(random.integers(1000, VOCABULARY, shape))
        else:
            made[tensor.name] = torch.from_numpy(random.standard_normal(shape).astype(np.float32))
    return made
