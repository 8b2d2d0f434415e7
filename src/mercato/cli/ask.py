"""`mercato search`, `mercato recommend` and `mercato similar`: ask a running server from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mercato.cli.output import Output

if TYPE_CHECKING:
    from mercato_client import Client, ResultPage

ServerOption = Annotated[str, typer.Option(help="gRPC address of the server.")]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help='Such as: (brand: ANY("Acme")) AND price: IN(10, 50)')
]
UserOption = Annotated[str | None, typer.Option("--user", help="Who is signed in.")]
VisitorOption = Annotated[str | None, typer.Option("--visitor", help="The device or session.")]
PageSizeOption = Annotated[int, typer.Option("--page-size", help="Products of a page.")]
OffsetOption = Annotated[int, typer.Option(help="Position of the first product.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

DEFAULT_SERVER = "127.0.0.1:8001"
SEARCH_EPILOG = "Example: mercato search \"usb c charger\" --filter 'price: IN(*, 20)'"
RECOMMEND_EPILOG = "Example: mercato recommend --user 1234"
SIMILAR_EPILOG = "Example: mercato similar 1024993"


def search(
    query: Annotated[str, typer.Argument(help="What a shopper would type.")],
    condition: FilterOption = None,
    user: UserOption = None,
    visitor: VisitorOption = None,
    page_size: PageSizeOption = 10,
    offset: OffsetOption = 0,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Search the catalogue of a running server."""
    ask(
        server,
        Output(as_json=as_json),
        lambda client: client.search(
            query, filter=condition, user_id=user, visitor_id=visitor, page_size=page_size, offset=offset
        ),
    )


def recommend(
    placement: Annotated[
        str, typer.Option(help="home-page, product-page, cart or category: where the answer is shown.")
    ] = "home-page",
    seed: Annotated[list[str] | None, typer.Option(help="Product to start from, repeatable.")] = None,
    condition: FilterOption = None,
    user: UserOption = None,
    visitor: VisitorOption = None,
    page_size: PageSizeOption = 10,
    offset: OffsetOption = 0,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Recommend products: from a shopper's history, from products, or what is popular."""
    ask(
        server,
        Output(as_json=as_json),
        lambda client: client.recommend(
            placement,
            seed_product_ids=seed,
            filter=condition,
            user_id=user,
            visitor_id=visitor,
            page_size=page_size,
            offset=offset,
        ),
    )


def similar(
    product: Annotated[str, typer.Argument(help="Id of a product.")],
    condition: FilterOption = None,
    page_size: PageSizeOption = 10,
    offset: OffsetOption = 0,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Find products like a given one."""
    ask(
        server,
        Output(as_json=as_json),
        lambda client: client.similar(product, filter=condition, page_size=page_size, offset=offset),
    )


def ask(server: str, output: Output, call: Callable[[Client], ResultPage]) -> None:
    """Ask a server for a page and print it.

    Args:
        server: its gRPC address.
        output: where to print.
        call: the question.

    Raises:
        typer.Exit: status 1 where the server cannot be reached or refuses.
    """
    from mercato_client import Client, MercatoClientError

    try:
        with Client(server) as client:
            page = call(client)
    except MercatoClientError as exc:
        output.fail(str(exc))
        raise typer.Exit(1) from exc
    if output.as_json:
        typer.echo(json.dumps(describe_page(page), ensure_ascii=False))
    else:
        output.console.print(tabulate(page))
        for note in (
            f"not in the catalogue: {', '.join(page.missing_ids)}" if page.missing_ids else "",
            f"answered without: {', '.join(page.degraded)}" if page.degraded else "",
        ):
            if note:
                output.warn(note)


def describe_page(page: ResultPage) -> dict[str, Any]:
    """Describe a page as JSON values."""
    return {
        "total": page.total,
        "token": page.token,
        "missing_ids": list(page.missing_ids),
        "degraded": list(page.degraded),
        "timings": dict(page.timings),
        "results": [
            {
                "rank": product.rank,
                "id": product.id,
                "score": product.score,
                "title": product.title,
                "price": product.price,
                "brand": product.brand,
                "categories": list(product.categories),
                "availability": product.availability,
                "attributes": dict(product.attributes),
                "sources": list(product.sources),
            }
            for product in page.results
        ],
    }


def tabulate(page: ResultPage) -> Table:
    """Draw a page as a table."""
    table = Table(title=f"{page.total:,} products", title_justify="left")
    for column in ("rank", "id", "product", "brand", "price", "found by"):
        table.add_column(column, justify="right" if column in ("rank", "price") else "left")
    for product in page.results:
        price = "" if product.price is None else f"{product.price:.2f}"
        sources = ", ".join(product.sources)
        table.add_row(str(product.rank), product.id, product.title, product.brand or "", price, sources)
    return table
