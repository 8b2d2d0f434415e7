"""What a row says of its offer (price, sale, stock), read into the fields of a product."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mercato.catalog.problems import LeftOut
from mercato.catalog.values import PriceReader, TimeReader, to_availability, to_text
from mercato.errors import InvalidInputError
from mercato.tables.table import Row

#: The attribute that holds the price without the sale.
ORIGINAL_PRICE = "original_price"
_ALLOWED = frozenset({"1", "true", "yes", "y", "continue", "notify", "allow"})


@dataclass(frozen=True, slots=True)
class Offer:
    """How the columns of an offer are read.

    Attributes:
        sources: ``price`` or a field of `OFFER_FIELDS` -> what gives its value in a row.
        prices: reads prices.
        times: reads when a sale starts and ends.
        scale: operator and number by which the price is scaled.
        now: seconds since 1970 UTC; a sale price holds if its sale is on then.
    """

    sources: Mapping[str, Callable[[Row], Any]]
    prices: PriceReader
    times: TimeReader = TimeReader()
    scale: tuple[str, float] | None = None
    now: float = 0.0

    def fill(self, row: Row, document: dict[str, Any], attributes: dict[str, Any], left_out: list[LeftOut]) -> None:
        """Fill price, currency and availability of a document, and the price without the sale among its attributes.

        Args:
            row: column -> value.
            document: product fields, written to.
            attributes: of the product, written to.
            left_out: told of what cannot be read.
        """
        price, currency = self._read_price("price", row, left_out)
        sale, sale_currency = (
            self._read_price("sale_price", row, left_out) if "sale_price" in self.sources else (None, "")
        )
        if sale is not None and (price is None or sale < price) and self._is_on(row, left_out):
            if price is not None:
                attributes.setdefault(ORIGINAL_PRICE, price)
            price, currency = sale, sale_currency or currency
        if "list_price" in self.sources:
            before, _ = self._read_price("list_price", row, left_out)
            if before is not None and price is not None and before > price:
                attributes.setdefault(ORIGINAL_PRICE, before)
        if price is not None:
            document["price"] = self.scaled(price)
        if currency and "currency" not in document:
            document["currency"] = currency
        if "stock" in self.sources or "backorders" in self.sources:
            self._fill_availability(row, document)

    def scaled(self, price: float) -> float:
        """Scale a price as the mapping says."""
        if self.scale is None:
            return price
        operator, factor = self.scale
        return price * factor if operator == "*" else price / factor

    def _read_price(self, name: str, row: Row, left_out: list[LeftOut]) -> tuple[float | None, str]:
        source = self.sources.get(name)
        if source is None:
            return None, ""
        try:
            return self.prices.read(source(row), name)
        except InvalidInputError as exc:
            left_out.append(LeftOut.of(exc))
            return None, ""

    def _is_on(self, row: Row, left_out: list[LeftOut]) -> bool:
        """Tell whether the sale is on; one whose dates cannot be read is not."""
        values = {
            name: self.sources[name](row) for name in ("sale_dates", "sale_start", "sale_end") if name in self.sources
        }
        span = to_text(values.get("sale_dates"))
        start, end = values.get("sale_start"), values.get("sale_end")
        try:
            if isinstance(span, str):
                start, _, end = span.partition("/")
            first, last = self.times.seconds(start), self.times.seconds(end)
        except ValueError as exc:
            left_out.append(LeftOut("sale_dates", str(exc)))
            return False
        return (first is None or first <= self.now) and (last is None or self.now <= last)

    def _fill_availability(self, row: Row, document: dict[str, Any]) -> None:
        stock = self.sources["stock"](row) if "stock" in self.sources else None
        if "stock_tracker" in self.sources and to_text(self.sources["stock_tracker"](row)) is None:
            stock = None if stock is None else 1  # nobody counts: it is for sale, whatever the number says
        if "availability" not in document and stock is not None:
            try:
                read = to_availability(float(stock) if isinstance(stock, str) else stock)
            except ValueError:
                read = to_availability(stock)
            if read is not None:
                document["availability"] = read
        backorders = to_text(self.sources["backorders"](row)) if "backorders" in self.sources else None
        if (
            document.get("availability") == "OUT_OF_STOCK"
            and isinstance(backorders, str)
            and backorders.strip().lower() in _ALLOWED
        ):
            document["availability"] = "BACKORDER"
