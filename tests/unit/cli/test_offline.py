"""Commands that need an extra: what is missing is said in one sentence, and defaults are the exporter's."""

from __future__ import annotations

import importlib.util
import json
from importlib.machinery import ModuleSpec

import pytest
from typer.testing import CliRunner

from mercato.cli import export
from mercato.cli.main import app
from mercato.cli.offline import EXTRAS, require_extra
from mercato.errors import MercatoError
from mercato_export import options
from tests.unit.repository.test_declared_dependencies import normalize, read_requirements


def hide(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    """Let this process find none of the modules named, as where their extra is not installed."""
    find = importlib.util.find_spec

    def find_others(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in hidden else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["export", "encoder"], "export"),
        (["export", "ranker", "--weights", "w"], "export"),
        (["export", "speed"], "export"),
        (["train", "ranker", "--catalog", "c", "--state", "sqlite:s"], "training"),
        (["train", "sequence", "--state", "sqlite:s"], "training"),
    ],
)
def test_a_missing_extra_is_named_in_one_sentence(
    words: list[str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "torch", "peft")
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert f"mercato {words[0]} needs torch" in result.stderr
    assert f"pip install 'mercato[{extra}]' brings" in result.stderr
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert f"pip install 'mercato[{extra}]'" in told["error"]


def test_training_needs_more_than_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "peft")
    require_extra("export", "mercato export")
    with pytest.raises(
        MercatoError, match=r"needs peft, which is not installed; pip install 'mercato\[training\]' brings it"
    ):
        require_extra("training", "mercato train")


def test_help_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, *EXTRAS["training"])
    for words in (["export"], ["export", "encoder"], ["train"], ["train", "reranker"]):
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_the_modules_are_those_that_the_extras_install() -> None:
    installed = {name: read_requirements(name) - {"mercato"} for name in EXTRAS}
    installed["training"] |= installed["export"]
    assert {name: {normalize(module) for module in modules} for name, modules in EXTRAS.items()} == installed


def test_the_defaults_that_help_shows_are_the_exporters() -> None:
    assert export.TOLERANCE == options.DEFAULT_TOLERANCE
    assert export.INT8_TAU_TOLERANCE == options.DEFAULT_INT8_TAU_TOLERANCE
    assert export.SEQUENCE_TOLERANCE == options.DEFAULT_SEQUENCE_TOLERANCE
    assert export.TIMING_CACHE == options.DEFAULT_TIMING_CACHE
