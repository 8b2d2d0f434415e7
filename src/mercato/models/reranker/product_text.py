"""A product as the reranker reads it: one line, the most informative first, because a long one is cut at its end.

Apart from the network, because training and every home of the stage write one and the same text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DESCRIPTION_CLIP_CHARS = 300
ATTRIBUTES_CLIP_CHARS = 300
_SEPARATOR = ". "


def write_product_text(document: Mapping[str, Any]) -> str:
    """Write a product's title, brand, categories, description and attributes, those of its variants too, as one line.

    What was said already is not said again (a brand that stands in the title, a model that is the title), and of the
    attributes texts are given alone: tokens are few, and a number means little without its name.

    Args:
        document: a product document, as `mercato.catalog.product.Product.as_dict` gives it.
    """
    parts = [str(document.get("title", ""))]
    for text in (
        str(document.get("brand", "")),
        " > ".join(map(str, (document.get("categories") or ())[-2:])),
        str(document.get("description", ""))[:DESCRIPTION_CLIP_CHARS],
    ):
        if text and text.lower() not in parts[0].lower():
            parts.append(text)
    said = _SEPARATOR.join(filter(None, parts))
    values = [document.get("attributes") or {}]
    values += (variant.get("attributes") or {} for variant in document.get("variants") or ())
    attributes = ", ".join(_list_attributes(values, said.lower()))
    return " ".join(_SEPARATOR.join(filter(None, (said, attributes[:ATTRIBUTES_CLIP_CHARS]))).split())


def _list_attributes(attributes: Sequence[Mapping[str, Any]], said: str) -> list[str]:
    """List the texts of attributes that are not among what was said, in lower case, and the keys of those that hold.

    Those of the product come first and are all given, then those of its variants, without what was given before.
    """
    texts: list[str] = []
    length = 0
    own = len(attributes[0])
    for number, (key, value) in enumerate(pair for owned in attributes for pair in owned.items()):
        values = value if isinstance(value, list | tuple) else (key.replace("_", " ") if value is True else value,)
        for text in values:
            if not isinstance(text, str) or text.lower() in said or text.startswith(("http://", "https://")):
                continue
            if number >= own and text in texts:
                continue
            texts.append(text)
            length += len(text)
            if length >= ATTRIBUTES_CLIP_CHARS:
                return texts
    return texts
