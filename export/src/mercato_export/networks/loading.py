"""Which function loads the network of a trained folder: ours, or one that a shop names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from mercato_export.errors import ExportError
from mercato_export.networks.ranker import load_ranker
from mercato_export.networks.reranker import load_reranker
from mercato_export.networks.sequence import load_sequence

Loader = Callable[[Path], tuple[nn.Module, Any]]
"""From the folder that training wrote to the network and its config."""

LOADERS: Mapping[str, Loader] = {"ranker": load_ranker, "reranker": load_reranker, "sequence": load_sequence}
"""Name of a trained model -> the loader of the network that is trained here."""


def find_loader(model: str, name: str = "") -> Loader:
    """Return the loader of a model's network.

    Args:
        model: a key of `LOADERS`.
        name: ``MODULE:FUNCTION`` of another network than ours; empty for ours.

    Raises:
        ExportError: there is no such function.
    """
    if not name:
        return LOADERS[model]
    module, _, function = name.partition(":")
    try:
        loader: Loader = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ExportError(
            f"--loader: {name!r} must be MODULE:FUNCTION of a function that can be imported: {exc}"
        ) from exc
    return loader


def name_loader(loader: Loader) -> str:
    """Return ``MODULE:FUNCTION`` of a loader, as a manifest keeps it."""
    return f"{loader.__module__}:{loader.__qualname__}"
