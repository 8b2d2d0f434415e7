"""Every call of Triton's two protocols, tried by somebody without a key and by the owner.

The calls of gRPC are those of the service's own description; those of HTTP are listed after Triton's documentation
(docs/protocol in triton-inference-server/server, and the KServe protocol that it extends).
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from mercato.errors import ServerError
from mercato.serving.server import TritonServer
from mercato.serving.tether import TEMPORARY, landlock_version
from tests.integration.test_server_lifecycle import PATIENCE_S, _server_can_be_found, ask_echo, await_true, echo_options

# pytest collects the fixture where it is imported
__all__ = ["_server_can_be_found"]

SERVICE = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
OPEN_ON_GRPC = {
    *("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelConfig", "ModelStatistics"),
    *("ModelInfer", "ModelStreamInfer"),
}
OPEN_ON_HTTP = {
    *("GET v2", "GET v2/health/live", "GET v2/health/ready", "GET v2/models/stats", "GET v2/models/echo"),
    *("GET v2/models/echo/versions/1", "GET v2/models/echo/ready", "GET v2/models/echo/config"),
    *("GET v2/models/echo/stats", "POST v2/models/echo/infer", "POST v2/models/echo/versions/1/infer"),
    *("POST v2/models/echo/generate", "POST v2/models/echo/generate_stream"),
}
CLOSED_ON_HTTP = {
    *("GET v2/logging", "POST v2/logging", "GET v2/trace/setting", "POST v2/trace/setting"),
    *("GET v2/models/echo/trace/setting", "POST v2/models/echo/trace/setting"),
    *("POST v2/repository/index", "POST v2/repository/models/echo/load", "POST v2/repository/models/none/unload"),
    *(
        f"{call} v2/{kind}sharedmemory{path}"
        for kind in ("system", "cuda")
        for call, path in [
            ("GET", "/status"),
            ("GET", "/region/none/status"),
            ("POST", "/region/none/register"),
            ("POST", "/region/none/unregister"),
            ("POST", "/unregister"),
        ]
    ),
}
CONFIG = {
    "backend": "python",
    "max_batch_size": 0,
    "input": [{"name": "A", "data_type": "TYPE_STRING", "dims": [1]}],
    "output": [{"name": "B", "data_type": "TYPE_STRING", "dims": [1]}],
    "instance_group": [{"kind": "KIND_CPU"}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("owner")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TritonServer]:
    with TritonServer(echo_options(folder)) as running:
        yield running


def is_restricted_on_grpc(server: TritonServer, method: str, headers: dict[str, str]) -> bool:
    """Send an empty request; tell whether the answer is that the call is the owner's."""
    metadata = [(name.lower(), value) for name, value in headers.items()]
    with grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.stream_stream(
            f"/{SERVICE.full_name}/{method}", request_serializer=bytes, response_deserializer=bytes
        )
        try:
            list(call(iter([b""]), timeout=PATIENCE_S, metadata=metadata))
        except grpc.RpcError as exc:
            return "This protocol is restricted" in exc.details()
    return False


def ask_http(server: TritonServer, call: str, headers: dict[str, str]) -> tuple[int, str]:
    method, _, path = call.partition(" ")
    body = b"{}" if method == "POST" else None
    request = urllib.request.Request(f"http://{server.http_address}/{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()


def is_restricted_on_http(server: TritonServer, call: str, headers: dict[str, str]) -> bool:
    status, answer = ask_http(server, call, headers)
    assert (status == 403) == ("This API is restricted" in answer), (call, status, answer)
    return status == 403


@pytest.mark.triton
def test_calls_of_grpc_that_answer_without_a_key(server: TritonServer) -> None:
    methods = [method.name for method in SERVICE.methods]
    assert set(methods) >= OPEN_ON_GRPC | {"RepositoryModelLoad", "RepositoryModelUnload", "LogSettings"}
    answering = {name for name in methods if not is_restricted_on_grpc(server, name, {})}
    assert answering == OPEN_ON_GRPC
    wrong = {name: "x" * 43 for name in server.admin_headers}
    assert {name for name in methods if not is_restricted_on_grpc(server, name, wrong)} == OPEN_ON_GRPC


@pytest.mark.triton
def test_calls_of_http_that_answer_without_a_key(server: TritonServer) -> None:
    calls = OPEN_ON_HTTP | CLOSED_ON_HTTP
    assert {call for call in calls if not is_restricted_on_http(server, call, {})} == OPEN_ON_HTTP
    wrong = {name: "x" * 43 for name in server.http_admin_headers}
    assert {call for call in calls if not is_restricted_on_http(server, call, wrong)} == OPEN_ON_HTTP


@pytest.mark.triton
def test_key_opens_every_call(server: TritonServer) -> None:
    methods = [method.name for method in SERVICE.methods]
    assert [name for name in methods if is_restricted_on_grpc(server, name, server.admin_headers)] == []
    calls = OPEN_ON_HTTP | CLOSED_ON_HTTP
    assert [call for call in calls if is_restricted_on_http(server, call, server.http_admin_headers)] == []
    assert ask_http(server, "POST v2/repository/index", server.http_admin_headers)[0] == 200


@pytest.mark.triton
def test_key_is_in_no_log_and_no_list_of_processes(server: TritonServer) -> None:
    key = next(iter(server.admin_headers.values()))
    assert len(key) >= 32
    assert server.log is not None
    assert key not in server.log.read_text()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert key.encode() not in process.read_bytes(), process
        except OSError:
            continue  # ended meanwhile
    assert server.options.run_root is not None
    files = [path for path in server.options.run_root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert [path for path in files if key.encode() in path.read_bytes()] == []


@pytest.mark.triton
@pytest.mark.parametrize("owner", [False, True], ids=["without the key", "with the key"])
def test_files_of_a_request_never_become_a_model(server: TritonServer, folder: Path, owner: bool) -> None:
    if owner and not landlock_version():
        pytest.skip("this kernel has no Landlock (Linux 5.13 and later)")
    mark = folder / f"ran-{owner}"
    source = (
        f"open({str(mark)!r}, 'w')\nclass TritonPythonModel:\n    def execute(self, requests):\n        return []\n"
    )
    headers = server.admin_headers if owner else {}
    with triton.InferenceServerClient(server.grpc_address) as client:
        for files in ({"file:1/model.py": source.encode()}, {"file:model.py": b"", "file:1/model.py": source.encode()}):
            with pytest.raises(InferenceServerException, match=r"failed to load 'guest'|protocol is restricted"):
                client.load_model("guest", headers=headers, config=json.dumps(CONFIG), files=files)
        index = client.get_model_repository_index(headers=server.admin_headers)
    assert not mark.exists()
    assert [model.name for model in index.models if model.state == "READY"] == ["echo"]
    assert ask_echo(server.grpc_address, 2.0) == 2.0


@pytest.mark.triton
def test_what_the_owner_unloads_comes_back(server: TritonServer) -> None:
    assert server.supervisor is not None
    before = server.supervisor.reloads["echo"]
    with triton.InferenceServerClient(server.grpc_address) as client:
        with pytest.raises(InferenceServerException, match="restricted"):
            client.unload_model("echo")
        assert ask_echo(server.grpc_address, 3.0) == 3.0
        client.unload_model("echo", headers=server.admin_headers)
    await_true(lambda: server.supervisor.reloads["echo"] > before, "the model was loaded again")
    assert ask_echo(server.grpc_address, 8.0) == 8.0


@pytest.mark.triton
def test_operators_key_from_a_file_opens_model_control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if not landlock_version():
        pytest.skip("this kernel has no Landlock (Linux 5.13 and later)")
    key = "an-operators-key-0123456789-0123456789"
    path = tmp_path / "key"
    path.write_text(f"{key}\n")
    path.chmod(0o600)
    with caplog.at_level(logging.INFO), TritonServer(echo_options(tmp_path, admin_key_file=path)) as server:
        assert server.admin_headers == {"triton-grpc-protocol-mercato-admin-key": key}
        assert not is_restricted_on_grpc(server, "RepositoryIndex", server.admin_headers)
        assert is_restricted_on_grpc(server, "RepositoryIndex", {})
    assert "every machine" not in caplog.text
    assert key not in caplog.text


@pytest.mark.triton
def test_operators_key_is_refused_where_state_would_open_the_temporary_folder(tmp_path: Path) -> None:
    if not landlock_version():
        pytest.skip("this kernel has no Landlock (Linux 5.13 and later)")
    path = tmp_path / "key"
    path.write_text("an-operators-key-0123456789-0123456789")
    path.chmod(0o600)
    server = TritonServer(echo_options(tmp_path, admin_key_file=path, state=f"sqlite:{TEMPORARY}/state.db"))
    with pytest.raises(ServerError, match="put state into a folder of its own"):
        server.start()


@pytest.mark.triton
def test_server_beyond_loopback_says_who_can_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), TritonServer(echo_options(tmp_path, host="0.0.0.0")) as server:
        assert ask_echo(server.grpc_address, 1.0) == 1.0
    said = [record.getMessage() for record in caplog.records if "every machine that reaches 0.0.0.0" in record.message]
    assert len(said) == 1
    assert "search, recommend, read what is known of shoppers, and write events" in said[0]
