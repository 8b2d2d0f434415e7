"""The setup script: which Python it takes, what it says is missing, when it has nothing to do."""

import dataclasses
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


def load_script(root: Path) -> ModuleType:
    """Load `tools/environment.py` of the checkout at `root`."""
    spec = importlib.util.spec_from_file_location("environment_under_test", root / "tools" / "environment.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


environment = load_script(REPOSITORY)
GOOD = environment.Interpreter("/usr/bin/python3", (3, 11, 2), True, "/usr/lib/libpython3.11.so.1.0", "3.11.2")
NO_LIBRARY = dataclasses.replace(GOOD, library_version=None)
OTHER_LIBRARY = dataclasses.replace(GOOD, library_version="3.11.9")
NO_VENV = dataclasses.replace(GOOD, has_venv=False)
TOO_NEW = dataclasses.replace(GOOD, version=(3, 13, 0), library_version="3.13.0")
SECOND = dataclasses.replace(GOOD, version=(3, 12, 1), library_version="3.12.1")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that the environment is made from."""
    for name in environment.INPUTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def run_script(checkout: Path, *arguments: str, python: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "tools" / "environment.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHON": python})


def test_the_first_python_that_has_everything_is_taken() -> None:
    assert environment.choose_interpreter([GOOD, SECOND]) is GOOD
    assert environment.choose_interpreter([NO_LIBRARY, SECOND]) is SECOND
    assert environment.choose_interpreter([OTHER_LIBRARY, GOOD]) is GOOD
    assert environment.choose_interpreter([NO_VENV, NO_LIBRARY]) is NO_LIBRARY
    assert environment.choose_interpreter([TOO_NEW, NO_VENV]) is NO_VENV
    assert environment.choose_interpreter([TOO_NEW]) is None


def test_what_is_missing_is_named_with_its_remedy() -> None:
    assert environment.describe_missing(GOOD) == ""
    assert environment.list_missing(GOOD) == []
    assert environment.list_missing(NO_VENV) == ["python3.11-venv"]
    assert environment.list_missing(OTHER_LIBRARY) == ["libpython3.11"]
    neither = dataclasses.replace(NO_LIBRARY, has_venv=False)
    assert "apt-get install python3.11-venv libpython3.11;" in environment.describe_missing(neither)
    assert "libpython3.11.so.1.0 is of 3.11.9" in environment.describe_missing(OTHER_LIBRARY)


def test_this_python_is_described_as_it_is() -> None:
    found = environment.probe(sys.executable)
    assert found.release == platform.python_version()
    assert found.has_venv
    # Outside of the virtual environment, which must not be needed to make it anew.
    assert Path(found.executable).resolve() == Path(sys.executable).resolve()
    assert environment.probe("no-such-python") is None


def test_pip_settings_are_handed_on() -> None:
    listing = "\n".join(
        [
            ":env:.find-links='/wheels'",
            "global.extra-index-url='file:///a file:///b'",
            "global.find-links='/wheels'",
            "global.index-url='https://packages.example/simple'",
            "global.timeout='60'",
        ]
    )
    assert environment.translate_pip_settings(listing) == [
        *("--index-strategy", "unsafe-best-match"),
        *("--find-links", "/wheels"),
        *("--index", "file:///a", "--index", "file:///b"),
        *("--find-links", "/wheels"),
        *("--default-index", "https://packages.example/simple"),
    ]
    assert environment.translate_pip_settings("install.no-index='true'")[2:] == ["--no-index"]


def test_no_python_is_one_clear_message_and_no_stamp(checkout: Path) -> None:
    answer = run_script(checkout, python="no-such-python")
    assert answer.returncode == 1
    assert "Mercato needs Python 3.11 or 3.12, but none runs among no-such-python;" in answer.stderr
    assert "apt-get install python3.11" in answer.stderr
    assert not (checkout / ".venv").exists()


def test_another_python_is_refused_with_one_sentence(checkout: Path) -> None:
    # A supported Python, to a checkout that asks for newer ones.
    requirement = environment.REQUIREMENT.search((checkout / "pyproject.toml").read_text())[0]
    newer = f'requires-python = ">=3.{sys.version_info[1] + 1},<3.{sys.version_info[1] + 3}"'
    declared = (checkout / "pyproject.toml").read_text().replace(requirement, newer)
    (checkout / "pyproject.toml").write_text(declared)
    answer = run_script(checkout, python=sys.executable)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    wanted = f"Python 3.{sys.version_info[1] + 1} or 3.{sys.version_info[1] + 2}"
    assert line.startswith(f"setup: error: Mercato needs {wanted}, but ")
    assert f" is {platform.python_version()};" in line
    assert not (checkout / ".venv").exists()


def test_supported_versions_are_read_from_the_metadata() -> None:
    assert environment.read_supported('requires-python = ">=3.9,<3.12"') == [(3, 9), (3, 10), (3, 11)]
    with pytest.raises(ValueError, match="requires-python"):
        environment.read_supported('requires-python = ">=3.9"')


def test_missing_packages_are_printed_for_scripts(checkout: Path) -> None:
    answer = run_script(checkout, "--missing")
    assert answer.returncode == 0
    assert all(line.startswith(("python3", "libpython3")) for line in answer.stdout.splitlines())


def test_nothing_is_done_while_the_stamp_fits(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)
    script = load_script(checkout)
    assert not script.is_up_to_date()
    script.STAMP.write_text(json.dumps({"key": script.compute_key(), "python": platform.python_version()}))
    assert script.is_up_to_date()
    answer = run_script(checkout)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")

    script.STAMP.write_text(json.dumps({"key": script.compute_key(), "python": "3.9.1"}))
    assert not script.is_up_to_date(), "another Python made it"

    script.STAMP.write_text(json.dumps({"key": script.compute_key(), "python": platform.python_version()}))
    with (checkout / "constraints.txt").open("a") as handle:
        handle.write("# another version\n")
    assert not script.is_up_to_date(), "the project's files changed"
