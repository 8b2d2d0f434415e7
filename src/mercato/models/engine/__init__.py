"""Engines: networks compiled for one kind of GPU, and whether they fit the machine that is to run them."""

from mercato.models.engine.declaration import EngineModel, Tensor
from mercato.models.engine.machine import Gpu, Machine, read_machine
from mercato.models.engine.manifest import EngineManifest, find_mismatches, read_engine_manifest
from mercato.models.engine.shapes import BatchRange, EngineShapes, Profile

__all__ = [
    "BatchRange",
    "EngineManifest",
    "EngineModel",
    "EngineShapes",
    "Gpu",
    "Machine",
    "Profile",
    "Tensor",
    "find_mismatches",
    "read_engine_manifest",
    "read_machine",
]
