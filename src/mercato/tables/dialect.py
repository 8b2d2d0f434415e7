"""The dialect of a text with delimiters: what parts its columns, and what stands above its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mercato.errors import DataError
from mercato.tables.source import Source

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLE_LINES = 200
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t| ]*\r?\n?', re.IGNORECASE)
_PREAMBLE_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a text is parted into rows and values.

    Attributes:
        delimiter: between two values.
        quoted: whether quotes hold values together.
        skipped: lines before the header.
        width: columns of the header.
        mended: whether a quote that is open at the end of the file costs no more than its row.
        header: the names in it.
    """

    delimiter: str
    quoted: bool
    skipped: int
    width: int
    mended: bool = False
    header: Sequence[str] = ()

    def is_header(self, row: list[str]) -> bool:
        """Tell a row that repeats the header, as in files that were put one behind another."""
        return (
            len(row) > 1
            and row[-1] == self.header[-1]
            and row[1:] == self.header[1:]
            and row[0].lstrip("\ufeff") == self.header[0].lstrip("\ufeff")
        )

    def options(self) -> dict[str, Any]:
        """Give the options of Python's ``csv.reader``."""
        return {"delimiter": self.delimiter, "quoting": csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE}


def find_dialect(lines: Sequence[str], source: Source) -> tuple[Dialect, list[str]]:
    """Find delimiter and header: what stands before it (``sep=;``, blank lines, a title) is skipped.

    Args:
        lines: the first `SAMPLE_LINES` of the text, with their ends.
        source: the file, for its suffix and for messages.

    Returns:
        The dialect, and the names in the header.

    Raises:
        DataError: there is no row.
    """
    skipped, stated = 0, ""
    for line in lines:
        separator = _SEPARATOR_LINE.fullmatch(line)
        if separator and skipped == 0:
            stated = separator[1]
        elif line.strip(" \t\r\n,;|\ufeff"):
            break
        skipped += 1
    sample = list(lines[skipped:])
    delimiter = stated or _choose_delimiter(sample, source.suffix)
    records = _list_records(sample, delimiter)
    if not records:
        raise DataError(f"{source.path.name} holds no rows; its first line must name the columns")
    start, header = records[_count_preamble([record for _, record in records[: _PREAMBLE_LINES + 4]])]
    return Dialect(delimiter=delimiter, quoted=True, skipped=skipped + start, width=len(header), header=header), header


def _list_records(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """List the records that are not blank, each with the number of its first line, from 0."""
    reader = csv.reader(lines, delimiter=delimiter)
    records, start = [], 0
    try:
        for record in reader:
            if any(map(str.strip, record)):
                records.append((start, record))
            start = reader.line_num
    except csv.Error:
        pass  # a value beyond all limits: what is above it may still be a header
    return records


def _is_title(records: list[list[str]]) -> bool:
    """Tell a title above the header: one value alone, and below it rows of several that agree in their number."""
    filled = [sum(1 for value in record if value.strip()) for record in records[:3]]
    widths = {len(record) for record in records[1:4]}
    return len(filled) > 2 and filled[0] == 1 and min(filled[1:]) > 1 and len(widths) == 1 and widths.pop() > 2


def _count_preamble(records: list[list[str]]) -> int:
    """Count what stands above the header: titles, and a line that names groups of columns."""
    titles = next((at for at, record in enumerate(records) if sum(map(bool, map(str.strip, record))) > 1), 0)
    skipped = titles if titles and _is_title(records[titles - 1 :]) else 0
    return skipped + 1 if _is_group_line(records[skipped:]) else skipped


def _is_group_line(records: list[list[str]]) -> bool:
    """Tell a line of merged cells above the header: mostly blank, and below it a row of names alone."""
    if len(records) < 3 or len(records[0]) < 3 or len(records[0]) != len(records[1]):
        return False
    above, names = records[0], [name.strip() for name in records[1]]
    filled = sum(1 for value in above if value.strip())
    return (
        not above[0].strip()
        and filled * 2 <= len(above)
        and all(names)
        and len(set(names)) == len(names)
        and not any(name[0].isdigit() for name in names)
    )


def _choose_delimiter(sample: list[str], suffix: str) -> str:
    """Choose by the first line that one of them parts: a title above it has none."""
    for at in range(min(_PREAMBLE_LINES, max(len(sample) - 2, 1))):
        best = _score_delimiters(sample[at:], suffix)
        if best:
            return best
    return ","


def _score_delimiters(sample: list[str], suffix: str) -> str:
    best, best_score = "", (False, 0.0)
    for delimiter in DELIMITERS:
        try:
            widths = [len(record) for record in csv.reader(sample, delimiter=delimiter) if record]
        except csv.Error:
            continue
        # A title may stand above the header; what parts the first line, and not only those below it, goes first.
        at = next((at for at, width in enumerate(widths[:3]) if width > 1), None)
        if at is None:
            continue
        share = sum(1 for width in widths[at:] if abs(width - widths[at]) <= 1) / len(widths)
        score = at == 0, widths[at] * share * (2 if delimiter == "\t" and suffix in (".tsv", ".tab") else 1)
        if score > best_score:
            best, best_score = delimiter, score
    return best
