"""Every declared model becomes a real engine through the one exporter, on a machine without a GPU."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from mercato.checksum import hash_file
from mercato.models.engine.manifest import read_engine_manifest
from mercato.triton_models.registry import ENGINES
from mercato_export.encoder import describe_encoder
from mercato_export.exportable import Exportable
from mercato_export.networks.ranker import RankerConfig, RankerNetwork, save_ranker
from mercato_export.networks.reranker import RerankerConfig, RerankerNetwork, save_reranker
from mercato_export.networks.sequence import SequenceConfig, SequenceNetwork, save_sequence
from mercato_export.options import BuildOptions
from mercato_export.pipeline import export_model
from mercato_export.ranker import describe_ranker
from mercato_export.reranker import describe_reranker
from mercato_export.sequence import describe_sequence
from tests.unit.export.tiny_encoder import HIDDEN_SIZE, MAX_TOKENS, VOCABULARY, make_texts, make_tokenizer, make_weights

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed: pip install 'mercato[dev]'")


def make_encoder(folder: Path) -> Exportable:
    return describe_encoder(make_weights(folder), make_texts(), max_tokens=MAX_TOKENS)


def make_ranker(folder: Path) -> Exportable:
    torch.manual_seed(5)
    names = ("fused", "price", "age")
    config = RankerConfig(
        feature_names=names,
        dimension=16,
        projection=4,
        hidden=(8, 6),
        members=3,
        outcomes=("purchase", "cart"),
        blend=(1.0, 0.2),
    )
    network = RankerNetwork(config)
    network.standardize_by(torch.randn(200, len(names)))
    save_ranker(folder, network)
    return describe_ranker(folder)


def make_reranker(folder: Path) -> Exportable:
    torch.manual_seed(5)
    trunk = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=HIDDEN_SIZE,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
        attn_implementation="eager",
    )
    tokenizer = folder / "tokenizer.json"
    make_tokenizer().save(str(tokenizer))
    config = RerankerConfig(
        layers=(0, 1),
        max_tokens=MAX_TOKENS,
        query_tokens=6,
        weight=0.5,
        trunk=trunk.to_dict(),
        tokenizer_sha256=hash_file(tokenizer),
    )
    save_reranker(folder, RerankerNetwork(config, BertModel(trunk, add_pooling_layer=False)), tokenizer)
    texts = make_texts()
    return describe_reranker(folder, [(texts[start], texts[start : start + 8]) for start in range(0, 96, 8)])


def make_sequence(folder: Path) -> Exportable:
    torch.manual_seed(5)
    config = SequenceConfig(products=40, layers=1)
    save_sequence(folder, SequenceNetwork(config), [f"p{number}" for number in range(40)])
    return describe_sequence(folder)


MAKERS: dict[str, Callable[[Path], Exportable]] = {
    "encoder": make_encoder,
    "ranker": make_ranker,
    "reranker": make_reranker,
    "sequence": make_sequence,
}


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_declared_model_becomes_an_engine(name: str, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    exportable = MAKERS[name](weights)
    # The orders of networks with drawn weights hang on the last bit; how many ranks they may lose is tested elsewhere.
    exportable = Exportable(**{**vars(exportable), "quality": None})
    export_model(
        exportable,
        target="tensorrt-rtx",
        out=tmp_path / name,
        parity_source={},
        engine=BuildOptions(capabilities=("8.6",), timing_cache=None),
    )
    manifest = read_engine_manifest(tmp_path / name / "model.rtx.plan", name)
    assert manifest.precision == "fp16"
    assert len(manifest.profiles) == len(exportable.shapes.profiles() if exportable.shapes else ())
    declared = ENGINES[name]
    assert [tensor.name for tensor in declared.inputs] == list(exportable.inputs)
    assert [tensor.name for tensor in declared.outputs] == list(exportable.outputs)
