"""The encoder stage: texts to unit vectors."""

from mercato.models.encoder.batching import EncodedBatch
from mercato.models.encoder.manifest import EncoderManifest, read_manifest
from mercato.models.encoder.onnx_encoder import OnnxEncoder, Precision
from mercato.models.encoder.tokenizer import TextTokenizer

__all__ = ["EncodedBatch", "EncoderManifest", "OnnxEncoder", "Precision", "TextTokenizer", "read_manifest"]
