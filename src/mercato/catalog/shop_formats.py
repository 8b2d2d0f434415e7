"""Exports of common shops: how each is told by its columns, and what its columns mean. Declarations only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mercato.catalog.translated_headers import translate_header
from mercato.catalog.values import CategoryStyle
from mercato.errors import InvalidInputError

#: What a file may say of an offer beside the fields of a product; read into price, availability and attributes.
OFFER_FIELDS = (
    "sale_price", "sale_dates", "sale_start", "sale_end", "list_price", "stock", "stock_tracker", "backorders",
    "published", "variant_id", "parent", "children",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ShopFormat:
    """What the columns of one shop system's export mean. Column names are compared by `normal_name`.

    Attributes:
        name: what `--format` is given.
        title: for people.
        signature: a file is of this format if it has all of these columns,
        any_of: and so many of these.
        fields: field of a product, or of `OFFER_FIELDS` -> columns; in each row the first that is filled counts.
        attributes: column -> the attribute that it becomes; other columns keep their names.
        lists: columns that hold lists, separated by commas.
        pairs: columns (patterns) that name an attribute -> the column of its value, by the name's groups.
        packed: columns that hold several attributes, ``colour=red,size=M``.
        ignored: columns (patterns) that are of no use to shoppers.
        categories: how categories are written.
        group: columns whose value is the same in all rows of one product; the first that there is counts.
        hidden: column -> values (small letters) of rows that are not for sale.
    """

    name: str
    title: str
    signature: frozenset[str]
    any_of: tuple[int, frozenset[str]] = (0, frozenset())
    fields: Mapping[str, tuple[str, ...]]
    attributes: Mapping[str, str] = field(default_factory=dict)
    lists: frozenset[str] = frozenset()
    pairs: Mapping[str, str] = field(default_factory=dict)
    packed: frozenset[str] = frozenset()
    ignored: Sequence[str] = ()
    categories: CategoryStyle = CategoryStyle()
    group: Sequence[str] = ()
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_ignored(self, column: str) -> bool:
        """Tell whether a column is of no use to shoppers."""
        name = normal_name(column)
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)

    def name_attribute(self, column: str) -> str:
        """Give the attribute that a column becomes which has no other meaning: without what the shop adds to it."""
        name = _ADDED.sub("", column).strip()
        return name or column


# Google's prefix, and what Shopify writes behind the name of a metafield.
_ADDED = re.compile(r"^g:|\s*\(product\.metafields\.[\w.-]+\)$")


def normal_name(column: str) -> str:
    """Give a column's name as names are compared: small letters, single spaces, no ``g:`` before it, English."""
    return translate_header(re.sub(r"[\s_-]+", " ", column.strip().lower().removeprefix("g:")).strip())


GOOGLE_MERCHANT = ShopFormat(
    name="google-merchant",
    title="Google Merchant",
    signature=frozenset({"id", "title", "link"}),
    any_of=(
        2,
        frozenset(
            {
                "availability", "availability date", "brand", "condition", "google product category", "gtin",
                "image link", "item group id", "mpn", "price", "product type", "sale price",
            }
        ),
    ),
    fields={
        "id": ("id",),
        "title": ("title", "structured title"),
        "description": ("description", "structured description", "summary"),
        "brand": ("brand",),
        "categories": ("product type", "google product category"),
        "price": ("price",),
        "sale_price": ("sale price",),
        "sale_dates": ("sale price effective date",),
        "availability": ("availability",),
        "available_time": ("availability date",),
        "image_uri": ("image link",),
        "uri": ("link",),
    },
    ignored=(
        "additional image link", "mobile link", "canonical link", "link template", "mobile link template",
        "shipping.*", "tax.*", "ads .*", "adwords.*", "excluded destination", "included destination", "pause",
        "identifier exists", "cost of goods sold", "min handling time", "max handling time",
        "transit time label", "expiration date", "installment.*", "loyalty.*", "sell on google quantity",
        "return .*", "promotion id", "lifestyle image link", "virtual model link", "pubdate", "guid", "updated",
        "author",
    ),
)  # fmt: skip

SHOPIFY = ShopFormat(
    name="shopify",
    title="Shopify",
    signature=frozenset({"title"}),
    any_of=(
        3,
        frozenset(
            {
                "handle", "url handle", "vendor", "variant sku", "variant price", "variant inventory qty",
                "body (html)", "option1 name", "option1 value", "compare at price", "published on online store",
            }
        ),
    ),
    fields={
        "id": ("handle", "url handle"),
        "title": ("title",),
        "description": ("body (html)", "body html", "description"),
        "brand": ("vendor",),
        "categories": ("product category", "type", "product type", "custom product type"),
        "price": ("variant price", "price"),
        "image_uri": ("image src", "product image url", "variant image", "variant image url"),
        "variant_id": ("variant sku", "sku", "variant barcode", "barcode"),
        "list_price": ("variant compare at price", "compare at price"),
        "stock": ("variant inventory qty", "inventory quantity"),
        "stock_tracker": ("variant inventory tracker", "inventory tracker"),
        "backorders": ("variant inventory policy", "continue selling when out of stock"),
        "published": ("published", "published on online store"),
    },
    attributes={
        "variant sku": "sku",
        "sku": "sku",
        "variant barcode": "gtin",
        "barcode": "gtin",
        "variant grams": "weight_grams",
        "weight value (grams)": "weight_grams",
        "type": "product_type",
        "product type": "product_type",
        "custom product type": "product_type",
    },
    lists=frozenset({"tags"}),
    pairs={r"option(\d) name": "option{0} value"},
    ignored=(
        r"option\d linked to", "image .*", "variant .*", "seo .*", "gift card", "google shopping.*",
        "collection", "standard product type", "price / .*", "compare at price / .*", "included / .*",
        "cost per item", "template suffix", "charge tax", "tax code", "requires shipping",
        "fulfillment service", "weight unit for display", "inventory tracker", "product image url",
        "variant image url", "unit price.*", "published scope", "status",
    ),
    group=("handle", "url handle"),
    hidden={"status": frozenset({"draft", "archived"})},
)  # fmt: skip

WOOCOMMERCE = ShopFormat(
    name="woocommerce",
    title="WooCommerce",
    signature=frozenset({"type", "name", "sku"}),
    any_of=(2, frozenset({"regular price", "in stock?", "published", "tax status", "visibility in catalog", "parent"})),
    fields={
        "id": ("id", "sku"),
        "title": ("name",),
        "description": ("description", "short description"),
        "brand": ("brands", "brand"),
        "categories": ("categories",),
        "price": ("regular price",),
        "sale_price": ("sale price",),
        "sale_start": ("date sale price starts",),
        "sale_end": ("date sale price ends",),
        "availability": ("in stock?",),
        "stock": ("stock",),
        "backorders": ("backorders allowed?",),
        "image_uri": ("images",),
        "uri": ("external url",),
        "published": ("published",),
        "parent": ("parent",),
    },
    attributes={"sku": "sku", "gtin, upc, ean, or isbn": "gtin"},
    lists=frozenset({"tags"}),
    pairs={r"attribute (\d+) name": "attribute {0} value(s)"},
    ignored=(
        "type", "published", "is featured\\?", "visibility in catalog", "tax status", "tax class",
        "low stock amount", "sold individually\\?", "allow customer reviews\\?", "purchase note",
        "shipping class", "download .*", "grouped products", "upsells", "cross sells", "button text",
        "position", "swatches attributes", "meta: .*", r"attribute \d+ (?:visible|global|default)",
        r"attribute \d+ name", r"attribute \d+ value\(s\)", "short description",
    ),
    categories=CategoryStyle(path=">", lists=","),
    hidden={"visibility in catalog": frozenset({"hidden"})},
)  # fmt: skip

MAGENTO = ShopFormat(
    name="magento",
    title="Magento 2",
    signature=frozenset({"sku", "name"}),
    any_of=(2, frozenset({"attribute set code", "product type", "product websites", "additional attributes"})),
    fields={
        "id": ("sku",),
        "title": ("name",),
        "description": ("description", "short description"),
        "brand": ("manufacturer", "brand"),
        "categories": ("categories",),
        "price": ("price",),
        "sale_price": ("special price",),
        "sale_start": ("special price from date",),
        "sale_end": ("special price to date",),
        "availability": ("is in stock",),
        "stock": ("qty",),
        "backorders": ("allow backorders",),
        "image_uri": ("base image",),
        "published": ("product online",),
        "children": ("configurable variations",),
    },
    packed=frozenset({"additional attributes"}),
    ignored=(
        "store view code", "attribute set code", "product type", "product websites", "product online",
        "tax class name", "visibility", "special price.*", "url key", "meta .*", ".* image", ".* image label",
        "created at", "updated at", "new (?:from|to) date", "display product options in", "map .*", "msrp.*",
        "gift message available", "custom .*", "page layout", "product options container", "out of stock qty",
        "use config .*", "is qty decimal", "allow backorders", "min cart qty", "max cart qty",
        "notify on stock below", "manage stock", "qty increments", "enable qty increments",
        "is decimal divided", "website id", "related .*", "crosssell .*", "upsell .*", "additional images",
        "additional image labels", "hide from product page", "bundle .*", "associated skus",
        "configurable variation.*", "country of manufacture code", "downloadable .*", "giftcard.*",
        "short description",
    ),
    categories=CategoryStyle(path="/", lists=",", dropped=frozenset({"Default Category"})),
    hidden={"store view code": frozenset()},
)  # fmt: skip

SHOP_FORMATS = (SHOPIFY, WOOCOMMERCE, MAGENTO, GOOGLE_MERCHANT)
FORMAT_NAMES = ("auto", "plain", *(one.name for one in SHOP_FORMATS))


def find_format(columns: Sequence[str], wanted: str = "auto") -> ShopFormat | None:
    """Find out which shop's export a file is.

    Args:
        columns: the file's.
        wanted: one of `FORMAT_NAMES`; ``plain`` is none.

    Raises:
        InvalidInputError: there is no such format.
    """
    if wanted not in FORMAT_NAMES:
        raise InvalidInputError("--format", f"must be one of {', '.join(FORMAT_NAMES)}, got {wanted[:40]!r}")
    if wanted != "auto":
        return next((one for one in SHOP_FORMATS if one.name == wanted), None)
    names = {normal_name(column) for column in columns}
    for one in SHOP_FORMATS:
        least, of = one.any_of
        if one.signature <= names and len(of & names) >= least:
            return one
    return None
