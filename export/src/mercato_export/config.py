"""The configurations of the model repository: written by the library from its declarations, told as exports are."""

from __future__ import annotations

from pathlib import Path

from mercato.triton_models.configuration import write_configurations
from mercato_export.errors import ExportError


def write_configs(repository: Path) -> list[Path]:
    """Write the configurations of all models into a model repository.

    Args:
        repository: the folder of models; each model's folder has to be there.

    Returns:
        The files that were changed.

    Raises:
        ExportError: a file cannot be written.
    """
    try:
        return write_configurations(repository)
    except OSError as exc:
        raise ExportError(f"--repository: {exc.filename} cannot be written: {exc}") from exc
