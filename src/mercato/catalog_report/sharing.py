"""What many products share that should be their own (pictures, descriptions), and what no shopper ever saw."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mercato.catalog_report.finding import MODERATE, SLIGHT, Catalog, Finding, clip
from mercato.catalog_report.text_faults import fold_title

#: A picture or a description that is of this many brands, or of this many categories, is of no product.
LEAST_KINDS = 3
_NO_PICTURE = re.compile(
    r"no[-_ ]?(?:image|img|photo|picture|pic)\b|placeholder|image[-_ ]?not[-_ ]?(?:available|found)"
    r"|coming[-_ ]?soon|default[-_ ]?image",
    re.IGNORECASE,
)


def check_pictures(catalog: Catalog) -> Iterator[Finding]:
    """Find pictures that stand for none, by their name or because products of several kinds share them."""
    shared = _find_shared(catalog, lambda product: product.get("image_uri", ""))
    found = []
    for row, product in catalog.products():
        address = product.get("image_uri", "")
        if not address:
            continue
        sharing = shared.get(_digest(address), 0)
        if sharing:
            found.append((row, f"shared by {sharing:,} products: {clip(address)}"))
        elif _NO_PICTURE.search(address.rsplit("/", 1)[-1]):
            found.append((row, clip(address)))
    if found:
        yield Finding(
            name="picture-shared",
            section="fields",
            title="pictures that show no product",
            harm="Results look alike, and shoppers pass over them.",
            remedy="Leave image_uri out where there is no picture of the product itself.",
            weight=SLIGHT,
            rows=[row for row, _ in found],
            values=[value for _, value in found],
            groups=len(shared),
            things="pictures",
        )


def check_descriptions(catalog: Catalog) -> Iterator[Finding]:
    """Find descriptions that products of several kinds share, and those that only repeat the title."""
    shared = _find_shared(catalog, lambda product: product.get("description", ""))
    boilerplate, repeating = [], []
    for row, product in catalog.products():
        text = product.get("description", "")
        if not text:
            continue
        if sharing := shared.get(_digest(text), 0):
            boilerplate.append((row, f"shared by {sharing:,} products: {clip(text, 80)}"))
        elif fold_title(text) == fold_title(product["title"]):
            repeating.append((row, clip(text, 80)))
    if boilerplate:
        yield Finding(
            name="description-shared",
            section="texts",
            title="descriptions that products of several kinds share",
            harm="All of them match the words of one text and move together in meaning, whatever they are.",
            remedy="Describe the product, or leave the description out; terms of delivery belong on a page.",
            weight=MODERATE,
            rows=[row for row, _ in boilerplate],
            values=[value for _, value in boilerplate],
            groups=len(shared),
            things="descriptions",
        )
    if repeating:
        yield Finding(
            name="description-repeats-title",
            section="texts",
            title="descriptions that only repeat the title",
            harm="They add nothing to find the product by.",
            remedy="Say what it is for, or leave it out.",
            weight=SLIGHT,
            rows=[row for row, _ in repeating],
            values=[value for _, value in repeating],
        )


def check_never_seen(catalog: Catalog) -> Iterator[Finding]:
    """Find products that no event is about, if events were learned."""
    if catalog.demand is None:
        return
    rows = np.flatnonzero(catalog.demand <= 0)
    if len(rows):
        yield Finding(
            name="never-seen",
            section="behaviour",
            title="products that nobody viewed or bought",
            harm="Nothing is known of them but their texts. Some are new; the others are not found, not wanted or no"
            " longer sold, and stand in the way of what is.",
            remedy="Search for them by the words that a shopper would use; take out what is no longer sold.",
            weight=SLIGHT,
            rows=[int(row) for row in rows],
            values=["no event"] * len(rows),
        )


def _find_shared(catalog: Catalog, read: Callable[[dict[str, Any]], str]) -> dict[bytes, int]:
    """Find texts that products of `LEAST_KINDS` brands or categories share: digest to number of products."""
    counts: dict[bytes, int] = defaultdict(int)
    brands: dict[bytes, set[str]] = defaultdict(set)
    kinds: dict[bytes, set[str]] = defaultdict(set)
    for row, product in catalog.products():
        text = read(product)
        if not text:
            continue
        digest = _digest(text)
        counts[digest] += 1
        # Enough of each is enough to know: sets stay small however many share a text.
        if catalog.brands[row] and len(brands[digest]) < LEAST_KINDS:
            brands[digest].add(catalog.brands[row])
        if catalog.paths[row] and len(kinds[digest]) < LEAST_KINDS:
            kinds[digest].add(catalog.paths[row][-1])
    return {
        digest: count
        for digest, count in counts.items()
        if count >= LEAST_KINDS and max(len(brands[digest]), len(kinds[digest])) >= LEAST_KINDS
    }


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


CHECKS = (check_pictures, check_descriptions, check_never_seen)
