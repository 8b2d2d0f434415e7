"""What became of a write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from mercato.incoming import Rejected


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """What became of one caller's items; those accepted are durable.

    Attributes:
        accepted: how many were taken, repeated ones included.
        rejected: those that were not.
        sequence: the store's last sequence number afterwards.
    """

    accepted: int
    rejected: Sequence[Rejected] = field(default_factory=list)
    sequence: int

    def document(self) -> bytes:
        """Give the result as JSON."""
        # A reason may quote what no UTF-8 can hold.
        rejected = [
            {"index": item.position, "reason": item.reason.encode("utf-8", "replace").decode()}
            for item in self.rejected
        ]
        return orjson.dumps({"accepted": self.accepted, "rejected": rejected, "sequence": self.sequence})
