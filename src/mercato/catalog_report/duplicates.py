"""Duplicates by text: the same product twice, variants that were not joined, and near ones by their vectors."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from mercato.catalog_report.codes import is_code, list_ids, product_id
from mercato.catalog_report.finding import MODERATE, SLIGHT, Catalog, Finding, clip
from mercato.catalog_report.text_faults import fold_name, fold_title

_SAID_OF = ("description", "categories", "attributes")


def check_same_texts(catalog: Catalog) -> Iterator[Finding]:
    """Find products with the same title and brand: equal in all that is said of them, or variants of one another.

    Titles are equal by their words in order, whatever case and signs; brands by their letters.
    """
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (title, brand) in enumerate(zip(catalog.titles, catalog.brands, strict=True)):
        groups[fold_title(title), fold_name(brand) if brand else ""].append(row)
    same, differing = [], []
    for rows in groups.values():
        if len(rows) < 2:
            continue
        alike: dict[bytes, list[int]] = defaultdict(list)
        for row in rows:
            product = catalog.product(row)
            said = {name: product.get(name) for name in _SAID_OF}
            alike[hashlib.blake2b(orjson.dumps(said), digest_size=16).digest()].append(row)
        same += [equal for equal in alike.values() if len(equal) > 1]
        if len(alike) > 1:
            differing.append(rows)
    yield from _find_groups(
        catalog,
        same,
        name="duplicate-text",
        title="products that cannot be told apart",
        harm="Title, brand and all texts are equal: they stand side by side in every answer, in others' places.",
        remedy="Keep one of each, or say in title and attributes what makes them differ; until then"
        " diversity folds like ones together.",
        weight=MODERATE,
    )
    yield from _find_groups(
        catalog,
        differing,
        name="same-title",
        title="several products under one title and brand",
        harm="Variants that were not joined fill a page with one title, and shoppers cannot tell which is which.",
        remedy="Join variants by their parent's id, or put size and colour into the title.",
        weight=SLIGHT,
    )


def check_near_texts(catalog: Catalog) -> Iterator[Finding]:
    """Find products that are described in other words with nearly the same meaning.

    The vectors of the most popular texts are compared with their nearest neighbours. Near alone is no proof: sizes,
    colours and models of one kind have nearly the same vector. So what is known of both must agree too (`may_be_one`).
    """
    near = catalog.neighbours
    if near is None:
        return
    pairs: set[tuple[int, int]] = set()
    for position, neighbour in zip(*np.nonzero(near.cosines >= catalog.thresholds.cosine), strict=True):
        own, other = int(near.texts[position]), int(near.found[position, neighbour])
        if other >= 0 and other != own:
            rows = int(near.first_row[own]), int(near.first_row[other])
            pairs.add((min(rows), max(rows)))
    said: dict[int, str] = {}
    groups = 0
    for row, other in sorted(pairs):
        # Cheap, and most sizes and models end here.
        if _numbers(catalog.titles[row]) != _numbers(catalog.titles[other]):
            continue
        if not may_be_one(catalog.product(row), catalog.product(other)):
            continue
        groups += 1
        for own, twin in ((row, other), (other, row)):
            said.setdefault(own, f"near {product_id(catalog, twin)}: {clip(catalog.titles[twin], 80)}")
    if said:
        yield Finding(
            name="near-duplicate",
            section="duplicates",
            title="products that seem to be one, in other words",
            harm="Both stand in the answers to the same queries; ratings, purchases and popularity are split between"
            " them.",
            remedy="Look at each pair, and join them if they are one.",
            weight=MODERATE,
            rows=sorted(said),
            values=lambda row: said[row],
            groups=groups,
            things="pairs",
        )


def may_be_one(product: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two products with nearly the same vector may be one.

    The brands, where both have one, all numbers of the titles, and the texts of attributes that both have must be
    equal, codes aside (numbers may be of stock or ratings). The titles' words must be the same but for
    order, repetition, endings (cable, cables), words written apart (note book) and those that say nothing. Where both
    say how things belong together (black on white, USB to serial), the order must be the same too.
    """
    brands = product.get("brand", ""), other.get("brand", "")
    if all(brands) and fold_name(brands[0]) != fold_name(brands[1]):
        return False
    if _numbers(product["title"]) != _numbers(other["title"]) or _differ(product, other):
        return False
    known = set(fold_title(" ".join(brands)).split()) | _EMPTY | _JOINING
    left, right = (
        [_stem(word) for word in dict.fromkeys(_split(one["title"])) if word not in known] for one in (product, other)
    )
    if fold_title(product["title"]) == fold_title(other["title"]) or not (left and right):
        return False
    if "".join(left) == "".join(right):
        return True
    return set(left) == set(right) and not all(_joins(one["title"]) for one in (product, other))


def _differ(product: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether an attribute that both have, and which is no number and no code, is another."""
    theirs = other.get("attributes", {})
    return any(
        isinstance(value, bool | str | list) and not is_code(key) and _fold_value(theirs[key]) != _fold_value(value)
        for key, value in product.get("attributes", {}).items()
        if key in theirs
    )


def _fold_value(value: Any) -> Any:
    return [_stem(word) for word in _split(value)] if isinstance(value, str) else value


def _split(text: str) -> list[str]:
    """Split a text into its words, folded; of a genitive (women's) the name alone."""
    return fold_title(re.sub(r"['’]s\b", "", text)).split()


def _joins(title: str) -> bool:
    return bool(_JOINING & set(fold_title(title).split())) or any(sign in title for sign in _JOINING_SIGNS)


#: Words after which the order of the others matters, and signs that stand for them.
_JOINING = frozenset(
    "to on for from with in of and or into over auf zu für mit aus und von nach à de en pour sur avec".split()
)
_JOINING_SIGNS = ("/", ">", "->", "→", "+")
#: Words that name no product and no kind of it.
_EMPTY = frozenset("the a an original genuine new neu nouveau nuevo der die das le la les el brand official".split())


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith("ss") else word


def _numbers(title: str) -> list[str]:
    return sorted(re.findall(r"\w*\d[\w.,]*", title.casefold()))


def _find_groups(
    catalog: Catalog, groups: list[list[int]], *, name: str, title: str, harm: str, remedy: str, weight: float
) -> Iterator[Finding]:
    if not groups:
        return
    group_of = {row: rows for rows in groups for row in rows}

    def describe(row: int) -> str:
        return f"alike: {list_ids(catalog, group_of[row])}"

    yield Finding(
        name=name, section="duplicates", title=title, harm=harm, remedy=remedy, weight=weight,
        rows=sorted(group_of), values=describe, groups=len(groups),
    )  # fmt: skip


CHECKS = (check_same_texts, check_near_texts)
