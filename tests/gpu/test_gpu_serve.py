"""What is served on a GPU, tried without one: the search, the pack, the load, and what is said where it fails."""

from __future__ import annotations

import json
import platform
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.gpu import pack, serve
from benchmarks.gpu.load import find_header, read_found, write_request
from benchmarks.gpu.search_network import BATCHES, SearchNetwork, Shape, draw_queries, round_up
from benchmarks.harness.command import BenchmarkError
from mercato.serving.binary import find_embedded

SMALL = Shape(vectors=500, dimension=24, layers=2, heads=3, vocabulary=90, tokens=9, results=7)
MINOR = ".".join(platform.python_version_tuple()[:2])


@pytest.fixture(scope="module")
def network() -> SearchNetwork:
    return SearchNetwork(SMALL, "cpu")


def test_a_query_in_a_batch_finds_what_it_finds_alone(network: SearchNetwork) -> None:
    queries = torch.from_numpy(draw_queries(5, SMALL))
    scores, found = network.search(queries)
    assert found.shape == (5, 7)
    assert (scores.diff(dim=1) <= 0).all()
    for row, query in enumerate(queries):
        alone, found_alone = network.search(query[None])
        torch.testing.assert_close(alone[0], scores[row], rtol=0, atol=1e-5)
        assert set(found_alone[0].tolist()) == set(found[row].tolist())


def test_the_same_weights_and_vectors_are_drawn_in_every_process(network: SearchNetwork) -> None:
    queries = torch.from_numpy(draw_queries(3, SMALL))
    torch.testing.assert_close(SearchNetwork(SMALL, "cpu").search(queries)[1], network.search(queries)[1])


def test_queries_have_four_to_eight_tokens_and_padding_behind() -> None:
    there = draw_queries(50, SMALL) != 0
    assert set(there.sum(axis=1).tolist()) <= {4, 5, 6, 7, 8}
    assert (np.diff(there.astype(int), axis=1) <= 0).all()


@pytest.mark.parametrize(("count", "size"), [(1, 1), (3, 4), (33, 64), (64, 64)])
def test_a_batch_takes_the_next_size(count: int, size: int) -> None:
    assert round_up(count) == size
    assert size in BATCHES


def test_a_request_says_how_long_its_parts_are() -> None:
    headers, _, content = write_request(np.array([5, 0, 7])).partition(b"\r\n\r\n")
    described = int(find_header(headers, b"inference-header-content-length"))
    assert int(find_header(headers, b"content-length")) == len(content) == described + 3 * 8
    assert json.loads(content[:described])["inputs"][0]["shape"] == [1, 3]
    assert np.frombuffer(content[described:], np.int64).tolist() == [5, 0, 7]


def test_what_was_found_is_read_from_behind_the_scores() -> None:
    outputs = [("SCORES", np.array([0.5, 0.25], np.float32)), ("FOUND", np.array([9, 4], np.int64))]
    described = json.dumps(
        {"outputs": [{"name": name, "parameters": {"binary_data_size": part.nbytes}} for name, part in outputs]}
    ).encode()
    headers = f"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: {len(described)}".encode()
    content = described + b"".join(part.tobytes() for _, part in outputs)
    assert read_found(headers, content).tolist() == [9, 4]


def test_the_pack_has_one_stub_and_no_other_python(tmp_path: Path) -> None:
    if find_embedded() is None:
        pytest.skip("nvidia-pytriton is not installed")
    library = tmp_path / "libpython3.12.so.1.0"
    library.write_bytes(b"a library")
    files = pack.list_files("3.12", library)
    assert "server/backends/python/triton_python_backend_stub" in files
    assert "python/libpython3.12.so.1.0" in files
    assert not [name for name in files if name.startswith("libraries/libpython")]
    with pytest.raises(BenchmarkError, match="no stub for Python 2.7"):
        pack.list_files("2.7", None)
    with pytest.raises(BenchmarkError, match="no such file"):
        pack.list_files("3.12", tmp_path / "missing")


def test_what_is_no_program_is_packed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("not a program")
    assert pack.write_pack({"a/note": tmp_path / "note"}, tmp_path / "out" / "pack.tar.xz", preset=0) > 0
    with tarfile.open(tmp_path / "out" / "pack.tar.xz") as packed:
        assert packed.extractfile("a/note").read() == b"not a program"  # type: ignore[union-attr]


def test_without_a_server_the_kernels_are_reported_and_why(tmp_path: Path) -> None:
    out = tmp_path / "serve.json"
    arguments = ["--device", "cpu", "--vectors", "500", "--runs", "1", "--pack", str(tmp_path / "no.tar.xz")]
    assert serve.main([*arguments, "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert "no.tar.xz is not there" in report["not_served"]
    assert [one["batch"] for one in report["kernels"]] == list(BATCHES)
    assert report["served"] == []


@pytest.mark.slow
@pytest.mark.triton
def test_the_packed_server_answers_what_the_kernels_find(tmp_path: Path) -> None:
    if find_embedded() is None:
        pytest.skip("nvidia-pytriton is not installed")
    packed, out = tmp_path / "server.tar.xz", tmp_path / "serve.json"
    pack.write_pack(pack.list_files(MINOR, None), packed, preset=0)
    arguments = ["--device", "cpu", "--vectors", "2000", "--runs", "1", "--pack", str(packed), "--out", str(out)]
    serve.main([*arguments, "--connections", "3", "--instances", "1", "--processes", "2", "--seconds", "2"])
    report = json.loads(out.read_text())
    assert report["not_served"] is None
    [served] = report["served"]
    assert (served["failed"], served["right"]) == (0, 1.0)
    assert served["queries_per_s"] > 0
