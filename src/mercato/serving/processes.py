"""The processes of a server: which stub belongs to which model, and who holds how much memory."""

import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from mercato.serving.binary import STUB_NAME

logger = logging.getLogger(__name__)

# triton_python_backend_stub MODEL_FILE REGION SIZE GROWTH PARENT FOLDER IPC INSTANCE ... (measured on 2.51)
_INSTANCE_ARGUMENT = 8
_ROLLUP_LINE = re.compile(r"^(Rss|Pss):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Stub:
    """A process of the python backend: one instance of one model.

    Attributes:
        pid: its process id.
        started: its start, in seconds since the epoch.
        model: the model's name.
        instance: the instance's name, for example ``search_0_1``.
        region: its shared-memory region.
    """

    pid: int
    started: float
    model: str
    instance: str
    region: str


@dataclass(frozen=True, kw_only=True)
class ProcessMemory:
    """The memory of one process of a server.

    Attributes:
        pid: its process id.
        name: ``tritonserver``, or ``stub of <instance>``.
        rss_bytes: resident memory; pages shared with other processes count fully in each.
        pss_bytes: proportional share: a page shared by n processes counts 1/n; sums without double counting. Equal to
            ``rss_bytes`` where the system does not tell.
    """

    pid: int
    name: str
    rss_bytes: int
    pss_bytes: int


def list_stubs(server_pid: int, prefix: str) -> list[Stub]:
    """List a server's living stubs.

    Args:
        server_pid: the ``tritonserver`` process.
        prefix: the server's shared-memory prefix.

    Returns:
        The stubs by process id; empty when the server is gone.
    """
    try:
        children = psutil.Process(server_pid).children()
    except psutil.NoSuchProcess:
        return []
    stubs = [read_stub(child, prefix) for child in children]
    return sorted((stub for stub in stubs if stub is not None), key=lambda stub: stub.pid)


def list_orphans(prefix: str) -> list[Stub]:
    """List the stubs with a prefix whoever their parent is; for after the server's own end.

    Args:
        prefix: the ended server's shared-memory prefix.

    Returns:
        The stubs by process id.
    """
    stubs = [read_stub(process, prefix) for process in psutil.process_iter()]
    return sorted((stub for stub in stubs if stub is not None), key=lambda stub: stub.pid)


def read_stub(process: psutil.Process, prefix: str) -> Stub | None:
    """Read what a process serves from its command line.

    Args:
        process: any process.
        prefix: the server's shared-memory prefix.

    Returns:
        The stub, or None when the process is not a living stub of that server.
    """
    try:
        arguments = process.cmdline()
        started = process.create_time()
    except psutil.Error:
        return None
    # A process that has ended but was not waited for has an empty command line.
    if len(arguments) < 3 or Path(arguments[0]).name != STUB_NAME or not arguments[2].startswith(prefix):
        return None
    model = Path(arguments[1]).parents[1].name
    instance = arguments[_INSTANCE_ARGUMENT] if len(arguments) > _INSTANCE_ARGUMENT else model
    return Stub(pid=process.pid, started=started, model=model, instance=instance, region=arguments[2])


def is_alive(stub: Stub) -> bool:
    """Tell whether a stub still runs (stopped counts as running, ended but not waited for does not)."""
    try:
        process = psutil.Process(stub.pid)
        return bool(process.create_time() == stub.started and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def kill_stub(stub: Stub) -> None:
    """End a stub at once; one that has already ended is left alone."""
    if is_alive(stub):
        try:
            psutil.Process(stub.pid).kill()
        except psutil.NoSuchProcess:
            pass


def end_orphans(prefix: str, timeout_s: float = 5.0) -> int:
    """End the stubs that outlived their server, and wait until they have ended.

    Args:
        prefix: the ended server's shared-memory prefix.
        timeout_s: how long their end may take, in seconds.

    Returns:
        How many there were.
    """
    orphans = list_orphans(prefix)
    processes = []
    for orphan in orphans:
        logger.info("stub of %s outlived its server; ended", orphan.instance)
        try:
            processes.append(psutil.Process(orphan.pid))
        except psutil.NoSuchProcess:
            continue
        kill_stub(orphan)
    psutil.wait_procs(processes, timeout=timeout_s)
    return len(orphans)


def has_children(pid: int) -> bool:
    """Tell whether a process has started others."""
    try:
        return bool(psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return False


def hide_argument(pid: int, secret: str) -> bool:
    """Write over a secret where the system shows a process's arguments to other users, as ``ps`` does.

    The process must have read its arguments; its own copies are not touched.

    Args:
        pid: a process that this one may trace (its own child).
        secret: what its arguments hold.

    Returns:
        Whether it is seen nowhere in them any more.
    """
    try:
        # Fields 48 and 49 of stat(5): where the arguments lie; after the name, which may hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            shown = memory.read(end - start)
            hidden = shown.replace(secret.encode(), b"*" * len(secret))
            memory.seek(start)
            memory.write(hidden)
        return secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError as exc:
        logger.debug("arguments of process %d cannot be written over: %s", pid, exc)
        return False


def process_memory(pid: int) -> list[ProcessMemory]:
    """Measure the memory of a process and of everything it started.

    Args:
        pid: the ``tritonserver`` process; or ``mercato serve``, which holds one.

    Returns:
        The process first, then its children by process id; empty when it is gone.
    """
    try:
        server = psutil.Process(pid)
        processes = [server, *sorted(server.children(recursive=True), key=lambda child: child.pid)]
    except psutil.NoSuchProcess:
        return []
    measured = [_measure(process) for process in processes]
    return [memory for memory in measured if memory is not None]


def describe_memory(memories: list[ProcessMemory]) -> dict[str, Any]:
    """Return the memory by process and in total, as JSON values.

    Args:
        memories: what :func:`process_memory` measured.

    Returns:
        ``processes`` and the sums ``rss_bytes`` and ``pss_bytes``.
    """
    return {
        "processes": [asdict(memory) for memory in memories],
        "rss_bytes": sum(memory.rss_bytes for memory in memories),
        "pss_bytes": sum(memory.pss_bytes for memory in memories),
    }


def parse_rollup(text: str) -> dict[str, int]:
    """Read ``Rss`` and ``Pss`` from the text of ``/proc/PID/smaps_rollup``.

    Args:
        text: the file's content.

    Returns:
        Bytes by name.
    """
    return {name: int(kibibytes) * 1024 for name, kibibytes in _ROLLUP_LINE.findall(text)}


def _measure(process: psutil.Process) -> ProcessMemory | None:
    try:
        rss = int(process.memory_info().rss)
        stub = read_stub(process, "")
        name = f"stub of {stub.instance}" if stub else process.name()
    except psutil.Error:
        return None
    try:
        rollup = parse_rollup(Path(f"/proc/{process.pid}/smaps_rollup").read_text())
    except OSError:
        rollup = {}
    return ProcessMemory(pid=process.pid, name=name, rss_bytes=rss, pss_bytes=rollup.get("Pss", rss))
