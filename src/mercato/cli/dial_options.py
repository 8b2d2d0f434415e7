"""Options of `mercato search` and `recommend` that turn dials."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from mercato.errors import InvalidInputError

NoveltyOption = Annotated[float | None, typer.Option(help="From 0 to 1: how much it counts that few know a product.")]
DiversityOption = Annotated[
    float | None, typer.Option(help="From 0, relevance alone, to 1, as unlike each other as can be.")
]
CoverageOption = Annotated[
    float | None, typer.Option(help="From 0 to 1: how far different shoppers see different products.")
]
MarginOption = Annotated[float | None, typer.Option(help="From 0 to 1: how much it counts what a sale brings.")]
MarginFieldOption = Annotated[str | None, typer.Option(help="Field of what a sale brings; the price without.")]
FloorOption = Annotated[
    float | None, typer.Option(help="Share of the best product's probability, below which nothing is raised.")
]
CapOption = Annotated[
    list[str] | None,
    typer.Option("--cap", help="Most of a page with one value of a field, repeatable: brand=3 or categories=30%."),
]
AdultOption = Annotated[
    bool | None, typer.Option("--adult/--no-adult", help="Whether age-restricted products may be shown.")
]


def read_cap(text: str) -> dict[str, Any]:
    """Read a cap as the command line has it: ``FIELD=COUNT`` or ``FIELD=SHARE%``.

    Raises:
        InvalidInputError: it is something else.
    """
    field, equals, amount = text.rpartition("=")
    try:
        number = float(amount.removesuffix("%")) if equals and field.strip() else math.nan
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InvalidInputError(
            "--cap", f"must be a field, = and a number or a share, got {text[:100]!r}", "write brand=3 or brand=30%"
        )
    if amount.endswith("%"):
        return {"field": field.strip(), "share": number / 100}
    return {"field": field.strip(), "count": int(number) if number.is_integer() else number}
