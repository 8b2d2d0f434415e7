"""The sequence model: what a shopper takes next, from the order of what they took before."""

from mercato.sequence.manifest import SequenceManifest, read_sequence_manifest
from mercato.sequence.next_products import NextProducts
from mercato.sequence.onnx_sequence import SequenceModel
from mercato.sequence.products import SequenceProducts, read_products

__all__ = [
    "NextProducts",
    "SequenceManifest",
    "SequenceModel",
    "SequenceProducts",
    "read_products",
    "read_sequence_manifest",
]
