"""Ratings from files of every format, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mercato.errors import DataError, InvalidInputError
from mercato.evaluation.judgements import parse_judgement_map, read_judgements


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_is_read_row_by_row(tmp_path: Path) -> None:
    file = write(tmp_path / "r.csv", "query,docid,rating\ntea,1,3\ntea,2,0\ncup,1,1\n")
    judgements = read_judgements(file)
    assert judgements.ratings == {"tea": {"1": 3, "2": 0}, "cup": {"1": 1}}
    assert (judgements.rows, judgements.pairs, judgements.levels) == (3, 3, (0, 1, 3))
    assert judgements.products == {"1", "2"}


def test_numbers_are_ids_and_columns_are_mapped(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"q": ["tea", "tea"], "sku": [7, 8], "grade": [2.0, 1.0], "note": ["", ""]}), tmp_path / "r.parquet"
    )
    mapping = parse_judgement_map(["query=q", "docid=sku", "rating=grade"])
    assert read_judgements(tmp_path / "r.parquet", mapping).ratings == {"tea": {"7": 2, "8": 1}}


def test_json_lines_with_a_query_that_nobody_rated(tmp_path: Path) -> None:
    file = write(tmp_path / "r.jsonl", '{"query":"tea","docid":"a","rating":1}\n{"query":"mug","docid":null}\n')
    judgements = read_judgements(file)
    assert judgements.ratings == {"tea": {"a": 1}, "mug": {}}
    assert judgements.rejected == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",1,2", "query: must be given"),
        ("tea,,2", "docid: must be given with a rating"),
        ("tea,1,good", "rating: must be a number"),
        ("tea,1,", "rating: must be a number"),
        ("tea,1,-1", "whole number from 0 to 20, got -1"),
        ("tea,1,1.5", "whole number from 0 to 20, got 1.5"),
        ("tea,1,21", "whole number from 0 to 20, got 21"),
        ("tea,1", "rating: must be a number"),
    ],
)
def test_a_bad_row_is_counted_and_shown_and_harms_no_other(tmp_path: Path, row: str, reason: str) -> None:
    judgements = read_judgements(write(tmp_path / "r.csv", f"query,docid,rating\ncup,1,1\n{row}\ncup,2,3\n"))
    assert judgements.ratings["cup"] == {"1": 1, "2": 3}
    assert judgements.rejected == 1
    assert reason in judgements.shown[0].reason


def test_the_first_of_several_ratings_counts(tmp_path: Path) -> None:
    file = write(tmp_path / "r.csv", "query,docid,rating\ntea,1,3\ntea,1,3\ntea,1,0\n")
    judgements = read_judgements(file)
    assert judgements.ratings == {"tea": {"1": 3}}
    assert (judgements.repeated, judgements.contradicted) == (1, 1)


def test_wrong_columns_name_those_there_are_and_what_to_write(tmp_path: Path) -> None:
    file = write(tmp_path / "r.csv", "search_term,SKU,grade\ntea,1,3\n")
    with pytest.raises(DataError) as caught:
        read_judgements(file)
    assert "no column for query and docid and rating; its columns: search_term, SKU, grade" in str(caught.value)
    assert "--map query=search_term --map docid=SKU --map rating=grade" in str(caught.value)


def test_a_mapped_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "r.csv", "query,docid,rating\ntea,1,3\n")
    with pytest.raises(DataError, match=r"no column 'ratings' .*did you mean 'rating'"):
        read_judgements(file, {"rating": "ratings"})


@pytest.mark.parametrize("text", ["query,docid,rating\n", "query,docid,rating\n,,\n"])
def test_a_file_without_ratings_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="holds no ratings"):
        read_judgements(write(tmp_path / "r.csv", text))


def test_a_file_of_no_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_judgements(write(tmp_path / "r.csv", ""))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["query"], "must be FIELD=COLUMN"),
        (["quary=q"], "must name one of query, docid, rating"),
        (["query=a", "query=b"], "mapped twice"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_judgement_map(pairs)
