"""When a feed counts as written, and what the next index remembers of it."""

import os
import time
from pathlib import Path

import pytest

from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.index import layout
from mercato.index.feed_record import FeedRecord, FeedTime, date_feed, digest_file, read_feed_record, write_feed_record
from mercato.indexing.join_state import JoinedFeed, join_state
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import ProductChange
from tests.stores import build, open_store, product

MUG = product("mug", "Mug", price=4)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStateStore:
    return open_store(tmp_path / "state.db")


class Shop:
    """A file that is indexed again and again, as `mercato index` does it."""

    def __init__(self, folder: Path, store: SqliteStateStore) -> None:
        self.folder = folder
        self.store = store
        self.out = folder / "catalog"

    def index(self, written: float, *feed: Product, drop_unlisted: bool = False) -> JoinedFeed:
        path = self.folder / "feed.jsonl"
        path.write_bytes(b"\n".join(item.document() for item in feed))
        os.utime(path, (written, written))
        joined = join_state(path, feed, self.store, self.out, drop_unlisted=drop_unlisted)
        build(self.out, joined.merged.products, product_sequence=joined.sequence, feed=joined.record)
        return joined

    def change(self, operation: str, item: Product, time: float | None = None) -> None:
        document = None if operation == "delete" else item.document()
        self.store.append_product_changes([ProductChange(operation, item.id, document, time=time)])


@pytest.fixture
def shop(tmp_path: Path, store: SqliteStateStore) -> Shop:
    return Shop(tmp_path, store)


def prices(joined: JoinedFeed) -> dict[str, float | None]:
    return {item.id: item.price for item in joined.merged.products}


def test_a_feed_is_as_old_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("id,title\n")
    os.utime(path, (500, 500))
    assert date_feed(path, "d", None, now=900) == FeedTime(seconds=500, reason="the time of the file")
    earlier = FeedRecord(read=400, feeds={"other": 300})
    assert date_feed(path, "d", earlier, now=900).seconds == 500
    assert date_feed(path, "d", None, now=450).seconds == 450, "a file from the future is as old as now"
    assert date_feed(path, "d", earlier, now=900, as_of=123).seconds == 123


def test_a_feed_that_lay_there_already_and_was_not_indexed_counts_as_written_now(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("id,title\n")
    os.utime(path, (500, 500))
    later = FeedRecord(read=600, feeds={"other": 300, "same": 550})
    unknown = date_feed(path, "d", later, now=900)
    assert unknown.seconds == 900
    assert "--as-of dates it" in unknown.reason
    assert date_feed(path, "same", later, now=900).seconds == 550


def test_a_record_is_read_as_it_was_written_and_forgets_the_oldest_feeds(tmp_path: Path) -> None:
    record = FeedRecord(read=1.5, live_only=frozenset({"b", "a"}))
    for number in range(40):
        record = record.with_feed(f"d{number}", float(number))
    record = record.with_feed("d20", 99.0)
    write_feed_record(tmp_path, record)
    read = read_feed_record(tmp_path)
    assert read == record
    assert read is not None
    assert list(read.feeds)[-1] == "d20"
    assert (len(read.feeds), "d9" in read.feeds) == (30, False)
    (tmp_path / layout.FEED).write_text("[]")
    with pytest.raises(SnapshotError, match=r"feed.json is damaged .* build under another name"):
        read_feed_record(tmp_path)
    assert read_feed_record(tmp_path / "none") is None


def test_digest_follows_the_content_alone(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    first.write_bytes(b"x" * (3 << 20))
    second.write_bytes(first.read_bytes())
    third.write_bytes(b"x" * (3 << 20) + b"y")
    assert digest_file(first) == digest_file(second) != digest_file(third)


def test_the_same_file_again_keeps_live_changes_and_a_later_one_overrules_them(shop: Shop) -> None:
    shop.index(100, MUG)
    shop.change("upsert", MUG.merged({"price": 5}))
    assert prices(shop.index(100, MUG)) == {"mug": 5}, "indexed again, to learn from events"
    joined = shop.index(time.time(), MUG)
    assert prices(joined) == {"mug": 4}
    assert [(value.old, value.new) for value in joined.merged.feed_wins] == [(5, 4)]


def test_a_product_that_a_feed_took_over_goes_with_the_feed(shop: Shop) -> None:
    new = product("new", "New mug", price=9)
    shop.change("upsert", new, time=50)
    assert prices(shop.index(100, MUG)) == {"mug": 4, "new": 9}
    assert prices(shop.index(200, MUG)) == {"mug": 4, "new": 9}, "kept as long as no feed has listed it"
    assert prices(shop.index(300, MUG, new.merged({"price": 8}))) == {"mug": 4, "new": 8}
    joined = shop.index(400, MUG)
    assert (prices(joined), joined.merged.gone) == ({"mug": 4}, ["new"])
    shop.change("upsert", new)
    assert prices(shop.index(500, MUG)) == {"mug": 4, "new": 9}, "upserted once more"


def test_what_was_dropped_is_not_brought_back_by_the_next_index(shop: Shop) -> None:
    shop.change("upsert", product("new", "New mug"), time=50)
    assert prices(shop.index(100, MUG, drop_unlisted=True)) == {"mug": 4}
    assert prices(shop.index(200, MUG)) == {"mug": 4}


def test_a_state_that_was_begun_anew_loses_nothing_to_what_is_remembered(shop: Shop, tmp_path: Path) -> None:
    for number in range(3):
        shop.change("upsert", product(f"n{number}", "N"), time=50)
    shop.index(100, MUG)
    shop.store = open_store(tmp_path / "other.db")
    shop.change("upsert", product("late", "Late mug", price=7))
    assert prices(shop.index(100, MUG)) == {"mug": 4, "late": 7}


def test_without_state_and_beside_a_damaged_snapshot_the_feed_is_the_catalogue(shop: Shop, tmp_path: Path) -> None:
    shop.index(100, MUG)
    (shop.out / layout.FEED).write_text("{")
    joined = join_state(tmp_path / "feed.jsonl", [MUG], None, shop.out)
    assert (joined.merged.products, joined.sequence) == ([MUG], 0)
