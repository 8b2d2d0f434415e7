"""A report of a catalogue: every check asked, what they found in the order of how much it hurts, and its files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from mercato.catalog_report import attributes, categories, codes, duplicates, fields, prices, sharing, titles
from mercato.catalog_report.finding import Catalog, Finding, Thresholds, settings_of
from mercato.errors import DataError
from mercato.progress import Progress, no_progress

if TYPE_CHECKING:
    from mercato.index.snapshot import Snapshot

Check = Callable[[Catalog], Iterator[Finding]]
#: A check is a function from the catalogue to what it finds; a new one stands in the tuple of its file.
CHECKS: tuple[Check, ...] = (
    *fields.CHECKS,
    *prices.CHECKS,
    *titles.CHECKS,
    *codes.CHECKS,
    *duplicates.CHECKS,
    *categories.CHECKS,
    *attributes.CHECKS,
    *sharing.CHECKS,
)
EXAMPLES = 20
_TITLE_BINS = (*range(0, 210, 10), 2_001)


def open_catalog(snapshot: Snapshot, thresholds: Thresholds) -> Catalog:
    """Give the products of a snapshot to checks.

    Args:
        snapshot: an open one.
        thresholds: what the shop sets.
    """
    learned = snapshot.manifest.last_event_time is not None
    return Catalog(
        documents=snapshot.documents,
        demand=np.expm1(snapshot.features.log_popularity.astype(np.float64)) if learned else None,
        text_of_row=snapshot.texts.text_of_row,
        dense=snapshot.dense,
        thresholds=thresholds,
    )


def run_checks(catalog: Catalog, checks: Sequence[Check] = CHECKS, progress: Progress = no_progress) -> list[Finding]:
    """Ask every check.

    Args:
        catalog: the products.
        checks: which to ask.
        progress: told of it.

    Returns:
        What they found, in the order of the checks.
    """
    findings: list[Finding] = []
    for number, check in enumerate(checks):
        progress("checking", number, len(checks))
        findings += check(catalog)
    progress("checking", len(checks), len(checks))
    return findings


def describe_report(catalog: Catalog, findings: Sequence[Finding], facts: dict[str, Any]) -> dict[str, Any]:
    """Give a report as JSON values, what hurts most first; what hurts alike by name.

    Args:
        catalog: the products.
        findings: what was found in them.
        facts: of the snapshot, to stand at the top.
    """
    summed = [finding.sum_up(catalog, EXAMPLES) for finding in findings]
    missing = fields.count_missing(catalog)
    return {
        **facts,
        "products": catalog.count,
        "events_learned": catalog.demand is not None,
        "products_with_findings": _count_products(catalog, findings),
        "thresholds": settings_of(catalog.thresholds),
        "findings": sorted(summed, key=lambda one: (-one["hurt"], one["name"])),
        "fields": [
            {"field": name, "missing": count, "of": of, "share": round(count / of, 6)}
            for name, (count, of) in missing.items()
        ],
        "distributions": _describe_distributions(catalog),
    }


def write_findings(path: Path, catalog: Catalog, findings: Sequence[Finding]) -> None:
    """Write every product of every finding as CSV with a byte order mark, which spreadsheets read as UTF-8.

    Args:
        path: the file.
        catalog: the products.
        findings: what was found in them.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("finding", "id", "title", "value"))
            for finding in (finding for finding in findings if finding.listed):
                for position, row in enumerate(finding.rows):
                    product = catalog.product(row)
                    writer.writerow(
                        [
                            _as_text(cell)
                            for cell in (finding.name, product["id"], product["title"], finding.value(position))
                        ]
                    )
    except OSError as exc:
        raise DataError(f"--out {path.parent}: cannot be written ({exc}); choose a folder that can") from exc


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write a report as JSON.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    except OSError as exc:
        raise DataError(f"--out {path.parent}: cannot be written ({exc}); choose a folder that can") from exc


def _count_products(catalog: Catalog, findings: Sequence[Finding]) -> int:
    """Count the products that something was found of, but for what none of them has."""
    found = np.zeros(catalog.count, np.bool_)
    for finding in findings:
        if finding.listed:
            found[np.asarray(finding.rows, np.int64)] = True
    return int(found.sum())


def _as_text(cell: str) -> str:
    """Keep a spreadsheet from reading a cell as a formula: what a catalogue's texts begin with is not ours."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t")) else cell


def _describe_distributions(catalog: Catalog) -> dict[str, Any]:
    """Count what the page draws: characters of titles, and prices by how far they are from what is usual."""
    lengths = Counter(min(len(title), _TITLE_BINS[-2]) // 10 for title in catalog.titles)
    ratios = catalog.once(prices.compare_prices)
    bounds = np.arange(-4.125, 4.25, 0.25)
    powers = np.clip(np.log10(ratios.price / ratios.usual), -4, 4) if len(ratios.rows) else np.zeros(0)

    far = ratios.find_far(catalog.thresholds.price_factor)
    return {
        "title_chars": [lengths[position] for position in range(len(_TITLE_BINS) - 1)],
        "price_powers": {
            "middles": [round(float(value), 2) for value in (bounds[:-1] + bounds[1:]) / 2],
            "usual": np.histogram(powers[~far], bounds)[0].tolist(),
            "far": np.histogram(powers[far], bounds)[0].tolist(),
        },
    }
