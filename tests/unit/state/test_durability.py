"""Real processes: what was acknowledged is there after SIGKILL, readers and writers do not hinder each other."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mercato.events.event import Event
from mercato.state import Actor, ProductChange, StateStore, open_state

WRITER = """
import sys
from mercato.events.event import Event
from mercato.state import ProductChange, open_state

store = open_state(sys.argv[1])
name = sys.argv[2]
number = 0
while number < int(sys.argv[3]):
    number += 1
    result = store.append_events(
        [Event(event_type="search", user_id=name, time=float(number), event_id=f"{name}-{number}")]
    )
    last = store.append_product_changes([ProductChange("upsert", f"{name}-{number}", b"{}")])
    sys.stdout.write(f"{number} {result.accepted} {last}\\n")
    sys.stdout.flush()
"""

READER = """
import sys
from mercato.state import Actor, open_state

store = open_state(sys.argv[1], busy_timeout_s=0.0)  # a reader that had to wait for a writer would fail
while True:
    (columns,) = store.recent_events([Actor("w0")], 10_000, products_only=False)
    times = columns.time.tolist()
    if times != [float(time) for time in range(len(times), 0, -1)]:
        sys.exit(f"a hole in what is read: {times}")
    changes = store.product_changes_since(0)
    if [change.sequence for change in changes] != list(range(1, len(changes) + 1)):
        sys.exit("a hole in the product changes")
    if len(times) == int(sys.argv[2]):
        sys.exit(0)
"""


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def event(user_id: str, time: float, product_id: str = "p") -> Event:
    return Event(event_type="purchase-complete", user_id=user_id, product_id=product_id, time=time)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'state.db'}"


def test_what_was_acknowledged_survives_kill(url: str) -> None:
    """Kill a writer right after an acknowledgement, six times, in the middle of its next write."""
    for run in range(6):
        writer = start(WRITER, url, f"w{run}", 1_000_000)
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().split() for _ in range(5 + run)]
        os.kill(writer.pid, signal.SIGKILL)
        # What it wrote before it died was acknowledged too.
        acknowledged += [line.split() for line in writer.stdout.read().splitlines() if line.count(" ") == 2]
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        store = open_state(url)
        (columns,) = store.recent_events([Actor(f"w{run}")], 1_000_000, products_only=False)
        last = int(acknowledged[-1][0])
        assert all(accepted == "1" for _, accepted, _ in acknowledged)
        # All that was acknowledged, and at most the one write that was under way.
        assert set(range(1, last + 1)) <= set(columns.time.tolist()) <= set(range(1, last + 2))
        changes = {change.sequence: change.product_id for change in store.product_changes_since(0)}
        assert sorted(changes) == list(range(1, len(changes) + 1))
        for number, _, sequence in acknowledged:
            assert changes[int(sequence)] == f"w{run}-{number}"
        store.close()


def test_several_processes_write_and_read_at_once(url: str) -> None:
    open_state(url).close()
    readers = [start(READER, url, 60) for _ in range(2)]
    writers = [start(WRITER, url, f"w{number}", 60) for number in range(3)]
    for process in [*writers, *readers]:
        process.communicate()
        assert process.returncode == 0
    store = open_state(url)
    assert len(store.event_columns()) == store.product_sequence() == 3 * 60
    assert store.event_sequence() == 3 * 60
    store.close()


def test_several_processes_may_make_the_file_at_once(url: str) -> None:
    writers = [start(WRITER, url, f"w{number}", 1) for number in range(4)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert open_state(url).event_sequence() == 4


def test_threads_share_a_store(url: str) -> None:
    store = open_state(url)
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for time in range(1, 21):
                store.append_events([event(name, time)])
                (columns,) = store.recent_events([Actor(name)], 100)
                assert columns.time.tolist() == list(range(time, 0, -1))
        except BaseException as exc:  # noqa: BLE001 - told to the test's own thread
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(f"u{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.event_sequence() == 4 * 20
    store.close()


def fork_and_write(store: StateStore) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.append_events([event("child", 1.0)])
            store.append_product_changes([ProductChange("delete", "p")])
            status = 0 if len(store.recent_events([Actor("child")], 5)[0]) == 1 else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_forked_child_opens_its_own_connection(url: str) -> None:
    store = open_state(url)
    store.append_events([event("parent", 1.0)])
    assert fork_and_write(store) == 0
    assert store.recent_events([Actor("child")], 5)[0].product_id == ["p"]
    assert store.append_events([event("parent", 2.0)]).sequence == 3
    assert store.recent_events([Actor("parent")], 5)[0].time.tolist() == [2.0, 1.0]
    assert store.product_sequence() == 1
    store.close()


def test_reading_everything_does_not_stop_a_writer(url: str) -> None:
    store = open_state(url)
    store.append_events([event("u", time) for time in range(100)])
    export = store.export_events()
    next(export)  # a reader in the middle of its work
    other = open_state(url, busy_timeout_s=0.0)
    assert other.append_events([event("u", 100.0)]).accepted == 1
    assert np.array_equal(store.event_columns().time, np.arange(101.0))
    store.close()
    other.close()
