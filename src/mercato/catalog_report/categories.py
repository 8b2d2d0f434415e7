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
    """Find the most specific categories that hold one product alone, beside others of their parent that hold more."""
    counts = Counter(catalog.paths)
    below = _count_below(counts)
    rows = [
        row
        for row, path in enumerate(catalog.paths)
        if path and counts[path] == 1 and below[path] == 1 and below[path[:-1]] > 1
    ]
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
    """Find categories of one parent, and brands, whose names differ in case, spaces, signs, accents or one letter."""
    by_parent: dict[Path, Counter[str]] = defaultdict(Counter)
    for path, count in Counter(catalog.paths).items():
        for depth, name in enumerate(path):
            by_parent[path[:depth]][name] += count
    rare: dict[tuple[Path, str], str] = {}
    for parent, names in by_parent.items():
        rare |= {(parent, name): usual for name, usual in find_spellings(names, letters=True).items()}
    found = []
    for row, path in enumerate(catalog.paths):
        for depth, name in enumerate(path):
            if usual := rare.get((path[:depth], name)):
                found.append((row, f"{name} beside {usual}" + (f" in {' > '.join(path[:depth])}" if depth else "")))
                break
    yield from _find_spelt(found, len(rare), "category-spellings", "categories", "categories spelt in several ways")
    brands = Counter(brand for brand in catalog.brands if brand)
    rare_brands = find_spellings(brands, letters=False)
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
            title=f"paths of more than {limit} categories",
            harm="Each level is a facet value more, and the words of all of them are searched: products match by what"
            " their paths say. Several paths in one field look like this too.",
            remedy="Give each product one path, from general to specific.",
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


def find_spellings(names: Counter[str], *, letters: bool) -> dict[str, str]:
    """Find names that are another spelling of one that more products have.

    Args:
        names: with the number of products of each.
        letters: also those in which one letter of one word differs, or two changed places, if the words have
            `LEAST_LETTERS` or more and begin alike.

    Returns:
        Name to the most usual spelling of it; the usual ones themselves are left out. Of equal ones the first in the
        order of the alphabet is usual.
    """
    order = sorted(names, key=lambda name: (-names[name], name))
    usual_of: dict[str, str] = {}
    rare: dict[str, str] = {}
    for name in order:
        usual = usual_of.setdefault(fold_name(name), name)
        if usual != name:
            rare[name] = usual
    if letters and len(usual_of) <= MOST_SIBLINGS:
        for name, other in _find_slips(list(usual_of.values())):
            rare[name] = other
    return rare


def _find_slips(names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield names that are like an earlier one but for a letter of one word, with the earlier one."""
    by_others: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for name in names:
        words = fold_title(name).split()
        for position, word in enumerate(words):
            if len(word) < LEAST_LETTERS or not word.isalpha():
                continue
            alike = by_others[(*words[:position], word[0], *words[position + 1 :])]
            for other, usual in alike:
                if other != word and DamerauLevenshtein.distance(word, other, score_cutoff=1) == 1:
                    yield name, usual
                    break
            alike.append((word, name))


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
