"""Dense retrieval from a real Milvus server: filled by the command, searched, changed beside it, taken away."""

from __future__ import annotations

import datetime
import ipaddress
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.harness.milvus_server import MilvusServer, MilvusUnavailableError, serve_milvus
from mercato.errors import CollectionError, DenseError
from mercato.filters import parse_filter
from mercato.index.live import LiveCatalog
from mercato.index.nearest import FilteredQuery
from mercato.index.snapshot import Snapshot
from mercato.milvus import texts as module
from mercato.milvus.texts import REST_S, MilvusTexts, open_texts
from mercato.requests.retrieval import Placement, RetrievalRequest
from mercato.retrieval.retriever import Retriever
from mercato.serving.dense_check import check_dense_apart
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.integration.conftest import ROOT, run_mercato
from tests.stores import HashEncoder, build, delete, make_products, open_store, product, request, search_request, upsert
from tests.unit.retrieval.asking import ask, ids_of

pytestmark = pytest.mark.slow
TOOLS = ROOT / "var" / "tools"
PATIENCE_S = 20.0
REQUESTS = [
    search_request("large frozen pizza"),
    search_request("coffee"),
    search_request("food dog", condition=parse_filter('brand: ANY("Acme") AND price < 30')),
    search_request("tea", condition=parse_filter('categories: ANY("Drinks") AND NOT attributes.size: ANY("large")')),
    search_request("juice", condition=parse_filter("price: IN(5, 25i)")),
    request(Placement.PRODUCT_PAGE, seed_ids=("p04",)),
]


def serve(folder: Path, **settings: str) -> Iterator[MilvusServer]:
    try:
        with serve_milvus(TOOLS, folder, settings=settings) as running:
            yield running
    except MilvusUnavailableError as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    yield from serve(tmp_path_factory.mktemp("milvus"))


@pytest.fixture(scope="module")
def catalog_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "catalog"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def address(server: MilvusServer, catalog_folder: Path) -> str:
    address = f"milvus://{server.address}/shop"
    loaded = load(catalog_folder, address)
    assert (loaded["texts"], loaded["found"]) == (40, False)
    return address


def load(catalog: Path, address: str, *options: str | Path) -> dict[str, Any]:
    arguments = ["dense", "load", "--catalog", catalog, "--dense", address, "--json", *options]
    done = run_mercato(*arguments, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def open_at(address: str, catalog: Path, *, timeout_s: float = PATIENCE_S, **options: Any) -> MilvusTexts:
    return open_texts(address, Snapshot(catalog), **{"token": "", "ca": None, "timeout_s": timeout_s, **options})


@pytest.fixture
def nearest(address: str, catalog_folder: Path) -> MilvusTexts:
    return open_at(address, catalog_folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = open_store(tmp_path / "state.db")
    yield store
    store.close()


def pair(folder: Path, store: SqliteStateStore | None, nearest: MilvusTexts) -> tuple[Retriever, Retriever]:
    """A retriever over the snapshot's own index, and one over Milvus."""
    own, other = (Retriever(LiveCatalog(Snapshot(folder), store, one), store) for one in (None, nearest))
    return own, other


def compare(own: Retriever, other: Retriever, asked: RetrievalRequest) -> None:
    expected, found = ask(own, asked), ask(other, asked)
    assert found.degraded == []
    assert ids_of(other, found) == ids_of(own, expected)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)


@pytest.mark.parametrize("asked", REQUESTS, ids=str)
def test_answers_are_those_of_the_own_index(
    catalog_folder: Path, nearest: MilvusTexts, asked: RetrievalRequest
) -> None:
    compare(*pair(catalog_folder, None, nearest), asked)


@pytest.mark.parametrize(
    "text",
    [
        'brand: ANY("Acme")',
        'categories: ANY("Drinks") OR price < 4',
        "price >= 37",
        "price: IN(*, 9i)",
        'attributes.size: ANY("organic", "family") AND price > 20.5',
        'NOT brand: ANY("Acme")',
    ],
)
def test_filters_that_milvus_is_asked_leave_what_they_should(
    catalog_folder: Path, nearest: MilvusTexts, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(module, "MOST_IDS", 1)
    monkeypatch.setattr(module, "WIDE_SHARE", 1.0)
    catalog, condition = LiveCatalog(Snapshot(catalog_folder), None), parse_filter(text)
    allowed = catalog.allow(condition).texts
    assert allowed is not None
    queries = HashEncoder().encode(["green tea", "frozen pizza"])
    asked = [
        FilteredQuery(query=one, allowed=allowed, condition=condition, find_moved=lambda: np.zeros(0, np.int64))
        for one in queries
    ]
    for one, (scores, found) in zip(asked, nearest.search_filtered(asked, 4), strict=True):
        own_scores, own = catalog.snapshot.dense.search_allowed(one.query, 4, allowed, exact=True)
        np.testing.assert_array_equal(found, own)
        np.testing.assert_allclose(scores, own_scores, atol=1e-5)


def test_what_changed_since_comes_from_the_delta(
    catalog_folder: Path, nearest: MilvusTexts, store: SqliteStateStore
) -> None:
    own, other = pair(catalog_folder, store, nearest)
    store.append_product_changes(
        [
            delete("p05"),  # a frozen pizza that Milvus still has
            upsert(product("p06", "Oat drink")),  # another that is something else now
            upsert(product("p99", "Frozen pizza deluxe", price=3.0)),
            ProductChange("patch", "p07", b'{"price": 1000}'),  # a third, of another price
        ]
    )
    for asked in (
        search_request("frozen pizza"),
        search_request("oat drink"),
        search_request("frozen pizza", condition=parse_filter("price > 900")),
        search_request("frozen pizza", condition=parse_filter("price < 9")),
    ):
        compare(own, other, asked)
    found = ids_of(other, ask(other, search_request("frozen pizza")))
    assert "p99" in found and not {"p05", "p06"} & set(found)
    dear = search_request("frozen pizza", condition=parse_filter("price > 900"))
    assert ids_of(other, ask(other, dear)) == ["p07"]


def test_loading_again_leaves_what_is_whole(address: str, catalog_folder: Path) -> None:
    assert load(catalog_folder, address)["found"] is True
    checked = run_mercato("dense", "check", "--catalog", catalog_folder, "--dense", address, "--json", cwd=ROOT)
    assert json.loads(checked.stdout)["texts"] == 40


def test_each_snapshot_has_a_collection_of_its_own(
    address: str, catalog_folder: Path, tmp_path: Path, nearest: MilvusTexts
) -> None:
    build(tmp_path / "next", make_products()[:12])
    with pytest.raises(CollectionError, match="belong to other snapshots"):
        open_at(address, tmp_path / "next").check()
    with pytest.raises(CollectionError, match="mercato dense load"):
        check_dense_apart(tmp_path / "next", address, credentials=None, ca=None)
    first = nearest.check()
    assert load(tmp_path / "next", address)["texts"] == 12
    check_dense_apart(tmp_path / "next", address, credentials=None, ca=None)
    assert open_at(address, catalog_folder).check() == first, "the old one is served meanwhile"
    assert load(tmp_path / "next", address, "--drop-others")["dropped"].startswith("shop_")
    with pytest.raises(CollectionError, match="has no collection"):
        open_at(address, catalog_folder).check()
    load(catalog_folder, address)


def test_words_answer_while_milvus_is_late_and_after_that_all_is_as_before(
    server: MilvusServer, address: str, catalog_folder: Path
) -> None:
    texts = open_at(address, catalog_folder, timeout_s=0.2)
    texts.check()
    own, other = pair(catalog_folder, None, texts)
    asked = search_request("large frozen pizza")
    server.pause()
    try:
        late = ask(other, asked)
    finally:
        server.resume()
    assert late.degraded == ["dense"]
    assert ids_of(other, late) == ids_of(own, ask(own, asked, encoder=False))
    assert_recovers(other, asked, ids_of(own, ask(own, asked)))


def test_words_answer_while_milvus_is_down_and_its_restart_is_noticed(
    server: MilvusServer, address: str, catalog_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = open_at(address, catalog_folder, timeout_s=2.0)
    own, other = pair(catalog_folder, None, texts)
    asked = search_request("large frozen pizza")
    before = ids_of(own, ask(own, asked))
    assert ids_of(other, ask(other, asked)) == before
    server.kill()
    try:
        assert ask(other, asked).degraded == ["dense"]
        with pytest.raises(DenseError):
            open_at(address, catalog_folder, timeout_s=0.5).check()
        check_dense_apart(catalog_folder, address, credentials=None, ca=None)
        assert "searches go by words until it answers" in caplog.text
    finally:
        server.start()
    assert_recovers(other, asked, before)


def assert_recovers(retriever: Retriever, asked: RetrievalRequest, expected: list[str]) -> None:
    """Ask until Milvus answers again; what it answers then is right."""
    end = time.monotonic() + 6 * PATIENCE_S
    answer = ask(retriever, asked)
    while answer.degraded and time.monotonic() < end:
        time.sleep(REST_S)
        answer = ask(retriever, asked)
    assert answer.degraded == []
    assert ids_of(retriever, answer) == expected


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody else signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "server.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "server.pem", folder / "server.key"


@pytest.fixture(scope="module")
def closed_server(tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]) -> Iterator[MilvusServer]:
    """A server that speaks TLS and asks for a password."""
    pem, key = certificate
    yield from serve(
        tmp_path_factory.mktemp("closed"),
        tls_mode="1",
        server_pem_path=str(pem),
        server_key_path=str(key),
        ca_pem_path=str(pem),
        authorization_enabled="true",
    )


def test_tls_and_a_password(
    closed_server: MilvusServer,
    certificate: tuple[Path, Path],
    catalog_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"milvus+tls://{closed_server.address}/shop"
    token, ca = tmp_path / "token", certificate[0]
    token.write_text("root:Milvus\n")
    loaded = load(catalog_folder, address, "--dense-credentials", token, "--dense-ca", ca)
    assert loaded["texts"] == 40
    texts = open_at(address, catalog_folder, token="root:Milvus", ca=ca)
    assert texts.search(HashEncoder().encode(["milk"]), 3, ef_search=10)[1].shape == (1, 3)
    for wrong in ({"token": "root:wrong", "ca": ca}, {"ca": ca}, {"token": "root:Milvus"}):
        with pytest.raises(DenseError):
            open_at(address, catalog_folder, timeout_s=2.0, **wrong).check()
    monkeypatch.setenv("MERCATO_DENSE_TOKEN", "root:Milvus")
    check_dense_apart(catalog_folder, address, credentials=None, ca=ca)
