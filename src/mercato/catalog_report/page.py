"""The page of a report: HTML that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mercato.errors import DataError, MercatoError

if TYPE_CHECKING:
    from jinja2 import Template

_INSTALL = (
    "--out needs matplotlib and jinja2, which are not installed; pip install 'mercato[evaluation]', or leave it out"
    " and ask for --json"
)


def write_page(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page of a report.

    Args:
        path: the file.
        document: the report as JSON values.

    Raises:
        MercatoError: matplotlib or jinja2 is not installed.
        DataError: the file cannot be written.
    """
    text = render_page(document)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise DataError(f"--out {path.parent}: cannot be written ({exc}); choose a folder that can") from exc


def require_page(folder: Path) -> None:
    """Refuse, before minutes are spent on it, a page that could not be written.

    Raises:
        MercatoError: matplotlib or jinja2 is not installed.
        DataError: the folder cannot be made.
    """
    _load_template()
    _import_plots()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DataError(f"--out {folder}: cannot be written ({exc}); choose a folder that can") from exc


def render_page(document: Mapping[str, Any]) -> str:
    """Give the page as text.

    Raises:
        MercatoError: matplotlib or jinja2 is not installed.
    """
    template = _load_template()
    findings = document["findings"]
    found = document["products_with_findings"]
    levels = [(level, sum(one["level"] == level for one in findings)) for level in ("severe", "moderate", "slight")]
    built = document["created"][:16].replace("T", " ")
    said = document.get("recommendations", {}).get("said", "")
    said = f" {said[0].upper()}{said[1:]}." if said else ""
    figures = _draw(document)
    return template.render(
        title="Catalogue report",
        lead=f"{document['snapshot']}, built {built}: {document['products']:,} products.{said}",
        notes=_list_notes(document),
        tiles=[
            {
                "name": "kinds of faults",
                "value": f"{len(findings):,}",
                "note": ", ".join(f"{n} {name}" for name, n in levels),
            },
            {
                "name": "products to look at",
                "value": f"{found:,}",
                "note": f"of {document['products']:,}; not counted is what all of them lack",
            },
        ],
        findings=findings,
        severe=[finding for finding in findings if finding["level"] == "severe"],
        events=document["events_learned"],
        first=figures[:1],
        further=figures[1:],
        thresholds=document["thresholds"],
    )


def _list_notes(document: Mapping[str, Any]) -> list[str]:
    notes = []
    if not document["findings"]:
        notes.append(
            "Nothing was found. That is what the checks say; they do not know whether what stands there is true."
        )
    if not document["events_learned"]:
        notes.append("No events were learned: products count alike, and what nobody buys cannot be told.")
    return notes


def _draw(document: Mapping[str, Any]) -> list[dict[str, str]]:
    plots = _import_plots()
    from mercato.evaluation.page import embed_svg
    from mercato.evaluation.plots import write_svg

    shapes = document["distributions"]
    drawn = []
    if document["findings"]:
        caption = "How many products have each fault; what hurts search most stands first."
        drawn.append(("What was found", caption, plots.draw_findings(document["findings"])))
    caption = "Which share of the products has each field."
    drawn.append(("Fields", caption, plots.draw_fields(document["fields"])))
    powers = shapes["price_powers"]
    if sum(powers["usual"]) + sum(powers["far"]):
        caption = (
            "Each price against the median of its category, or of like products where it has none: cents given as units"
            " make a hill at ×100."
        )
        drawn.append(("Prices", caption, plots.draw_prices(powers)))
    figure = plots.draw_title_lengths(shapes["title_chars"], document["thresholds"]["title_chars"])
    drawn.append(("Titles", "How long titles are.", figure))
    return [
        {"title": title, "caption": caption, "svg": embed_svg(write_svg(figure), title)}
        for title, caption, figure in drawn
    ]


def _import_plots() -> ModuleType:
    try:
        from mercato.catalog_report import plots
    except ImportError as exc:
        raise MercatoError(_INSTALL) from exc
    return plots


@cache
def _load_template() -> Template:
    try:
        from jinja2 import Environment
    except ImportError as exc:
        raise MercatoError(_INSTALL) from exc
    text = resources.files("mercato.catalog_report").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True).from_string(text)
