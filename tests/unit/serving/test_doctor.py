import io
import json
import socket
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from mercato.cli.doctor import doctor, show
from mercato.serving.diagnosis import (
    ENOUGH_SHARED_MEMORY_BYTES,
    Finding,
    Status,
    can_serve,
    check_packages,
    check_ports,
    check_python,
    check_shared_memory_size,
    split_requirements,
)
from mercato.serving.ports import Ports

GIBIBYTE = 1 << 30


def test_only_what_is_blocking_prevents_serving() -> None:
    mild = [Finding(name="x", status=status, detail="") for status in (Status.OK, Status.ABSENT, Status.WARNING)]
    assert can_serve(mild)
    assert not can_serve([*mild, Finding(name="y", status=Status.BLOCKING, detail="")])


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 10), Status.BLOCKING), ((3, 11), Status.OK), ((3, 12), Status.OK), ((3, 13), Status.BLOCKING)],
)
def test_python_versions(version: tuple[int, int], status: Status) -> None:
    assert check_python(version).status is status


def test_another_python_is_refused_with_the_supported_ones() -> None:
    assert check_python((3, 10)).remedy == "make the environment with Python 3.11 or 3.12"


@pytest.mark.parametrize(
    ("total", "free", "status"),
    [
        (None, None, Status.BLOCKING),
        (GIBIBYTE, ENOUGH_SHARED_MEMORY_BYTES - 1, Status.WARNING),
        (GIBIBYTE, ENOUGH_SHARED_MEMORY_BYTES, Status.OK),
    ],
)
def test_shared_memory_sizes(total: int | None, free: int | None, status: Status) -> None:
    assert check_shared_memory_size(total, free).status is status


def test_ports_are_looked_at_one_by_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        findings = check_ports("127.0.0.1", Ports(grpc=0, http=port, metrics=0))
    assert [(one.name, one.status) for one in findings] == [
        ("grpc port", Status.OK),
        ("http port", Status.WARNING),
        ("metrics port", Status.OK),
    ]
    assert "--http-port" in findings[1].remedy


def test_requirements_are_grouped_by_extra() -> None:
    declared = [
        "numpy<3,>=1.26",
        "tritonclient[grpc]>=2.49",
        "torch==2.13.0; extra == 'export'",
        'x>1; extra == "demo"',
    ]
    assert split_requirements(declared) == {"": ["numpy", "tritonclient"], "export": ["torch"], "demo": ["x"]}


def test_packages_of_this_environment_are_found() -> None:
    findings = {finding.name: finding for finding in check_packages()}
    assert findings["packages"].status is Status.OK
    assert set(findings) == {
        "packages",
        *(f"packages [{extra}]" for extra in ("embedded", "export", "training", "demo")),
    }


def ask_doctor(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(doctor)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout


def test_json_is_one_document_and_the_exit_status_agrees(tmp_path: Path) -> None:
    status, output = ask_doctor("--json", "--encoder", str(tmp_path / "none"), "--catalog", str(tmp_path / "nowhere"))
    document = json.loads(output)
    assert status == (0 if document["can_serve"] else 1)
    findings = {finding["name"]: finding for finding in document["findings"]}
    assert findings["encoder"]["status"] == "warning"
    assert findings["encoder"]["remedy"] == f"make it: mercato export encoder --out {tmp_path / 'none'}"
    assert findings["catalogue"]["status"] == "warning"
    assert {"Python", "tritonserver", "shared memory", "GPU", "grpc port", "packages"} <= set(findings)


def test_table_shows_brackets_and_whole_paths() -> None:
    console = Console(width=90, file=io.StringIO(), record=True)
    path = "/a/very/long/path/" + "x" * 60
    show(console, [Finding(name="packages [demo]", status=Status.OK, detail=path)])
    text = console.export_text()
    assert "packages [demo]" in text
    assert text.count("x") == 60
    assert "This machine can serve." in text
