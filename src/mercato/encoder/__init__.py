"""The encoder stage: texts to unit vectors."""

from mercato.encoder.batching import EncodedBatch
from mercato.encoder.manifest import EncoderManifest, read_manifest
from mercato.encoder.onnx_encoder import OnnxEncoder, Precision
from mercato.encoder.tokenizer import TextTokenizer

__all__ = ["EncodedBatch", "EncoderManifest", "OnnxEncoder", "Precision", "TextTokenizer", "read_manifest"]
