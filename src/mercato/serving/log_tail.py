"""The end of a server's log, for a message about why it ended."""

import re
from collections.abc import Iterable
from pathlib import Path

TAIL_BYTES = 64 * 1024
TAIL_LINES = 20
_LOAD_FAILURE = re.compile(r"^E\d{4} .*\"failed to load '(?P<model>[^']+)' version \d+: (?P<reason>.*?)\"?$")
# The tables that every start prints, and what it says on a machine without a GPU.
_HARMLESS = re.compile(r"^[+|]|CudaDriverHelper|Failed to initialize NVML|pinned_memory_manager|DCGM")


def read_tail(log: Path | None, lines: int = TAIL_LINES, start: int = 0) -> list[str]:
    """Read the last lines of a log.

    Args:
        log: the file; None or a missing one has no lines.
        lines: how many to return at most.
        start: where this run's part begins, in bytes; what an earlier run wrote before is not read.

    Returns:
        The lines, oldest first, without those that every start prints.
    """
    if log is None:
        return []
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(start, size - TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    kept = [line.rstrip() for line in text.splitlines() if line.strip() and not _HARMLESS.search(line)]
    return kept[-lines:]


def describe_failure(log: Path | None, start: int = 0) -> str:
    """Say from its log why a server ended.

    Args:
        log: the server's log.
        start: where this run's part of it begins, in bytes.

    Returns:
        A clause: the models that could not be loaded, each with its reason; else the last lines.
    """
    tail = read_tail(log, lines=TAIL_BYTES, start=start)
    if not tail:
        return "its log is empty"
    refused = read_load_failures(tail)
    if refused:
        return "; ".join(f"model {name} cannot be loaded: {reason}" for name, reason in refused.items())
    return "the end of its log:\n  " + "\n  ".join(tail[-TAIL_LINES:])


def read_load_failures(lines: Iterable[str]) -> dict[str, str]:
    """Find the models that could not be loaded.

    Args:
        lines: lines of one run's log.

    Returns:
        The reason by model, without the traceback that follows it.
    """
    failures = {}
    for line in lines:
        match = _LOAD_FAILURE.search(line)
        if match:
            failures[match["model"]] = match["reason"].split("\\n\\nAt:")[0].removeprefix("Internal: ").strip()
    return failures
