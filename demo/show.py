"""What the demo shows: searches and recommendations of a running shop, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from mercato_client import Client, ResultPage
from rich.console import Console
from rich.table import Table

SEARCHES: tuple[tuple[str, str], ...] = (
    ("frozen pizza", ""),
    ("something for a baby's bath", ""),
    ("dog treats", ""),
    ("pasta sauce", 'price: IN(*, 2.00) AND brand: ANY("Private")'),
)
MISSPELT = "vanila yogurth"
PREFIX = "choc"
GROCERIES = 'NOT categories: ANY("Coupon/miscellaneous items")'
"""The chain's list has fuel and coupons among its products."""
NEW_PRODUCT = {
    "id": "demo-1",
    "title": "Glow in the dark unicorn cookie cutter",
    "price": 9.5,
    "categories": ["Kitchen", "Baking tools"],
}
_SHOWN = 5
_BOUGHT_SHOWN = 8
_RECOMMENDED = 10


def show_searches(client: Client, console: Console) -> None:
    """Search as a shopper would and print the answers."""
    for query, condition in SEARCHES:
        page = client.search(query, filter=condition or None, page_size=_SHOWN)
        where = f"  where {condition}" if condition else ""
        milliseconds = page.timings.get("total_us", 0) / 1000
        title = f'search "{query}"{where}: {page.total:,} products, {milliseconds:.1f} ms in the model'
        console.print(tabulate(page, title))


def show_search_features(client: Client, console: Console) -> None:
    """Misspell, count, explain, complete: what a search page needs beside its results."""
    page = client.search(MISSPELT, page_size=3, facets=["brand", "categories"], explain=True)
    meant = page.corrected_query or MISSPELT
    table = Table(title=f'search "{MISSPELT}", read as "{meant}": why each product is there', title_justify="left")
    for column in ("product", "why"):
        table.add_column(column)
    for item in page.results:
        table.add_row(item.title, item.explanation.text if item.explanation else "")
    console.print(table)
    for facet in page.facets:
        counts = ", ".join(f"{value.value} {value.count:,}" for value in facet.values[:4])
        console.print(f"    {facet.key} over all {page.total:,} products: {counts}", markup=False, highlight=False)
    completions = ", ".join(suggestion.text for suggestion in client.suggest(PREFIX, limit=5))
    console.print(f'    "{PREFIX}" is completed to: {completions}\n', markup=False, highlight=False)


def show_recommendations(client: Client, console: Console, events: Path, products: Path, household: str) -> None:
    """Print what a household bought most, what is recommended to it, what goes with that, and what is popular."""
    bought = count_purchases(events, household)
    titles = read_titles(products, [product for product, _ in bought.most_common(_BOUGHT_SHOWN)])
    most = Table(
        title=f"household {household} bought {len(bought):,} different products; most often", title_justify="left"
    )
    most.add_column("times", justify="right")
    most.add_column("product")
    for product, times in bought.most_common(_BOUGHT_SHOWN):
        most.add_row(str(times), titles.get(product, product))
    console.print(most)

    page = client.recommend("home-page", user_id=household, filter=GROCERIES, page_size=_RECOMMENDED)
    now = Table(title=f"recommended to household {household}  where {GROCERIES}", title_justify="left")
    for column in ("product", "price", "bought before", "found by"):
        now.add_column(column, justify="right" if column == "price" else "left")
    for item in page.results:
        before = f"{bought[item.id]} times" if item.id in bought else "new to it"
        now.add_row(item.title, write_price(item.price), before, ", ".join(item.sources))
    console.print(now)
    if page.results:
        first = page.results[-1]
        console.print(tabulate(client.similar(first.id, page_size=_SHOWN), f'at the page of "{first.title}"'))
    unknown = client.recommend("home-page", filter=GROCERIES, page_size=_SHOWN)
    console.print(tabulate(unknown, "for somebody unknown: what is popular"))


def show_live_changes(client: Client, console: Console) -> None:
    """Add a product, find it at once, take it out again."""
    client.upsert_products([NEW_PRODUCT])
    page = client.search("unicorn cutter", page_size=_SHOWN)
    console.print(tabulate(page, 'a product added a moment ago, then search "unicorn cutter"'))
    client.delete_products([str(NEW_PRODUCT["id"])])


def count_purchases(events: Path, household: str) -> Counter[str]:
    """Count what a household bought: product id -> times."""
    table = pq.read_table(events, columns=["user_id", "product_id"])
    return Counter(table.filter(pc.equal(table["user_id"], household))["product_id"].to_pylist())


def read_titles(products: Path, ids: Sequence[str]) -> dict[str, str]:
    """Read the titles of some products."""
    table = pq.read_table(products, columns=["id", "title"])
    chosen = table.filter(pc.field("id").isin(list(ids)))
    return dict(zip(chosen["id"].to_pylist(), chosen["title"].to_pylist(), strict=True))


def pick_household(events: Path) -> str:
    """Pick a household with a usual history: the one whose number of purchases is the upper quartile."""
    counts = Counter(pq.read_table(events, columns=["user_id"])["user_id"].to_pylist()).most_common()
    return str(counts[len(counts) // 4][0])


def tabulate(page: ResultPage, title: str) -> Table:
    """Draw a page of products."""
    table = Table(title=title, title_justify="left")
    for column in ("id", "product", "category", "price", "found by"):
        table.add_column(column, justify="right" if column == "price" else "left")
    for item in page.results:
        category = item.categories[-2] if len(item.categories) > 1 else "".join(item.categories)
        table.add_row(item.id, item.title, category, write_price(item.price), ", ".join(item.sources))
    return table


def write_price(price: float | None) -> str:
    """Write a price with two digits; nothing where it is not known."""
    return "" if price is None else f"{price:.2f}"


def list_next_steps(address: str, http: str, household: str) -> Sequence[str]:
    """Return what to try next, as commands."""
    body = '{"inputs":[{"name":"QUERY","shape":[1,1],"datatype":"BYTES","data":["frozen pizza"]}]}'
    return (
        f'.venv/bin/mercato search "oat milk" --server {address}',
        f".venv/bin/mercato search \"ice cream\" --filter 'price: IN(*, 3)' --server {address}",
        f".venv/bin/mercato recommend --user {household} --server {address}",
        f"curl -s {http}/v2/models/search/infer -d '{body}'",
    )
