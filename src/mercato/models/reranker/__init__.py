"""The reranker: query and product text read together, for the best few products of a search."""

from mercato.models.reranker.blend import blend_order
from mercato.models.reranker.manifest import RerankerManifest, read_reranker_manifest
from mercato.models.reranker.onnx_reranker import OnnxReranker
from mercato.models.reranker.pair_tokenizer import PairTokenizer
from mercato.models.reranker.product_text import write_product_text

__all__ = [
    "OnnxReranker",
    "PairTokenizer",
    "RerankerManifest",
    "blend_order",
    "read_reranker_manifest",
    "write_product_text",
]
