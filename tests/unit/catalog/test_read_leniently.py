"""Files as shops have them: no ids, prices as people write them, columns that no filter could use."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mercato.catalog.problems import ProductReport
from mercato.catalog.product import Product
from mercato.catalog.read import open_products, read_products
from mercato.errors import DataError


def test_rows_are_numbered_where_a_file_has_no_ids(tmp_path: Path) -> None:
    pq.write_table(pa.table({"title": ["Tea", "Cup"]}), tmp_path / "p.parquet")
    found = [row for batch in read_products(tmp_path / "p.parquet", {"id": "ROW"}) for row in batch]
    assert [(product.id, product.title) for product in found if isinstance(product, Product)] == [
        ("1", "Tea"),
        ("2", "Cup"),
    ]
    with pytest.raises(DataError, match="--map id=ROW numbers the rows"):
        list(read_products(tmp_path / "p.parquet"))


def test_a_column_called_row_is_a_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"title": ["Tea"], "ROW": ["r7"]}), tmp_path / "p.parquet")
    (product,) = next(iter(read_products(tmp_path / "p.parquet", {"id": "ROW"})))
    assert isinstance(product, Product)
    assert product.id == "r7"


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("12.99", 12.99),
        ("$12.99", 12.99),
        ("12,99 \u20ac", 12.99),
        ("EUR 1.299,00", 1_299.0),
        ("1,299.00", 1_299.0),
        ("1,299", 1_299.0),
        ("1 299,5", 1_299.5),
        ("CHF 1'299", 1_299.0),
    ],
)
def test_prices_are_read_as_people_write_them(tmp_path: Path, written: str, price: float) -> None:
    pq.write_table(pa.table({"id": ["a"], "title": ["Tea"], "price": [written]}), tmp_path / "p.parquet")
    (product,) = next(iter(read_products(tmp_path / "p.parquet")))
    assert isinstance(product, Product)
    assert product.price == price


@pytest.mark.parametrize("written", ["about 12", "12-15", "1,29,9", "free", "1.2.3"])
def test_prices_that_could_mean_two_things_are_left_out(tmp_path: Path, written: str) -> None:
    pq.write_table(pa.table({"id": ["a"], "title": ["Tea"], "price": [written]}), tmp_path / "p.parquet")
    report = ProductReport()
    (products,) = open_products(tmp_path / "p.parquet").read(report)
    assert products == [Product(id="a", title="Tea")]
    assert [field for field, _ in report.left_out] == ["price"]
    assert repr(written) in report.shown_left_out[0][1].reason or written in report.shown_left_out[0][1].reason


def test_columns_that_no_filter_could_use_are_left_out_and_cost_no_row(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["a"],
            "title": ["Tea"],
            "embedding": [[0.5] * 768],
            "reviews": [[{"stars": 5, "text": "good"}]],
            "tags": [["green", "loose"]],
            "specs": pa.array([[("weight", "100 g")]], pa.map_(pa.string(), pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "p.parquet")
    (product,) = next(iter(read_products(tmp_path / "p.parquet")))
    assert isinstance(product, Product)
    assert dict(product.attributes) == {"tags": ("green", "loose"), "specs.weight": "100 g"}
