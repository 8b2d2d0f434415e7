"""What Mercato is compared with: pinned, asked alike, and counted whole."""

import json
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.command import BenchmarkError
from benchmarks.peers.arithmetic import Peaks, StageWork, count_weights, find_floor
from benchmarks.peers.environment import read_requirements
from benchmarks.peers.figures import compare_rounds, compare_systems, describe_load, merge_rounds
from benchmarks.peers.peers import Supply, choose_systems, list_systems
from benchmarks.peers.pipe import run_batches
from benchmarks.peers.postgres.peer import escape
from benchmarks.peers.shop import MOST_WORDS, Shop, flatten, mix_queries, read_queries
from benchmarks.peers.system import read_batches, read_tree_cpu_s
from benchmarks.peers.wire import Http, Postgres, count_rows, decode_json, drive_wire, encode_get, encode_vector
from mercato.bench.driver import Load
from mercato.bench.figures import Outcome
from mercato.networks.onnx_graph import Node, write_graph

PEERS = Path(__file__).resolve().parents[3] / "benchmarks" / "peers"
WITH_ENVIRONMENT = sorted(path.parent for path in PEERS.glob("*/requirements.txt"))
TITLES = ["Red wool scarf", "Blue cotton shirt with pockets", "Steel kettle 2 l", ""]


@pytest.mark.parametrize("peer", WITH_ENVIRONMENT, ids=lambda path: path.name)
def test_each_peer_pins_what_it_installs(peer: Path) -> None:
    pinned = read_requirements(peer)
    assert pinned
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in pinned.values())


def test_there_are_peers_and_torch_is_the_project_s_own() -> None:
    assert [peer.name for peer in WITH_ENVIRONMENT] == ["fastapi_stack", "postgres", "pytriton_callable", "typesense"]
    project = (PEERS.parents[1] / "pyproject.toml").read_text()
    assert f'"torch=={read_requirements(PEERS / "fastapi_stack")["torch"]}"' in project


def test_what_is_not_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# why\nnumpy==1.26.4\nfaiss-cpu\n")
    with pytest.raises(BenchmarkError, match="faiss-cpu must be pinned"):
        read_requirements(tmp_path)


def test_systems_are_named_once_and_chosen_by_name() -> None:
    systems = list_systems(None, None)
    assert list(systems)[0] == "mercato"
    assert list(choose_systems(systems, "typesense, mercato")) == ["mercato", "typesense"]
    assert list(choose_systems(systems, None)) == list(systems)
    assert {name for name, system in systems.items() if not system.serves} == {"mercato_stages", "pytriton_stages"}
    for wrong in ("mercato,elastic", ""):
        with pytest.raises(BenchmarkError, match="must name some of mercato, "):
            choose_systems(systems, wrong)


def test_each_system_is_in_the_page_about_them() -> None:
    page = (PEERS.parents[1] / "docs" / "peers.md").read_text()
    assert [name for name in list_systems(None, None) if f"`{name}`" not in page] == []


def test_programs_of_other_environments_import_nothing_of_the_project_but_what_needs_no_package() -> None:
    for program in (PEERS / "fastapi_stack" / "serve.py", *(PEERS / "pytriton_callable").glob("s*.py")):
        ours = re.findall(r"^from ((?:benchmarks|mercato)[\w.]*)", program.read_text(), re.MULTILINE)
        assert set(ours) <= {"benchmarks.peers.pipe", "benchmarks.peers.pytriton_callable.stages"}, program.name
    assert "from benchmarks" not in (PEERS / "pipe.py").read_text()


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_queries_never_repeat_and_hold_real_ones(seed: int, count: int) -> None:
    real = ["winter scarf", "kettle"]
    queries = mix_queries(real, TITLES, count, np.random.default_rng(seed))
    assert len(queries) == len(set(queries)) <= count
    assert all(0 < len(query.split()) <= MOST_WORDS for query in queries)
    assert queries == mix_queries(real, TITLES, count, np.random.default_rng(seed))
    joined = [query for query in queries if any(query.startswith(f"{one} ") for one in real)]
    assert len(joined) >= min(len(queries), 10) // 3


def test_real_queries_are_read_once_each(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text("Kettle\n\n scarf \nkettle\n")
    assert read_queries(tmp_path / "queries.txt") == ["kettle", "scarf"]
    (tmp_path / "none.txt").write_text("\n")
    with pytest.raises(BenchmarkError, match="holds no query"):
        read_queries(tmp_path / "none.txt")
    with pytest.raises(BenchmarkError, match="not found"):
        read_queries(tmp_path / "missing.txt")


def test_a_product_has_the_texts_that_are_searched() -> None:
    document = {"id": 7, "title": "Kettle", "categories": ["Kitchen", "Kettles"], "attributes": {"a": "steel", "b": 2}}
    flat = flatten(document)
    assert (flat["id"], flat["categories"], flat["attributes"], flat["price"]) == ("7", "Kitchen Kettles", "steel", 0.0)


def test_a_supply_asks_each_query_once_and_counts_those_that_it_repeats() -> None:
    supply = Supply(Shop(catalog=Path(), encoder=Path(), queries=["a", "b", "c"], hot=["h"]))
    assert supply.take_cold(2) == ["a", "b"]
    supply.advance(asked=2, ready=2)
    assert supply.repeated == 0
    assert supply.take_cold(2) == ["c", "a"]
    supply.advance(asked=2, ready=2)
    assert supply.repeated == 1
    supply.advance(asked=5, ready=3)  # all were asked before, and two of them twice in one load
    assert supply.repeated == 1 + 2 + 5
    assert supply.take_hot(2) == ["h", "h"]


def test_answers_of_http_end_where_they_say() -> None:
    with_length = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for answer in (with_length, chunked):
        assert [Http().find_end(answer[:cut]) for cut in range(len(answer))] == [0] * len(answer)
        assert Http().find_end(answer + b"HTTP/1.1 200") == len(answer)
        assert Http().name_error(answer) == ""
        assert decode_json(answer.replace(b"abc", b"[1]")) == [1]
    assert Http().name_error(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") == "status 503"


def test_answers_of_postgres_end_where_the_server_is_ready_again() -> None:
    row, ready = b"D" + struct.pack("!i", 7) + b"Zab", b"Z" + struct.pack("!i", 5) + b"I"
    failed = b"E" + struct.pack("!i", 4 + 16) + b"SERROR\0Mno row\0\0"
    framing = Postgres("SELECT $1, $2", user="u", database="d")
    assert [framing.find_end((row + ready)[:cut]) for cut in range(len(row + ready))] == [0] * len(row + ready)
    assert framing.find_end(row + ready + row) == len(row + ready)
    assert framing.name_error(row + ready) == ""
    assert count_rows(row + row + ready) == 2
    assert framing.name_error(failed + ready) == "error no row"
    assert len(framing.greeting) == 2


def test_a_request_of_postgres_is_three_messages_with_lengths_of_their_own() -> None:
    vector = encode_vector(np.array([1.0, -2.0], np.float32))
    assert vector == struct.pack("!hhff", 2, 0, 1.0, -2.0)
    message, kinds, at = Postgres.bind("kettle", vector), "", 0
    while at < len(message):
        kinds += chr(message[at])
        at += 1 + struct.unpack_from("!i", message, at + 1)[0]
    assert (kinds, at) == ("BES", len(message))
    assert struct.pack("!i", 6) + b"kettle" + struct.pack("!i", len(vector)) + vector in message


def test_a_text_is_one_field_of_a_row() -> None:
    assert escape("a\tb\nc\\d\0") == "a\\tb\\nc\\\\d"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def http_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_loop_over_real_connections_tells_what_became_of_each_request(http_port: int) -> None:
    messages = [encode_get("/a"), encode_get("/none")]
    load = Load(callers=3, seconds=0.3, warm_up_s=0.0)
    outcome = drive_wire(http_port, load, messages, Http())
    assert len(outcome.errors) == len(outcome.sent_s) >= 3
    assert set(outcome.errors) == {"", "status 404"}
    assert (outcome.done_s >= outcome.sent_s).all()
    assert {answer[-2:] for answer in outcome.answers} == {b"/a", b"ne"}
    assert outcome.cpu_s > 0


def test_what_ended_below_a_process_counts() -> None:
    burn = "import time; begin = time.process_time()\nwhile time.process_time() < begin + 0.2: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print('done', flush=True); "
    process = subprocess.Popen(
        [sys.executable, "-c", parent + "sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "done\n"
        assert read_tree_cpu_s(process.pid) >= 0.2
        process.stdin.close()


def test_batches_are_told_as_requests() -> None:
    asked: list[list[str]] = []
    measured = run_batches(lambda queries: asked.append(list(queries)), ["a", "b", "c"], batch=2, seconds=0.0)
    assert asked == [["a", "b"]]
    outcome = read_batches(json.loads(json.dumps({**measured, "begin_s": [0.0, 2.0], "end_s": [1.0, 4.0]})), 2)
    assert outcome.sent_s.tolist() == [0.0, 0.0, 2.0, 2.0]
    assert (outcome.done_s - outcome.due_s).tolist() == [1.0, 1.0, 2.0, 2.0]


def test_figures_of_a_load_are_those_of_its_answers() -> None:
    times = np.arange(100) / 100
    errors = [""] * 80 + ["status 503"] * 20
    outcome = Outcome(
        due_s=times, sent_s=times, done_s=times + 0.005, errors=errors, answers=[b"12", b"3"], cpu_s=0.4, wall_s=1.0
    )
    point = describe_load(outcome, Load(callers=1, seconds=0.5, warm_up_s=0.5), cpu_s=1.6, count_products=len)
    # Of those due behind the warm-up, .50 to .99, the 30 up to .79 were answered.
    assert point["queries_per_s"] == 30 / 0.5
    assert (point["p50_ms"], point["p99_ms"]) == (5.0, None)
    assert point["cpu_ms_per_query"] == 1000 * 1.6 / 80
    assert point["driver_cpu_ms_per_query"] == 1000 * 0.4 / 80
    assert point["products_per_answer"] == (2 + 1) / 2
    assert point["errors"] == {"status 503": 20}


def test_rounds_are_merged_by_median_and_errors_added() -> None:
    points = [
        {"queries_per_s": rate, "p99_ms": p99, "errors": errors}
        for rate, p99, errors in ((10.0, None, {}), (30.0, 8.0, {"x": 1}), (20.0, 4.0, {"x": 2, "y": 1}))
    ]
    merged = merge_rounds(points)
    assert (merged["queries_per_s"]["median"], merged["queries_per_s"]["rounds"]) == (20.0, [10.0, 30.0, 20.0])
    assert merged["p99_ms"]["median"] == (8.0 + 4.0) / 2
    assert merged["errors"] == {"x": 3, "y": 1}


def test_ratios_are_of_one_round_each() -> None:
    ratio = compare_rounds([10.0, 40.0, 30.0, 40.0, 50.0], [10.0, 20.0, 10.0, 10.0, 10.0])
    assert ratio == {"median": 3.0, "quartiles": [2.0, 4.0], "rounds": [1.0, 2.0, 3.0, 4.0, 5.0]}
    assert compare_rounds([6.0], [3.0])["quartiles"] == [2.0, 2.0]


def test_systems_are_compared_with_the_reference_where_both_can_be() -> None:
    ours = {"32": [{"queries_per_s": 100.0, "p99_ms": None, "cpu_ms_per_query": 2.0}]}
    theirs = {"32": [{"queries_per_s": 150.0, "p99_ms": 9.0, "cpu_ms_per_query": 1.0}]}
    compared = compare_systems({"mercato": ours, "other": theirs}, "mercato")
    assert {name: ratio["median"] for name, ratio in compared["other"].items()} == {
        "queries_per_s_at_32": 1.5,
        "cpu_ms_per_query_at_32": 0.5,
    }
    assert compare_systems({"other": theirs}, "mercato") == {}


def test_a_floor_is_the_slower_of_computing_and_reading() -> None:
    peaks = Peaks(int8_macs_per_s=1e9, float32_macs_per_s=1e8, read_bytes_per_s=1e9)
    work = [
        StageWork(stage="a", macs=2e6, precision="int8", bytes_per_batch=32e6, bytes_per_query=0, counted=""),
        StageWork(stage="b", macs=1e6, precision="float32", bytes_per_batch=0, bytes_per_query=1e6, counted=""),
    ]
    first, second = find_floor(work, peaks, (1, 32))
    assert (first["floor_us_at_1"], first["floor_us_at_32"], first["computed_us"]) == (32_000, 2_000, 2_000)
    assert (second["floor_us_at_1"], second["floor_us_at_32"]) == (10_000, 10_000)


def test_weights_of_matrix_products_are_counted_and_no_others(tmp_path: Path) -> None:
    network = write_graph(
        [
            Node(operator="MatMul", inputs=("rows", "first"), outputs=("hidden",)),
            Node(operator="MatMul", inputs=("hidden", "second"), outputs=("product",)),
            Node(operator="Mul", inputs=("product", "scale"), outputs=("scaled",)),
        ],
        {
            "first": np.zeros((4, 8), np.float32),
            "second": np.zeros((8, 2), np.float32),
            "scale": np.ones((1, 2), np.float32),
        },
        {"rows": ("float32", ("batch", 4))},
        {"scaled": ("float32", ("batch", 2))},
    )
    (tmp_path / "model.onnx").write_bytes(network)
    assert count_weights(tmp_path / "model.onnx") == 4 * 8 + 8 * 2
