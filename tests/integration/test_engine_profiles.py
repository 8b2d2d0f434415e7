"""Profiles for a GPU on a machine without one: `default` falls back to ONNX, `torch` runs on CPU; both answer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mercato_client import Client
from tritonclient import grpc as triton

from mercato.errors import ModelError
from mercato.models.encoder import OnnxEncoder
from mercato.serving.server import TritonServer
from mercato_export.encoder import describe_encoder
from mercato_export.pipeline import export_model
from mercato_export.weights import MINILM, locate_weights
from tests.integration.conftest import PATIENCE_S, PATIENT, Shop

pytestmark = pytest.mark.triton

QUERIES = ("frozen pizza", "ground coffee", "something for a hungry baby", "tomato soup", "chocolate bar")


def test_without_an_engine_the_start_is_refused_in_one_sentence(_triton: None, shop: Shop, tmp_path: Path) -> None:
    options = shop.options(tmp_path, profile="default", encoder=shop.encoder)
    if (shop.encoder / "model.plan").exists():
        pytest.skip("the encoder of this machine has an engine")
    with pytest.raises(ModelError, match="engine .* does not exist; build it: mercato export .* --fallback"):
        TritonServer(options).start()


@pytest.fixture(scope="module")
def fallback(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("fallback-server")
    options = shop.options(folder, profile="default", fallback=True, supervised=False)
    with TritonServer(options) as server, Client(server.grpc_address, timeouts=PATIENT) as connected:
        yield connected


def test_default_answers_from_onnx_as_cpu_does(client: Client, fallback: Client) -> None:
    for query in QUERIES:
        near, far = client.search(query), fallback.search(query)
        assert [product.id for product in far.results] == [product.id for product in near.results], query
        assert far.degraded == ()


@pytest.fixture(scope="module")
def torch_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real encoder as a program; what it loses is measured in the tests of the exporter."""
    folder = tmp_path_factory.mktemp("torch") / "encoder"
    encoder = describe_encoder(locate_weights(MINILM, allow_hub=False), list(QUERIES) * 3)
    export_model(replace(encoder, quality=None), target="torch", out=folder, parity_source={})
    return folder


@pytest.fixture(scope="module")
def torch_server(
    _triton: None, shop: Shop, torch_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    options = shop.options(
        tmp_path_factory.mktemp("torch-server"), profile="torch", encoder=torch_encoder, ranker=None, supervised=False
    )
    with TritonServer(options) as server:
        yield server


def test_torch_encodes_as_onnx_does_in_full_precision(torch_server: TritonServer, torch_encoder: Path) -> None:
    full = OnnxEncoder(torch_encoder, precision="fp32")
    ids, mask = full.tokenizer(QUERIES)
    with triton.InferenceServerClient(torch_server.grpc_address) as client:
        tensors = []
        for name, array in (("input_ids", ids), ("attention_mask", mask)):
            tensor = triton.InferInput(name, list(array.shape), "INT64")
            tensor.set_data_from_numpy(array)
            tensors.append(tensor)
        vectors = client.infer("encoder", tensors, client_timeout=PATIENCE_S).as_numpy("embedding")
    # unit vectors in half precision: 1 - 1.2e-6 at least over the demo's products
    assert (vectors * full.encode(QUERIES)).sum(axis=1).min() > 1 - 1e-5
    assert vectors.dtype == np.float32


def test_torch_answers_searches(torch_server: TritonServer) -> None:
    with Client(torch_server.grpc_address, timeouts=PATIENT) as connected:
        for query in QUERIES:
            page = connected.search(query)
            assert page.results
            assert page.degraded == ()
