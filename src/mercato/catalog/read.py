"""Products from a file: each row checked, variants joined, what cannot be read told with its line."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mercato.catalog.column_mapping import ColumnMapping, Understood
from mercato.catalog.direct import DirectReader, can_read_directly
from mercato.catalog.grouping import ReadRow, are_runs, join_rows
from mercato.catalog.problems import LeftOut, ProductReport, parse_leniently
from mercato.catalog.product import Product
from mercato.catalog.shop_formats import ShopFormat, find_format
from mercato.catalog.values import to_id
from mercato.errors import DataError, InvalidInputError
from mercato.incoming import Rejected
from mercato.tables.open import open_table
from mercato.tables.table import BATCH_ROWS, Table, rows_in_order

_NEED = "; the catalogue needs at least one product"


@dataclass(frozen=True, slots=True)
class ProductFile:
    """An opened file of products.

    Attributes:
        name: of the file.
        table: its rows as they lie.
        mapping: what its columns mean.
        shop: the shop system that wrote it, where its columns tell.
    """

    name: str
    table: Table
    mapping: ColumnMapping
    shop: ShopFormat | None

    @property
    def recognised(self) -> str:
        """What the file is, for people."""
        return self.table.format if self.shop is None else f"an export of {self.shop.title} ({self.table.format})"

    @property
    def understood(self) -> list[Understood]:
        """How each column was understood."""
        return self.mapping.understood

    def read(
        self, report: ProductReport | None = None, *, batch_rows: int = BATCH_ROWS
    ) -> Iterator[list[Product | Rejected]]:
        """Read the products.

        Args:
            report: is told what was read, row by row.
            batch_rows: products and errors in a batch.

        Yields:
            Batches in the order of the file; every row is in one of them, as a product, as a part of one, or as an
            error.

        Raises:
            DataError: the file cannot be read to its end, or holds no rows.
        """
        report = ProductReport() if report is None else report
        plan = self.mapping.plan
        if self.table.is_text and plan is not None and can_read_directly(plan):
            found = self._read_directly(report, DirectReader(plan))
        elif self.mapping.is_grouped:
            found = self._check_each(self._read_joined(report), report)
        else:
            found = self._check_each(self._read_each(report), report)
        batch: list[Product | Rejected] = []
        for block in found:
            batch += block
            if len(batch) >= batch_rows:
                whole = len(batch) - len(batch) % batch_rows
                for start in range(0, whole, batch_rows):
                    yield batch[start : start + batch_rows]
                batch = batch[whole:]
        if not report.rows:
            raise DataError(f"{self.name} holds no products{_NEED}")
        if batch:
            yield batch

    def _read_directly(self, report: ProductReport, reader: DirectReader) -> Iterator[list[Product | Rejected]]:
        """Read block by block; the rows that cannot be read so, one by one."""
        line_of_id: dict[str, int] = {}
        for raw in self.table.read(as_written=self.mapping.as_written):
            report.rows += len(raw.lines) + len(raw.rejected)
            products = reader.read(raw)
            whole = [product for product in products if product is not None]
            if not raw.rejected and len(whole) == len(products):
                earlier = list(map(line_of_id.setdefault, [product.id for product in whole], raw.lines))
                if earlier == list(raw.lines):
                    report.whole += len(whole)
                    yield list(whole)
                    continue
            block: list[Product | Rejected] = []
            made = iter(products)
            for item in rows_in_order(raw):
                if isinstance(item, Rejected):
                    block.append(self._tell(item, report))
                    continue
                line, row = item
                product = next(made)
                block.append(
                    self._check(self.mapping.read(row, line), line_of_id, report)
                    if product is None
                    else self._take(product, line, [], line_of_id, report)
                )
            yield block

    def _check_each(
        self, rows: Iterable[ReadRow | Rejected], report: ProductReport
    ) -> Iterator[list[Product | Rejected]]:
        line_of_id: dict[str, int] = {}
        for row in rows:
            yield [self._tell(row, report) if isinstance(row, Rejected) else self._check(row, line_of_id, report)]

    def _rows(self, report: ProductReport) -> Iterator[ReadRow | Rejected]:
        for raw in self.table.read(as_written=self.mapping.as_written):
            report.rows += len(raw.lines) + len(raw.rejected)
            for item in rows_in_order(raw):
                if isinstance(item, Rejected):
                    yield item
                    continue
                line, row = item
                try:
                    yield self.mapping.read(row, line)
                except RecursionError:
                    yield Rejected(line, "is nested too deep; give attributes as texts, numbers and lists")

    def _read_each(self, report: ProductReport) -> Iterator[ReadRow | Rejected]:
        for row in self._rows(report):
            if isinstance(row, ReadRow) and row.is_hidden:
                report.hidden += 1
            else:
                yield row

    def _read_joined(self, report: ProductReport) -> Iterator[ReadRow | Rejected]:
        for rows, rejected in self._runs(report):
            joined = join_rows(rows)
            pictures = sum(1 for row in rows if row.is_picture)
            report.pictures += pictures
            report.hidden += len(rows) - sum(count for _, count in joined)
            report.joined += sum(count - 1 for _, count in joined) - pictures
            merged: list[ReadRow | Rejected] = [*(row for row, _ in joined), *rejected]
            yield from sorted(merged, key=lambda item: item.position if isinstance(item, Rejected) else item.line)

    def _runs(self, report: ProductReport) -> Iterator[tuple[list[ReadRow], list[Rejected]]]:
        """Give the rows in runs that hold products whole; one run of all where a product's rows lie apart."""
        column = self.mapping.group_column
        one_by_one = bool(column) and are_runs(
            to_id(row.get(column)) or ""
            for raw in self.table.read(as_written=self.mapping.as_written)
            for row in raw.rows()
        )
        rows: list[ReadRow] = []
        rejected: list[Rejected] = []
        for item in self._rows(report):
            if isinstance(item, Rejected):
                rejected.append(item)
                continue
            if one_by_one and rows and not (item.group and item.group == rows[-1].group):
                yield rows, rejected
                rows, rejected = [], []
            rows.append(item)
        yield rows, rejected

    def _check(self, row: ReadRow, line_of_id: dict[str, int], report: ProductReport) -> Product | Rejected:
        try:
            product, left_out = parse_leniently(row.document)
        except InvalidInputError as exc:
            return self._tell(Rejected(row.line, str(exc)), report)
        return self._take(product, row.line, [*row.left_out, *left_out], line_of_id, report)

    def _take(
        self, product: Product, line: int, left_out: list[LeftOut], line_of_id: dict[str, int], report: ProductReport
    ) -> Product | Rejected:
        earlier = line_of_id.setdefault(product.id, line)
        if earlier != line:
            rejected = Rejected(
                line,
                f"id: must be unique, {product.id!r} is also on line {earlier}, which is kept; if the rows are variants"
                " of one product, --group-by joins them",
            )
            return self._tell(rejected, report)
        report.accept(line, left_out)
        return product

    def _tell(self, rejected: Rejected, report: ProductReport) -> Rejected:
        report.reject(rejected)
        return rejected


def open_products(
    path: Path,
    mapping: Mapping[str, str] | None = None,
    *,
    format_name: str = "auto",
    group_by: str = "",
    encoding: str = "",
    now: float | None = None,
) -> ProductFile:
    """Open a file of products, and find out what its columns mean.

    Args:
        path: see `open_table`.
        mapping: field -> column, as from `parse_mapping`.
        format_name: the shop system that wrote it, one of `FORMAT_NAMES`.
        group_by: the column whose value is the same in all rows of one product.
        encoding: of a text format, where it is known.
        now: the moment for which sale prices hold, seconds since 1970 UTC; by default the clock's.

    Raises:
        DataError: the file cannot be read, is empty, or lacks a column (with the columns there are).
        InvalidInputError: the mapping or another option is not well formed.
    """
    table = open_table(path, encoding=encoding, need=_NEED)
    shop = find_format(table.columns, format_name)
    columns = ColumnMapping(
        mapping or {}, table, path.name, shop=shop, group_by=group_by, now=time.time() if now is None else now
    )
    return ProductFile(path.name, table, columns, shop)


def read_products(
    path: Path, mapping: Mapping[str, str] | None = None, *, batch_rows: int = BATCH_ROWS
) -> Iterator[list[Product | Rejected]]:
    """Read a file of products; see `open_products` and `ProductFile.read`."""
    yield from open_products(path, mapping).read(batch_rows=batch_rows)
