"""The sequence model: what a shopper takes next, from the order of what they took before."""

from mercato.models.sequence.manifest import SequenceManifest, read_sequence_manifest
from mercato.models.sequence.next_products import NextProducts
from mercato.models.sequence.onnx_sequence import SequenceModel
from mercato.models.sequence.products import SequenceProducts, read_products

__all__ = [
    "NextProducts",
    "SequenceManifest",
    "SequenceModel",
    "SequenceProducts",
    "read_products",
    "read_sequence_manifest",
]
