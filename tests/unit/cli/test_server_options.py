"""One model of a server's configuration: the command line, what models are told and the docs derive from it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mercato.cli.server_options import add_server_options, list_options, read_values, replace_table
from mercato.errors import InvalidInputError
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.settings import Settings, SharedOptions

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"


def read(*arguments: str) -> dict[str, Any]:
    """Read a command line as `mercato serve` does, into values of `ServerOptions`."""
    values: dict[str, Any] = {}

    def command(*, quiet: bool = False, **given: Any) -> None:
        values.update(read_values(given))

    app = typer.Typer()
    app.command()(add_server_options(command))
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return values


def test_the_page_about_operations_has_the_options() -> None:
    page = OPERATIONS.read_text()
    assert replace_table(page) == page, "write it again: python -m mercato.cli.server_options docs/operations.md"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="document: must hold <!-- Written by"):
        replace_table("# Operations")


def test_options_not_given_have_the_defaults_of_the_configuration() -> None:
    options = ServerOptions(**read("--catalog", "c"))
    expected = ServerOptions(catalog=Path("c"), encoder=Path("var/models/encoder"))
    assert options.model_dump(exclude={"canaries"}) == expected.model_dump(exclude={"canaries"})


def test_options_given_are_those_of_the_configuration() -> None:
    values = read(
        "--catalog", "c", "--encoder", "e", "--rerank-depth", "12", "--port", "9001", "--metrics-port", "0",
        "--stage-budget", "encoder=200", "--stage-budget", "ranker=100", "--sources", "lately=1.5", "--rebuild",
    )  # fmt: skip
    options = ServerOptions(**values)
    assert (options.catalog, options.encoder, options.rerank_depth) == (Path("c"), Path("e"), 12)
    assert options.ports == Ports(grpc=9001, http=8000, metrics=0)
    assert options.stage_budgets_ms == {"encoder": 200, "ranker": 100}
    assert options.source_weights == {"lately": 1.5}
    assert (options.rebuild, options.fallback) == (True, False)


def test_problems_of_the_command_line_are_reported_together() -> None:
    values = read(
        "--catalog", "c", "--port", "70000", "--rerank-depth", "1",
        "--stage-budget", "encoder=soon", "--sources", "astrology=1",
    )  # fmt: skip
    with pytest.raises(InvalidInputError) as caught:
        ServerOptions(**values)
    message = str(caught.value)
    assert message.startswith("server options: ")
    assert "rerank_depth must be from 2 to 128, given 1" in message
    assert "ports.grpc must be from 0 to 65535, given 70000" in message
    assert "--stage-budget: must be STAGE=MILLISECONDS, got 'encoder=soon'" in message
    assert "weights of sources: 'astrology' is no source" in message


def test_an_option_that_there_is_not_is_named() -> None:
    with pytest.raises(InvalidInputError, match="flavour is no option of a server"):
        ServerOptions(flavour="mint")  # type: ignore[call-arg]


def test_every_option_has_a_name_of_its_own_and_a_sentence() -> None:
    options = list_options()
    assert len({option.flag for option in options}) == len(options)
    assert all(option.text.endswith(".") for option in options)


def test_every_field_says_what_it_is() -> None:
    for model in (SharedOptions, ServerOptions):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_what_models_are_told_is_what_they_read() -> None:
    options = ServerOptions(
        catalog=Path("/c"), encoder=Path("/e"), reranker=Path("/r"), state="sqlite:/s.db", rerank_depth=12,
        source_weights={"cart.lately": 0.5}, stage_budgets_ms={"encoder": 200},
    )  # fmt: skip
    settings = Settings.model_validate_json(json.dumps(options.tell()))
    for name in SharedOptions.model_fields:
        assert getattr(settings, name) == getattr(options, name), name


def test_the_command_line_starts_without_what_only_some_commands_need() -> None:
    code = "import sys, mercato.cli.main; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert set(loaded) & {"grpc", "tritonclient", "pyarrow", "faiss", "onnxruntime", "lark", "psutil"} == set()
