"""The manifest beside a sequence model: how many products it knows and how many it reads at once.

The boundary between the exporter, which writes it, and serving, which reads it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mercato.models.model_folder import ModelManifest, check_model_file, read_model_manifest
from mercato.models.sequence.products import PRODUCTS_FILE, VECTORS_FILE

MODEL_FILE = "model.onnx"


class SequenceServing(BaseModel):
    """What serving needs to know about a sequence model.

    Attributes:
        products: how many it knows; codes are 1 to this, 0 is padding.
        max_length: last products of a history that it reads.
        width: length of its states and of the products' vectors.
        weight: of the source in the fusion with others, as training chose it; None leaves it to the default.
        last_event_time: of the events that it learned from the latest time, seconds since 1970 UTC; not set where
            it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    products: int = Field(ge=1)
    max_length: int = Field(ge=1)
    width: int = Field(ge=1)
    weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    last_event_time: float | None = Field(default=None, allow_inf_nan=False)


class SequenceManifest(ModelManifest):
    """The part of a sequence model's ``manifest.json`` that serving reads."""

    serving: SequenceServing


def read_sequence_manifest(folder: Path, *, verify_hashes: bool = False) -> SequenceManifest:
    """Read a sequence model's manifest, and check that the files beside it are those that were exported with it.

    Args:
        folder: what ``mercato export sequence --out`` wrote.
        verify_hashes: compare the sha256 of the files too, not only their sizes.

    Raises:
        ModelError: a file is missing, malformed, or from another export.
    """
    remedy = f"export it again: mercato export sequence --weights DIR --out {folder}"
    manifest = read_model_manifest(folder, SequenceManifest, model="sequence", remedy=remedy)
    for name in (MODEL_FILE, PRODUCTS_FILE, VECTORS_FILE):
        check_model_file(folder, name, manifest, model="sequence", remedy=remedy, verify_hash=verify_hashes)
    return manifest
