"""docs/feeds.md says of each shop format what the code declares."""

import sys
from pathlib import Path

import pytest

from mercato.catalog.column_mapping import PRODUCT_FIELDS
from mercato.catalog.shop_formats import FORMAT_NAMES, OFFER_FIELDS, SHOP_FORMATS
from mercato.tables.open import SUFFIXES

REPOSITORY = Path(__file__).resolve().parents[3]
DOCUMENT = REPOSITORY / "docs" / "feeds.md"


def make_table() -> str:
    """Give the table of formats and fields as the document must have it."""
    names = [f"`{one.name}`" for one in SHOP_FORMATS]
    rows = [f"| field | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for field in (*PRODUCT_FIELDS, *OFFER_FIELDS):
        columns = [", ".join(f"`{column}`" for column in one.fields.get(field, ())) for one in SHOP_FORMATS]
        if any(columns):
            rows.append(f"| `{field}` | {' | '.join(columns)} |")
    rows.append(f"| one product | {' | '.join(', '.join(f'`{name}`' for name in one.group) for one in SHOP_FORMATS)} |")
    return "\n".join(rows)


def test_the_table_of_formats_is_that_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    held = text.split("<!-- formats -->")[1].split("<!-- /formats -->")[0].strip()
    assert held == make_table()


@pytest.mark.parametrize("name", [*SUFFIXES, *OFFER_FIELDS, "plain"])
def test_what_is_understood_is_named(name: str) -> None:
    assert f"`{name}`" in DOCUMENT.read_text(encoding="utf-8")


def test_formats_have_names_of_their_own() -> None:
    assert len(set(FORMAT_NAMES)) == len(FORMAT_NAMES)


if __name__ == "__main__":
    sys.stdout.write(make_table())
