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
    ("snack for a movie night", ""),
    ("pasta sauce", 'price: IN(*, 2.00) AND brand: ANY("Private")'),
)
_SHOWN = 5


def show_searches(client: Client, console: Console) -> None:
    """Search as a shopper would and print the answers."""
    for query, condition in SEARCHES:
        page = client.search(query, filter=condition or None, page_size=_SHOWN)
        title = f'search "{query}"' + (f"  where {condition}" if condition else "")
        console.print(_table(page, f"{title}: {page.total:,} products, {_milliseconds(page)}"))


def show_recommendations(client: Client, console: Console, events: Path, household: str) -> None:
    """Print what a household bought most, what is recommended to it, and what goes with its first product."""
    bought = read_purchases(events, household)
    page = client.recommend("home-page", user_id=household, page_size=10)
    seen = Counter(dict(bought))
    table = Table(title=f"household {household}: bought {sum(seen.values()):,} products", title_justify="left")
    for column in ("recommended now", "price", "bought before", "because"):
        table.add_column(column, justify="right" if column in ("price", "bought before") else "left")
    for product in page.results:
        times = seen.get(product.id, 0)
        table.add_row(
            product.title, _price(product.price), f"{times} times" if times else "-", ", ".join(product.sources)
        )
    console.print(table)
    if not page.results:
        return
    first = page.results[0]
    console.print(_table(client.similar(first.id, page_size=_SHOWN), f'like "{first.title}"'))
    console.print(_table(client.recommend("home-page", page_size=_SHOWN), "for somebody unknown: what is popular"))


def show_live_changes(client: Client, console: Console) -> None:
    """Add a product, find it at once, take it out again."""
    name = "Glow in the dark unicorn cookie cutter"
    client.upsert_products([{"id": "demo-1", "title": name, "price": 9.5, "categories": ["Kitchen", "Baking tools"]}])
    page = client.search("unicorn shape for baking", page_size=1)
    console.print(f'a product added a moment ago, found by meaning: "{page.results[0].title}"')
    client.delete_products(["demo-1"])


def read_purchases(events: Path, household: str, count: int = 5_000) -> list[tuple[str, int]]:
    """Read what a household bought: product ids with the number of times, most often first."""
    table = pq.read_table(events, columns=["user_id", "product_id"])
    bought = table.filter(pc.equal(table["user_id"], household))["product_id"].to_pylist()
    return Counter(bought).most_common(count)


def pick_household(events: Path) -> str:
    """Pick a household with a usual history: the one whose number of purchases is the upper quartile."""
    counts = sorted(
        Counter(pq.read_table(events, columns=["user_id"])["user_id"].to_pylist()).items(), key=lambda c: c[1]
    )
    return str(counts[len(counts) * 3 // 4][0])


def _table(page: ResultPage, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("product")
    table.add_column("category")
    table.add_column("price", justify="right")
    table.add_column("found by")
    for product in page.results:
        category = product.categories[-2] if len(product.categories) > 1 else "".join(product.categories)
        table.add_row(product.title, category, _price(product.price), ", ".join(product.sources))
    return table


def _price(price: float | None) -> str:
    return "" if price is None else f"{price:.2f}"


def _milliseconds(page: ResultPage) -> str:
    return f"{page.timings.get('total_us', 0) / 1000:.1f} ms in the model"


def list_next_steps(address: str, http: str, household: str) -> Sequence[str]:
    """Return what to try next, as commands."""
    body = '{"inputs":[{"name":"QUERY","shape":[1,1],"datatype":"BYTES","data":["frozen pizza"]}]}'
    return (
        f'.venv/bin/mercato search "oat milk" --server {address}',
        f".venv/bin/mercato search \"ice cream\" --filter 'price: IN(*, 3)' --server {address}",
        f".venv/bin/mercato recommend --user {household} --server {address}",
        f"curl -s {http}/v2/models/search/infer -d '{body}'",
    )
