"""Text with delimiters (CSV, TSV and their kin) as spreadsheets and shops write it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mercato.errors import DataError
from mercato.incoming import Rejected
from mercato.tables.encoding import Encoding
from mercato.tables.source import Source
from mercato.tables.table import BATCH_ROWS, ColumnProfile, Row, RowBatch, Table, name_columns

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE_LINES = 200
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t| ]*\r?\n?', re.IGNORECASE)
_PROFILE_ROWS = 16_384
# Descriptions can be long; a quote that is never closed is found by other means.
csv.field_size_limit(1 << 26)


@dataclass(frozen=True, slots=True, eq=False)
class TextBatch:
    """Rows of texts."""

    lines: list[int]
    values: list[list[str]]
    names: Sequence[str]
    positions: Sequence[int]
    rejected: list[Rejected] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """See `RowBatch`."""
        names, positions = self.names, self.positions
        if len(positions) == positions[-1] + 1:
            return (dict(zip(names, values, strict=False)) for values in self.values)
        return ({name: values[at] for name, at in zip(names, positions, strict=True)} for values in self.values)

    def column(self, name: str) -> list[Any]:
        """See `RowBatch`."""
        at = self.positions[self.names.index(name)]
        return [values[at] for values in self.values]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    delimiter: str
    quoted: bool
    skipped: int
    """Lines before the header."""
    width: int

    def options(self) -> dict[str, Any]:
        return {"delimiter": self.delimiter, "quoting": csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE}


class _Lines:
    """The lines of a text, with those of the record that is being read kept."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._next = text.__next__
        self.kept: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._next()
        self.kept.append(line)
        return line


def open_delimited(source: Source, encoding: Encoding) -> Table:
    """Open a file of text with delimiters; it is read once, so that columns are known by all their values.

    Args:
        source: the file.
        encoding: how it is encoded.

    Raises:
        DataError: it has no header, or a quote in it is never closed.
    """
    dialect, header = _find_dialect(source, encoding)
    names, _ = name_columns(header)
    try:
        profiles, short, count = _profile(source, encoding, dialect, names)
    except _UnclosedQuoteError as exc:
        literal = _Dialect(delimiter=dialect.delimiter, quoted=False, skipped=dialect.skipped, width=0)
        literal, header, even = _read_literally(source, encoding, literal)
        if not even:
            raise DataError(
                f"{source.path.name}: the quote that opens on line {exc.line} is never closed; close it, or double"
                ' quotes within values ("")'
            ) from None
        dialect = literal
        names, _ = name_columns(header)
        profiles, short, count = _profile(source, encoding, dialect, names)
    blank = [at for at, name in enumerate(header) if not name.strip() and not profiles[at].filled]
    positions = [at for at in range(len(header)) if at not in set(blank)]
    if not positions:
        raise DataError(f"{source.path.name} has no column with a name; its first line must name the columns")
    names, repeated = name_columns([header[at] for at in positions])
    for name, at in zip(names, positions, strict=True):
        profiles[at].finish(repeated.get(name, name))
    notes = _list_notes(header, blank, positions, repeated, short, dialect)

    def read(
        columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, as_written: Collection[str] = ()
    ) -> Iterator[RowBatch]:
        del columns, as_written  # all is text already
        for lines, values, rejected in _batches(source, encoding, dialect, batch_rows):
            yield TextBatch(lines, values, names, positions, rejected)

    return Table(
        columns=names,
        read=read,
        format=f"text with {_DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))}",
        notes=notes,
        profiles={name: profiles[at] for name, at in zip(names, positions, strict=True)},
        repeated=repeated,
        rows=count,
    )


def _list_notes(
    header: list[str],
    blank: list[int],
    positions: list[int],
    repeated: dict[str, str],
    short: int,
    dialect: _Dialect,
) -> list[str]:
    notes = []
    if blank:
        notes.append(f"{len(blank)} columns without a name and without values were left out")
    nameless = [at + 1 for at in positions if not header[at].strip()]
    if nameless:
        notes.append("columns without a name are called " + ", ".join(f"column {at}" for at in nameless[:5]))
    if repeated:
        twice = ", ".join(dict.fromkeys(repeated.values()))
        notes.append(f"columns that the header names more than once: {twice}; their values are taken together")
    if short:
        notes.append(f"{short:,} rows have fewer values than the header has columns; what they lack is blank")
    if not dialect.quoted:
        notes.append("quotes in it are taken as they stand, for one is never closed")
    return notes


@contextmanager
def _open_text(source: Source, encoding: Encoding) -> Iterator[io.TextIOWrapper]:
    with source.open() as file:
        yield io.TextIOWrapper(file, encoding.name, errors=encoding.errors, newline="")


def _find_dialect(source: Source, encoding: Encoding) -> tuple[_Dialect, list[str]]:
    """Find delimiter and header: what stands before it (``sep=;``, blank lines, a title) is skipped."""
    with _open_text(source, encoding) as text:
        lines = list(islice(text, _SAMPLE_LINES))
    skipped, stated = 0, ""
    for line in lines:
        separator = _SEPARATOR_LINE.fullmatch(line)
        if separator and skipped == 0:
            stated = separator[1]
        elif line.strip(" \t\r\n,;|\ufeff"):
            break
        skipped += 1
    sample = lines[skipped:]
    if not sample:
        raise DataError(f"{source.path.name} holds no rows; its first line must name the columns")
    delimiter = stated or _choose_delimiter(sample, source.suffix)
    records = [record for record in csv.reader(sample, delimiter=delimiter) if any(map(str.strip, record))]
    if _is_title(records):
        blank = next(at for at, line in enumerate(sample[1:]) if line.strip(" \t\r\n,;|"))
        skipped += 1 + blank
        records = records[1:]
    header = records[0]
    return _Dialect(delimiter=delimiter, quoted=True, skipped=skipped, width=len(header)), header


def _is_title(records: list[list[str]]) -> bool:
    """Tell a title above the header: one value alone, and below it rows of several that agree in their number."""
    filled = [sum(1 for value in record if value.strip()) for record in records[:3]]
    widths = {len(record) for record in records[1:4] if record}
    return filled[0] == 1 and len(filled) > 2 and min(filled[1:]) > 1 and len(widths) == 1 and widths.pop() > 2


def _choose_delimiter(sample: list[str], suffix: str) -> str:
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            widths = [len(record) for record in csv.reader(sample, delimiter=delimiter) if record]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        share = sum(1 for width in widths if abs(width - widths[0]) <= 1) / len(widths)
        score = widths[0] * share * (2 if delimiter == "\t" and suffix in (".tsv", ".tab") else 1)
        if score > best_score:
            best, best_score = delimiter, score
    return best


class _UnclosedQuoteError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def _profile(
    source: Source, encoding: Encoding, dialect: _Dialect, names: list[str]
) -> tuple[list[ColumnProfile], int, int]:
    """Look through all rows; returns the columns' profiles, how many rows are short, and how many there are."""
    profiles = [ColumnProfile() for _ in names]
    short = count = 0
    for _, values, rejected in _batches(source, encoding, dialect, _PROFILE_ROWS, padded=False):
        count += len(values) + len(rejected)
        for row in values:
            if len(row) < dialect.width:
                short += 1
                row += [""] * (dialect.width - len(row))
        for profile, column in zip(profiles, zip(*values, strict=True), strict=False):
            profile.add(column)
    return profiles, short, count


def _read_literally(source: Source, encoding: Encoding, dialect: _Dialect) -> tuple[_Dialect, list[str], bool]:
    """Tell whether all rows agree with the header where quotes mean nothing."""
    with _open_text(source, encoding) as text:
        reader = csv.reader(islice(text, dialect.skipped, None), **dialect.options())
        header = next(reader)
        even = all(len(row) == len(header) for row in reader if row)
    whole = _Dialect(delimiter=dialect.delimiter, quoted=False, skipped=dialect.skipped, width=len(header))
    return whole, header, even


def _batches(
    source: Source, encoding: Encoding, dialect: _Dialect, size: int, *, padded: bool = True
) -> Iterator[tuple[list[int], list[list[str]], list[Rejected]]]:
    """Read rows in batches: their lines, their values (as many as the header has), and what is no row."""
    width = dialect.width
    with _open_text(source, encoding) as text:
        kept = _Lines(text)
        for _ in range(dialect.skipped):
            next(kept)
        reader = csv.reader(kept, **dialect.options())
        next(reader)
        lines: list[int] = []
        values: list[list[str]] = []
        rejected: list[Rejected] = []
        before = reader.line_num
        while True:
            texts, kept.kept = kept.kept, []  # of the row before
            try:
                row = next(reader)
            except StopIteration:
                if len(texts) > 1 and _is_open(texts, dialect):
                    raise _UnclosedQuoteError(before - len(texts) + 1 + dialect.skipped) from None
                break
            except csv.Error as exc:
                raise _UnclosedQuoteError(dialect.skipped + before + 1) from exc
            line, before = dialect.skipped + before + 1, reader.line_num
            if len(kept.kept) > 1 and (len(row) != width or _has_swallowed(kept.kept, dialect)):
                _split_record(kept.kept, line, dialect, lines, values, rejected)
                continue
            if len(row) > width:
                if any(value.strip() for value in row[width:]):
                    rejected.append(_too_long(line, row, dialect))
                    continue
                del row[width:]
            elif row and padded and len(row) < width:
                row += [""] * (width - len(row))
            if row:
                lines.append(line)
                values.append(row)
            if len(values) >= size:
                yield lines, values, rejected
                lines, values, rejected = [], [], []
        if values or rejected:
            yield lines, values, rejected


def _has_swallowed(texts: list[str], dialect: _Dialect) -> bool:
    """Tell whether a value that goes over several lines is one: within it no two lines are whole rows."""
    middle = texts[1:-1]
    return (
        len(middle) > 1
        and dialect.width > 2
        and all(len(next(csv.reader([text], **dialect.options()), [])) == dialect.width for text in middle)
    )


def _too_long(line: int, row: list[str], dialect: _Dialect) -> Rejected:
    return Rejected(
        line,
        f"has {len(row)} values, the header has {dialect.width} columns; put values that hold {dialect.delimiter!r} in"
        " quotes",
    )


def _split_record(
    texts: list[str],
    line: int,
    dialect: _Dialect,
    lines: list[int],
    values: list[list[str]],
    rejected: list[Rejected],
) -> None:
    """Read again, line by line, what a quote that is not closed where it should be took for one row.

    Raises:
        _UnclosedQuoteError: the record goes on to the end of the file, with a quote open.
    """
    rows = [next(csv.reader([text.rstrip("\r\n")], **dialect.options()), []) for text in texts]
    good = [len(row) == dialect.width for row in rows]
    if _is_open(texts, dialect) and not all(good):
        raise _UnclosedQuoteError(line)
    if not any(good):
        whole = next(csv.reader(texts, **dialect.options()))
        if len(whole) < dialect.width:
            lines.append(line)
            values.append(whole + [""] * (dialect.width - len(whole)))
        else:
            rejected.append(_too_long(line, whole, dialect))
        return
    for number, (row, fits) in enumerate(zip(rows, good, strict=True), line):
        if fits:
            lines.append(number)
            values.append(row)
        elif row:
            rejected.append(
                Rejected(number, "holds a quote that is not closed; close it, or double quotes within values")
            )


def _is_open(texts: list[str], dialect: _Dialect) -> bool:
    try:
        for _ in csv.reader(texts, strict=True, **dialect.options()):
            pass
    except csv.Error as exc:
        return "end of data" in str(exc)
    return False
