"""A ranker knows one shop: where none is named, the one beside the catalogue is served, and no other."""

from pathlib import Path

import pytest

from mercato.cli.serve import choose_ranker


def test_the_ranker_beside_the_catalogue_is_served(tmp_path: Path) -> None:
    (tmp_path / "shop" / "ranker").mkdir(parents=True)
    assert choose_ranker(None, tmp_path / "shop" / "catalog") == tmp_path / "shop" / "ranker"


def test_another_shops_ranker_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "var" / "models" / "ranker").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert choose_ranker(None, Path("shop/catalog")) is None
    assert "no ranker in shop/ranker" in caplog.text
    assert "mercato export ranker" in caplog.text


def test_a_named_ranker_is_taken_as_it_is(tmp_path: Path) -> None:
    assert choose_ranker(tmp_path / "missing", tmp_path / "catalog") == tmp_path / "missing"
