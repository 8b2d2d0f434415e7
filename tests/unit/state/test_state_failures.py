"""Files that cannot be used: one clear error each, and never a half-kept write."""

import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mercato.errors import StateError
from mercato.events.event import Event
from mercato.state import Actor, ProductChange, open_state
from mercato.state.schema import SCHEMA_VERSION, prepare_schema


def event(time: float) -> Event:
    return Event(event_type="search", user_id="u", time=time)


def make_state(path: Path, events: int = 0) -> str:
    url = f"sqlite:{path}"
    store = open_state(url)
    store.append_events([event(time) for time in range(events)])
    store.close()
    return url


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    url = make_state(tmp_path / "state.db")
    with sqlite3.connect(tmp_path / "state.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StateError, match=f"schema version {SCHEMA_VERSION + 1}, this Mercato knows up to"):
        open_state(url)


def test_file_of_another_application_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StateError, match="SQLite file of another application; give another path"):
        open_state(f"sqlite:{path}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("recipes",)]
    connection.close()


def test_file_that_another_process_makes_while_it_is_looked_at_is_no_strangers(tmp_path: Path) -> None:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection

    slow, quick = connect(), connect()

    def make_meanwhile(statement: str) -> None:
        if "sqlite_schema" in statement:  # its other marks were read before
            slow.set_trace_callback(None)
            prepare_schema(quick, "state.db")

    slow.set_trace_callback(make_meanwhile)
    prepare_schema(slow, "state.db")
    assert [row[0] for row in slow.execute("PRAGMA user_version")] == [SCHEMA_VERSION]
    slow.close()
    quick.close()


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk, eggs, oats\n" * 100)
    with pytest.raises(StateError, match="is not an SQLite file; give another path, or restore"):
        open_state(f"sqlite:{path}")


def test_damaged_file_is_refused_when_read(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    url = make_state(path, events=2_000)
    content = bytearray(path.read_bytes())
    page = 4_096
    for start in range(page, len(content), page):  # all but the first page, which names the tables
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(StateError, match="is damaged; .* restore it from a backup"):
        open_state(url).event_columns()


@pytest.mark.parametrize("inside", ["folder", "file"])
def test_path_that_cannot_be_a_file_is_refused(tmp_path: Path, inside: str) -> None:
    if inside == "folder":
        path = tmp_path / "folder"
        path.mkdir()
    else:
        (tmp_path / "file").write_text("x")
        path = tmp_path / "file" / "state.db"
    with pytest.raises(StateError, match=str(path)):
        open_state(f"sqlite:{path}")


WRITE_AS_NOBODY = """
import os, sys
from mercato.errors import StateError
from mercato.events.event import Event
from mercato.state import open_state
import mercato.state.sqlite  # before the process loses the right to read the environment
if os.getuid() == 0:  # root is not hindered by permissions
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    open_state(sys.argv[1]).append_events([Event(event_type="search", user_id="u", time=1.0)])
except StateError as exc:
    sys.exit(f"refused: {exc}")
"""


@pytest.mark.parametrize("there_is_a_file", [False, True])
def test_read_only_folder_is_refused(there_is_a_file: bool) -> None:
    # Not in one of pytest's folders, which other users cannot enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if there_is_a_file:
            make_state(folder / "state.db", events=1)
            (folder / "state.db").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        folder.chmod(0o555)
        answer = subprocess.run(
            [sys.executable, "-c", WRITE_AS_NOBODY, f"sqlite:{folder / 'state.db'}"],
            capture_output=True,
            text=True,
            cwd=folder.parent,
        )
        folder.chmod(0o755)
    assert answer.returncode == 1
    assert "refused: state: " in answer.stderr
    assert "writ" in answer.stderr or "opened" in answer.stderr


FILL = """
import resource, signal, sys
from mercato.errors import StateError
from mercato.events.event import Event
from mercato.state import open_state

store = open_state(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
number = 0
try:
    while True:
        store.append_events([Event(event_type="search", user_id="u", time=float(number), event_id=str(number))])
        number += 1
        if number > 100_000:
            sys.exit("never full")
except StateError as exc:
    sys.stdout.write(f"{number}\\n{exc}\\n")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE") or not hasattr(signal, "SIGXFSZ"), reason="needs file limits")
def test_full_disk_is_said_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    answer = subprocess.run([sys.executable, "-c", FILL, url], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    acknowledged, message = answer.stdout.splitlines()
    assert "disk" in message
    assert int(acknowledged) > 0
    store = open_state(url)
    (columns,) = store.recent_events([Actor("u")], 1_000_000, products_only=False)
    assert columns.time.tolist() == list(range(int(acknowledged) - 1, -1, -1))
    assert store.append_events([event(-0.0)]).accepted == 1  # room again: writing goes on
    store.close()


def test_write_that_waits_too_long_is_refused(tmp_path: Path) -> None:
    url = make_state(tmp_path / "state.db")
    holder = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store = open_state(url, busy_timeout_s=0.05)
    with pytest.raises(StateError, match="being written by another process for too long"):
        store.append_events([event(1.0)])
    with pytest.raises(StateError, match="try again"):
        store.append_product_changes([ProductChange("delete", "p")])
    assert store.product_changes_since(0) == []  # reading does not wait
    holder.execute("ROLLBACK")
    holder.close()
    assert store.append_events([event(1.0)]).accepted == 1
    store.close()


def test_write_that_fails_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    store = open_state(make_state(tmp_path / "state.db"))
    broken = Event(event_type="search", user_id="u", time="late")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="late"):
        store.append_events([event(1.0), broken])
    assert store.event_columns().users == []
    assert store.append_events([event(1.0)]).sequence == 1
    store.close()
