"""The options that have a name of their own in the clients are options of the server, and the docs name all of them."""

from pathlib import Path

import pytest
from mercato_client import RecommendOptions, SearchOptions

from mercato.requests.page import OPTION_NAMES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("named", [SearchOptions, RecommendOptions])
def test_the_clients_name_options_that_the_server_has(named: type) -> None:
    assert set(named.__annotations__) <= set(OPTION_NAMES)


def test_the_docs_have_a_row_for_every_option() -> None:
    rows = (DOCS / "search-features.md").read_text().splitlines()
    assert [name for name in OPTION_NAMES if not any(row.startswith(f"| `{name}` |") for row in rows)] == []
