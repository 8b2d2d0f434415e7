"""Exact codes: which products a text names that is an id, a trade item number, a model or any other code of theirs.

A code is compared without case, spaces and signs: ``#LC-51 c`` is ``lc51c``. The snapshot keeps a hash of each.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from mercato.arrays import Int32, UInt64
from mercato.catalog.field_checks import AttributeValue
from mercato.catalog.product import Product, format_value
from mercato.index.arrays import map_arrays, write_arrays

SETTING = "code_fields"
"""What the attributes that hold codes are called among the settings of a snapshot."""

MIN_CODE_CHARS = 4
MAX_CODE_CHARS = 64
MIN_NUMBER_DIGITS = 6
"""Digits alone are a code from so many on; fewer are a size or a year. Ids are codes whatever they are."""
FIELD_SHARE = 0.5
"""Of an attribute that holds codes, at least this share of the products has one that looks like a code."""
DISTINCT_SHARE = 0.8
"""... and at least this share of these is no other product's."""
MIN_HOLDERS = 2
MOST_HOLDERS = 20
"""What more products have names none of them."""

_SIGNS = re.compile(r"[\W_]+")
_MEASURE = re.compile(r"[\d.,x×*/+-]+\s*[^\W\d_]{1,3}|[\d.,]+(\s*[x×*/-]\s*[\d.,]+)*\s*[^\W\d_]*", re.IGNORECASE)
_NAMES = re.compile(
    r"(?:^|_)(?:gtin|ean|upc|isbn|jan|sku|mpn|barcode|model|oem_code|art_?nr)(?:_?\d+|_?code|_?no|_?nr|_?number|_?id)*(?:_|$)"
    r"|modelnumber|part_?n(?:o|um)|item_?n(?:o|um)|article_?n(?:o|um)|artikeln|bestelln|hersteller_?(?:n|artikel)"
    "|product_?code|manufacturer_?code|^référence|^reference|^referencia|型号|货号|条码"
)
"""Names of attributes that hold codes, in whatever shape."""
_TYPE_PREFIX = re.compile("^(?:[tnbc]_|g:)")


@lru_cache(maxsize=4096)  # a query is asked for more than once
def squeeze(text: str) -> str:
    """Return a text without case, spaces and signs."""
    return _SIGNS.sub("", text.casefold())


@dataclass(frozen=True, kw_only=True)
class CodeIndex:
    """The codes of a snapshot.

    Attributes:
        hashes: uint64 [m], ascending.
        rows: int32 [m], the product of each.
    """

    hashes: UInt64
    rows: Int32

    def find(self, squeezed: str) -> Int32:
        """Return the rows whose products seem to have a code, ascending: of two codes the hashes may be equal."""
        wanted = _hash(squeezed)
        first, last = np.searchsorted(self.hashes, wanted), np.searchsorted(self.hashes, wanted, side="right")
        return self.rows[first:last]


def find_code_fields(products: Iterable[Product]) -> list[str]:
    """Find the attributes that hold codes: by their names, and by the looks of their values.

    Returns:
        Their keys, sorted.
    """
    holders: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    shaped: Counter[str] = Counter()
    for product in products:
        for key, value in product.joined_attributes.items():
            texts = [item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, str)]
            holders[key] += 1
            codes = [squeeze(text) for text in texts if looks_like_code(text)]
            if codes:
                shaped[key] += 1
                values.setdefault(key, set()).update(codes)
    return sorted(
        key
        for key, count in holders.items()
        if is_code_name(key)
        or (
            count >= MIN_HOLDERS
            and shaped[key] >= FIELD_SHARE * count
            and len(values[key]) >= DISTINCT_SHARE * shaped[key]
        )
    )


def is_code_name(key: str) -> bool:
    """Tell whether an attribute of this name holds codes."""
    return _NAMES.search(_TYPE_PREFIX.sub("", key.casefold()).replace(" ", "_").replace("-", "_")) is not None


def looks_like_code(text: str) -> bool:
    """Tell whether a text looks like a code: one word of letters and digits, or many digits, that is no measure."""
    if any(char.isspace() or char == "," for char in text):
        return False
    squeezed = squeeze(text)
    if not MIN_CODE_CHARS <= len(squeezed) <= MAX_CODE_CHARS or not any(map(str.isdigit, squeezed)):
        return False
    if squeezed.isdigit():
        return len(squeezed) >= MIN_NUMBER_DIGITS and text == squeezed
    return _MEASURE.fullmatch(text) is None


def list_codes(product: Product, fields: Collection[str]) -> Iterator[str]:
    """Yield the codes of a product, squeezed: its ids, and what the attributes of codes hold.

    Args:
        product: the product.
        fields: keys of attributes, as of `find_code_fields`. A value without a digit is a name and no code.
    """
    for text in (product.id, *(variant.id for variant in product.variants)):
        if code := squeeze(text):
            yield code
    attributes = product.joined_attributes
    for key in fields:
        if key in attributes:
            for text in _list_texts(attributes[key]):
                code = squeeze(text)
                if MIN_CODE_CHARS <= len(code) <= MAX_CODE_CHARS and any(map(str.isdigit, code)):
                    yield code


def build_codes(products: Sequence[Product], fields: Collection[str]) -> CodeIndex:
    """Build the index of products' codes.

    Args:
        products: in row order.
        fields: as of `find_code_fields`.
    """
    pairs = sorted({(_hash(code), row) for row, product in enumerate(products) for code in list_codes(product, fields)})
    return CodeIndex(
        hashes=np.array([code for code, _ in pairs], np.uint64), rows=np.array([row for _, row in pairs], np.int32)
    )


def write_codes(path: Path, codes: CodeIndex) -> None:
    """Write the index of codes."""
    write_arrays(path, {"hashes": codes.hashes, "rows": codes.rows})


def read_codes(path: Path) -> CodeIndex:
    """Read what `write_codes` wrote; an index of nothing where a snapshot was built before there was one.

    Raises:
        SnapshotError: the file is truncated or not of this format.
    """
    if not path.exists():
        return CodeIndex(hashes=np.zeros(0, np.uint64), rows=np.zeros(0, np.int32))
    return CodeIndex(**map_arrays(path))


def _list_texts(value: AttributeValue) -> Iterator[str]:
    for item in value if isinstance(value, tuple) else (value,):
        if not isinstance(item, bool):
            yield format_value(item)


def _hash(code: str) -> np.uint64:
    return np.uint64(
        int.from_bytes(hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    )
