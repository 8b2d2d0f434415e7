"""Files of events: every format, every kind of bad row, and the same judgement as for a single event."""

import contextlib
import csv
import gzip
import json
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.errors import DataError, InvalidInputError
from mercato.events import event_files as event_files_module
from mercato.events.event import Event, parse_event
from mercato.events.event_type import STATEMENTS
from mercato.events.raw_columns import to_seconds
from mercato.events.raw_values import drop_columns_of_others, read_document
from mercato.events.read_events import ReadReport, parse_event_mapping, read_events
from mercato.events.write_events import to_documents, write_events
from mercato.incoming import MAX_SHOWN
from mercato.text.timestamps import read_timestamp

NOW = 1_800_000_000.0
ROWS = [
    {"event_type": "purchase-complete", "user_id": "u1", "product_id": "p1", "time": 10.5, "quantity": 2, "price": 1.5},
    {"event_type": "search", "visitor_id": "v1", "time": 11.0, "context": {"query": "milk"}},
    {
        "event_type": "add-to-cart",
        "user_id": "u1",
        "visitor_id": "v1",
        "product_id": "p2",
        "time": 12.0,
        "event_id": "e",
    },
]


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], ReadReport]:
    report = ReadReport()
    documents = [
        document for batch in read_events(path, now=NOW, report=report, **options) for document in to_documents(batch)
    ]
    return documents, report


def without_ids(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in document.items() if name != "event_id"} for document in documents]


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def expected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"quantity": 1, **{name: value for name, value in row.items() if name != "event_id"}} for row in rows]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".csv.gz", ".jsonl.gz"])
def test_every_format_gives_the_same_events(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events{suffix}"
    plain = tmp_path / f"events{suffix.removesuffix('.gz')}"
    fields = sorted({name for row in ROWS for name in row})
    texts = [{**row, "context": json.dumps(row["context"]) if "context" in row else None} for row in ROWS]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in fields} for row in texts]), path)
    elif suffix.startswith((".csv", ".tsv")):
        with plain.open("w", newline="") as file:
            writer = csv.DictWriter(file, fields, delimiter="\t" if suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(texts)
    else:
        write_jsonl(plain, ROWS)
    if suffix.endswith(".gz"):
        path.write_bytes(gzip.compress(plain.read_bytes()))
    documents, report = read(path)
    assert without_ids(documents) == expected(ROWS)
    assert documents[2]["event_id"] == "e"
    assert (report.rows, report.rejected) == (3, 0)


def test_bad_rows_are_reported_with_line_and_reason_and_harm_nobody(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(
        b"event_type,user_id,product_id,time,quantity\n"
        b"add-to-cart,u,p,1,1\n"  # line 2, good
        b"add-to-cart,u,p,1,0\n"
        b"\n"  # line 4, blank: no row
        b"add-to-cart,u,p,1\n"  # line 5, good: nothing but a quantity is missing
        b"add-to-cart,\xff,p,1,1\n"  # line 6, good: the file is Windows-1252
        b'add-to-cart,"two\nlines",p,1,1\n'  # lines 7 and 8: a control character
        b"add-to-cart,u,,1,1\n"
        b"buy,u,p,1,1\n"
        b"add-to-cart,u,p,,1\n"
        b"add-to-cart,u,p,soon,1\n"
        b"add-to-cart,u,p,1,many\n"
        b"add-to-cart,u,p,2,3\n"  # line 14, good
    )
    documents, report = read(path)
    assert [(document["time"], document["quantity"]) for document in documents] == [
        (1.0, 1),
        (1.0, 1),
        (1.0, 1),
        (2.0, 3),
    ]
    assert [(row.position, row.reason.split(",")[0].split(";")[0][:60]) for row in report.shown] == [
        (3, "quantity: must be a whole number in 1..2147483647"),
        (7, "user_id: must have no control characters"),
        (9, "product_id: must be given for add-to-cart"),
        (10, "event_type: must be one of search"),
        (11, "time: must be given for every row of a file"),
        (12, "time: expected an RFC 3339 time such as 2026-03-01T09:30:00Z"[:60]),
        (13, "quantity: must be a number"),
    ]
    assert report.rejected == len(report.shown) == 7
    assert dict(report.by_field) == {
        "quantity": 2,
        "user_id": 1,
        "product_id": 1,
        "event_type": 1,
        "time": 2,
    }


def test_lines_of_json_that_are_no_objects_are_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good = orjson.dumps(ROWS[0])
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\n\n[1]\n{\n" + b'{"price": NaN}\n' + good)
    documents, report = read(path)
    assert len(documents) == 2
    assert [row.position for row in report.shown] == [3, 4, 5]
    assert "must be a JSON object" in report.shown[0].reason
    assert "is not JSON" in report.shown[1].reason


def test_only_the_first_bad_rows_are_shown_but_all_counted(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "quantity": 0}] * (MAX_SHOWN + 5)
    documents, report = read(write_jsonl(tmp_path / "events.jsonl", rows))
    assert documents == []
    assert report.rejected == MAX_SHOWN + 5
    assert [row.position for row in report.shown] == list(range(1, MAX_SHOWN + 1))
    assert all(row.reason for row in report.shown)


def test_columns_are_mapped_and_others_ignored(tmp_path: Path) -> None:
    table = pa.table(
        {
            "household": pa.array([7, 8]),
            "item": pa.array([1.0, 2.0]),
            "when": pa.array([datetime(1970, 1, 2), datetime(1970, 1, 3)], type=pa.timestamp("ns")),
            "price": pa.array(["a", "b"]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    mapping = parse_event_mapping(["user_id=household", "product_id = item", "time=when", "price=item"])
    documents, report = read(tmp_path / "t.parquet", mapping=mapping, default_event_type="purchase-complete")
    assert report.shown == []
    assert without_ids(documents) == [
        {
            "event_type": "purchase-complete",
            "user_id": str(household),
            "product_id": str(item),
            "time": 86_400.0 * (item),
            "quantity": 1,
            "price": float(item),
        }
        for household, item in ((7, 1), (8, 2))
    ]


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (pa.array([date(1970, 1, 2)]), 86_400.0),
        (pa.array([datetime(1970, 1, 1, 1)], type=pa.timestamp("s", tz="Europe/Vienna")), 0.0 + 3_600),
        (pa.array([1_500], type=pa.timestamp("ms")), 1.5),
        (pa.array([5], type=pa.int16()), 5.0),
        (pa.array([Decimal("5.25")]), 5.25),
        (pa.array(["1970-01-01T00:00:02Z"]), 2.0),
        (pa.array(["1970-01-01 00:00:03"]), 3.0),
        (pa.array(["1970-01-01 00:04"]), 240.0),
        (pa.array(["1970-01-02"]), 86_400.0),
        (pa.array(["7.5"]), 7.5),
        (pa.array(["1970-01-01T00:00:02Z"]).dictionary_encode(), 2.0),
    ],
)
def test_times_of_every_type(tmp_path: Path, values: pa.Array, seconds: float) -> None:
    pq.write_table(pa.table({"time": values, "user_id": ["u"], "event_type": ["search"]}), tmp_path / "t.parquet")
    documents, report = read(tmp_path / "t.parquet")
    assert report.shown == []
    assert documents[0]["time"] == seconds


def test_one_odd_time_does_not_cost_the_others(tmp_path: Path) -> None:
    times = ["1970-01-01T00:00:02Z", "1970-02-30T00:00:00Z", "1970-01-01T00:00:04.5", "9", "", "1e400"]
    rows = [{"event_type": "search", "user_id": "u", "time": time} for time in times]
    documents, report = read(write_jsonl(tmp_path / "t.jsonl", rows))
    assert [document["time"] for document in documents] == [2.0, 4.5, 9.0]
    assert [row.position for row in report.shown] == [2, 5, 6]


TIME_TEXTS = st.one_of(
    st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1)).map(str),
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.isoformat() + "Z"),
    st.dates(date(1970, 1, 1), date(2100, 1, 1)).map(lambda day: day.strftime("%d/%m/%Y")),
    st.integers(-(10**12), 10**20).map(str),
    st.integers(19_000_000, 22_000_000).map(str),
    st.integers(1_800, 2_300).map(str),
    st.floats(-1e6, 1e13).map(str),
    st.text("0123456789-/:.+ TZ", max_size=20),
    st.sampled_from(["", " ", "2024-05-01 10:00 +0200", "20240501T100000Z", "1 May 2024", "24:00", "2024-05-01T24:00"]),
)


@settings(max_examples=300, deadline=None)
@given(
    values=st.one_of(
        st.lists(TIME_TEXTS, min_size=1, max_size=5),
        *(st.lists(kind, min_size=1, max_size=3) for kind in (TIME_TEXTS, st.integers(0, 10**19), st.floats(0, 1e19))),
        st.lists(st.one_of(TIME_TEXTS, st.integers(0, 10**14), st.none(), st.booleans()), max_size=5),
    )
)
def test_a_column_of_times_is_read_as_its_values_are(values: list[object]) -> None:
    def alone(value: object) -> float:
        try:
            seconds = read_timestamp(value)
        except ValueError:
            return np.nan
        return np.nan if seconds is None else seconds

    expected = [alone(value) for value in values]
    columns: list[Any] = [values]
    for kind in (pa.string(), pa.int64(), pa.float64()):
        with contextlib.suppress(pa.ArrowException, TypeError, OverflowError):
            if all(
                type(value) in {pa.string(): (str,), pa.int64(): (int,), pa.float64(): (float,)}[kind]
                for value in values
            ):
                columns.append(pa.array(values, type=kind))
    for column in columns:
        seconds, given = to_seconds(column)
        np.testing.assert_array_equal(seconds, expected)
        assert given.tolist() == [
            not (value is None or (isinstance(value, str) and not value.strip())) for value in values
        ]


@pytest.mark.parametrize(
    ("times", "days"),
    [
        (["01/05/2024", "31/05/2024"], [1, 31]),
        (["05/01/2024", "05/31/2024"], [1, 31]),
        (["01/05/2024", "31/05/2024", "05/31/2024"], [31, 31]),  # contradicting: what has one reading
        (["01/05/2024"], []),
    ],
)
def test_the_dates_of_a_file_decide_those_of_two_readings(tmp_path: Path, times: list[str], days: list[int]) -> None:
    rows = [{"event_type": "search", "user_id": "u", "time": time} for time in times]
    documents, report = read(write_jsonl(tmp_path / "t.jsonl", rows))
    assert [datetime.fromtimestamp(row["time"], timezone.utc).day for row in documents] == days
    assert all("2024-05-01 or 2024-01-05" in row.reason for row in report.shown)


def test_text_that_is_not_utf8_in_parquet_is_one_bad_row(tmp_path: Path) -> None:
    ids = pa.array([b"u1", b"\xff", b"u3"]).view(pa.string())
    pq.write_table(pa.table({"user_id": ids, "time": [1, 2, 3], "event_type": ["search"] * 3}), tmp_path / "t.parquet")
    documents, report = read(tmp_path / "t.parquet")
    assert [document["user_id"] for document in documents] == ["u1", "u3"]
    assert [(row.position, row.reason.split(":")[0]) for row in report.shown] == [(2, "user_id")]


def test_columns_of_a_senseless_type_make_bad_rows_not_a_crash(tmp_path: Path) -> None:
    table = pa.table({"user_id": [[1]], "time": [True], "event_type": [{"a": 1}], "price": [b"\x00"]})
    pq.write_table(table, tmp_path / "t.parquet")
    documents, report = read(tmp_path / "t.parquet")
    assert documents == []
    assert report.rejected == 1


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63),
    # an id with an exponent stays as the file has it; one of a caller has been a number
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: "e" not in repr(value)),
    st.sampled_from(
        ["", " ", "1", "1.0", "1e3", "nan", "inf", "1_0", "+5", " 7 ", "a", "1970-01-01T00:00:01Z", "x" * 257]
    ),
    st.text(max_size=3),
    st.just([1]),
    st.just({"a": 1}),
)
ORDINARY: dict[str, st.SearchStrategy[Any]] = {
    "event_type": st.sampled_from(["search", "add-to-cart", "home-page-view", "rating", "forget", "reset"]),
    "user_id": st.sampled_from(["u", 5, None, 3.0]),
    "visitor_id": st.sampled_from(["v", "", None]),
    "product_id": st.sampled_from(["p", None]),
    "time": st.sampled_from([1, 2.5, "1970-01-01T00:00:01Z", NOW + 86_401]),
    "quantity": st.sampled_from([None, 1, 2, 0]),
    "price": st.sampled_from([None, 0, 1.5, -1]),
    "order_id": st.sampled_from([None, "o"]),
    "context": st.sampled_from([None, {}, {"query": "x"}, '{"a": 1}']),
    "rating": st.sampled_from([None, 1, 4.5, "3", 7, 0]),
    "statement": st.sampled_from([None, "", "view", "taste", "all"]),
}


@st.composite
def files(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Files in which some columns hold ordinary values only and others also odd ones."""
    columns = {
        name: ordinary if draw(st.booleans()) else st.one_of(ordinary, ODD) for name, ordinary in ORDINARY.items()
    }
    return draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=6))


def _name_number(event: Event) -> dict[str, Any]:
    if event.event_type == "rating":
        return {"rating": event.quantity / 100}
    if event.event_type == "forget":
        return {"statement": STATEMENTS[event.quantity - 1]}
    return {"quantity": event.quantity}


def judge_alone(row: dict[str, Any]) -> dict[str, Any] | None:
    """Judge a row as a single event; the event as a document, or None where it is refused."""
    document = read_document(row)
    drop_columns_of_others(document)
    if document["time"] in (None, ""):
        return None
    try:
        event = parse_event(document, now=NOW)
    except InvalidInputError:
        return None
    fields = {
        "event_type": event.event_type,
        "time": event.time,
        **_name_number(event),
        "user_id": event.user_id,
        "visitor_id": event.visitor_id,
        "product_id": event.product_id,
        "order_id": event.order_id,
        "price": None if event.price is None else float(np.float32(event.price)),
        "context": dict(event.context),
    }
    return {name: value for name, value in fields.items() if value not in ("", None, {})}


@settings(max_examples=100, deadline=None)
@given(rows=files())
def test_columns_are_judged_as_single_events_are(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = write_jsonl(tmp_path_factory.mktemp("files") / "t.jsonl", rows)
    judged = [judge_alone(row) for row in rows]
    documents, report = read(path)
    assert without_ids(documents) == [document for document in judged if document is not None]
    assert [row.position for row in report.shown] == [
        line for line, document in enumerate(judged, 1) if document is None
    ]
    assert all("cannot be read as an event" not in row.reason for row in report.shown)


def test_missing_columns_are_named_with_the_way_to_map_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("customer,sku\n1,2\n")
    with pytest.raises(DataError) as caught:
        list(read_events(path))
    for part in ("user_id or visitor_id (--map user_id=COLUMN)", "event_type (", "columns: customer, sku"):
        assert part in str(caught.value)
    with pytest.raises(DataError, match="no column 'custmer'.*did you mean 'customer'"):
        list(read_events(path, mapping={"user_id": "custmer"}))
    with pytest.raises(DataError, match="product_id"):
        list(read_events(path, mapping={"user_id": "customer", "time": "sku"}, default_event_type="purchase-complete"))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["user_id"], "must be FIELD=COLUMN"),
        (["user=a"], "must name one of event_type, user_id"),
        (["time=a", "time=b"], "mapped twice"),
    ],
)
def test_bad_mappings_are_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_event_mapping(pairs)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    good = tmp_path / "good.parquet"
    pq.write_table(pa.table({"user_id": ["u"] * 100, "time": [1] * 100, "event_type": ["search"] * 100}), good)
    cases = {
        "missing.csv": (None, "no such file"),
        "empty.csv": (b"", "empty"),
        "events.xlsx": (b"x", "format must be one of .parquet, .csv"),
        "truncated.parquet": (good.read_bytes()[:-20], "cannot be read as .parquet"),
        "text.parquet": (b"hello", "cannot be read as .parquet"),
        "list.jsonl": (b"[1]\n", "holds no JSON objects, one a line or in one array"),
        "cut.jsonl.gz": (gzip.compress(b'{"user_id": "u"}\n' * 9)[:-9], "cannot be read to its end"),
    }
    for name, (content, message) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            list(read_events(tmp_path / name))
    with pytest.raises(InvalidInputError, match="event_type: must be one of"):
        list(read_events(good, default_event_type="buy"))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(event_files_module, "BATCH_ROWS", 7)
    yield


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_what_is_written_is_read_again_with_the_same_keys(tmp_path: Path, suffix: str) -> None:
    rows = [{**ROWS[index % 3], "order_id": f"o{index // 6}"} for index in range(30)]
    rows[2] = {**rows[2], "price": None, "context": {"a": "é"}}
    said = {**rows[3], "product_id": "p", "price": None, "quantity": None}
    rows[3] = {**said, "event_type": "rating", "rating": 2.5}
    rows[4] = {**said, "event_type": "forget", "statement": "view"}
    source = write_jsonl(tmp_path / "a.jsonl", rows)
    batches = list(read_events(source, now=NOW))
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 2]
    assert write_events(tmp_path / f"b{suffix}", batches) == 30
    again = list(read_events(tmp_path / f"b{suffix}", now=NOW))
    assert np.array_equal(np.concatenate([b.key for b in batches]), np.concatenate([b.key for b in again]))
    original = [document for batch in batches for document in to_documents(batch)]
    assert [document for batch in again for document in to_documents(batch)] == original
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", f"b{suffix}"]


def test_unknown_format_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be one of .parquet, .jsonl"):
        write_events(tmp_path / "b.csv", [])


def test_ids_are_texts_as_the_file_has_them(tmp_path: Path) -> None:
    csv = tmp_path / "e.csv"
    csv.write_text("event_type,user_id,product_id,time\nsearch,007,10.10,1\nsearch,1e5,0001234567890,2\n")
    jsonl = tmp_path / "e.jsonl"
    jsonl.write_text(
        '{"event_type": "search", "user_id": "007", "product_id": 10.10, "time": 1}\n'
        '{"event_type": "search", "user_id": 1e5, "product_id": "0001234567890", "time": 2}\n'
    )
    wanted = [("007", "10.10"), ("1e5", "0001234567890")]
    for path in (csv, jsonl):
        documents, _ = read(path)
        assert [(document["user_id"], document["product_id"]) for document in documents] == wanted


def test_names_and_numbers_of_other_systems(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(
        "event_type,user_id,visitor_id,product_id,time,price,quantity\n"
        'add_to_cart,u1,,p1,2024-05-01,"19,90","1,0"\n'
        "Product Viewed,u1,(not set),p1,2024-05-01,€ 20.00,2\n"
        "transaction,NULL,v1,p1,2024-05-01,NULL,\n"
        "view_item,NULL,,p1,2024-05-01,,\n"
        "strange,u1,,p1,2024-05-01,,\n"
    )
    documents, report = read(path)
    assert [document["event_type"] for document in documents] == [
        "add-to-cart",
        "detail-page-view",
        "purchase-complete",
    ]
    assert [round(document.get("price", 0), 2) for document in documents] == [19.9, 20.0, 0]
    assert [document.get("user_id") for document in documents] == ["u1", "u1", None]
    # a user called NULL would be everybody whom nobody knows
    assert [(row.position, row.reason.partition(":")[0]) for row in report.shown] == [(5, "user_id"), (6, "event_type")]
