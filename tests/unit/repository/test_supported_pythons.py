"""Every place that names the supported Pythons names those of `requires-python`; the server has a stub for each."""

import re
import tomllib
from pathlib import Path

import pytest

from mercato.errors import ServerError
from mercato.serving.binary import find_embedded
from mercato.serving.diagnosis import SUPPORTED_PYTHONS
from tools.environment import CANDIDATES, SUPPORTED, list_missing, name_supported

REPOSITORY = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
OLDEST = ".".join(map(str, SUPPORTED[0]))
MINORS = [f"{major}.{minor}" for major, minor in SUPPORTED]
AS_LIST = re.escape(name_supported().replace(" or ", " and "))
AS_CHOICE = re.escape(name_supported())
# What a document says of versions that it does not support is its own matter: only these lines say what is supported.
STATEMENTS = {
    "README.md": rf"On Linux with Python {AS_CHOICE}, git and make:",
    "CONTRIBUTING.md": rf"Linux on x86-64, Python {AS_CHOICE} with a shared `libpython`",
    "constraints.txt": rf"(?m)^# Python {AS_CHOICE} on Linux",
    "docs/deploy.md": rf"the wheels \({AS_LIST}\)",
    "docs/decisions/0001-one-environment.md": rf"Supported are Python {AS_LIST}\.",
}


def test_doctor_and_setup_take_the_same_versions() -> None:
    assert list(SUPPORTED_PYTHONS) == SUPPORTED
    assert CANDIDATES == ("python3", *(f"python{minor}" for minor in MINORS))
    assert list_missing(None)[0] == f"python{OLDEST}"


def test_tools_check_the_code_for_the_oldest_version() -> None:
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{OLDEST.replace('.', '')}"
    assert PROJECT["tool"]["mypy"]["python_version"] == OLDEST


def test_the_client_asks_for_no_older_python() -> None:
    client = tomllib.loads((REPOSITORY / "client" / "pyproject.toml").read_text())
    assert client["project"]["requires-python"] == f">={OLDEST}"


@pytest.mark.parametrize("name", STATEMENTS)
def test_documents_name_the_same_versions(name: str) -> None:
    assert re.search(STATEMENTS[name], (REPOSITORY / name).read_text()), STATEMENTS[name]


def test_no_pin_is_for_another_python() -> None:
    marked = re.findall(r'python_version *(<=?|>=?|==) *"3\.(\d+)"', (REPOSITORY / "constraints.txt").read_text())
    first, last = SUPPORTED[0][1], SUPPORTED[-1][1]
    assert [pair for pair in marked if not first <= int(pair[1]) <= last + 1] == []


def test_the_embedded_server_has_a_stub_for_each() -> None:
    try:
        embedded = find_embedded()
    except ServerError as exc:
        pytest.skip(f"no embedded server: {exc}")
    if embedded is None:
        pytest.skip("nvidia-pytriton is not installed")
    stubs = next(iter(embedded.executable.parents[1].glob("python_backend_stubs")))
    assert {path.parent.name for path in stubs.glob("*/triton_python_backend_stub")} >= set(MINORS)
