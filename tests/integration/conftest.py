"""One small shop of real groceries on the real server, shared by the tests that only read or add to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mercato_client import Client, Timeouts
from tritonclient import grpc as triton

from demo.store import make_products, source_folder
from mercato.errors import ServerError
from mercato.serving.binary import find_server
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer
from tests.adapters.tiny_models import write_ranker

ROOT = Path(__file__).resolve().parents[2]
MERCATO = Path(sys.executable).with_name("mercato")
# Generous: a busy machine must not fail what is right.
PATIENCE_S = 60.0
PATIENT = Timeouts(read_s=PATIENCE_S, write_s=PATIENCE_S, health_s=PATIENCE_S)
KINDS = (
    *("FROZEN PIZZA", "COFFEE", "BABY FOODS", "SOUP", "CHEESE"),
    *("CANDY - PACKAGED", "COLD CEREAL", "YOGURT", "COOKIES/CONES", "PET CARE SUPPLIES"),
)
OF_EACH_KIND = 20


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What a server of the shop is started with."""

    products: pd.DataFrame
    catalog: Path
    encoder: Path
    ranker: Path

    def options(self, folder: Path, **changes: Any) -> ServerOptions:
        settings: dict[str, Any] = {
            "catalog": self.catalog,
            "encoder": self.encoder,
            "ranker": self.ranker,
            "state": f"sqlite:{folder / 'state.db'}",
            "ports": Ports(grpc=0, http=0, metrics=0),
            "run_root": folder / "runs",
            "log": folder / "server.log",
            # What is acknowledged is durable, so nothing is lost by a stop that does not wait for interpreters to end.
            "stop_timeout_s": 1.0,
        }
        return ServerOptions(**{**settings, **changes})


def run_mercato(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    return subprocess.run(
        [str(MERCATO), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def ask_raw(address: str, model: str, **inputs: bytes | str | int) -> dict[str, Any]:
    """Ask with plain tritonclient: the inputs given and no others. Text is sent as its bytes, whatever they are."""
    with triton.InferenceServerClient(address) as client:
        tensors = []
        for name, value in inputs.items():
            if isinstance(value, int):
                data = np.array([[value]], dtype=np.int32)
            else:
                data = np.array([[value.encode() if isinstance(value, str) else value]], dtype=object)
            tensor = triton.InferInput(name, [1, 1], "INT32" if isinstance(value, int) else "BYTES")
            tensor.set_data_from_numpy(data)
            tensors.append(tensor)
        answer = client.infer(model, tensors, client_timeout=PATIENCE_S)
        details: dict[str, Any] = json.loads(answer.as_numpy("DETAILS")[0, 0])
        return {**details, "ids": [value.decode() for value in answer.as_numpy("PRODUCT_ID")[0]]}


@pytest.fixture(scope="session")
def _triton() -> None:
    try:
        find_server()
    except ServerError as exc:
        pytest.skip(f"no Triton server on this machine: {exc}")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> Shop:
    """Two hundred products of ten kinds, indexed by the command; product number n costs 1 + n / 10."""
    folder = tmp_path_factory.mktemp("shop")
    listed = pd.read_parquet(source_folder() / "products.parquet")
    chosen = pd.concat([listed[listed["product_category"] == kind].head(OF_EACH_KIND) for kind in KINDS])
    sales = pd.DataFrame({"product_id": chosen["product_id"], "quantity": 1})
    sales["sales_value"] = 1.0 + np.arange(len(chosen)) / 10
    products = make_products(chosen, sales.assign(retail_disc=0.0, coupon_disc=0.0, coupon_match_disc=0.0))
    products.to_parquet(folder / "products.parquet")
    indexed = run_mercato("index", "products.parquet", "--out", "catalog", "--encoder", encoder_folder, cwd=folder)
    assert indexed.returncode == 0, indexed.stderr
    ranker = write_ranker(folder / "ranker", 384)
    return Shop(products=products, catalog=folder / "catalog", encoder=encoder_folder, ranker=ranker)


@pytest.fixture(scope="session")
def shop_server(_triton: None, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with TritonServer(shop.options(tmp_path_factory.mktemp("shop-server"))) as server:
        yield server


@pytest.fixture
def client(shop_server: TritonServer) -> Iterator[Client]:
    with Client(shop_server.grpc_address, timeouts=PATIENT) as connected:
        yield connected
