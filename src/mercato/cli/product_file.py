"""Reading a file of products for a command: what was recognised first, then what became of its rows."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mercato.cli.output import Output
from mercato.errors import DataError

if TYPE_CHECKING:
    from mercato.catalog.problems import ProductReport
    from mercato.catalog.product import Product
    from mercato.catalog.read import ProductFile

_SHOWN_COLUMNS = 60


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file of products is read.

    Attributes:
        mapping: arguments of ``--map``.
        format_name: the shop system that wrote it.
        group_by: the column whose value is the same in all rows of one product.
        encoding: of a text format, where it is known.
        strict: refuse the file if a product does not go in whole.
    """

    mapping: Sequence[str] = ()
    format_name: str = "auto"
    group_by: str = ""
    encoding: str = ""
    strict: bool = False


def open_file(source: Path, reading: Reading) -> ProductFile:
    """Open a file of products.

    Raises:
        MercatoError: it cannot be read, or an option is wrong.
    """
    from mercato.catalog.map_arguments import parse_mapping
    from mercato.catalog.read import open_products

    with collector_relaxed():
        return open_products(
            source,
            parse_mapping(reading.mapping),
            format_name=reading.format_name,
            group_by=reading.group_by,
            encoding=reading.encoding,
        )


def describe(file: ProductFile, output: Output) -> None:
    """Tell what a file is and how its columns were understood."""
    output.say(f"{file.name}: {file.recognised}")
    for note in file.table.notes:
        output.say(f"  {note}")
    understood = file.understood
    for one in understood[:_SHOWN_COLUMNS]:
        output.say(f"  {one.column!r} -> {one.meaning}" + (f" ({one.how})" if one.how else ""))
    if len(understood) > _SHOWN_COLUMNS:
        output.say(f"  ... and {len(understood) - _SHOWN_COLUMNS:,} more columns (all with --json)")


def read_file(file: ProductFile, reading: Reading, output: Output) -> tuple[list[Product], ProductReport]:
    """Read the products; what is wrong with them is shown, the first of it by line and value.

    Raises:
        DataError: the file cannot be read to its end; with ``strict``, a product does not go in whole.
    """
    from mercato.catalog.problems import ProductReport
    from mercato.incoming import Rejected

    report = ProductReport()
    products: list[Product] = []
    with collector_relaxed(), output.progress() as show:
        for batch in file.read(report):
            products += (item for item in batch if not isinstance(item, Rejected))
            show("reading products", report.rows, max(file.table.rows or 0, report.rows))
    _warn(file, report, output)
    if reading.strict and (report.rejected or report.partial):
        raise DataError(
            f"{file.name}: {report.summary}, and --strict was given; correct the file or leave --strict out"
        )
    output.say(f"{len(products):,} products read, {report.rejected:,} bad rows left out")
    return products, report


@contextmanager
def collector_relaxed() -> Iterator[None]:
    """Let Python's collector of cycles look at new objects alone, and seldom; among millions of rows are none."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def summarize(file: ProductFile, report: ProductReport) -> dict[str, Any]:
    """Give what ``--json`` tells of a file."""
    return {
        "file": {
            "recognised": file.recognised,
            "notes": file.table.notes,
            "columns": [
                {"column": one.column, "meaning": one.meaning, **({"how": one.how} if one.how else {})}
                for one in file.understood
            ],
        },
        "summary": report.summary,
        "rows": report.rows,
        "whole": report.whole,
        "in_part": report.partial,
        "rejected": report.rejected,
        "variant_rows": report.joined,
        "not_for_sale": report.hidden,
        "left_out": [
            {"field": field, "reason": reason, "values": count}
            for (field, reason), count in report.left_out.most_common()
        ],
        "left_out_values": [
            {"line": line, "field": one.field, "reason": one.reason} for line, one in report.shown_left_out
        ],
        "errors": [{"line": row.position, "reason": row.reason} for row in report.shown],
    }


def _warn(file: ProductFile, report: ProductReport, output: Output) -> None:
    for row in report.shown:
        output.warn(f"{file.name} line {row.position}: {row.reason}")
    if report.rejected > len(report.shown):
        output.warn(f"... {report.rejected:,} bad rows in all")
    for line, one in report.shown_left_out:
        output.warn(f"{file.name} line {line}: {one.field} left out: {one.reason}")
    if sum(report.left_out.values()) > len(report.shown_left_out):
        for (field, reason), count in report.left_out.most_common(20):
            output.warn(f"{field} left out of {count:,} products: {reason}")
    if report.joined:
        output.say(f"{report.joined:,} rows are variants of a product in another row")
    if report.pictures:
        output.say(f"{report.pictures:,} rows bring a picture alone")
    if report.hidden:
        output.say(f"{report.hidden:,} rows are not for sale, says the file; they were left out")
