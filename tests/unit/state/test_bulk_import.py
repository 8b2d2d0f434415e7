"""Histories in bulk: as if each event had been appended, and never twice."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import DataError
from mercato.events import event_files
from mercato.events.event import parse_event
from mercato.events.event_batch import EventBatch
from mercato.events.read_events import read_events
from mercato.events.write_events import to_documents, write_events
from mercato.state import Actor, AppendResult, StateStore, open_state

ROWS = [
    {
        "event_type": "purchase-complete" if index % 3 else "search",
        **({"user_id": f"u{index % 4}"} if index % 5 else {"visitor_id": f"v{index % 2}"}),
        **({"product_id": f"p{index % 7}"} if index % 3 else {"context": {"query": f"q{index}"}}),
        "time": 1_000 - index // 2,
        "quantity": 1 + index % 2,
        "order_id": f"o{index // 4}",
    }
    for index in range(50)
]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "BATCH_ROWS", 8)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path / 'state.db'}")
    yield store
    store.close()


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def batches(path: Path) -> Iterator[EventBatch]:
    return read_events(path, now=2_000.0)


def history(store: StateStore) -> dict[Actor, list[tuple[str, float, int]]]:
    actors = [Actor(f"u{i}") for i in range(4)] + [Actor("", f"v{i}") for i in range(2)]
    answers = store.recent_events(actors, 100, products_only=False)
    return {
        actor: sorted(zip(columns.product_id, columns.time.tolist(), columns.quantity.tolist(), strict=True))
        for actor, columns in zip(actors, answers, strict=True)
    }


def test_import_equals_appending_one_by_one(tmp_path: Path, store: StateStore) -> None:
    single = open_state(f"sqlite:{tmp_path / 'single.db'}")
    for row in ROWS:
        single.append_events([parse_event(row, now=2_000.0)])
    told: list[AppendResult] = []
    result = store.import_events(batches(write_rows(tmp_path / "a.jsonl", ROWS)), on_batch=told.append)
    assert (result.accepted, result.duplicates, result.sequence) == (50, 0, 50)
    assert [batch.accepted for batch in told] == [8, 8, 8, 8, 8, 8, 2]
    assert history(store) == history(single)
    assert sum(len(events) for events in history(store).values()) == 50
    single.close()


def test_same_file_again_adds_nothing_and_a_grown_one_what_is_new(tmp_path: Path, store: StateStore) -> None:
    store.import_events(batches(write_rows(tmp_path / "a.jsonl", ROWS[:30])))
    again = store.import_events(batches(tmp_path / "a.jsonl"))
    assert (again.accepted, again.duplicates) == (0, 30)
    grown = store.import_events(batches(write_rows(tmp_path / "b.jsonl", ROWS)))
    assert (grown.accepted, grown.duplicates) == (50 - 30, 30)
    assert len(store.event_columns()) == 50


def test_equal_rows_of_a_file_are_as_many_events(tmp_path: Path, store: StateStore) -> None:
    rows = [ROWS[1]] * 20  # over three batches
    assert store.import_events(batches(write_rows(tmp_path / "a.jsonl", rows))).accepted == 20
    assert store.import_events(batches(tmp_path / "a.jsonl")).duplicates == 20


def test_known_events_between_new_ones_are_left_out(tmp_path: Path, store: StateStore) -> None:
    store.import_events(batches(write_rows(tmp_path / "a.jsonl", ROWS[::2])))
    # Rows differ from one another, so that every second one of the whole file is known.
    assert len({json.dumps(row) for row in ROWS}) == 50
    result = store.import_events(batches(write_rows(tmp_path / "b.jsonl", ROWS)))
    assert (result.accepted, result.duplicates) == (25, 25)
    table = store.event_columns()
    assert np.all(np.diff(table.sequence) > 0)
    assert sorted(table.time.tolist()) == sorted(float(row["time"]) for row in ROWS)  # type: ignore[arg-type]


def test_event_sent_and_imported_is_one(tmp_path: Path, store: StateStore) -> None:
    path = write_rows(tmp_path / "a.jsonl", [*ROWS, {**ROWS[0], "event_id": "own"}])
    documents = [document for batch in batches(path) for document in to_documents(batch)]
    sent = store.append_events([parse_event(document, now=2_000.0) for document in documents])
    assert sent.accepted == 51
    result = store.import_events(batches(path))
    assert (result.accepted, result.duplicates) == (0, 51)


def test_stopped_import_keeps_whole_batches_and_can_be_continued(tmp_path: Path, store: StateStore) -> None:
    path = write_rows(tmp_path / "a.jsonl", ROWS)

    def stopping() -> Iterator[EventBatch]:
        for count, batch in enumerate(batches(path)):
            if count == 3:
                raise DataError("the cable is out")
            yield batch

    with pytest.raises(DataError, match="cable"):
        store.import_events(stopping())
    assert len(store.event_columns()) == 3 * 8
    result = store.import_events(batches(path))
    assert (result.accepted, result.duplicates) == (50 - 3 * 8, 3 * 8)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_export_is_the_same_history_elsewhere_and_nothing_new_here(
    tmp_path: Path, store: StateStore, suffix: str
) -> None:
    store.import_events(batches(write_rows(tmp_path / "a.jsonl", ROWS)))
    store.append_events([parse_event({**ROWS[1], "event_id": "own", "price": 1.25}, now=2_000.0)])
    store.append_events([parse_event(ROWS[1], now=2_000.0)])
    path = tmp_path / f"export{suffix}"
    assert write_events(path, store.export_events()) == 52
    other = open_state(f"sqlite:{tmp_path / 'other.db'}")
    assert other.import_events(batches(path)).accepted == 52
    assert history(other) == history(store)
    assert other.import_events(store.export_events()).duplicates == 52
    assert store.import_events(batches(path)).duplicates == 52
    assert store.append_events([parse_event({**ROWS[2], "event_id": "own"}, now=2_000.0)]).duplicates == 1
    other.close()


def test_an_import_knows_ids_that_others_made_meanwhile(tmp_path: Path, store: StateStore) -> None:
    other = open_state(f"sqlite:{tmp_path / 'state.db'}")

    def interleaved() -> Iterator[EventBatch]:
        for number, batch in enumerate(batches(write_rows(tmp_path / "a.jsonl", ROWS))):
            yield batch
            other.append_events([parse_event({**ROWS[1], "user_id": f"x{number}", "product_id": "p6"}, now=2_000.0)])

    store.import_events(interleaved())
    table = store.event_columns()
    assert len(table) == 50 + 7
    assert len(set(table.users)) == len(table.users) == 4 + 7
    assert len(set(table.products)) == len(table.products) == 7
    assert [store.recent_events([Actor(f"x{i}")], 5)[0].product_id for i in range(7)] == [["p6"]] * 7
    other.close()
