"""Checks made before anything is started, each with one message that says what to do."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mercato.errors import ModelError, ServerError
from mercato.index.part import read_part
from mercato.index.snapshot import read_columns
from mercato.models.sequence.manifest import read_sequence_manifest
from mercato.policy.rules import RuleFile, list_unknown, read_rules
from mercato.serving.catalog_check import verify_apart
from mercato.serving.dense_check import check_dense_apart
from mercato.serving.options import ServerOptions
from mercato.serving.repository import PYTHON_BACKEND, StagedModel
from mercato.serving.shared_memory import free_bytes
from mercato.triton_models.declaration import TritonModel
from mercato.triton_models.registry import TRITON_MODELS

logger = logging.getLogger(__name__)


def check_inputs(options: ServerOptions) -> None:
    """Check the model folders and the catalogue.

    Args:
        options: what the server is to be started with.

    Raises:
        ModelError: a model folder lacks a file; the message has the command that makes it.
        SnapshotError: the catalogue is missing or damaged.
        EncoderMismatchError: the catalogue was built with another encoder.
        DataError: the rules file cannot be used.
        CollectionError: Milvus has no collection of this catalogue.
        ServerError: shards and catalogue do not go together.
    """
    for model in TRITON_MODELS:
        if model.name in options.folders:
            check_folder(model, options.folders[model.name])
    if options.sequence is not None:
        warn_unasked_sequence(options.sequence, options.source_weights)
    rules = read_rules(options.rules) if options.rules is not None else None
    if options.catalog is not None:
        check_shards(options)
        verify_apart(options.catalog, options.encoder)
        if options.dense is not None:
            check_dense_apart(
                options.catalog, options.dense, credentials=options.dense_credentials, ca=options.dense_ca
            )
        if rules is not None:
            check_rules(rules, options.catalog)


def check_shards(options: ServerOptions) -> None:
    """Check that shards are named where the catalogue is a router's, and only there.

    Raises:
        ServerError: they are not, or are; or there is state, which a router does not keep.
    """
    kind, addresses = options.catalog_kind, [] if options.shards is None else options.shards.split(",")
    if kind == "router" and options.catalog is not None:
        shards = read_part(options.catalog, 0).shards
        if len(addresses) != shards:
            raise ServerError(
                f"catalogue {options.catalog}: is a router's of {shards} shards, given {len(addresses)} addresses; "
                "name one for each, in the order of their numbers: --shards HOST:PORT,..."
            )
    elif addresses:
        raise ServerError(
            f"--shards: catalogue {options.catalog} is no router's; serve the folder router that `mercato shard` made"
        )
    if kind != "whole" and options.state is not None:
        raise ServerError("--state: shards and their router keep neither events nor changes; leave it out")


def check_rules(rules: RuleFile, catalog: Path) -> None:
    """Warn of what rules name and the catalogue does not have (yet).

    Args:
        rules: the shop's rules.
        catalog: the snapshot.
    """
    for hint in list_unknown(rules, read_columns(catalog)):
        logger.warning("rules: %s", hint)


def warn_unasked_sequence(folder: Path, source_weights: Mapping[str, float]) -> None:
    """Warn where a sequence model would be served and never asked.

    Args:
        folder: what ``mercato export sequence`` wrote.
        source_weights: the shop's changes.
    """
    weight = read_sequence_manifest(folder).serving.weight
    if weight == 0 and not any(name.rpartition(".")[2] == "sequence" for name in source_weights):
        logger.warning(
            "sequence: the training of %s found that it adds nothing to the other sources (weight 0): it is served and "
            "not asked; leave --sequence out, or have it asked with --sources sequence=1",
            folder,
        )


def check_folder(model: TritonModel[Any], folder: Path) -> None:
    """Check that a model's folder is complete, and what else its declaration asks of it.

    Args:
        model: the model's declaration.
        folder: the folder.

    Raises:
        ModelError: files are missing or do not fit together; the message has the command that makes them.
    """
    wanted = model.folder
    if wanted is None:
        return
    missing = [file for file in wanted.files if not (folder / file).is_file()]
    if wanted.networks and not any((folder / network).is_file() for network in wanted.networks):
        missing.append(" or ".join(wanted.networks))
    if missing:
        what = f"{folder} does not exist" if not folder.is_dir() else f"{folder} lacks {', '.join(missing)}"
        raise ModelError(f"{model.name}: {what}; make it: {wanted.remedy.format(folder=folder)}")
    if wanted.verify is not None:
        wanted.verify(folder)


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
