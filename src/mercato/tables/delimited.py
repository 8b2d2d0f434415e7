"""Text with delimiters (CSV, TSV and their kin) as spreadsheets and shops write it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

from mercato.errors import DataError
from mercato.incoming import Rejected
from mercato.tables.dialect import DELIMITERS, SAMPLE_LINES, Dialect, find_dialect
from mercato.tables.encoding import Encoding
from mercato.tables.source import Source
from mercato.tables.table import BATCH_ROWS, ColumnProfile, Row, RowBatch, Table, is_code_name, name_columns

_BLOCK_CHARS = 1 << 20
_PROFILE_ROWS = 16_384
_NOT_CLOSED = "holds a quote that is not closed; close it, or double quotes within values"
_REPEATED = "repeats the header"
# How people keep spreadsheets from taking a code for a number: a formula of a text, or an apostrophe before it.
_FORMULA = re.compile(r'=\s?"((?:[^"]|"")*)"')
_SHORTENED = re.compile(r"\d[.,]\d+[eE]\+\d{2}")
_APOSTROPHE = re.compile(r"'([\w.-]+)")
# Descriptions can be long; a quote that is never closed is found by other means.
csv.field_size_limit(1 << 26)


@dataclass(frozen=True, slots=True, eq=False)
class TextBatch:
    """Rows of texts."""

    lines: Sequence[int]
    values: list[list[str]]
    names: Sequence[str]
    positions: Sequence[int]
    rejected: list[Rejected] = field(default_factory=list)
    _columns: list[tuple[str, ...]] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """See `RowBatch`."""
        names, positions = self.names, self.positions
        if len(positions) == positions[-1] + 1:
            return (dict(zip(names, values, strict=False)) for values in self.values)
        return ({name: values[at] for name, at in zip(names, positions, strict=True)} for values in self.values)

    def column(self, name: str) -> list[Any]:
        """See `RowBatch`."""
        if not self._columns:
            self._columns.extend(zip(*self.values, strict=True))  # all at less than each for itself costs
        return list(self._columns[self.positions[self.names.index(name)]]) if self.values else []


def open_delimited(source: Source, encoding: Encoding) -> Table:
    """Open a file of text with delimiters; it is read once, so that columns are known by all their values.

    Args:
        source: the file.
        encoding: how it is encoded.

    Raises:
        DataError: it has no header, or a quote in it is never closed.
    """
    with _open_text(source, encoding) as text:
        dialect, header = find_dialect(list(islice(text, SAMPLE_LINES)), source)
    names, _ = name_columns(header)
    try:
        profiles, short, count, passed = _profile(source, encoding, dialect, names)
    except _UnclosedQuoteError as exc:
        literal = replace(dialect, quoted=False)
        names_taken, even = _read_literally(source, encoding, literal)
        if even:
            dialect, header = replace(literal, width=len(names_taken), header=names_taken), names_taken
        elif exc.can_mend:
            dialect = replace(dialect, mended=True)
        else:
            raise DataError(
                f"{source.path.name}: the quote that opens on line {exc.line} is never closed; close it, or double"
                ' quotes within values ("")'
            ) from None
        names, _ = name_columns(header)
        profiles, short, count, passed = _profile(source, encoding, dialect, names)
    blank = [at for at, name in enumerate(header) if not name.strip() and not profiles[at].sample]
    positions = [at for at in range(len(header)) if at not in set(blank)]
    if not positions:
        raise DataError(f"{source.path.name} has no column with a name; its first line must name the columns")
    names, repeated = name_columns([header[at] for at in positions])
    for name, at in zip(names, positions, strict=True):
        profiles[at].finish(repeated.get(name, name))
    wrapped = {
        at: pattern
        for name, at in zip(names, positions, strict=True)
        for pattern in ((_FORMULA, _APOSTROPHE) if is_code_name(name) else (_FORMULA,))
        if any(map(pattern.fullmatch, profiles[at].sample))
    }
    notes = _list_notes(header, blank, positions, repeated, short, dialect)
    if passed:
        notes.append(f"{passed:,} rows repeat the header and are passed over")
    for name, at in zip(names, positions, strict=True):
        if is_code_name(name) and (cut := next(filter(_SHORTENED.fullmatch, profiles[at].sample), "")):
            notes.append(f"{name}: a spreadsheet cut codes to {cut}; their digits are lost, export the column as text")
    if wrapped:
        columns_of = ", ".join(name for name, at in zip(names, positions, strict=True) if at in wrapped)
        notes.append(f'read without the formula (="007") or apostrophe (\'007) around the text: {columns_of}')

    def read(
        columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS, as_written: Collection[str] = ()
    ) -> Iterator[RowBatch]:
        del columns, as_written  # all is text already
        for lines, values, rejected in _batches(source, encoding, dialect, batch_rows):
            _pad(values, dialect.width)
            for at, pattern in wrapped.items():
                _unwrap(values, at, pattern)
            rejected = [row for row in rejected if row.reason != _REPEATED]
            yield TextBatch(lines, values, names, positions, rejected)

    return Table(
        columns=names,
        read=read,
        format=f"text with {DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))}",
        notes=notes,
        profiles={name: profiles[at] for name, at in zip(names, positions, strict=True)},
        repeated=repeated,
        rows=count,
        is_complete=True,
        is_text=True,
    )


def _unwrap(rows: list[list[str]], at: int, pattern: re.Pattern[str]) -> None:
    """Take the texts of one column out of what stands around them."""
    for row in rows:
        match = pattern.fullmatch(row[at]) if row[at][:1] in ("=", "'") else None
        if match:
            row[at] = match[1].replace('""', '"')


def _list_notes(
    header: list[str],
    blank: list[int],
    positions: list[int],
    repeated: dict[str, str],
    short: int,
    dialect: Dialect,
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


class _UnclosedQuoteError(Exception):
    def __init__(self, line: int, *, can_mend: bool = False) -> None:
        super().__init__(line)
        self.line = line
        self.can_mend = can_mend


def _profile(
    source: Source, encoding: Encoding, dialect: Dialect, names: list[str]
) -> tuple[list[ColumnProfile], int, int, int]:
    """Look through all rows; returns the columns' profiles, and how many are short, are there, repeat the header."""
    profiles = [ColumnProfile() for _ in names]
    short = count = passed = 0
    for _, values, rejected in _batches(source, encoding, dialect, _PROFILE_ROWS):
        repeated = sum(1 for row in rejected if row.reason == _REPEATED)
        passed += repeated
        count += len(values) + len(rejected) - repeated
        short += _pad(values, dialect.width)
        unsettled = [at for at, profile in enumerate(profiles) if not profile.is_settled]
        if len(unsettled) > len(profiles) // 2:  # all at less than each for itself costs
            for profile, column in zip(profiles, zip(*values, strict=True), strict=False):
                profile.add(column)
        else:
            for at in unsettled:
                profiles[at].add(row[at] for row in values)
    return profiles, short, count, passed


def _pad(rows: list[list[str]], width: int) -> int:
    """Fill short rows up with blanks; returns how many there are."""
    short = [row for row in rows if len(row) < width]
    for row in short:
        row += [""] * (width - len(row))
    return len(short)


def _read_literally(source: Source, encoding: Encoding, dialect: Dialect) -> tuple[list[str], bool]:
    """Give the header where quotes mean nothing, and whether all rows agree with it and none stands around a value."""
    with _open_text(source, encoding) as text:
        reader = csv.reader(islice(text, dialect.skipped, None), **dialect.options())
        try:
            header = next(reader)
            even = len(header) == dialect.width and all(
                len(row) == len(header) and not any(len(value) > 1 and value[0] == value[-1] == '"' for value in row)
                for row in chain([header], reader)
                if row
            )
        except csv.Error:
            header, even = [], False
    return header, even


class _Lines:
    """The lines of a text, read in blocks; those since the last `take` are kept."""

    def __init__(self, text: io.TextIOBase, skipped: int) -> None:
        self._text = text
        self._kept: list[str] = []
        for _ in range(skipped):
            text.readline()

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._blocks())

    def take(self, count: int) -> list[str]:
        """Give the first of the lines that are kept, and keep them no longer."""
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken

    def _blocks(self) -> Iterator[list[str]]:
        while block := self._text.readlines(_BLOCK_CHARS):
            self._kept += block
            yield block


def _batches(
    source: Source, encoding: Encoding, dialect: Dialect, size: int
) -> Iterator[tuple[Sequence[int], list[list[str]], list[Rejected]]]:
    """Read rows in batches: their lines, their values (short rows as they are), and what is no row.

    Raises:
        _UnclosedQuoteError: a quote is open at the end of the file.
    """
    with _open_text(source, encoding) as text:
        lines = _Lines(text, dialect.skipped)
        reader = csv.reader(lines, **dialect.options())
        try:
            next(reader)
            line = reader.line_num
            lines.take(line)
            while True:
                values = list(islice(reader, size))
                taken = lines.take(reader.line_num - line)
                first, line = dialect.skipped + line + 1, reader.line_num
                if not taken:
                    break
                is_open = _is_open(taken[-1:], dialect)
                if len(taken) == len(values) and not is_open and _are_plain(values, dialect):
                    yield range(first, first + len(values)), values, []
                else:
                    yield _read_closely(taken, first, dialect)
        except csv.Error as exc:
            raise _UnclosedQuoteError(dialect.skipped + line + 1) from exc


def _are_plain(rows: list[list[str]], dialect: Dialect) -> bool:
    """Tell whether all rows have the header's width, none begins blank as one without any value does, or repeats it."""
    last = dialect.header[-1]
    return (
        set(map(len, rows)) == {dialect.width}
        and "" not in (firsts := [row[0] for row in rows])
        and not any(map(str.isspace, firsts))
        and not (last in [row[-1] for row in rows] and any(map(dialect.is_header, rows)))
    )


class _Records:
    """The rows of a file that are read one by one: their lines, their values, and what is no row."""

    def __init__(self, dialect: Dialect) -> None:
        self.lines: list[int] = []
        self.values: list[list[str]] = []
        self.rejected: list[Rejected] = []
        self._dialect = dialect

    def add(self, row: list[str], line: int) -> None:
        """Take a row, unless it repeats the header or has more values than there are columns."""
        width = self._dialect.width
        if self._dialect.is_header(row):
            self.reject(line, _REPEATED)
        elif any(map(str.strip, row[width:])):
            self.reject(
                line,
                f"has {len(row)} values, the header has {width} columns; put values that hold"
                f" {self._dialect.delimiter!r} in quotes",
            )
        else:
            self.lines.append(line)
            self.values.append(row[:width])

    def reject(self, line: int, reason: str) -> None:
        """Say of a line why it is no row."""
        self.rejected.append(Rejected(line, reason))


def _read_closely(texts: list[str], first: int, dialect: Dialect) -> tuple[list[int], list[list[str]], list[Rejected]]:
    """Read lines record by record; blank ones are left out, what a quote joined that is not one row is parted."""
    records = _Records(dialect)
    reader = csv.reader(texts, **dialect.options())
    before = 0
    for row in reader:
        start, before = before, reader.line_num
        line = first + start
        if before == len(texts) and _is_open(texts[start:], dialect):
            _mend_end(texts[start:], line, dialect, records)
        elif before - start > 1 and not _is_strict(texts[start:before], dialect):
            _split_record(texts[start:before], line, dialect, records)
        elif any(map(str.strip, row)):
            records.add(row, line)
    return records.lines, records.values, records.rejected


def _is_strict(texts: list[str], dialect: Dialect) -> bool:
    """Tell whether the quotes of a record stand where they should: around whole values."""
    try:
        for _ in csv.reader(texts, strict=True, **dialect.options()):
            pass
    except csv.Error:
        return False
    return True


def _split_record(texts: list[str], line: int, dialect: Dialect, records: _Records) -> None:
    """Read again, line by line, what a quote that is not closed where it should be took for one row."""
    rows = _read_lines(texts, dialect)
    good = [len(row) == dialect.width for row in rows]
    whole = next(csv.reader(texts, **dialect.options()))
    # Within one value of several lines no two lines are whole rows.
    swallowed = dialect.width > 2 and len(good) > 3 and all(good[1:-1])
    if not any(good) or (len(whole) == dialect.width and not swallowed):
        records.add(whole, line)
        return
    for number, (row, fits) in enumerate(zip(rows, good, strict=True), line):
        if fits:
            records.add(row, number)
        elif any(map(str.strip, row)):
            records.reject(number, _NOT_CLOSED)


def _mend_end(texts: list[str], line: int, dialect: Dialect, records: _Records) -> None:
    """Read what a quote that is open at the end of the file took for one row: each line, but for one alone.

    Raises:
        _UnclosedQuoteError: nobody has said yet that this may be done.
    """
    rows = _read_lines(texts, dialect)
    if not dialect.mended:
        raise _UnclosedQuoteError(line, can_mend=len(rows) == 1 or all(len(row) == dialect.width for row in rows))
    if len(rows) == 1:
        records.reject(line, _NOT_CLOSED)
    for number, row in enumerate(rows if len(rows) > 1 else [], line):
        records.add(row, number)


def _read_lines(texts: list[str], dialect: Dialect) -> list[list[str]]:
    return [next(csv.reader([text.rstrip("\r\n")], **dialect.options()), []) for text in texts]


def _is_open(texts: list[str], dialect: Dialect) -> bool:
    try:
        for _ in csv.reader(texts, strict=True, **dialect.options()):
            pass
    except csv.Error as exc:
        return "end of data" in str(exc)
    return False
