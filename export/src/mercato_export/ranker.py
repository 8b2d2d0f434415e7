"""The ranker: query, history, candidate vectors and features to scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mercato.checksum import hash_file
from mercato.models.ranker.calibration import read_calibration
from mercato.models.ranker.manifest import read_last_event_time
from mercato.triton_models.registry import ENGINES
from mercato_export.errors import WeightsError
from mercato_export.exportable import Exportable, Tensors, collate
from mercato_export.networks.loading import Loader, name_loader
from mercato_export.networks.ranker import load_ranker
from mercato_export.options import DEFAULT_TOLERANCE
from mercato_export.parity import DifferenceGate
from mercato_export.quality import OrderQuality

# Training writes them beside the weights.
CALIBRATION_FILE = "calibration.json"
LEARNED_FILE = "learned_from.json"
PARITY_LISTS = 96
PARITY_CANDIDATES = 64
LARGEST_DIFFERENCE = 1e-4
LARGEST_HALF_DIFFERENCE = 0.05
SEED = 20240229


def describe_ranker(
    folder: Path,
    *,
    load: Loader = load_ranker,
    lists: Sequence[Tensors] | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Exportable:
    """Load a trained ranker and describe how to export it.

    Args:
        folder: what training wrote.
        load: takes the folder and returns the network and its config, which has ``feature_names`` and ``dimension``.
            The network's buffers ``mean`` and ``scale`` standardise features.
        lists: real candidate lists, from `mercato_export.lists.collect_lists`; None draws some.
        tolerance: most that a smaller precision may lose of nDCG@10, and that Kendall's tau may miss of 1.

    Raises:
        WeightsError: the folder holds no file of weights, or beside it one of training that cannot be used.
    """
    network, config = load(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise WeightsError(f"--weights: {folder} has no .safetensors file; train one with mercato train ranker")
    dimension, feature_count = int(config.dimension), len(config.feature_names)
    given = lists or _sample_lists(dimension, network.get_buffer("mean"), network.get_buffer("scale"))
    together = collate(given)
    items = [{name: array[row : row + 1] for name, array in together.items()} for row in range(len(given))]
    vector, of_candidates = ("batch", "dimension"), ("batch", "candidates")
    return Exportable(
        name="ranker",
        module=network,
        inputs=("query", "history", "candidates", "features"),
        outputs=("score",),
        axes={
            "query": vector,
            "history": vector,
            "candidates": (*of_candidates, "dimension"),
            "features": (*of_candidates, "feature"),
            "score": of_candidates,
        },
        sizes={"dimension": dimension, "feature": feature_count},
        items=items,
        gates={
            "fp32": DifferenceGate(maximum=LARGEST_DIFFERENCE),
            "fp16": DifferenceGate(maximum=LARGEST_HALF_DIFFERENCE),
        },
        source={"sha256": {file.name: hash_file(file) for file in weights}, "loader": name_loader(load)},
        serving={
            "dimension": dimension,
            "feature_names": list(config.feature_names),
            **_read_calibration(folder),
            **read_learned(folder),
        },
        shapes=ENGINES["ranker"].shapes,
        quality=OrderQuality(items=items, lengths=[item["candidates"].shape[1] for item in given], tolerance=tolerance),
    )


def _read_calibration(folder: Path) -> dict[str, Any]:
    """Return the calibration that training left beside the weights, as ``calibration``; nothing where there is none."""
    path = folder / CALIBRATION_FILE
    if not path.exists():
        return {}
    try:
        return {"calibration": read_calibration(json.loads(path.read_text(encoding="utf-8"))).as_json()}
    except (OSError, ValueError) as exc:
        raise WeightsError(f"--weights: {path} cannot be used ({exc}); train the ranker again") from exc


def read_learned(folder: Path) -> dict[str, Any]:
    """Return the ``last_event_time`` that training left beside the weights; nothing where there is none.

    Args:
        folder: of a trained ranker or sequence model.

    Raises:
        WeightsError: what is there cannot be used.
    """
    path = folder / LEARNED_FILE
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {"last_event_time": read_last_event_time(document)} if "last_event_time" in document else {}
    except (OSError, ValueError, AttributeError, TypeError) as exc:
        raise WeightsError(f"--weights: {path} cannot be used ({exc}); train it again") from exc


def _sample_lists(dimension: int, mean: torch.Tensor, scale: torch.Tensor) -> list[Tensors]:
    """Draw candidate lists: unit vectors near the query, features spread as those of training.

    Every third list has no query and every fourth no history, as recommendations and new shoppers have it.
    """
    random = np.random.default_rng(SEED)
    center = mean.numpy()
    spread = np.divide(1, scale.numpy(), out=np.ones_like(center), where=scale.numpy() > 0)
    lists: list[Tensors] = []
    for number in range(PARITY_LISTS):
        query, history = (_unit(random.standard_normal((1, dimension))) for _ in range(2))
        noise = random.standard_normal((1, PARITY_CANDIDATES, dimension))
        features = center + spread * random.standard_normal((1, PARITY_CANDIDATES, len(center)))
        lists.append(
            {
                "query": query * np.float32(number % 3 > 0),
                "history": history * np.float32(number % 4 > 0),
                "candidates": _unit(query[:, None] * 10 + noise),
                "features": features.astype(np.float32),
            }
        )
    return lists


def _unit(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    unit: npt.NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return unit
