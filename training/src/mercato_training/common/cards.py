"""Markdown of model cards in lines of one length, whatever was put into a sentence."""

from __future__ import annotations

import textwrap

WIDTH = 120
_AS_IT_IS = ("|", "#", "!")


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
