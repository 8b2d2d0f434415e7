"""Checks made before anything is started, each with one message that says what to do."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mercato.errors import ModelError, ServerError
from mercato.index.snapshot import read_columns
from mercato.models.reranker.manifest import read_reranker_manifest
from mercato.models.sequence.manifest import read_sequence_manifest
from mercato.policy.check import list_unknown
from mercato.policy.rules import RuleFile, read_rules
from mercato.serving.catalog_check import verify_apart
from mercato.serving.options import ServerOptions
from mercato.serving.repository import PYTHON_BACKEND, StagedModel
from mercato.serving.shared_memory import free_bytes

logger = logging.getLogger(__name__)

ENCODER_FILES = ("tokenizer.json", "manifest.json")
# Any of these can encode; which one is used is the profile's matter.
ENCODER_NETWORKS = ("model.int8.onnx", "model.onnx", "model.plan")
RANKER_FILES = ("manifest.json",)
RERANKER_FILES = ENCODER_FILES
RANKER_NETWORKS = ("model.onnx", "model.plan")


def check_inputs(options: ServerOptions) -> None:
    """Check the model folders and the catalogue.

    Args:
        options: what the server is to be started with.

    Raises:
        ModelError: a model folder lacks a file; the message has the command that makes it.
        SnapshotError: the catalogue is missing or damaged.
        EncoderMismatchError: the catalogue was built with another encoder.
        DataError: the rules file cannot be used.
    """
    if options.encoder is not None:
        check_encoder(options.encoder)
    if options.ranker is not None:
        check_ranker(options.ranker)
    if options.reranker is not None:
        check_reranker(options.reranker)
    if options.sequence is not None:
        check_sequence(options.sequence, options.source_weights)
    rules = read_rules(options.rules) if options.rules is not None else None
    if options.catalog is not None:
        verify_apart(options.catalog, options.encoder)
        if rules is not None:
            check_rules(rules, options.catalog)


def check_rules(rules: RuleFile, catalog: Path) -> None:
    """Warn of what rules name and the catalogue does not have (yet).

    Args:
        rules: the shop's rules.
        catalog: the snapshot.
    """
    for hint in list_unknown(rules, read_columns(catalog)):
        logger.warning("rules: %s", hint)


def check_sequence(folder: Path, source_weights: Mapping[str, float]) -> None:
    """Check a sequence model's folder, and warn where the model would never be asked.

    Args:
        folder: what ``mercato export sequence`` wrote.
        source_weights: the shop's changes.

    Raises:
        ModelError: a file is missing, or from another export.
    """
    weight = read_sequence_manifest(folder, verify_hashes=True).serving.weight
    if weight == 0 and not any(name.rpartition(".")[2] == "sequence" for name in source_weights):
        logger.warning(
            "sequence: the training of %s found that it adds nothing to the other sources (weight 0): it is served and "
            "not asked; leave --sequence out, or have it asked with --sources sequence=1",
            folder,
        )


def check_encoder(folder: Path) -> None:
    """Check that an encoder folder is complete.

    Args:
        folder: what ``mercato export encoder`` wrote.

    Raises:
        ModelError: files are missing.
    """
    _check_folder("encoder", folder, ENCODER_FILES, ENCODER_NETWORKS, f"mercato export encoder --out {folder}")


def check_ranker(folder: Path) -> None:
    """Check that a ranker folder is complete.

    Args:
        folder: what ``mercato export ranker`` wrote.

    Raises:
        ModelError: files are missing.
    """
    remedy = (
        "mercato train ranker --catalog CATALOG --state sqlite:PATH --out DIR, then "
        f"mercato export ranker --weights DIR --out {folder}; or serve without a ranker"
    )
    _check_folder("ranker", folder, RANKER_FILES, RANKER_NETWORKS, remedy)


def check_reranker(folder: Path) -> None:
    """Check that a reranker folder is complete, and that its tokenizer is the one it was trained with.

    Args:
        folder: what ``mercato export reranker`` wrote.

    Raises:
        ModelError: files are missing or do not fit together.
    """
    remedy = f"mercato export reranker --weights DIR --out {folder}, or serve without --reranker"
    _check_folder("reranker", folder, RERANKER_FILES, ENCODER_NETWORKS, remedy)
    read_reranker_manifest(folder)


def make_state_folder(state: str | None) -> list[Path]:
    """Make the folder of a state file, so that the server's processes can be given the right to write there.

    Args:
        state: the state's URL; None for none. Whether it can be used is found, and said, where it is opened.

    Returns:
        The folder; none where there is no file.
    """
    if state is None or not state.startswith("sqlite:"):
        return []
    folder = Path(state.removeprefix("sqlite:")).absolute().parent
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return [folder]


def check_shared_memory(models: Sequence[StagedModel], options: ServerOptions) -> None:
    """Check that the stubs' shared memory fits.

    Args:
        models: the models that will be loaded.
        options: what the server is to be started with.

    Raises:
        ServerError: ``/dev/shm`` is missing or has too little room.
    """
    stubs = sum(model.instances for model in models if model.backend == PYTHON_BACKEND)
    needed = stubs * options.stub_memory_bytes
    free = free_bytes()
    if free is None:
        raise ServerError("shared memory: /dev/shm does not exist; Triton's python backend needs it")
    if free < needed:
        raise ServerError(
            f"shared memory: {stubs} stubs need {needed >> 20} MiB in /dev/shm, {free >> 20} MiB are free; "
            "make it larger (docker run --shm-size=1g; in Kubernetes an emptyDir of medium Memory)"
        )


def _check_folder(name: str, folder: Path, files: Sequence[str], networks: Sequence[str], remedy: str) -> None:
    missing = [file for file in files if not (folder / file).is_file()]
    if not any((folder / network).is_file() for network in networks):
        missing.append(" or ".join(networks))
    if missing:
        what = f"{folder} does not exist" if not folder.is_dir() else f"{folder} lacks {', '.join(missing)}"
        raise ModelError(f"{name}: {what}; make it: {remedy}")
