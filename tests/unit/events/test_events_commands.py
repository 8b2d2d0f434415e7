"""`mercato events` and `mercato catalog` as a person or a script uses them."""

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import mercato_client
import pytest
from mercato_client.errors import UnavailableError
from mercato_client.types import Rejection, WriteResult
from typer.testing import CliRunner

from mercato.cli import events as events_command
from mercato.cli.catalog import catalog_app
from mercato.cli.events import events_app
from mercato.ingest import change_file
from mercato.state import Actor, open_state

CSV = "household,sku,day,quantity\n" + "".join(f"h{i % 2},p{i},2026-01-0{i + 1},{i}\n" for i in range(5))
MAPPED = ["--map", "user_id=household", "--map", "product_id=sku", "--map", "time=day"]
OPTIONS = [*MAPPED, "--event-type", "purchase-complete"]


class FakeServer:
    """Stands for a server behind the client: keeps what it is sent, refuses what it is told to."""

    def __init__(self) -> None:
        self.address = ""
        self.calls: list[list[dict[str, Any]]] = []
        self.refuse: set[str] = set()
        self.fail_after: int | None = None

    def __call__(self, address: str) -> "FakeServer":
        self.address = address
        return self

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def write_events(self, events: Iterable[dict[str, Any]]) -> WriteResult:
        if len(self.calls) == self.fail_after:
            raise UnavailableError("no server at 127.0.0.1:8001")
        documents = list(events)
        self.calls.append(documents)
        rejected = tuple(
            Rejection(index=index, reason="not today")
            for index, document in enumerate(documents)
            if self.refuse & {document.get("product_id"), document.get("id")}
        )
        sequence = sum(len(call) for call in self.calls)
        return WriteResult(accepted=len(documents) - len(rejected), rejected=rejected, sequence=sequence)

    write_catalog = write_events


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer()
    monkeypatch.setattr(mercato_client, "Client", fake)
    monkeypatch.setattr(events_command, "EVENTS_PER_CALL", 3)
    monkeypatch.setattr(change_file, "TEXT_OPERATIONS", 2)
    monkeypatch.setattr(change_file, "PATCH_OPERATIONS", 2)
    return fake


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(CSV)
    return path


def test_import_into_a_state_file_and_out_again(tmp_path: Path, history: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    first = CliRunner().invoke(events_app, ["import", str(history), "--state", url, *OPTIONS, "--json"])
    assert first.exit_code == 0
    result = json.loads(first.stdout)
    assert {name: result[name] for name in ("rows", "accepted", "duplicates", "rejected", "sequence")} == {
        "rows": 5,
        "accepted": 4,
        "duplicates": 0,
        "rejected": 1,
        "sequence": 4,
    }
    assert result["errors"][0]["line"] == 2  # the row of quantity 0, below the header
    assert "quantity: must be a whole number" in result["errors"][0]["reason"]
    again = CliRunner().invoke(events_app, ["import", str(history), "--state", url, *OPTIONS, "--json"])
    assert (json.loads(again.stdout)["accepted"], json.loads(again.stdout)["duplicates"]) == (0, 4)
    out = tmp_path / "out.parquet"
    exported = CliRunner().invoke(events_app, ["export", str(out), "--state", url, "--json"])
    assert json.loads(exported.stdout)["events"] == 4
    third = CliRunner().invoke(events_app, ["import", str(out), "--state", url, "--json"])
    assert json.loads(third.stdout)["duplicates"] == 4
    store = open_state(url)
    assert store.recent_events([Actor("h1")], 5)[0].product_id == ["p3", "p1"]
    store.close()


def test_a_file_in_order_alone_is_taken_and_says_what_is_off(tmp_path: Path) -> None:
    file, url = tmp_path / "order.csv", f"sqlite:{tmp_path / 'state.db'}"
    file.write_text("user_id,product_id,seen_at\nu,a,2026-01-01\nu,b,2026-01-02\n")
    command = ["import", str(file), "--state", url, "--event-type", "purchase-complete"]
    refused = CliRunner().invoke(events_app, command)
    assert refused.exit_code == 1
    assert "'seen_at' seems to hold times" in " ".join(refused.output.split())
    taken = CliRunner().invoke(events_app, [*command, "--no-times", "--json"])
    assert taken.exit_code == 0
    assert (json.loads(taken.stdout)["ordered_by"], json.loads(taken.stdout)["accepted"]) == ("rows", 2)
    assert "order.csv has no times: the order of the rows is kept; trends" in " ".join(taken.stderr.split())


def test_an_order_goes_to_a_server_in_place_of_a_time(tmp_path: Path, server: FakeServer) -> None:
    file = tmp_path / "order.csv"
    file.write_text("user_id,product_id,order\nu,a,7\nu,b,8\n")
    CliRunner().invoke(events_app, ["import", str(file), "--event-type", "purchase-complete"])
    assert [(event["order"], "time" in event) for event in server.calls[0]] == [(7, False), (8, False)]


def test_a_person_is_forgotten(tmp_path: Path, history: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    CliRunner().invoke(events_app, ["import", str(history), "--state", url, *OPTIONS])
    forgotten = CliRunner().invoke(events_app, ["forget", "--user-id", "h1", "--state", url, "--json"])
    assert json.loads(forgotten.stdout) == {"events": 2}
    again = CliRunner().invoke(events_app, ["forget", "--user-id", "h1", "--state", url, "--json"])
    assert (again.exit_code, json.loads(again.stdout)) == (0, {"events": 0})
    nobody = CliRunner().invoke(events_app, ["forget", "--state", url])
    assert nobody.exit_code == 1
    assert "--user-id: or --visitor-id must be given" in " ".join(nobody.output.split())


def test_strict_import_writes_nothing_where_a_row_is_bad(tmp_path: Path, history: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    result = CliRunner().invoke(events_app, ["import", str(history), "--state", url, *OPTIONS, "--strict"])
    assert result.exit_code == 1
    assert "history.csv line 2: quantity" in result.stderr
    assert "1 of 5 rows are bad and --strict was given, nothing was written" in result.stderr
    assert open_state(url).event_sequence() == 0
    history.write_text(CSV.replace("h0,p0,2026-01-01,0\n", ""))
    result = CliRunner().invoke(events_app, ["import", str(history), "--state", url, *OPTIONS, "--strict"])
    assert result.exit_code == 0
    assert open_state(url).event_sequence() == 4


def test_import_through_a_server_goes_in_parts_with_ids(history: Path, server: FakeServer) -> None:
    server.refuse = {"p4"}
    arguments = ["import", str(history), "--server", "shop:8001", *OPTIONS, "--json"]
    result = json.loads(CliRunner().invoke(events_app, arguments).stdout)
    assert server.address == "shop:8001"
    assert [len(call) for call in server.calls] == [3, 1]
    assert (result["accepted"], result["rejected"], result["sequence"]) == (3, 2, 4)
    assert {"line": 6, "reason": "refused by the server: not today"} in result["errors"]
    ids = [document["event_id"] for call in server.calls for document in call]
    assert len(set(ids)) == 4
    server.calls.clear()
    CliRunner().invoke(events_app, arguments)
    assert [document["event_id"] for call in server.calls for document in call] == ids


def test_import_that_loses_its_server_says_how_to_go_on(history: Path, server: FakeServer) -> None:
    server.fail_after = 1
    result = CliRunner().invoke(events_app, ["import", str(history), *OPTIONS])
    assert result.exit_code == 1
    assert server.address == "127.0.0.1:8001"
    assert "3 events were accepted before, importing the file again continues" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--state", "sqlite:x", "--server", "y"], "must not be given together"),
        (["--state", "mysql:x", *OPTIONS], "must be sqlite:PATH"),
        (["--map", "user=household"], "must name one of event_type"),
        (MAPPED, "no column for event_type"),
        ([*MAPPED, "--event-type", "buy"], "event_type: must be one of search"),
    ],
)
def test_wrong_use_is_one_json_document(history: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(events_app, ["import", str(history), *arguments, "--json"])
    assert result.exit_code == 1
    assert message in json.loads(result.stdout)["error"]


def test_file_without_any_event_fails(tmp_path: Path, history: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    result = CliRunner().invoke(
        events_app, ["import", str(history), "--state", url, *OPTIONS, "--map", "price=sku", "--json"]
    )
    assert result.exit_code == 1
    assert json.loads(result.stdout)["rejected_by_field"] == {"quantity": 1, "price": 4}


def test_catalog_changes_go_in_order_and_bad_lines_are_named(tmp_path: Path, server: FakeServer) -> None:
    operations = [{"operation": "delete", "id": f"p{number}"} for number in range(4)]
    lines = [json.dumps(operation) for operation in operations]
    path = tmp_path / "changes.jsonl"
    path.write_text("\n".join([lines[0], "", "[1]", lines[1], "{", lines[2], lines[3]]))
    server.refuse = {"p2"}
    result = CliRunner().invoke(catalog_app, ["apply", str(path), "--server", "shop:8001", "--json"])
    assert result.exit_code == 1
    assert server.address == "shop:8001"
    assert server.calls == [operations[:2], operations[2:]]
    answer = json.loads(result.stdout)
    assert (answer["accepted"], answer["rejected"]) == (3, 3)
    assert [error["line"] for error in answer["errors"]] == [3, 5, 6]
    server.refuse = set()
    path.write_text("\n".join(lines))
    good = CliRunner().invoke(catalog_app, ["apply", str(path)])
    assert good.exit_code == 0
    assert "accepted  4" in good.stdout


def test_catalog_changes_that_lose_their_server_say_where_to_go_on(tmp_path: Path, server: FakeServer) -> None:
    path = tmp_path / "changes.jsonl"
    path.write_text('\n{"operation": "delete", "id": "p"}\n' * 3)
    server.fail_after = 1
    result = CliRunner().invoke(catalog_app, ["apply", str(path), "--json"])
    assert result.exit_code == 1
    assert "changes.jsonl was applied up to line 4" in json.loads(result.stdout)["error"]


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("\n", "holds no operations")])
def test_catalog_file_without_operations_fails(
    tmp_path: Path, server: FakeServer, content: str | None, message: str
) -> None:
    path = tmp_path / "changes.jsonl"
    if content is not None:
        path.write_text(content)
    result = CliRunner().invoke(catalog_app, ["apply", str(path)])
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize(("app", "command"), [(events_app, "import"), (events_app, "export"), (catalog_app, "apply")])
def test_every_command_shows_an_example(app: Any, command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example: mercato" in result.stdout
