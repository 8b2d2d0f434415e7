"""The manifest of an exported encoder: what it was made of, and whether its files are still those.

The boundary between the exporter, which writes it, and serving, which reads it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mercato.models.model_folder import ModelManifest, check_model_file, read_model_manifest
from mercato.text import TextRole

QUERY_FILES = {"model.int8.onnx": "query.int8.onnx", "model.onnx": "query.onnx"}
"""Files of the network for all texts -> those of the network for queries alone, where an encoder has a query side."""
REBUILD = "export it again: mercato export encoder --out {folder}"


class ServingRecord(BaseModel):
    """What serving needs to know about an encoder.

    Attributes:
        identity: hash of weights, tokenizer, pooling and prefixes. Encoders of one identity make comparable vectors.
        dimension: length of a vector.
        max_tokens: a text is cut after this many tokens, the two special ones included.
        pooling: how token states become one vector: ``mean``, or ``cls`` for the first one's.
        query_prefix: stands before each query, as the encoder was trained.
        product_prefix: stands before each product text.
        multilingual: whether texts of one meaning are near each other in whatever language they are.
        query_identity: hash of the network that encodes queries, where that is another than the products'; its vectors
            are compared with those of ``identity``. Empty where one network encodes both.
    """

    model_config = ConfigDict(frozen=True)

    identity: str = Field(min_length=8)
    dimension: int = Field(gt=0)
    max_tokens: int = Field(gt=2)
    pooling: str
    query_prefix: str = ""
    product_prefix: str = ""
    multilingual: bool = False
    query_identity: str = ""

    @property
    def prefixes(self) -> dict[TextRole, str]:
        """What stands before the texts of each role."""
        return {"query": self.query_prefix, "product": self.product_prefix}


class SourceRecord(BaseModel):
    """The weights that an encoder was exported from.

    Attributes:
        repository: name on the Hugging Face hub.
        revision: commit or branch there.
    """

    model_config = ConfigDict(frozen=True)

    repository: str
    revision: str


class EncoderManifest(ModelManifest):
    """The part of an encoder's ``manifest.json`` that serving and training read."""

    serving: ServingRecord
    source: SourceRecord | None = None


def read_manifest(folder: Path) -> EncoderManifest:
    """Read the manifest of an encoder folder.

    Args:
        folder: what ``mercato export encoder --out`` wrote.

    Raises:
        ModelError: the folder or its manifest is missing or malformed.
    """
    return read_model_manifest(folder, EncoderManifest, model="encoder", remedy=REBUILD.format(folder=folder))


def check_file(folder: Path, name: str, manifest: EncoderManifest, *, verify_hash: bool) -> Path:
    """Return the path of an encoder's file; see `mercato.models.model_folder.check_model_file`."""
    remedy = REBUILD.format(folder=folder)
    return check_model_file(folder, name, manifest, model="encoder", remedy=remedy, verify_hash=verify_hash)
