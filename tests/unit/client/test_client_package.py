"""The package as such: what it exports, what it imports, what it asks to be installed, how it is typed."""

import inspect
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import mercato_client
import pytest
from mercato_client import AsyncClient, Client, MercatoClientError
from mercato_client.contract import MODELS

ROOT = Path(__file__).parents[3]
FOREIGN = {"mercato", "torch", "pydantic", "tritonclient.http", "onnxruntime", "pyarrow", "orjson"}


def test_everything_exported_exists_and_nothing_is_forgotten():
    public = {
        name for name, value in vars(mercato_client).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(mercato_client.__all__)
    assert mercato_client.__all__ == sorted(mercato_client.__all__)


def test_importing_the_client_imports_nothing_of_ours_and_nothing_heavy():
    code = f"import sys, mercato_client; print(sorted({FOREIGN!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_it_asks_for_two_packages_only():
    needed = [re.split(r"[><=!~ ]", requirement)[0] for requirement in requires("mercato-client") or []]
    assert sorted(needed) == ["numpy", "tritonclient[grpc]"]


@pytest.mark.parametrize("name", [name for name in vars(Client) if not name.startswith("_")])
def test_both_clients_have_the_same_methods(name):
    blocking = inspect.signature(getattr(Client, name))
    awaited = inspect.signature(getattr(AsyncClient, name))
    assert awaited == blocking
    assert inspect.iscoroutinefunction(getattr(AsyncClient, name))
    kinds = [parameter.kind for parameter in list(blocking.parameters.values())[2:]]
    assert all(kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD) for kind in kinds)


def test_the_error_tree_is_the_one_that_is_drawn():
    drawn = set(re.findall(r"[├└]── (\w+)", mercato_client.errors.__doc__))
    assert drawn == {error.__name__ for error in MercatoClientError.__subclasses__()}


def test_optional_inputs_come_after_the_required_one():
    for model in MODELS.values():
        flags = [tensor.optional for tensor in model.inputs]
        assert flags == sorted(flags)
        assert not any(tensor.optional for tensor in model.outputs)


def test_the_usage_file_is_typed(tmp_path):
    usage = Path(__file__).with_name("usage.py")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(usage.relative_to(ROOT))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout


def test_the_example_of_the_readme_runs(triton, capsys):
    readme = (ROOT / "client" / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert "127.0.0.1:8001" in example
    exec(compile(example.replace("127.0.0.1:8001", triton.address), "README.md", "exec"), {})
    assert [request.model for request in triton.received] == ["search", "events", *["recommend"] * 3]
    assert capsys.readouterr().out == "1 Kettle 19.5\n2 Teapot None\n"
