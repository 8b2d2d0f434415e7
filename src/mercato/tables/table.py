"""A table: columns by name, rows in batches, and what was learned of its columns while it was looked through."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from mercato.incoming import Rejected

Row: TypeAlias = Mapping[str, Any]

BATCH_ROWS = 4_096
#: Distinct values of a column that are kept, for what reads a column by what its values have in common.
SAMPLED_VALUES = 1_000

#: What programs write where nothing stands: of spreadsheets also what went wrong, in English, German and French.
BLANK_MARKS = frozenset(
    "- -- \u2013 \u2014 \\N NULL Null null (null) N/A n/a N/a n.a. NaN nan #N/A #NA #NULL! #REF! #VALUE! #DIV/0! #NAME?"
    " #NUM! #GETTING_DATA #SPILL! #NV #WERT! #BEZUG! #REFERENCE! #VALEUR! #NOM?".split()
)
_LONGEST_MARK = max(map(len, BLANK_MARKS))

# Without leading zeros (article numbers) and shorter than a 12 digit bar code.
_POINT_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,10})?(?:\.\d+)?(?<=\d)", re.ASCII)
_COMMA_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,10}|[1-9]\d{0,2}(?:\.\d{3}){1,3})?(?:,\d+)?(?<=\d)", re.ASCII)
_DECIMAL_COMMA = re.compile(r".*,(?:\d{1,2}|\d{4,})", re.ASCII)
_CODE_NAME = re.compile(
    r"(?:^|[\W_])(?:id|ids|sku|gtin\d*|ean\d*|upc|isbn|mpn|asin|barcode|code|ref|reference|article|artikel(?:nummer|nr)?)$",
    re.ASCII,
)


def is_code_name(column: str) -> bool:
    """Tell whether a column's name says that it holds codes, which are texts whatever they look like."""
    return _CODE_NAME.search(column.lower()) is not None


class RowBatch(Protocol):
    """Some rows of a table."""

    @property
    def lines(self) -> Sequence[int]:
        """Where each row is, see `Rejected.position`."""

    @property
    def rejected(self) -> Sequence[Rejected]:
        """What could not even be read as a row."""

    def rows(self) -> Iterator[Row]:
        """Give the rows one by one, column -> value."""

    def column(self, name: str) -> Any:
        """Give one column: a list or an Arrow array [rows]; None where a row has no value."""


def says_nothing(text: str) -> bool:
    """Tell whether a text is blank, or one of `BLANK_MARKS`."""
    return not text or text.isspace() or (len(text) <= _LONGEST_MARK and text in BLANK_MARKS)


@dataclass(slots=True)
class ColumnProfile:
    """What a column of texts holds.

    Attributes:
        sample: the first `SAMPLED_VALUES` distinct values that are not blank, in the order of the file.
        is_number: whether all are plain numbers, and none is written as codes are (``007``, a bar code).
        decimal_comma: whether their numbers have a decimal comma.
    """

    sample: dict[str, None] = field(default_factory=dict)
    is_number: bool = False
    decimal_comma: bool = False
    _point: bool = True
    _comma: bool = True
    _seen_comma: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether no more values can change what is known."""
        return not self._point and not self._comma and len(self.sample) >= SAMPLED_VALUES

    def add(self, values: Iterable[str]) -> None:
        """Take values into account."""
        distinct = dict.fromkeys(values)
        distinct.pop("", None)
        for value in list(filter(str.isspace, distinct)):
            del distinct[value]
        if len(self.sample) < SAMPLED_VALUES:
            for value in distinct:
                self.sample[value] = None
                if len(self.sample) >= SAMPLED_VALUES:
                    break
        if self._point or self._comma:
            distinct = {value: None for value in distinct if value not in BLANK_MARKS}
        if self._point:
            self._point = all(_POINT_NUMBER.fullmatch(value) for value in distinct)
        if self._comma:
            self._comma = all(_COMMA_NUMBER.fullmatch(value) for value in distinct)
            self._seen_comma = self._seen_comma or any(_DECIMAL_COMMA.fullmatch(value) for value in distinct)

    def finish(self, name: str) -> None:
        """Decide what the column holds, once all values are known.

        Args:
            name: the column's: one that says that it holds codes never holds numbers.
        """
        self.decimal_comma = not self._point and self._comma and self._seen_comma
        self.is_number = (
            not BLANK_MARKS.issuperset(self.sample) and not is_code_name(name) and (self._point or self.decimal_comma)
        )

    def to_number(self, text: str) -> int | float | None:
        """Read a value of a column of numbers; None where it is blank."""
        if says_nothing(text):
            return None
        if self.decimal_comma:
            text = text.replace(".", "").replace(",", ".")
        return float(text) if "." in text else int(text)


@dataclass(frozen=True, kw_only=True)
class Table:
    """An opened file.

    Attributes:
        columns: the columns there are, each name once.
        read: reads rows in batches: the given columns (None: all), at most so many rows a batch.
        format: what was recognised, for people: ``CSV, semicolons``.
        notes: what else a person should know of how it was read.
        profiles: column -> what it holds, for formats that are all text; empty for those with types.
        repeated: columns that the file names more than once: their name here -> the one in the file.
        rows: how many there are, at most; None where only reading would tell.
        is_complete: whether no row has a column that is not among `columns`.
        is_text: whether every value is a text, and no row lacks one.
    """

    columns: list[str]
    read: Callable[..., Iterator[RowBatch]]
    format: str
    notes: list[str] = field(default_factory=list)
    profiles: Mapping[str, ColumnProfile] = field(default_factory=dict)
    repeated: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    is_complete: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ObjectBatch:
    """Rows that come as objects: JSON, XML."""

    lines: list[int]
    objects: list[dict[str, Any]]
    rejected: list[Rejected] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """See `RowBatch`."""
        return iter(self.objects)

    def column(self, name: str) -> list[Any]:
        """See `RowBatch`."""
        return [row.get(name) for row in self.objects]


def rows_in_order(batch: RowBatch) -> Iterator[tuple[int, Row] | Rejected]:
    """Give the rows of a batch with their lines, and between them, where they stand, those that are none."""
    rejected = sorted(batch.rejected, key=lambda row: row.position)
    at = 0
    for line, row in zip(batch.lines, batch.rows(), strict=True):
        while at < len(rejected) and rejected[at].position < line:
            yield rejected[at]
            at += 1
        yield line, row
    yield from rejected[at:]


def name_columns(header: Sequence[str], taken: Collection[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Give every column of a header a name of its own.

    Args:
        header: names as the file has them; blank ones become ``column 3``, one that comes again ``size (2)``.
        taken: names that are taken already.

    Returns:
        The names, and those that were given for another: name -> the file's.
    """
    names: list[str] = []
    repeated: dict[str, str] = {}
    seen = set(taken)
    for position, raw in enumerate(header, 1):
        name = " ".join(raw.split()) or f"column {position}"
        given, number = name, 2
        while given in seen:
            given, number = f"{name} ({number})", number + 1
        if given != name:
            repeated[given] = name
        seen.add(given)
        names.append(given)
    return names, repeated
