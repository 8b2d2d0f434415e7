"""The weight of the sequence model: what its training chose, unless the shop says otherwise."""

import json
from pathlib import Path

import pytest

from mercato.errors import ModelError
from mercato.pipeline.factory import weigh_sources
from mercato.requests.retrieval import Placement
from mercato.retrieval.source_weights import WEIGHTS
from mercato.settings import Settings
from tests.adapters.tiny_models import write_sequence

HOME = Placement.HOME_PAGE


def settings(folder: Path | None, changes: dict[str, float] | None = None) -> Settings:
    return Settings(catalog=Path("c"), encoder=Path("e"), sequence=folder, source_weights=changes or {})


def write(tmp_path: Path, weight: float | None) -> Path:
    return write_sequence(tmp_path / "sequence", {"a": "b"}, weight=weight)


def test_what_training_chose_is_the_default(tmp_path: Path) -> None:
    found = weigh_sources(settings(write(tmp_path, 30.0))).general
    assert found[HOME]["sequence"] == found[Placement.RANK]["sequence"] == 30.0
    # placements that do not go by the history do not ask it, and the others keep their weights
    assert "sequence" not in found[Placement.CART]
    assert found[HOME]["repeat"] == WEIGHTS[HOME]["repeat"]


def test_the_shop_goes_before_it(tmp_path: Path) -> None:
    folder = write(tmp_path, 30.0)
    assert weigh_sources(settings(folder, {"sequence": 2.0})).general[HOME]["sequence"] == 2.0
    only_home = settings(folder, {"home-page.sequence": 1.0})
    assert weigh_sources(only_home).general[HOME]["sequence"] == 1.0
    assert weigh_sources(only_home).general[Placement.RANK]["sequence"] == 30.0


def test_a_model_that_adds_nothing_is_not_asked(tmp_path: Path) -> None:
    assert "sequence" not in weigh_sources(settings(write(tmp_path, 0.0))).general[HOME]


def test_a_model_from_before_has_the_default(tmp_path: Path) -> None:
    assert weigh_sources(settings(write(tmp_path, None))).general == WEIGHTS
    assert weigh_sources(settings(None)).general == WEIGHTS


@pytest.mark.parametrize("weight", [-1.0, "much"])
def test_a_weight_that_is_none(tmp_path: Path, weight: object) -> None:
    folder = write(tmp_path, None)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["serving"]["weight"] = weight
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"serving\.weight: Input should be"):
        weigh_sources(settings(folder))
