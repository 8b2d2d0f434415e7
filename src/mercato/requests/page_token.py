"""The token of an answer: what was shown of a list so far, so that its next page shows none of it again.

A list changes while somebody pages through it: the shopper looks at something, buys, products come and go, a
catalogue is indexed anew. The token holds a mark of four bytes for each product that was shown, in order, and nothing
of the shopper. Whichever server reads it, the next page goes on with the best of what was not shown, and an earlier
page is the one that was shown, but for products that are gone.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass, field

import numpy as np

from mercato.arrays import UInt32
from mercato.errors import InvalidInputError

MAX_MARKS = 100_500
"""As many products as can be paged through (`mercato.requests.page.MAX_OFFSET` and one page)."""
_VERSION = "1"
_REMEDY = "send the page_token of the answer before, or leave it out"


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownPages:
    """The pages of a list that were shown one after the other.

    Attributes:
        first: position of the first product that was shown, from 0.
        marks: uint32 [n], what was shown from there on, by `mark_product`.
    """

    first: int = 0
    marks: UInt32 = field(default_factory=lambda: np.zeros(0, np.uint32))

    def __len__(self) -> int:
        """Return how many products were shown."""
        return len(self.marks)

    @property
    def stop(self) -> int:
        """The position behind the last product that was shown."""
        return self.first + len(self.marks)

    def add(self, offset: int, marks: UInt32) -> ShownPages:
        """Return these pages with another one; where it does not touch them, that one alone.

        Args:
            offset: position of its first product.
            marks: uint32 [n], its products.
        """
        if not len(self):
            return ShownPages(first=offset, marks=marks)
        fresh = marks[~np.isin(marks, self.marks)]
        if self.first <= offset <= self.stop:
            return ShownPages(first=self.first, marks=np.concatenate([self.marks, fresh]))
        if offset < self.first <= offset + len(marks):
            return ShownPages(first=offset, marks=np.concatenate([fresh, self.marks]))
        return ShownPages(first=offset, marks=marks)


NOTHING_SHOWN = ShownPages()


def mark_product(key: str) -> int:
    """Return the mark of a product by what identifies it: 32 bits, so that of 10,000 products two hardly ever agree."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass"))


def write_page_token(shown: ShownPages) -> str:
    """Write a token: the version, then the first position and the marks, each four bytes, in URL-safe base64."""
    numbers = np.concatenate([[shown.first], shown.marks]).astype("<u4")
    return _VERSION + base64.urlsafe_b64encode(numbers.tobytes()).decode("ascii").rstrip("=")


def parse_page_token(value: object, parameter: str) -> ShownPages:
    """Read a token.

    Raises:
        InvalidInputError: it is none of ours.
    """
    if not isinstance(value, str):
        raise InvalidInputError(parameter, f"must be a text, got {type(value).__name__}", _REMEDY)
    if not value:
        return NOTHING_SHOWN
    version, body = value[:1], value[1:]
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if version != _VERSION or not raw or len(raw) % 4 or len(raw) > 4 * (MAX_MARKS + 1):
        raise InvalidInputError(parameter, f"must be the token of an answer, got {value[:32]!r}", _REMEDY)
    numbers = np.frombuffer(raw, "<u4").astype(np.uint32)
    return ShownPages(first=int(numbers[0]), marks=numbers[1:])
