"""The one renderer of model cards: a template of the model, filled with its metrics, in lines of one length."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mercato_training.common.metrics import Estimate

WIDTH = 120
_AS_IT_IS = ("|", "#", "!")


def render_card(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of `mercato_training` and wrap it.

    Templates write figures by filters, in the manner of Python's formats: ``count`` (``{:,}``), ``fixed(digits)``,
    ``percent(digits)``, ``general`` (``{:g}``) and ``interval(signed)`` of an
    estimate.

    Args:
        template: path in the package, as ``ranker/card.md.jinja``.
        values: what the template names; each name has to be there.

    Returns:
        Markdown.
    """
    return wrap_markdown(_open_templates().get_template(template).render(values))


@cache
def _open_templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("mercato_training", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown
    )
    filters: dict[str, Callable[..., str]] = {
        "count": "{:,}".format,
        "fixed": _write_fixed,
        "percent": _write_percent,
        "general": "{:g}".format,
        "interval": _write_interval,
    }
    environment.filters |= filters
    return environment


def _write_fixed(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}"


def _write_percent(value: float, digits: int = 0) -> str:
    return f"{value:.{digits}%}"


def _write_interval(estimate: Estimate, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{estimate.mean:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def wrap_markdown(text: str) -> str:
    """Break paragraphs and lists into lines of at most :data:`WIDTH`; tables, titles and pictures stay as they are.

    Args:
        text: Markdown, blocks divided by empty lines; an empty block is left out.
    """
    blocks = [block.strip("\n") for block in text.split("\n\n")]
    return "\n\n".join(_wrap_block(block) for block in blocks if block.strip()) + "\n"


def _wrap_block(block: str) -> str:
    if block.startswith(_AS_IT_IS):
        return block
    items: list[str] = []
    for line in block.splitlines():
        if line.startswith("- ") or not items:
            items.append(line)
        else:
            items[-1] += f" {line.strip()}"
    return "\n".join(
        textwrap.fill(
            " ".join(item.split()),
            WIDTH,
            subsequent_indent="  " if item.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for item in items
    )
