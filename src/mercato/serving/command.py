"""The command line, environment and settings file that a server process gets."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mercato.serving.access import restriction_arguments
from mercato.serving.binary import ServerBinary
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.repository import StagedModel
from mercato.serving.run_folder import RunFolder
from mercato.serving.tether import SECRET_VARIABLE
from mercato.settings import SETTINGS_VARIABLE
from mercato.triton_models.declaration import DEFAULT_PROFILE

# Read by OpenMP, OpenBLAS, MKL and numexpr when they are loaded; nothing else limits all of them.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# The stub would take another Python's library from these.
REMOVED_VARIABLES = ("PYTHONHOME", "PYTHONPATH")


def build_command(
    binary: ServerBinary, options: ServerOptions, ports: Ports, folder: RunFolder, models: Sequence[StagedModel]
) -> list[str]:
    """Build the server's command line.

    Args:
        binary: the server.
        options: what it is started with.
        ports: the ports, all chosen.
        folder: the run's folder.
        models: the staged models, in any order.

    Returns:
        The program and its arguments; in place of the key a word that the tether replaces.
    """
    command = [
        str(binary.executable),
        *binary.arguments,
        f"--model-repository={folder.repository}",
        "--model-control-mode=explicit",
        *restriction_arguments(),
        *(f"--load-model={model.name}" for model in models),
        # Our configurations are complete; completing them would start every model's stub once more.
        "--disable-auto-complete-config",
        f"--model-load-thread-count={max(2, len(models))}",
        f"--grpc-address={options.host}",
        f"--grpc-port={ports.grpc}",
        f"--http-address={options.host}",
        f"--http-port={ports.http}",
        f"--metrics-address={options.host}",
        f"--metrics-port={ports.metrics}",
        f"--backend-config=python,shm-region-prefix-name={folder.prefix}",
        f"--backend-config=python,shm-default-byte-size={options.stub_memory_bytes}",
        f"--backend-config=python,shm-growth-byte-size={options.stub_memory_growth_bytes}",
        f"--exit-timeout-secs={max(1, round(options.stop_timeout_s))}",
    ]
    if options.profile != DEFAULT_PROFILE:
        command.append(f"--model-config-name={options.profile}")
    return command


def build_environment(
    binary: ServerBinary, options: ServerOptions, folder: RunFolder, inherited: Mapping[str, str], admin_key: str
) -> dict[str, str]:
    """Build the server's environment: this process's, with what the server and its stubs need put first.

    Args:
        binary: the server.
        options: what it is started with.
        folder: the run's folder.
        inherited: the environment to start from.
        admin_key: what opens the owner's calls.

    Returns:
        The environment of the tether: of our variables ``MERCATO_SETTINGS``, and the key, which goes no further.
    """
    environment = {name: value for name, value in inherited.items() if name not in REMOVED_VARIABLES}
    # The stub finds site-packages through the first python3 on PATH.
    environment["PATH"] = _prepend([Path(sys.executable).parent], inherited.get("PATH", os.defpath))
    if binary.library_folders:
        environment["LD_LIBRARY_PATH"] = _prepend(binary.library_folders, inherited.get("LD_LIBRARY_PATH", ""))
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(options.threads_per_process)))
    environment[SETTINGS_VARIABLE] = str(folder.settings)
    environment["TMPDIR"] = str(folder.temporary)
    environment[SECRET_VARIABLE] = admin_key
    return environment


def build_settings(options: ServerOptions, buckets: Mapping[str, Sequence[int]] | None = None) -> dict[str, Any]:
    """Build the content of the settings file that the models read, `mercato.settings.Settings`.

    Args:
        options: what the server is started with.
        buckets: by model the lengths that its callers pad to.

    Returns:
        What the models are told of the options, and ``buckets``, if any.
    """
    padding = {"buckets": {name: list(lengths) for name, lengths in buckets.items()}} if buckets else {}
    return {**options.tell(), **padding}


def write_settings(folder: RunFolder, settings: Mapping[str, Any]) -> None:
    """Write the settings file of a run."""
    folder.settings.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _prepend(folders: Sequence[Path], existing: str) -> str:
    return os.pathsep.join([*map(str, folders), *filter(None, [existing])])
