"""The ``torch`` profile on CPU: the same answers as the other profiles, from a program without its Python code.

The CUDA graphs are tested in tests/gpu.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mercato.errors import ModelError
from mercato.features.features import FEATURE_NAMES
from mercato.models.encoder import OnnxEncoder
from mercato.models.engine.declaration import EngineModel, Tensor
from mercato.models.engine.shapes import EngineShapes
from mercato.models.ranker.onnx_ranker import OnnxRanker
from mercato.torch_profile import GraphedNetwork, TorchEncoder, TorchRanker
from mercato.torch_profile.stages import require_folder
from mercato.triton_models.registry import ENGINES
from mercato_export.encoder import describe_encoder
from mercato_export.networks.ranker import RankerConfig, RankerNetwork, save_ranker
from mercato_export.pipeline import export_model
from mercato_export.ranker import describe_ranker
from tests.unit.export.tiny_encoder import MAX_TOKENS, make_texts, make_weights

DIMENSION = 16
# Half precision against full: unit vectors and scores of size 1, a few dozen roundings of 5e-4.
TOLERANCE = 5e-3


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("torch-encoder")
    encoder = describe_encoder(make_weights(base / "weights"), make_texts(), max_tokens=MAX_TOKENS)
    few = replace(encoder, items=encoder.items[:40])
    export_model(few, target="int8,torch", out=base / "encoder", parity_source={})
    return base / "encoder"


@pytest.fixture(scope="module")
def ranker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("torch-ranker")
    torch.manual_seed(5)
    config = RankerConfig(feature_names=FEATURE_NAMES, dimension=DIMENSION, projection=4, hidden=(8,), members=2)
    network = RankerNetwork(config)
    torch.nn.init.normal_(network.get_parameter("perceptron.2.weight"), std=0.1)
    network.standardize_by(torch.randn(200, len(FEATURE_NAMES)))
    save_ranker(base / "trained", network)
    export_model(describe_ranker(base / "trained"), target="torch", out=base / "ranker", parity_source={})
    return base / "ranker"


def test_vectors_are_those_of_full_precision_and_warm_before_the_first_text(encoder_folder: Path) -> None:
    texts = make_texts()[:9]
    stage = TorchEncoder(encoder_folder, device="cpu")
    full = OnnxEncoder(encoder_folder, precision="fp32")
    ids, mask = full.tokenizer(texts)
    vectors = stage.embed_tokens(ids, mask)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, full.encode(texts), atol=TOLERANCE)
    assert np.abs(vectors - full.encode(texts)).max() > 0, "half precision rounds"
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_is_the_same_alone_padded_and_in_a_batch(encoder_folder: Path) -> None:
    stage = TorchEncoder(encoder_folder, device="cpu")
    ids, mask = OnnxEncoder(encoder_folder, precision="fp32").tokenizer(make_texts()[:9])
    together = stage.embed_tokens(ids, mask)
    padded = stage.embed_tokens(*(np.pad(array[:1], ((0, 0), (0, 3))) for array in (ids, mask)))
    np.testing.assert_allclose(padded, together[:1], atol=TOLERANCE)


def test_scores_are_those_of_full_precision(ranker_folder: Path) -> None:
    random = np.random.default_rng(0)
    query, history = (random.standard_normal((3, DIMENSION)).astype(np.float32) for _ in range(2))
    candidates = random.standard_normal((3, 10, DIMENSION)).astype(np.float32)
    features = random.standard_normal((3, 10, len(FEATURE_NAMES))).astype(np.float32)
    # the declaration says 384; a program takes what it was exported with
    declared = ENGINES["ranker"]
    narrow = EngineModel(
        name="ranker",
        inputs=tuple(
            Tensor(
                name=tensor.name,
                data_type="FP32",
                axes=tuple(DIMENSION if axis == 384 else axis for axis in tensor.axes),
            )
            for tensor in declared.inputs
        ),
        outputs=declared.outputs,
        shapes=declared.shapes,
    )
    scores = GraphedNetwork(ranker_folder, narrow, device="cpu").run(query, history, candidates, features)
    assert scores.shape == (3, 10)
    expected = OnnxRanker(ranker_folder).score(query, history, candidates, features)
    # standardised features of size 3 and an output of size 1
    np.testing.assert_allclose(scores, expected, atol=0.02)


def test_no_graph_is_captured_on_cpu(encoder_folder: Path) -> None:
    assert GraphedNetwork(encoder_folder, ENGINES["encoder"], device="cpu").captured == ()


def test_what_is_missing_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"encoder: .*fp16\.pt2 does not exist; export it: mercato export encoder --ta"
    ):
        TorchEncoder(tmp_path, device="cpu")
    (tmp_path / "model.fp16.pt2").write_bytes(b"no program")
    with pytest.raises(ModelError, match=r"ranker: .*model\.fp16\.pt2 cannot be loaded"):
        TorchRanker(tmp_path, device="cpu")
    with pytest.raises(ModelError, match="ranker: none is served"):
        require_folder(None, "ranker")


def test_a_refused_input_is_an_error_of_the_model(encoder_folder: Path) -> None:
    small = replace(ENGINES["encoder"], shapes=EngineShapes(axis="sequence", buckets=(16,)))
    network = GraphedNetwork(encoder_folder, small, device="cpu")
    beyond = np.full((1, 3), 10_000)
    with pytest.raises(ModelError, match=r"encoder: PyTorch refused .*\(1, 3\)"):
        network.run(beyond, np.ones_like(beyond))
