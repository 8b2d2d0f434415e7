"""What comes in from outside, read leniently: JSON of callers, files row by row, and what became of it.

One bad item never harms its neighbours: it is left out, counted, and told with its position and the reason.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from mercato.errors import InvalidInputError

MAX_SHOWN = 20
"""Rejected rows of a file that are kept one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item of a call, or a row of a file, that was not taken.

    Attributes:
        position: of an item in the caller's array, from 0. Of a row the line of its file, from 1 (CSV: where the row
            starts, the header is line 1); in Parquet the number of the row.
        reason: field, rule, what was given and what to do.
    """

    position: int
    reason: str


@dataclass(kw_only=True)
class RowReport:
    """What was read of a file so far; filled while it is read.

    Attributes:
        rows: rows looked at.
        rejected: rows that could not be used, all counted.
        shown: the first `MAX_SHOWN` of them.
    """

    rows: int = 0
    rejected: int = 0
    shown: list[Rejected] = field(default_factory=list)

    def reject(self, row: Rejected) -> None:
        """Count a rejected row, and keep it where it is one of the first."""
        self.rejected += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(row)


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """What became of one caller's items; those accepted are durable.

    Attributes:
        accepted: how many were taken, repeated ones included.
        unchanged: how many of these were not written, because they change nothing and asked not to be then.
        rejected: those that were not.
        sequence: the store's last sequence number afterwards.
    """

    accepted: int
    unchanged: int = 0
    rejected: Sequence[Rejected] = field(default_factory=list)
    sequence: int

    def document(self) -> bytes:
        """Give the result as JSON."""
        # A reason may quote what no UTF-8 can hold.
        rejected = [
            {"index": item.position, "reason": item.reason.encode("utf-8", "replace").decode()}
            for item in self.rejected
        ]
        unchanged = {"unchanged": self.unchanged} if self.unchanged else {}
        return orjson.dumps({"accepted": self.accepted, **unchanged, "rejected": rejected, "sequence": self.sequence})


def read_json_array(document: bytes, *, parameter: str, items: str, limit: int) -> list[Any]:
    """Read a caller's JSON array, leniently.

    Args:
        document: JSON in UTF-8. NaN, Infinity and half surrogate pairs, which many clients write by mistake, are read
            too (by Python's own parser), so that only the item that holds one is refused.
        parameter: the caller's name for it, for messages.
        items: what is in it, for messages.
        limit: how many at most.

    Raises:
        InvalidInputError: it is no JSON array, or too long.
    """
    try:
        values = orjson.loads(document)
    except orjson.JSONDecodeError as strict_error:
        try:
            values = json.loads(document)
        except (ValueError, RecursionError):
            raise InvalidInputError(
                parameter, f"must be valid JSON in UTF-8: {strict_error}", "check how the document was written"
            ) from strict_error
    if not isinstance(values, list):
        raise InvalidInputError(
            parameter, f"must be a JSON array of {items}, got {type(values).__name__}", "put a single one in [ ]"
        )
    if len(values) > limit:
        raise InvalidInputError(
            parameter, f"must have at most {limit} {items} in a call, got {len(values)}", "send them in parts"
        )
    return values


def read_json_object(text: str | bytes) -> dict[str, Any] | str:
    """Read a JSON object that stands in a file.

    Returns:
        The object, or the reason why it is none.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        try:
            value = json.loads(text)  # NaN, Infinity, half surrogate pairs
        except (ValueError, RecursionError):
            return f"is not JSON: {exc}"
    if isinstance(value, dict):
        return value
    shown = text[:40].decode("utf-8", "replace") if isinstance(text, bytes) else text[:40]
    return f"must be a JSON object, got {shown!r}"


def read_json_line(raw: bytes, line: int) -> dict[str, Any] | str | None:
    """Read one line of a JSON lines file.

    Args:
        raw: the line; the first may begin with a byte order mark.
        line: its number, from 1.

    Returns:
        An object, the reason why it is none, or None where the line is blank.
    """
    text = raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw
    return read_json_object(text) if text.strip() else None


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked where it ends in ``.gz``."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]
