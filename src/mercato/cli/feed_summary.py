"""What `mercato index` says of the live changes in state: which gave way to the feed, and which stayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from mercato.cli.output import Output
from mercato.text.timestamps import format_timestamp

if TYPE_CHECKING:
    from mercato.indexing.join_state import JoinedFeed
    from mercato.indexing.merge_feed import Overruled

_SHOWN = 20


def summarize_changes(joined: JoinedFeed, *, dropped: bool) -> dict[str, Any]:
    """Give the summary that `--json` prints, whole.

    Args:
        joined: feed and changes.
        dropped: whether products that no feed lists were dropped.
    """
    merged = joined.merged
    return {
        "as_of": format_timestamp(joined.written.seconds),
        "as_of_reason": joined.written.reason,
        "feed_wins": [asdict(value) for value in merged.feed_wins],
        "changes_win": [asdict(value) for value in merged.changes_win],
        "restored": merged.restored,
        "deleted": merged.deleted,
        "added": merged.added,
        "unlisted": merged.unlisted,
        "unlisted_dropped": dropped,
        "gone": merged.gone,
        "unreadable": merged.unreadable,
    }


def tell_changes(joined: JoinedFeed, output: Output, *, dropped: bool) -> None:
    """Tell a person; nothing where no change in state bears on the feed.

    Args:
        joined: feed and changes.
        output: where to.
        dropped: whether products that no feed lists were dropped.
    """
    merged = joined.merged
    unlisted = "dropped (--drop-unlisted)" if dropped else "kept (--drop-unlisted drops them)"
    lists = [
        ("deleted live before, listed again, are back", merged.restored),
        ("listed, but deleted live after it was written, stay deleted", merged.deleted),
        ("not listed, but upserted live after it was written, are added", merged.added),
        (f"not listed, known by earlier live upserts alone, {unlisted}", merged.unlisted),
        ("changed live, but no longer listed, are gone", merged.gone),
    ]
    if not (merged.feed_wins or merged.changes_win or any(ids for _, ids in lists)):
        return
    output.say(
        f"live changes in state: the feed counts as written at {format_timestamp(joined.written.seconds)} "
        f"({joined.written.reason}); earlier changes give way to it, later ones stay"
    )
    _tell_values("the feed overrules {values} of earlier changes", merged.feed_wins, output)
    _tell_values("{values} of the feed are overruled by later changes", merged.changes_win, output)
    for what, ids in lists:
        if ids:
            more = f", and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
            output.say(
                f"  {len(ids):,} {'product' if len(ids) == 1 else 'products'} {what}: {', '.join(ids[:_SHOWN])}{more}"
            )
    if merged.unreadable:
        output.warn(f"{len(merged.unreadable):,} changes in state cannot be read by this version; they were left out")


def _tell_values(what: str, values: Sequence[Overruled], output: Output) -> None:
    if not values:
        return
    count = f"{len(values):,} {'value' if len(values) == 1 else 'values'}"
    output.say(f"  {what.format(values=count)}:")
    for value in values[:_SHOWN]:
        output.say(f"    {value.id} {value.field}: {_show(value.old)} -> {_show(value.new)}")
    if len(values) > _SHOWN:
        output.say(f"    ... and {len(values) - _SHOWN:,} more (all of them with --json)")


def _show(value: Any) -> str:
    text = "nothing" if value is None else orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
