"""`sequence`: codes of the last products in, the state that scores the next one out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mercato.models.engine.declaration import Tensor
from mercato.models.engine.shapes import EngineShapes
from mercato.triton_models.declaration import ModelFolder, TritonModel, network_profiles

if TYPE_CHECKING:
    from mercato.models.sequence import SequenceModel
    from mercato.pipeline.remote import Call
    from mercato.settings import Settings

SEQUENCE_WIDTH = 64  # of a state


def _open(settings: Settings, call: Call | None) -> SequenceModel:
    from mercato.pipeline.factory import open_sequence

    return open_sequence(settings)


def _verify(folder: Path) -> None:
    """Check that all files are there and of one export."""
    from mercato.models.sequence.manifest import read_sequence_manifest

    read_sequence_manifest(folder, verify_hashes=True)


SEQUENCE = TritonModel(
    name="sequence",
    inputs=(Tensor(name="product_codes", data_type="INT64", axes=("sequence",)),),
    outputs=(Tensor(name="state", data_type="FP32", axes=(SEQUENCE_WIDTH,)),),
    profiles=network_profiles(cpu_bls=1),  # nothing calls it: the retriever holds it itself
    needs=("sequence",),
    open=_open,
    folder=ModelFolder(remedy="mercato export sequence --weights DIR --out {folder}", verify=_verify),
    # it reads the last 50 products at most
    shapes=EngineShapes(axis="sequence", buckets=(16, 50)),
)
