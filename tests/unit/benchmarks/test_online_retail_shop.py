"""The files of the online retail shop: nothing of them is from the split or later."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.recommendation.online_retail_shop import last_countries, make_events, make_products
from mercato.events.read_events import ReadReport, read_events

LINES = pd.DataFrame(
    [
        ("1", "10A", "mug", 2, "2011-10-01 09:00", 1.0, 7, "France"),
        ("1", "10A", "mug", 6, "2011-10-01 09:01", 3.0, 7, "France"),
        ("1", "20", None, 1, "2011-10-01 09:00", 5.0, 7, "France"),
        ("2", "10A", " mug ", 1, "2011-10-31 23:59", 2.0, 7, "Spain"),
        ("2", "10A", "cup", 1, "2011-10-31 23:59", 2.0, 7, "Spain"),
        ("3", "10A", "later", 1, "2011-11-01 00:00", 9.0, 7, "Italy"),
        ("3", "30", "unseen", 1, "2011-11-01 00:00", 9.0, 8, "Italy"),
    ],
    columns=["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"],
).assign(InvoiceDate=lambda lines: pd.to_datetime(lines["InvoiceDate"]))
SPLIT = "2011-11-01"


def test_products_are_described_by_what_was_written_before_the_split() -> None:
    products = make_products(LINES, SPLIT)
    # prices of 10A: 1, 3, 2, 2
    assert products.to_dict("records") == [
        {"id": "10A", "title": "mug", "price": 2.0},
        {"id": "20", "title": "20", "price": 5.0},
    ]


def test_purchases_are_a_row_for_each_product_of_an_order() -> None:
    events = make_events(LINES, SPLIT)
    found = events[["order_id", "product_id", "user_id", "quantity", "price", "context"]].to_dict("records")
    # 10A of order 1: 2 at 1.0 and 6 at 3.0
    assert found[0] == {"order_id": "1", "product_id": "10A", "user_id": "7", "quantity": 8,
                        "price": (2 * 1.0 + 6 * 3.0) / 8, "context": '{"region":"France"}'}  # fmt: skip
    assert [(row["order_id"], row["product_id"], row["quantity"]) for row in found[1:]] == [
        ("1", "20", 1),
        ("2", "10A", 2),
    ]
    assert events["time"].max() < pd.Timestamp(SPLIT)


def test_the_purchases_are_events_as_a_shop_imports_them(tmp_path: Path) -> None:
    make_events(LINES, SPLIT).to_parquet(tmp_path / "events.parquet", index=False)
    report = ReadReport()
    batches = list(read_events(tmp_path / "events.parquet", report=report))
    assert (report.rows, report.rejected, sum(map(len, batches))) == (3, 0, 3)


def test_customers_come_from_where_they_came_from_last() -> None:
    assert last_countries(LINES, SPLIT) == {"7": "Spain"}
