"""Rows that are one product: joined into it, each as a variant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mercato.catalog.problems import LeftOut
from mercato.catalog.values import to_id, to_text

# What a row says of its variant; the rest is the product's.
_VARIANT_FIELDS = ("price", "currency", "availability", "image_uri", "uri")


@dataclass(slots=True, kw_only=True)
class ReadRow:
    """A row that was read, before it is a product.

    Attributes:
        line: where it is.
        document: product fields, see `ColumnMapping.read`.
        left_out: what could not be read of it.
        group: what is the same in all rows of its product; empty where it is not grouped.
        parent: the id (or code) of the product that it is a variant of; empty where it is none.
        children: ids of rows that are variants of it.
        variant_id: its own id as a variant; empty where the file has none.
        codes: other names that rows may call it by.
        is_picture: whether it brings a picture alone.
        is_hidden: whether the shop says that it is not for sale.
    """

    line: int
    document: dict[str, Any]
    left_out: list[LeftOut] = field(default_factory=list)
    group: str = ""
    parent: str = ""
    children: Sequence[str] = ()
    variant_id: str = ""
    codes: Sequence[str] = ()
    is_picture: bool = False
    is_hidden: bool = False


def read_parent(value: Any) -> str:
    """Read the parent of a variant: an id or a code; WooCommerce writes ``id:123`` for an id."""
    text = to_id(value)
    return text.removeprefix("id:") if isinstance(text, str) else ""


def read_children(value: Any) -> list[str]:
    """Read the ids of a product's variants: a list, or Magento's ``sku=A,size=S|sku=B,size=M``."""
    if isinstance(value, list):
        return [str(item) for item in value if item is not None]
    text = to_text(value)
    if not isinstance(text, str):
        return []
    if "sku=" not in text:
        return [part.strip() for part in text.split(",") if part.strip()]
    return [match.strip() for match in re.findall(r"(?:^|\|)(?:[^|]*,)?sku=([^,|]+)", text)]


def are_runs(groups: Iterable[Any]) -> bool:
    """Tell whether all rows of a group follow one another.

    Args:
        groups: that of each row, in the order of the file; empty where it has none.
    """
    seen: set[Any] = set()
    last: Any = ""
    for group in groups:
        if group == last:
            continue
        if group in seen:
            return False
        if group:
            seen.add(group)
        last = group
    return True


def join_rows(rows: Iterable[ReadRow]) -> list[tuple[ReadRow, int]]:
    """Join rows of one product.

    Args:
        rows: in the order of the file.

    Returns:
        For each product its row, with its ``variants`` in the document, and of how many rows it was made; in the order
        of the file. A variant whose parent is not in the file stays a product of its own.
    """
    held = list(rows)
    root_of = _find_roots(held)
    members: dict[int, list[ReadRow]] = {}
    for at, row in enumerate(held):
        members.setdefault(root_of.get(at, at), []).append(row)
    joined = []
    for at in sorted(members):
        if held[at].is_hidden:
            continue
        group = [row for row in members[at] if not row.is_hidden]
        if len(group) == 1 and not group[0].group:
            joined.append((group[0], 1))
        else:
            joined.append((_join(held[at], group), len(group)))
    return joined


def _find_roots(rows: Sequence[ReadRow]) -> dict[int, int]:
    """Find for each row that belongs to another the position of that one."""
    by_name: dict[str, int] = {}
    parent_of: dict[str, int] = {}
    for at, row in enumerate(rows):
        for name in (row.document.get("id"), *row.codes):
            if isinstance(name, str) and name and not row.parent:
                by_name.setdefault(name, at)
        for child in row.children:
            parent_of.setdefault(child, at)
    first_of: dict[str, int] = {}
    roots: dict[int, int] = {}
    for at, row in enumerate(rows):
        if row.group:
            first = first_of.setdefault(row.group, at)
            if first != at:
                roots[at] = first
        elif row.parent:
            roots[at] = by_name.get(row.parent, at)
        elif row.document.get("id") in parent_of and parent_of[row.document["id"]] != at:
            roots[at] = parent_of[row.document["id"]]
    return {at: root for at, root in roots.items() if roots.get(root, root) == root}


def _join(root: ReadRow, rows: list[ReadRow]) -> ReadRow:
    """Make one product of its rows."""
    head = root if root.document.get("title") else next((row for row in rows if row.document.get("title")), root)
    document = dict(head.document)
    for row in rows:
        for name, value in row.document.items():
            if name not in document and name not in (*_VARIANT_FIELDS, "attributes"):
                document[name] = value
    if root.group:
        document["id"] = root.group
    left_out = [problem for row in rows for problem in row.left_out]
    carriers = [row for row in rows if (root.group or row is not root) and not row.is_picture]
    if "image_uri" not in document:
        pictures = [row.document["image_uri"] for row in rows if "image_uri" in row.document]
        document.update({"image_uri": pictures[0]} if pictures else {})
    if len(carriers) == 1 and root.group:
        document.update({name: value for name, value in carriers[0].document.items() if name not in document})
        code = carriers[0].variant_id
        if code and code != document.get("id"):  # orders and price lists name it
            document["variants"] = [{"id": code}]
        return ReadRow(line=root.line, document=document, left_out=left_out)
    if carriers:
        _put_variants(document, carriers, grouped=bool(root.group))
    return ReadRow(line=root.line, document=document, left_out=left_out)


def _put_variants(document: dict[str, Any], carriers: Sequence[ReadRow], *, grouped: bool) -> None:
    own: Mapping[str, Any] = document.get("attributes", {})
    if grouped:
        common = _find_common([row.document.get("attributes", {}) for row in carriers])
        # what only the first row says is the product's, where no other row says anything of it
        others = {name for row in carriers[1:] for name in row.document.get("attributes", {})}
        own = {name: value for name, value in own.items() if name in common or name not in others}
        for name in _VARIANT_FIELDS:
            if len({str(row.document.get(name)) for row in carriers}) > 1 and name != "image_uri":
                document.pop(name, None)
    else:
        document.pop("price", None)
        document.pop("availability", None)
    if own:
        document["attributes"] = dict(own)
    else:
        document.pop("attributes", None)
    variants: list[dict[str, Any]] = []
    seen: set[str] = set()
    for position, row in enumerate(carriers, 1):
        variant_id = row.variant_id or str(row.document.get("id") or "")
        if not variant_id or variant_id in seen or (grouped and variant_id == document.get("id")):
            variant_id = _name_variant(str(document.get("id", "")), row, position, seen)
        seen.add(variant_id)
        variant: dict[str, Any] = {"id": variant_id}
        title = row.document.get("title")
        if title and title != document.get("title"):
            variant["title"] = title
        variant.update(
            {
                name: row.document[name]
                for name in _VARIANT_FIELDS
                if name != "currency" and name in row.document and row.document[name] != document.get(name)
            }
        )
        differing = {
            name: value for name, value in row.document.get("attributes", {}).items() if own.get(name) != value
        }
        if differing:
            variant["attributes"] = differing
        variants.append(variant)
    document["variants"] = variants


def _find_common(objects: Sequence[Mapping[str, Any]]) -> set[str]:
    first = objects[0]
    return {name for name, value in first.items() if all(other.get(name) == value for other in objects[1:])}


def _name_variant(product_id: str, row: ReadRow, position: int, seen: set[str]) -> str:
    """Name a variant that the file gives no id of its own: by its product and what it differs in."""
    values = [str(value) for value in row.document.get("attributes", {}).values() if isinstance(value, str)]
    name = "-".join([product_id, *values[:2]]) if values else f"{product_id}-{position}"
    return name if name not in seen else f"{product_id}-{position}"
