"""A server's log: its end, for a message about why it ended, and whether somebody emptied it on the way."""

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

TAIL_BYTES = 64 * 1024
TAIL_LINES = 20
_LOAD_FAILURE = re.compile(r"^E\d{4} .*\"failed to load '(?P<model>[^']+)' version \d+: (?P<reason>.*?)\"?$")
# The tables that every start prints, and what it says on a machine without a GPU.
_HARMLESS = re.compile(r"^[+|]|CudaDriverHelper|Failed to initialize NVML|pinned_memory_manager|DCGM")


class LogWatch:
    """Notes in a log that it was emptied, as logrotate's ``copytruncate`` does.

    A healthy server may log nothing for days: without the note an emptied file does not tell whether it is still the
    one that is written to. One that was moved away is not begun again: the server goes on writing to it.
    """

    def __init__(self, log: Path | None) -> None:
        """Begin to watch.

        Args:
            log: the file; None for nothing to watch.
        """
        self._log = log
        self._size = 0
        self._size = self._read_size()

    def note_emptied(self) -> bool:
        """Write a line where the file has become shorter since the last look; returns whether it had."""
        size = self._read_size()
        is_emptied = self._log is not None and size < self._size
        if is_emptied and self._log is not None:
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            with self._log.open("a", encoding="utf-8") as stream:
                stream.write(f"{now} mercato: the log was emptied, and goes on here\n")
            size = self._read_size()
        self._size = size
        return is_emptied

    def _read_size(self) -> int:
        try:
            return self._log.stat().st_size if self._log is not None else 0
        except OSError:
            return self._size


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
