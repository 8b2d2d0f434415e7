"""The end of a server's log, for a message about why it ended."""

import re
from pathlib import Path

TAIL_BYTES = 64 * 1024
TAIL_LINES = 20
_ERROR_LINE = re.compile(r"^E\d{4} |failed to load|Traceback|Error:|UNAVAILABLE|Segmentation fault")
# The tables that every start prints, and what it says on a machine without a GPU.
_HARMLESS = re.compile(r"^[+|]|CudaDriverHelper|Failed to initialize NVML|pinned_memory_manager|DCGM")


def read_tail(log: Path | None, lines: int = TAIL_LINES) -> list[str]:
    """Read the last lines of a log.

    Args:
        log: the file; None or a missing one has no lines.
        lines: how many to return at most.

    Returns:
        The lines, oldest first, without those that every start prints.
    """
    if log is None:
        return []
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    kept = [line.rstrip() for line in text.splitlines() if line.strip() and not _HARMLESS.search(line)]
    return kept[-lines:]


def describe_failure(log: Path | None) -> str:
    """Say where the log is and what it ends with.

    Args:
        log: the server's log.

    Returns:
        A clause: the lines that tell of an error, where there are any, then the last lines.
    """
    tail = read_tail(log, lines=200)
    if not tail:
        return "its log is empty"
    errors = [line for line in tail[:-TAIL_LINES] if _ERROR_LINE.search(line)][-5:]
    return "the end of its log:\n  " + "\n  ".join([*errors, *tail[-TAIL_LINES:]])
