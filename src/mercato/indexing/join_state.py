"""Joining a feed with a shop's state: what is read of state, and what is remembered for the next feed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mercato.catalog.product import Product
from mercato.errors import SnapshotError
from mercato.index.feed_record import FeedRecord, FeedTime, date_feed, digest_file, read_feed_record
from mercato.index.manifest import read_manifest
from mercato.indexing.merge_feed import MergedFeed, merge_feed
from mercato.state.store import StateStore
from mercato.state.values import ProductChange

_CHANGES_READ = 4_096


@dataclass(frozen=True, kw_only=True)
class JoinedFeed:
    """A feed and the live changes, joined.

    Attributes:
        merged: the products, and what became of the changes.
        written: when the feed counts as written.
        sequence: the last product change in state that was looked at; the next ones are for the server to apply.
        record: what the snapshot has to remember.
    """

    merged: MergedFeed
    written: FeedTime
    sequence: int
    record: FeedRecord


def join_state(
    source: Path,
    products: Sequence[Product],
    store: StateStore | None,
    replaced: Path,
    *,
    fields: Collection[str] = (),
    as_of: float | None = None,
    drop_unlisted: bool = False,
) -> JoinedFeed:
    """Join the products of a feed with the live changes in state.

    Args:
        source: the feed's file.
        products: what was read of it, ids distinct.
        store: state; None where there is none.
        replaced: the snapshot that is to be replaced; may not exist.
        fields: fields that the feed carries even where no product has a value of them.
        as_of: when the feed was written, seconds since 1970; None for what `date_feed` tells.
        drop_unlisted: leave out products that exist by an older live upsert alone.

    Raises:
        StateError: state cannot be read.
    """
    now = time.time()
    sequence = store.product_sequence() if store is not None else 0
    previous, previous_sequence = _read_previous(replaced)
    digest = digest_file(source)
    written = date_feed(source, digest, previous, now=now, as_of=as_of)

    def settled(upsert: ProductChange) -> bool:
        # Of another state the numbers mean nothing; its changes are later than what the snapshot has seen.
        return (
            previous is not None
            and upsert.sequence <= previous_sequence
            and (upsert.time or 0.0) <= previous.read
            and upsert.product_id not in previous.live_only
        )

    merged = merge_feed(
        products,
        _read_changes(store, sequence),
        as_of=written.seconds,
        fields=fields,
        settled=settled,
        drop_unlisted=drop_unlisted,
    )
    live_only = frozenset([*merged.added, *(() if drop_unlisted else merged.unlisted)])
    feeds = previous.feeds if previous is not None else {}
    record = FeedRecord(read=time.time(), feeds=feeds, live_only=live_only).with_feed(digest, written.seconds)
    return JoinedFeed(merged=merged, written=written, sequence=sequence, record=record)


def _read_previous(replaced: Path) -> tuple[FeedRecord | None, int]:
    try:
        return read_feed_record(replaced), read_manifest(replaced).product_sequence
    except SnapshotError:
        return None, 0  # there is none, or it is damaged, which is a reason to build a new one


def _read_changes(store: StateStore | None, last: int) -> Iterator[ProductChange]:
    """Read the changes up to a sequence number, in parts."""
    seen = 0
    while store is not None and seen < last:
        part = store.product_changes_since(seen, limit=min(_CHANGES_READ, last - seen))
        if not part:
            return
        yield from part
        seen = part[-1].sequence
