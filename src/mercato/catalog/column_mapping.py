"""From the columns of somebody's file to the fields of a product: what ``--map`` and the shop's format say of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mercato.catalog.field_names import list_readings, write_field
from mercato.catalog.grouping import ReadRow, read_children, read_parent
from mercato.catalog.map_arguments import IGNORE, ROW_NUMBER, check_target, suggest_column
from mercato.catalog.measures import Measure, find_measure
from mercato.catalog.offer import Offer
from mercato.catalog.problems import LeftOut
from mercato.catalog.product import PRODUCT_FIELDS
from mercato.catalog.shop_formats import OFFER_FIELDS, ShopFormat, normal_name
from mercato.catalog.sources import AttributeColumn, ColumnPlan, Source, Step, alone, keep, read_value
from mercato.catalog.values import (
    CategoryStyle,
    PriceReader,
    TimeReader,
    add_attribute,
    can_be_attribute,
    split_list,
    to_address,
    to_availability,
    to_currency,
    to_id,
    to_object,
    to_text,
    unpack_attributes,
)
from mercato.errors import DataError, InvalidInputError
from mercato.tables.table import Row, Table, says_nothing
from mercato.text.numbers import find_decimal_mark

REQUIRED_FIELDS = ("id", "title")

_SCALED = re.compile(r"(.+?)\s*([*/])\s*(\d+(?:\.\d+)?)")
# What says of a row that it is not for sale; Magento writes 2, WooCommerce -1.
_UNPUBLISHED = frozenset({"0", "-1", "2", "false", "no", "n", "draft", "archived", "hidden", "disabled", "private"})


@dataclass(frozen=True, slots=True)
class Understood:
    """How a column was understood.

    Attributes:
        column: its name in the file.
        meaning: the field that it becomes, ``attributes.KEY``, or why it is left out.
        how: how its values are read, where that is not plain.
    """

    column: str
    meaning: str
    how: str = ""


class ColumnMapping:
    """Turns rows of a file into product documents.

    A field takes the column that is mapped to it, the one that the shop's format has for it, or the one of its own
    name (which others may use too). A source is a column, several separated by commas (texts are joined by a space,
    categories follow each other), or ``COLUMN/100``, ``COLUMN*1.2`` for the price; ``id=ROW`` numbers the rows of a
    file without ids. Values are read leniently (`mercato.catalog.values`); what cannot be read is left out and
    told. Every other column becomes an attribute of its name, but for lists that are too long or hold more than
    texts and numbers (vectors, reviews): no filter could use them. A column mapped to ``attributes`` holds JSON
    objects. Of a shop's format that is read without a mapping, columns that no shopper could use are left out.
    """

    def __init__(
        self,
        mapping: Mapping[str, str],
        table: Table,
        file_name: str,
        *,
        shop: ShopFormat | None = None,
        group_by: str = "",
        now: float = 0.0,
        required: Sequence[str] = REQUIRED_FIELDS,
        only_named: bool = False,
    ) -> None:
        """Resolve a mapping against a file's columns.

        Args:
            mapping: target -> source, as from `parse_mapping`.
            table: the file.
            file_name: for messages.
            shop: the format of the shop system that wrote it.
            group_by: the column whose value is the same in all rows of one product.
            now: the moment for which sale prices hold, seconds since 1970 UTC.
            required: fields that must have a source.
            only_named: leave out columns that are neither mapped, nor named as a field, nor ``attributes.KEY``.

        Raises:
            InvalidInputError: an unknown target.
            DataError: a source is not in the file, or a required field has none; the message lists the columns there
                are and the ``--map`` to write.
        """
        self._columns = list(table.columns)
        self._known = frozenset(self._columns)
        self._profiles = table.profiles
        self._file_name = file_name
        self._shop = shop
        self._by_normal = {normal_name(column): column for column in reversed(self._columns)}
        self._scale: tuple[str, float] | None = None
        self._sources: dict[str, Source] = {}
        for target, source in mapping.items():
            check_target(target)
            self._sources[target] = Source(self._resolve(target, source))
        for name, own_source in self._list_own_sources().items():
            self._sources.setdefault(name, own_source)
        if only_named:
            for column in self._columns:
                if column.startswith("attributes."):
                    self._sources.setdefault(list_readings(column)[0], Source([column]))
        self._check_required(required)
        self._group = self._find_group(group_by)
        has_parents = any(name in self._sources for name in ("parent", "children"))
        self.is_grouped = bool(self._group) or has_parents
        self.group_column = "" if has_parents else self._group
        self._can_hide = "published" in self._sources or bool(shop and shop.hidden)
        self._numbered = self._sources.get("id") == Source([ROW_NUMBER]) and ROW_NUMBER not in self._known
        self._offer = self._plan_offer(now)
        self._steps = self._plan_steps()
        self._only_named = only_named
        self._is_complete = only_named or table.is_complete
        self._pairs = [] if only_named else self._plan_pairs()
        self._option_names: dict[str, tuple[str, str]] = {}
        self._attributes = self._plan_attributes(table, is_mapped=bool(mapping))

    @property
    def as_written(self) -> list[str]:
        """Columns whose numbers are texts: ids and codes."""
        named = [self._sources[name].columns for name in ("id", "variant_id", "parent") if name in self._sources]
        return [column for columns in named for column in columns] + ([self._group] if self._group else [])

    @property
    def fields(self) -> set[str]:
        """Fields that the file has columns for: names such as ``availability`` and ``attributes.colour``."""
        fields = {name for name in self._sources if name not in (IGNORE, "id", "attributes", *OFFER_FIELDS)}
        if "sale_price" in self._sources:
            fields.add("price")
        if "stock" in self._sources:
            fields.add("availability")
        return fields

    @property
    def left_out(self) -> list[str]:
        """Columns that become nothing."""
        return [one.column for one in self.understood if one.meaning == "left out"]

    @property
    def understood(self) -> list[Understood]:
        """How each column was understood, in the order of the file."""
        meanings: dict[str, list[str]] = {column: [] for column in self._columns}
        ways: dict[str, str] = {}
        for target, source in self._sources.items():
            for column in source.columns:
                if column in meanings:
                    meanings[column].append("left out" if target == IGNORE else write_field(target))
        if self._group:
            meanings[self._group].append("the same in all rows of one product")
        for name_column, value_column in self._pairs:
            meanings[name_column].append("the name of an attribute")
            meanings[value_column].append(f"the attribute that {name_column} names")
        for name in self._shop.hidden if self._shop else ():
            if name in self._by_normal:
                meanings[self._by_normal[name]].append("whether the row is for sale")
        for attribute in self._attributes:
            meanings[attribute.column].append(
                write_field(f"attributes.{attribute.name}") if attribute.name else "attributes"
            )
            ways[attribute.column] = attribute.how
        for name in ("price", "sale_price", "list_price"):
            for column in self._sources[name].columns if name in self._sources else ():
                mark = self._offer.prices.decimal_mark
                ways[column] = f"decimal mark {mark!r}" if mark else ""
        for column in self._sources["available_time"].columns if "available_time" in self._sources else ():
            ways[column] = "day numbers of a spreadsheet" if self._plan_times("available_time").are_days else ""
        if self._shop and self._shop.categories.lists and "categories" in self._sources:
            style = self._shop.categories
            for column in self._sources["categories"].columns:
                ways[column] = f"paths separated by {style.lists!r}, their steps by {style.path!r}"
        return [
            Understood(column, " and ".join(dict.fromkeys(found)) or "left out", ways.get(column, ""))
            for column, found in meanings.items()
        ]

    @property
    def plan(self) -> ColumnPlan | None:
        """What each column alone becomes; None where more than that is asked of a row."""
        if self.is_grouped or self._can_hide or self._numbered or self._pairs or not self._is_complete:
            return None
        if "attributes" in self._sources:
            return None
        sources = {name: self._sources[name] for name in self._offer.sources}
        return ColumnPlan(self._steps, self._attributes, self._offer, sources)

    def read(self, row: Row, number: int = 0) -> ReadRow:
        """Make the product document of one row; `parse_leniently` checks it.

        Args:
            row: column -> value; columns may be missing.
            number: of the row in the file.

        Returns:
            The row, with what could not be read of it.
        """
        left_out: list[LeftOut] = []
        document: dict[str, Any] = {"id": str(number)} if self._numbered else {}
        for target, column, source, convert in self._steps:
            value = None if column is None else row.get(column)
            if type(value) is str and (says_nothing(value) if target != "id" else not value or value.isspace()):
                continue
            try:
                if type(value) is not str:
                    value = read_value(row, target, source, convert)
                elif convert is not to_text:
                    value = convert(value)
            except InvalidInputError as exc:
                left_out.append(LeftOut.of(exc))
                continue
            if value is not None:
                document[target] = value
        attributes = self._read_attributes(row, left_out)
        self._offer.fill(row, document, attributes, left_out)
        if attributes:
            document["attributes"] = attributes
        if not self.is_grouped:
            return ReadRow(line=number, document=document, left_out=left_out, is_hidden=self._is_hidden(row))
        group = to_id(row.get(self._group)) if self._group else None
        own_id = document.get("id")
        variant_id = to_id(self._find(row, "variant_id")) or own_id
        return ReadRow(
            line=number,
            document=document,
            left_out=left_out,
            group=group if isinstance(group, str) else "",
            parent=read_parent(self._find(row, "parent")),
            children=read_children(self._find(row, "children")),
            variant_id=variant_id if isinstance(variant_id, str) else "",
            codes=[code for code in (attributes.get("sku"), attributes.get("SKU")) if isinstance(code, str)],
            is_picture=bool(group) and set(document) <= {"id", "image_uri"},
            is_hidden=self._is_hidden(row),
        )

    def _find(self, row: Row, target: str) -> Any:
        source = self._sources.get(target)
        return source.first(row) if source else None

    def _is_hidden(self, row: Row) -> bool:
        if not self._can_hide:
            return False
        for name, values in self._shop.hidden.items() if self._shop else ():
            value = to_text(row.get(self._by_normal.get(name, "")))
            if isinstance(value, str) and (not values or value.strip().lower() in values):
                return True
        published = to_text(self._find(row, "published"))
        return isinstance(published, str) and published.strip().lower() in _UNPUBLISHED

    def _read_attributes(self, row: Row, left_out: list[LeftOut]) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        packed = self._sources.get("attributes")
        for column in packed.columns if packed else ():
            try:
                attributes.update(to_object(row.get(column)))
            except InvalidInputError as exc:
                left_out.append(LeftOut.of(exc))
        for name_column, value_column in self._pairs:
            name = self._name_option(row, name_column)
            value = split_list(row.get(value_column))
            if name and (name, value) != ("Title", "Default Title"):
                add_attribute(attributes, name, value)
        for attribute in self._attributes:
            value = row.get(attribute.column)
            if value is None or (type(value) is str and says_nothing(value)):
                continue
            if attribute.read is keep and type(value) is str and attribute.name not in attributes:
                attributes[attribute.name] = value
            else:
                add_attribute(attributes, attribute.name, attribute.read(value))
        if not self._is_complete and not row.keys() <= self._known:
            for column, value in row.items():
                if column not in self._known and can_be_attribute(value):
                    add_attribute(attributes, column, value)
        return attributes

    def _name_option(self, row: Row, column: str) -> str:
        """Give an option's name; only the first row of a product has it, those that follow go by it."""
        group = str(row.get(self._group, "")) if self._group else ""
        name = to_text(row.get(column))
        if isinstance(name, str):
            self._option_names[column] = group, name.strip()
            return name.strip()
        held_of, held = self._option_names.get(column, ("", ""))
        return held if group and held_of == group else ""

    def _list_own_sources(self) -> dict[str, Source]:
        """List what fields have without a mapping: the shop format's columns, and those of their own names."""
        sources: dict[str, Source] = {}
        for target, names in self._shop.fields.items() if self._shop else ():
            columns = [self._by_normal[name] for name in names if name in self._by_normal]
            if columns:
                sources[target] = Source(columns, is_joined=False)
        for name in PRODUCT_FIELDS:
            if name in self._known:
                sources.setdefault(name, Source([name]))
        return sources

    def _find_group(self, wanted: str) -> str:
        if wanted:
            if wanted not in self._known:
                raise DataError(self._tell_missing(wanted, f"--group-by {wanted}"))
            return wanted
        names = self._shop.group if self._shop else ()
        return next((self._by_normal[name] for name in names if name in self._by_normal), "")

    def _plan_steps(self) -> list[Step]:
        """Plan how fields are read: their target, their column if it is one alone, their source, and what reads it."""
        categories = self._shop.categories if self._shop else CategoryStyle()
        converters: dict[str, Callable[[Any], Any]] = {
            "id": to_id,
            "categories": categories.read,
            "available_time": self._plan_times("available_time").read,
            "image_uri": to_address,
            "availability": to_availability,
            "currency": to_currency,
            "variants": lambda value: value or None,
        }
        return [
            Step(name, alone(self._sources[name]), self._sources[name], converters.get(name, to_text))
            for name in PRODUCT_FIELDS
            if name in self._sources and name not in ("price", "attributes") and not (name == "id" and self._numbered)
        ]

    def _sample(self, *targets: str) -> list[str]:
        """Give values of the columns of some targets, for what their values have in common."""
        columns = [column for name in targets if name in self._sources for column in self._sources[name].columns]
        return [text for column in columns if column in self._profiles for text in self._profiles[column].sample]

    def _plan_times(self, *targets: str) -> TimeReader:
        return TimeReader.of(self._sample(*targets))

    def _plan_offer(self, now: float) -> Offer:
        return Offer(
            {name: self._sources[name].first for name in ("price", *OFFER_FIELDS) if name in self._sources},
            PriceReader(find_decimal_mark(self._sample("price", "sale_price", "list_price"))),
            self._plan_times("sale_start", "sale_end"),
            scale=self._scale,
            now=now,
        )

    def _plan_pairs(self) -> list[tuple[str, str]]:
        pairs = []
        for pattern, value_name in self._shop.pairs.items() if self._shop else ():
            for column in self._columns:
                match = re.fullmatch(pattern, normal_name(column))
                value_column = self._by_normal.get(value_name.format(*match.groups())) if match else None
                if value_column is not None:
                    pairs.append((column, value_column))
        return pairs

    def _plan_attributes(self, table: Table, *, is_mapped: bool) -> list[AttributeColumn]:
        shop = self._shop
        taken = {
            column
            for target, source in self._sources.items()
            if target not in OFFER_FIELDS or not is_mapped
            if not target.startswith("attributes.")
            for column in source.columns
        }
        plan = [
            self._read_attribute(source.columns[0], target.removeprefix("attributes."))
            for target, source in self._sources.items()
            if target.startswith("attributes.")
        ]
        named = {attribute.column for attribute in plan}
        paired = {column for pair in self._pairs for column in pair}
        categories = self._sources["categories"].columns[0] if "categories" in self._sources else ""
        for column in () if self._only_named else self._columns:
            name = table.repeated.get(column, column)
            name = shop.name_attribute(name) if shop is not None and not is_mapped else name
            if column in named:
                continue
            if shop is not None and not is_mapped:
                normal = normal_name(column)
                if normal in shop.attributes and column != categories:
                    plan.append(self._read_attribute(column, shop.attributes[normal]))
                    continue
                if shop.is_ignored(column) or column in paired:
                    continue
            if column not in taken:
                plan.append(self._read_attribute(column, name))
                measure = self._find_measure(column, name)
                if measure is not None:
                    plan.append(AttributeColumn(column, measure.number_name, measure.read, "numbers of its unit"))
        return plan

    def _read_attribute(self, column: str, name: str) -> AttributeColumn:
        profile = self._profiles.get(column)
        if profile is not None and profile.is_number:
            to_number = profile.to_number
            how = "numbers with a decimal comma" if profile.decimal_comma else "numbers"
            return AttributeColumn(
                column, name, lambda value: to_number(value) if isinstance(value, str) else value, how
            )
        normal = normal_name(column)
        if self._shop and normal in self._shop.lists:
            return AttributeColumn(column, name, split_list, "a list, separated by commas")
        if self._shop and normal in self._shop.packed:
            return AttributeColumn(column, "", unpack_attributes, "several attributes, NAME=VALUE")
        return AttributeColumn(column, name, keep)

    def _find_measure(self, column: str, name: str) -> Measure | None:
        profile = self._profiles.get(column)
        return None if self._shop is None or profile is None else find_measure(name, profile.sample)

    def _resolve(self, target: str, source: str) -> list[str]:
        if source in self._known or (target == "id" and source == ROW_NUMBER):
            return [source]
        scaled = _SCALED.fullmatch(source)
        if scaled and scaled[1] in self._known:
            factor = float(scaled[3])
            if target != "price" or factor == 0:
                raise InvalidInputError(
                    "--map", f"only price can be scaled, by a number above 0, got {target}={source}"
                )
            self._scale = (scaled[2], factor)
            return [source[: scaled.end(1)]]
        names = [name.strip() for name in source.split(",")]
        missing = [name for name in names if name not in self._known]
        if missing:
            raise DataError(self._tell_missing(missing[0], f"--map {target}={source}"))
        return names

    def _tell_missing(self, column: str, option: str) -> str:
        close = get_close_matches(column, self._columns, 1)
        return f"{self._file_name} has no column {column!r} ({option}); its columns: {', '.join(self._columns)}" + (
            f"; did you mean {close[0]!r}?" if close else ""
        )

    def _check_required(self, required: Sequence[str]) -> None:
        missing = [name for name in required if name not in self._sources]
        if not missing:
            return
        taken = {column for source in self._sources.values() for column in source.columns}
        free = [column for column in self._columns if column not in taken]
        remedy = " ".join(f"--map {name}={suggest_column(name, free)}" for name in missing)
        raise DataError(
            f"{self._file_name} has no column for {' and '.join(missing)}; its columns: "
            f"{', '.join(self._columns) or 'none'}; name the right one, for example {remedy}"
            + (f" (--map id={ROW_NUMBER} numbers the rows)" if "id" in missing else "")
        )
