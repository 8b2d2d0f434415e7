"""What a snapshot remembers of the feed it was built from: the next one can then tell what is newer than what."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from mercato.errors import SnapshotError
from mercato.index import layout

_FEEDS_KEPT = 30
_READ_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FeedRecord:
    """The feed of a snapshot.

    Attributes:
        read: when it was read, seconds since 1970.
        feeds: digest of each of the last feeds, this one last -> when it counts as written, seconds since 1970.
        live_only: ids of products that no feed has listed so far: they exist by live upserts alone.
    """

    read: float
    feeds: Mapping[str, float] = field(default_factory=dict)
    live_only: frozenset[str] = frozenset()

    def with_feed(self, digest: str, as_of: float) -> FeedRecord:
        """Return the record with one more feed; the oldest are forgotten."""
        feeds = {**{known: time for known, time in self.feeds.items() if known != digest}, digest: as_of}
        return replace(self, feeds=dict(list(feeds.items())[-_FEEDS_KEPT:]))


@dataclass(frozen=True, kw_only=True)
class FeedTime:
    """When a feed counts as written.

    Attributes:
        seconds: since 1970.
        reason: why, in words.
    """

    seconds: float
    reason: str


def date_feed(
    path: Path, digest: str, previous: FeedRecord | None, *, now: float, as_of: float | None = None
) -> FeedTime:
    """Tell when a feed counts as written.

    That is the time of its file. Of a file that is older than the last index and yet was not indexed so far (it was
    copied with its old time, or lay there already) the time says nothing: it counts as written now, newer than every
    change before.

    Args:
        path: the file.
        digest: of its content, from `digest_file`.
        previous: of the snapshot that is to be replaced; None where there is none or it has no record.
        now: seconds since 1970.
        as_of: what the caller says, which holds where it is given.
    """
    if as_of is not None:
        return FeedTime(seconds=as_of, reason="as --as-of says")
    written = min(path.stat().st_mtime, now)
    if previous is None or written > previous.read:
        return FeedTime(seconds=written, reason="the time of the file")
    if digest in previous.feeds:
        return FeedTime(seconds=max(written, previous.feeds[digest]), reason="when it was indexed before")
    return FeedTime(
        seconds=now,
        reason="now: it was not indexed before, though its file is older than the last index; --as-of dates it",
    )


def digest_file(path: Path) -> str:
    """Return a digest of a file's bytes, as hexadecimal text."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()


def write_feed_record(folder: Path, record: FeedRecord) -> None:
    """Write a snapshot's record."""
    document = {"read": record.read, "feeds": dict(record.feeds), "live_only": sorted(record.live_only)}
    (folder / layout.FEED).write_bytes(orjson.dumps(document))


def read_feed_record(folder: Path) -> FeedRecord | None:
    """Read a snapshot's record; None where there is no snapshot, or one that was built without.

    Raises:
        SnapshotError: the record is damaged.
    """
    path = folder / layout.FEED
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = orjson.loads(path.read_bytes())
        return FeedRecord(
            read=float(document["read"]),
            feeds={str(digest): float(time) for digest, time in document["feeds"].items()},
            live_only=frozenset(map(str, document["live_only"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise SnapshotError(
            f"catalogue {folder}: {layout.FEED} is damaged ({exc!r}); build under another name, or remove the snapshot"
        ) from exc
