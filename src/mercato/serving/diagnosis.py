"""What a machine can run, and what it lacks: the checks behind ``mercato doctor``."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

import psutil

from mercato.errors import MercatoError, ServerError
from mercato.models.engine.machine import Machine, read_machine
from mercato.models.engine.manifest import check_engine, rebuild_command
from mercato.serving.access import KEY_HEADER, OPEN_CALLS, OWNER_CALLS, describe_exposure, is_loopback
from mercato.serving.binary import find_embedded, find_on_path
from mercato.serving.catalog_check import verify_apart
from mercato.serving.libpython import find_python_library
from mercato.serving.ports import OPTION_OF, Ports, reserve_ports
from mercato.serving.preflight import check_folder
from mercato.serving.shared_memory import free_bytes, total_bytes
from mercato.serving.tether import landlock_version
from mercato.triton_models.declaration import ENGINE
from mercato.triton_models.encoder import ENCODER
from mercato.triton_models.ranker import RANKER

MEBIBYTE = 1 << 20
# What requires-python in pyproject.toml says; a test holds them equal.
SUPPORTED_PYTHONS = ((3, 11), (3, 12))
# Docker's default of 64 MB is too small (field experience: regions start at 1 MB a stub and grow with the batch).
ENOUGH_SHARED_MEMORY_BYTES = 256 * MEBIBYTE
# What the server of one catalogue of 100,000 products and the demo's export need together.
ENOUGH_MEMORY_BYTES = 4 << 30
GPU_QUERY_TIMEOUT_S = 10.0
# What each optional set of packages is for, as `pip install 'mercato[NAME]'` names them.
EXTRAS = {
    "embedded": "a server without a container engine",
    "export": "mercato export",
    "training": "mercato train",
    "demo": "the demo store",
}
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+).*?(?:extra == ['\"](?P<extra>[^'\"]+)['\"])?$")


class Status(Enum):
    """How a finding is to be taken."""

    OK = "ok"
    ABSENT = "absent"  # not there, and not needed to serve from the CPU
    WARNING = "warning"
    BLOCKING = "blocking"  # nothing can be served until it is mended


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        status: how it is.
        detail: what was found.
        remedy: what to do; empty where nothing needs doing.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


def diagnose(*, encoder: Path, ranker: Path, catalog: Path | None, host: str, ports: Ports) -> list[Finding]:
    """Look at everything that serving, export and the demo need.

    Args:
        encoder: folder of the exported encoder.
        ranker: folder of the exported ranker.
        catalog: a snapshot to verify; None for none.
        host: address the server would listen on.
        ports: ports the server would listen on.

    Returns:
        The findings, the machine first, then packages, then files.
    """
    findings = [
        check_python(sys.version_info[:2]),
        check_memory(),
        *check_server(),
        check_shared_memory_size(total_bytes(), free_bytes()),
        check_gpu(),
        *check_ports(host, ports),
        check_exposure(host, ports),
        check_owner_calls(landlock_version()),
        *check_packages(),
        _check_files("encoder", encoder, partial(check_folder, ENCODER)),
        _check_files("ranker", ranker, partial(check_folder, RANKER)),
        *check_engines({"encoder": encoder, "ranker": ranker}, read_machine()),
    ]
    if catalog is not None:
        findings.append(_check_files("catalogue", catalog, lambda folder: verify_apart(folder, encoder)))
    return findings


def can_serve(findings: Iterable[Finding]) -> bool:
    """Tell whether this machine can serve at all."""
    return not any(finding.status is Status.BLOCKING for finding in findings)


def check_python(version: tuple[int, ...]) -> Finding:
    """Check that the Python is one that the embedded server and the packages support.

    Args:
        version: major and minor number.
    """
    detail = f"{sys.version.split()[0]} in {sys.prefix}"
    if tuple(version) in SUPPORTED_PYTHONS:
        return Finding(name="Python", status=Status.OK, detail=detail)
    wanted = " or ".join(f"{major}.{minor}" for major, minor in SUPPORTED_PYTHONS)
    remedy = f"make the environment with Python {wanted}"
    return Finding(name="Python", status=Status.BLOCKING, detail=detail, remedy=remedy)


def check_memory() -> Finding:
    """Report CPUs and memory."""
    memory = psutil.virtual_memory()
    cpus = len(os.sched_getaffinity(0))
    detail = f"{cpus} CPUs, {memory.available >> 20:,} of {memory.total >> 20:,} MiB free"
    if memory.available < ENOUGH_MEMORY_BYTES:
        remedy = f"serving 100,000 products wants {ENOUGH_MEMORY_BYTES >> 20:,} MiB free"
        return Finding(name="memory", status=Status.WARNING, detail=detail, remedy=remedy)
    return Finding(name="memory", status=Status.OK, detail=detail)


def check_server() -> list[Finding]:
    """Find a Triton server, and for the embedded one the Python library it needs."""
    on_path = find_on_path()
    if on_path is not None:
        return [Finding(name="tritonserver", status=Status.OK, detail=f"{on_path} (on PATH)")]
    try:
        embedded = find_embedded()
    except ServerError as exc:
        return [_blocked("tritonserver", exc)]
    if embedded is None:
        remedy = "pip install 'mercato[embedded]', or run inside nvcr.io/nvidia/tritonserver:<yy.mm>-py3"
        detail = "not on PATH, nvidia-pytriton is not installed"
        return [Finding(name="tritonserver", status=Status.BLOCKING, detail=detail, remedy=remedy)]
    wheel = importlib.metadata.version("nvidia-pytriton")
    detail = f"{embedded.executable} (nvidia-pytriton {wheel}: CPU profiles only)"
    found = Finding(name="tritonserver", status=Status.OK, detail=detail)
    try:
        library = find_python_library()
    except ServerError as exc:
        return [found, _blocked("libpython", exc)]
    return [found, Finding(name="libpython", status=Status.OK, detail=f"{library.path} ({library.version})")]


def check_shared_memory_size(total: int | None, free: int | None) -> Finding:
    """Judge the size of ``/dev/shm``.

    Args:
        total: its size in bytes; None when it does not exist.
        free: what is free of it, in bytes.
    """
    name = "shared memory"
    if total is None or free is None:
        remedy = "mount a tmpfs there"
        return Finding(name=name, status=Status.BLOCKING, detail="/dev/shm does not exist", remedy=remedy)
    detail = f"/dev/shm: {free >> 20:,} of {total >> 20:,} MiB free"
    if free < ENOUGH_SHARED_MEMORY_BYTES:
        remedy = f"give it {ENOUGH_SHARED_MEMORY_BYTES >> 20} MiB or more (docker run --shm-size=1g)"
        return Finding(name=name, status=Status.WARNING, detail=detail, remedy=remedy)
    return Finding(name=name, status=Status.OK, detail=detail)


def check_gpu() -> Finding:
    """Ask the driver's own tool for GPUs; none is fine."""
    absent = Finding(name="GPU", status=Status.ABSENT, detail="none: the cpu profiles serve; TensorRT needs one")
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return absent
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        asked = subprocess.run(query, capture_output=True, text=True, check=False, timeout=GPU_QUERY_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return absent
    if asked.returncode or not asked.stdout.strip():
        return absent
    return Finding(name="GPU", status=Status.OK, detail="; ".join(asked.stdout.strip().splitlines()))


def check_engines(folders: Mapping[str, Path], machine: Machine) -> list[Finding]:
    """Compare each model's engine with the machine.

    Args:
        folders: folder of each exported model.
        machine: what the machine has.
    """
    findings = []
    for model, folder in folders.items():
        name, engine = f"{model} engine", folder / ENGINE
        if not engine.is_file():
            absent = f"no {engine}: profile default needs one"
            findings.append(
                Finding(
                    name=name, status=Status.ABSENT, detail=absent, remedy=f"on a GPU: {rebuild_command(engine, model)}"
                )
            )
            continue
        try:
            manifest = check_engine(engine, model, machine)
        except MercatoError as exc:
            detail, _, remedy = str(exc).removeprefix(f"{model}: ").rpartition("; ")
            findings.append(Finding(name=name, status=Status.WARNING, detail=detail, remedy=remedy))
        else:
            detail = f"{engine} fits: TensorRT {manifest.version}, {manifest.precision}, built {manifest.built}"
            findings.append(Finding(name=name, status=Status.OK, detail=detail))
    return findings


def check_ports(host: str, ports: Ports) -> list[Finding]:
    """Check each port by itself.

    Args:
        host: the address to listen on.
        ports: the ports.
    """
    findings = []
    for name in OPTION_OF:
        port = getattr(ports, name)
        alone = {other: port if other == name else 0 for other in OPTION_OF}
        try:
            reserve_ports(host, Ports(**alone))
        except ServerError as exc:
            detail, _, remedy = str(exc).partition("; ")
            findings.append(Finding(name=f"{name} port", status=Status.WARNING, detail=detail, remedy=remedy))
        else:
            findings.append(Finding(name=f"{name} port", status=Status.OK, detail=f"{port} is free on {host}"))
    return findings


def check_exposure(host: str, ports: Ports) -> Finding:
    """Tell who could call the server.

    Args:
        host: the address to listen on.
        ports: the ports.
    """
    detail, _, remedy = describe_exposure(host, ports).partition(": ")
    status = Status.OK if is_loopback(host) else Status.WARNING
    return Finding(name="open to", status=status, detail=f"{detail} ({', '.join(OPEN_CALLS)})", remedy=remedy)


def check_owner_calls(landlock: int) -> Finding:
    """Tell what is closed, and whether a key to it can be given to somebody.

    Args:
        landlock: the version of Landlock that the kernel has; 0 for none.
    """
    closed = f"closed to everybody without {KEY_HEADER}: {', '.join(OWNER_CALLS)}"
    if landlock:
        detail = f"{closed}; files in a request to load a model are refused with it too"
        return Finding(name="owner's calls", status=Status.OK, detail=detail)
    detail = f"{closed}; nobody can be given it (--admin-key-file), because this kernel has no Landlock"
    return Finding(name="owner's calls", status=Status.ABSENT, detail=detail, remedy="Linux 5.13 or later has it")


def check_packages() -> list[Finding]:
    """Check the packages that Mercato declares: those it always needs, then each optional set."""
    try:
        declared = importlib.metadata.requires("mercato") or []
    except importlib.metadata.PackageNotFoundError:
        remedy = "pip install -e '.[embedded,export,demo]'"
        return [Finding(name="packages", status=Status.BLOCKING, detail="mercato is not installed", remedy=remedy)]
    sets = split_requirements(declared)
    findings = [_check_set("packages", sets.get("", []), "serving", "pip install mercato", Status.BLOCKING)]
    for extra, purpose in EXTRAS.items():
        remedy = f"pip install 'mercato[{extra}]'"
        findings.append(_check_set(f"packages [{extra}]", sets.get(extra, []), purpose, remedy, Status.ABSENT))
    return findings


def split_requirements(declared: Iterable[str]) -> dict[str, list[str]]:
    """Group declared requirements by the optional set they belong to.

    Args:
        declared: requirement lines, as ``importlib.metadata.requires`` gives them.

    Returns:
        Distribution names by set; those that are always needed under the empty name.
    """
    sets: dict[str, list[str]] = {}
    for line in declared:
        match = _REQUIREMENT.match(line)
        if match:
            sets.setdefault(match["extra"] or "", []).append(match["name"])
    return sets


def _check_set(name: str, distributions: list[str], purpose: str, remedy: str, otherwise: Status) -> Finding:
    missing = [distribution for distribution in distributions if not _is_installed(distribution)]
    if missing:
        detail = f"for {purpose}: {', '.join(missing)} missing"
        return Finding(name=name, status=otherwise, detail=detail, remedy=remedy)
    return Finding(name=name, status=Status.OK, detail=f"for {purpose}: all {len(distributions)} installed")


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _check_files(name: str, folder: Path, check: Callable[[Path], None]) -> Finding:
    try:
        check(folder)
    except MercatoError as exc:
        detail, _, remedy = str(exc).removeprefix(f"{name}: ").partition("; ")
        return Finding(name=name, status=Status.WARNING, detail=detail, remedy=remedy)
    return Finding(name=name, status=Status.OK, detail=f"{folder} is complete")


def _blocked(name: str, exc: ServerError) -> Finding:
    detail, _, remedy = str(exc).removeprefix(f"{name}: ").partition(". Get one: ")
    return Finding(name=name, status=Status.BLOCKING, detail=detail, remedy=remedy)
