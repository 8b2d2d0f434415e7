"""`mercato catalog report`: what a shop would want to clean in its catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.table import Table

from mercato.cli.output import Output

if TYPE_CHECKING:
    from mercato.catalog_report.finding import Thresholds

EPILOG = "Example: mercato catalog report var/demo/catalog --out var/demo/report; then open var/demo/report/report.html"
_SHOWN_EXAMPLES = 3


def report(
    snapshot: Annotated[Path, typer.Argument(help="The catalogue, as `mercato index` built it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html, report.json, and findings.csv with every product found."),
    ] = None,
    price_factor: Annotated[
        float, typer.Option(help="Least factor by which a price is called far from its category.")
    ] = 10.0,
    least_category: Annotated[
        int, typer.Option(help="Priced products that a category needs to say what is usual.")
    ] = 20,
    cosine: Annotated[float, typer.Option(help="Least cosine of near duplicates, up to 1.")] = 0.95,
    near_texts: Annotated[
        int, typer.Option(help="Most texts to look for near ones of, the most popular first.")
    ] = 20_000,
    title_chars: Annotated[int, typer.Option(help="Most characters of a title.")] = 150,
    category_levels: Annotated[int, typer.Option(help="Most levels of a category.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Find what to clean in a catalogue, in the order of how much it hurts search: what, why, where, what to do."""
    output = Output(as_json=as_json)
    with output.handle_errors():
        from mercato.catalog_report.finding import Thresholds

        thresholds = Thresholds(
            price_factor=price_factor,
            least_category=least_category,
            cosine=cosine,
            near_texts=near_texts,
            title_chars=title_chars,
            category_levels=category_levels,
        )
        document = write_report(snapshot, thresholds, out, output)
        if as_json:
            typer.echo(orjson.dumps(document).decode())
        else:
            _show(document, output)


def write_report(snapshot: Path, thresholds: Thresholds, out: Path | None, output: Output) -> dict[str, Any]:
    """Do the work of `mercato catalog report`; returns what `--json` prints.

    Args:
        snapshot: the catalogue.
        thresholds: what the shop sets.
        out: folder of the files; None writes none.
        output: where progress is shown.

    Raises:
        SnapshotError: the snapshot cannot be opened.
        DataError: the folder cannot be written.
        MercatoError: what the page needs is not installed.
    """
    from mercato.catalog_report.page import require_page, write_page
    from mercato.catalog_report.report import describe_report, open_catalog, run_checks, write_document, write_findings
    from mercato.index.snapshot import Snapshot

    opened = Snapshot(snapshot)
    catalog = open_catalog(opened, thresholds)
    if out is not None:
        require_page(out)
    with output.progress() as progress:
        findings = run_checks(catalog, progress=progress)
    facts = {
        "snapshot": str(snapshot),
        "created": opened.manifest.created,
        "recommendations": opened.tuning.describe(),
    }
    document = describe_report(catalog, findings, facts)
    if out is not None:
        write_page(out / "report.html", document)
        write_document(out / "report.json", document)
        write_findings(out / "findings.csv", catalog, findings)
        document["report"] = str(out / "report.html")
    return document


def _show(document: dict[str, Any], output: Output) -> None:
    """Print a table of what was found, and for the first findings why it hurts and what to do."""
    table = Table(title=f"{document['products']:,} products", title_justify="left")
    for name in ("what", "hurts", "products", "%"):
        table.add_column(name, justify="left" if name in ("what", "hurts") else "right")
    for finding in document["findings"]:
        table.add_row(finding["title"], finding["level"], f"{finding['products']:,}", f"{100 * finding['share']:.1f}")
    output.console.print(table)
    for finding in document["findings"][:_SHOWN_EXAMPLES]:
        output.show(f"\n{finding['title']}: {finding['harm']} {finding['remedy']}")
        for example in finding["examples"][:_SHOWN_EXAMPLES]:
            output.show(f"    {example['id']}  {example['title']}: {example['value']}")
    output.show(f"\n{document['recommendations']['said']}")
    if not document["findings"]:
        output.show("nothing to clean was found")
    if "report" in document:
        output.show(f"\nreport: {document['report']}")
    else:
        output.show("\nall of it, with examples and plots: --out FOLDER")
