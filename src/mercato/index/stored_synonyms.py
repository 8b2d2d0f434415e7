"""The synonyms that a snapshot keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mercato.errors import SnapshotError
from mercato.index.synonyms import SynonymRule


def write_synonyms(path: Path, rules: Sequence[SynonymRule]) -> None:
    """Write rules as JSON."""
    path.write_text(json.dumps([asdict(rule) for rule in rules], ensure_ascii=False), encoding="utf-8")


def read_stored_synonyms(path: Path) -> list[SynonymRule]:
    """Read what `write_synonyms` wrote.

    Raises:
        SnapshotError: the file is missing or altered.
    """
    try:
        return [
            SynonymRule(left=tuple(rule["left"]), right=tuple(rule["right"])) for rule in json.loads(path.read_bytes())
        ]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SnapshotError(f"{path.name}: cannot be read ({exc}); build the snapshot again") from exc
