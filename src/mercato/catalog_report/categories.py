"""Categories: those of one product, several spellings of one, paths that are too deep or no paths at all."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from rapidfuzz.distance import DamerauLevenshtein

from mercato.catalog_report.finding import MODERATE, SLIGHT, Catalog, Finding
from mercato.catalog_report.text_faults import fold_name, fold_title

Path = tuple[str, ...]
#: One letter more or less makes another word of a short one (coats and boats); from this length on it is a slip.
LEAST_LETTERS = 6
#: Of the categories of one parent every two are compared; more of them than this are not categories.
MOST_SIBLINGS = 2_000
_SEPARATOR = re.compile(r"\s[>/|»›]\s|>|\|")
#: What shop systems put products into by themselves: WooCommerce, Magento, Shopify, PrestaShop.
_SYSTEM_NAMES = frozenset(
    map(
        fold_name,
        (
            "Uncategorized",
            "Uncategorised",
            "Default Category",
            "Root Catalog",
            "Root",
            "Home page",
            "frontpage",
            "No category",
        ),
    )
)


def check_lonely(catalog: Catalog) -> Iterator[Finding]:
    """Find products whose most specific category is theirs alone, beside others of its parent."""
    names = Counter(name for path in catalog.paths for name in path)
    below = _count_below(Counter(catalog.paths))
    rows = [row for row, path in enumerate(catalog.paths) if path and names[path[-1]] == 1 and below[path[:-1]] > 1]
    if rows:
        yield Finding(
            name="category-of-one",
            section="categories",
            title="categories of one product",
            harm="A facet value that leads to one product helps nobody, and what is learned by category (usual prices,"
            " like products) has nothing to learn from.",
            remedy="Move the product to the parent or to the category that its likes are in.",
            weight=SLIGHT,
            rows=rows,
            values=lambda row: " > ".join(catalog.paths[row]),
            groups=len(rows),
            things="categories",
        )


def check_spellings(catalog: Catalog) -> Iterator[Finding]:
    """Find categories and brands whose names differ in case, spaces, signs or accents.

    Of categories with one parent also those that differ in one letter: elsewhere it may be another word.
    """
    rare = find_spellings(Counter(name for path in catalog.paths for name in path))
    slips: dict[tuple[Path, str], str] = {}
    for parent, names in _list_siblings(catalog).items():
        slips |= {(parent, name): usual for name, usual in find_slips(names).items()}
    found = []
    for row, path in enumerate(catalog.paths):
        for depth, name in enumerate(path):
            if usual := rare.get(name) or slips.get((path[:depth], name)):
                found.append((row, f"{name} beside {usual}" + (f" in {' > '.join(path[:depth])}" if depth else "")))
                break
    spellings = len(rare.keys() | {name for _, name in slips})
    yield from _find_spelt(found, spellings, "category-spellings", "categories", "categories spelt in several ways")
    rare_brands = find_spellings(Counter(brand for brand in catalog.brands if brand))
    found = [
        (row, f"{brand} beside {rare_brands[brand]}")
        for row, brand in enumerate(catalog.brands)
        if brand in rare_brands
    ]
    yield from _find_spelt(found, len(rare_brands), "brand-spellings", "fields", "brands spelt in several ways")


def check_deep(catalog: Catalog) -> Iterator[Finding]:
    """Find paths with more levels than any taxonomy needs."""
    limit = catalog.thresholds.category_levels
    rows = [row for row, path in enumerate(catalog.paths) if len(path) > limit]
    if rows:
        yield Finding(
            name="category-too-deep",
            section="categories",
            title=f"products in more than {limit} categories",
            harm="The words of all of them are searched, so that the product matches what its categories say; and"
            " what is learned by category is learned of none.",
            remedy="Give each product the path it belongs to, from general to specific; sales and collections are"
            " attributes.",
            weight=SLIGHT,
            rows=rows,
            values=lambda row: " > ".join(catalog.paths[row]),
            groups=len({catalog.paths[row] for row in rows}),
            things="categories",
        )


def check_names(catalog: Catalog) -> Iterator[Finding]:
    """Find names that hold a whole path, are a number, or were given by the shop's system."""
    distinct = set(catalog.paths)
    separator = _find_separator(distinct)
    faults = {path: fault for path in distinct if (fault := _find_fault(path, separator))}
    rows = [row for row, path in enumerate(catalog.paths) if path in faults]
    if rows:
        yield Finding(
            name="category-odd",
            section="categories",
            title="paths, numbers and system names as categories",
            harm="A facet offers them as they are; nobody looks for them. A path that was not split is one name,"
            " and no filter on a part of it finds it.",
            remedy="Map names instead of numbers, split paths at their separator, and sort in what was never sorted.",
            weight=MODERATE,
            rows=rows,
            values=lambda row: faults[catalog.paths[row]],
            groups=len(faults),
            things="categories",
        )


def find_spellings(names: Counter[str]) -> dict[str, str]:
    """Find names that are another spelling of one that more products have.

    Args:
        names: with the number of products of each.

    Returns:
        Name to the most usual spelling of it; the usual ones themselves are left out. Of equal ones the first in the
        order of the alphabet is usual.
    """
    usual_of: dict[str, str] = {}
    for name in _order(names):
        usual_of.setdefault(fold_name(name), name)
    return {name: usual for name in names if (usual := usual_of[fold_name(name)]) != name}


def find_slips(names: Counter[str]) -> dict[str, str]:
    """Find names that are like one of more products but for a letter of one word, or two that changed places.

    The word has `LEAST_LETTERS` or more and begins alike.

    Args:
        names: with the number of products of each.

    Returns:
        Name to the more usual one.
    """
    if len(names) > MOST_SIBLINGS:
        return {}
    slips: dict[str, str] = {}
    by_others: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for name in _order(names):
        words = fold_title(name).split()
        for position, word in enumerate(words):
            if len(word) < LEAST_LETTERS or not word.isalpha():
                continue
            alike = by_others[(*words[:position], word[0], *words[position + 1 :])]
            for other, usual in alike:
                if other != word and DamerauLevenshtein.distance(word, other, score_cutoff=1) == 1:
                    slips[name] = usual
                    break
            alike.append((word, name))
    return slips


def _order(names: Counter[str]) -> list[str]:
    """Order names, the most usual first."""
    return sorted(names, key=lambda name: (-names[name], name))


def _list_siblings(catalog: Catalog) -> dict[Path, Counter[str]]:
    """List the categories below each parent, with the products of each."""
    siblings: dict[Path, Counter[str]] = defaultdict(Counter)
    for path, count in Counter(catalog.paths).items():
        for depth, name in enumerate(path):
            siblings[path[:depth]][name] += count
    return siblings


def _find_spelt(found: list[tuple[int, str]], names: int, name: str, section: str, title: str) -> Iterator[Finding]:
    if found:
        yield Finding(
            name=name,
            section=section,
            title=title,
            harm="A filter or facet value finds the products of one spelling and misses those of the other.",
            remedy="Choose one spelling, and give it to all.",
            weight=MODERATE,
            rows=[row for row, _ in found],
            values=[value for _, value in found],
            groups=names,
            things="spellings",
        )


def _find_separator(paths: Iterable[Path]) -> str:
    """Return the sign that stands in most names where no path has a second level; empty where there is none.

    One name may hold a slash (meat/fish); where four of five do, they are paths that were not split.
    """
    names = [path[0] for path in paths if path]
    if len(names) < 5 or any(len(path) > 1 for path in paths):
        return ""
    return next((sign for sign in "/\\;:," if sum(sign in name for name in names) >= 0.8 * len(names)), "")


def _find_fault(path: Path, separator: str) -> str:
    for name in path:
        if _SEPARATOR.search(name) or (separator and separator in name):
            return f"a path that was not split: {name}"
        if name.strip().isdigit():
            return f"a number: {name}"
        if any(fold_name(part) in _SYSTEM_NAMES for part in re.split(r"[/,;]", name)):
            return f"given by the shop's system: {name}"
    return ""


def _count_below(counts: Counter[Path]) -> Counter[Path]:
    below: Counter[Path] = Counter()
    for path, count in counts.items():
        for depth in range(len(path) + 1):
            below[path[:depth]] += count
    return below


CHECKS = (check_lonely, check_spellings, check_deep, check_names)
