"""`mercato search`, `recommend`, `similar` and `rank`: ask a running server from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mercato.cli.dial_options import (
    AdultOption,
    CapOption,
    CoverageOption,
    DiversityOption,
    FloorOption,
    MarginFieldOption,
    MarginOption,
    NoveltyOption,
    read_cap,
)
from mercato.cli.output import Output
from mercato.errors import InvalidInputError

if TYPE_CHECKING:
    from mercato_client import Bundle, Client, Facet, Interval, ResultPage, Variant

ServerOption = Annotated[str, typer.Option(help="gRPC address of the server.")]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help='Such as: (brand: ANY("Acme")) AND price: IN(10, 50)')
]
UserOption = Annotated[str | None, typer.Option("--user", help="Who is signed in.")]
VisitorOption = Annotated[str | None, typer.Option("--visitor", help="The device or session.")]
RegionOption = Annotated[str | None, typer.Option(help="Where the shopper is, as events name it.")]
LanguageOption = Annotated[
    str | None, typer.Option(help="What the shopper speaks, as de or zh: of queries, and of explanations (en, zh).")
]
PageSizeOption = Annotated[int, typer.Option("--page-size", help="Products of a page.")]
OffsetOption = Annotated[int, typer.Option(help="Position of the first product.")]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Say why each product stands where it stands.")]
CollapseOption = Annotated[bool, typer.Option("--collapse", help="Show near-duplicates as one.")]
KindOption = Annotated[
    str | None, typer.Option(help="At a product page: similar (in its place), complementary (bought with it), or both.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

DEFAULT_SERVER = "127.0.0.1:8001"
SEARCH_EPILOG = (
    "Example: mercato search \"usb c charger\" --filter 'price: IN(*, 20)' --facet brand --order-by 'price desc'"
)
SUGGEST_EPILOG = 'Example: mercato suggest "frozen p"'
RECOMMEND_EPILOG = "Example: mercato recommend --user 1234"
SIMILAR_EPILOG = "Example: mercato similar 1024993"
RANK_EPILOG = "Example: mercato rank 1024993 845208 --user 1234"


def search(
    query: Annotated[str, typer.Argument(help="What a shopper would type.")],
    condition: FilterOption = None,
    user: UserOption = None,
    visitor: VisitorOption = None,
    page_size: PageSizeOption = 10,
    offset: OffsetOption = 0,
    facet: Annotated[
        list[str] | None, typer.Option(help="Field whose values are counted, repeatable: brand, price, size.")
    ] = None,
    order_by: Annotated[
        str | None, typer.Option("--order-by", help='What to sort by in place of relevance: "price desc".')
    ] = None,
    boost: Annotated[
        list[str] | None,
        typer.Option(help="Condition and how far it moves a product, -1 to 1, repeatable: 'price < 5 => 0.5'."),
    ] = None,
    novelty: NoveltyOption = None,
    diversity: DiversityOption = None,
    margin: MarginOption = None,
    margin_field: MarginFieldOption = None,
    relevance_floor: FloorOption = None,
    cap: CapOption = None,
    adult: AdultOption = None,
    collapse: CollapseOption = False,
    explain: ExplainOption = False,
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="With the reranker, where one is served.")
    ] = True,
    spelling: Annotated[
        str | None, typer.Option(help="A misspelt query: off, suggest (offer a better one), or auto (search it).")
    ] = None,
    understand: Annotated[
        str | None,
        typer.Option(help="What is done with what the query says of prices, brands and the like: auto, boost or off."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Condition of the query that is not wanted, repeatable: 'under 30'.")
    ] = None,
    language: LanguageOption = None,
    beyond: Annotated[bool, typer.Option("--beyond", help="Go on with the nearest of what does not match.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Search the catalogue of a running server."""
    output = Output(as_json=as_json)
    with output.handle_errors():
        boosts = [read_boost(text) for text in boost or ()] or None
        caps = [read_cap(text) for text in cap or ()] or None
    ask(
        server,
        output,
        lambda client: client.search(
            query,
            filter=condition,
            user_id=user,
            visitor_id=visitor,
            page_size=page_size,
            offset=offset,
            context=write_context(language=language),
            facets=facet or None,
            order_by=order_by,
            boosts=boosts,
            novelty=novelty,
            diversity=diversity,
            margin=margin,
            margin_field=margin_field,
            relevance_floor=relevance_floor,
            caps=caps,
            adult=adult,
            collapse=collapse or None,
            explain=explain or None,
            rerank=None if rerank else False,
            spelling=spelling,
            understand=understand,
            ignore_conditions=ignore or None,
            beyond=beyond or None,
        ),
    )


def suggest(
    prefix: Annotated[str, typer.Argument(help="What a shopper has typed so far.")],
    limit: Annotated[int, typer.Option(help="Most suggestions.")] = 10,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Complete what a shopper has typed, from the catalogue and from what others searched for."""
    from mercato_client import Client, MercatoClientError

    output = Output(as_json=as_json)
    try:
        with Client(server) as client:
            found = client.suggest(prefix, limit=limit)
    except MercatoClientError as exc:
        output.fail(str(exc))
        raise typer.Exit(1) from exc
    if as_json:
        suggestions = [{"text": one.text, "score": one.score, "kind": one.kind} for one in found]
        typer.echo(json.dumps({"suggestions": suggestions}, ensure_ascii=False))
        return
    table = Table("suggestion", "from", title=f"{len(found)} suggestions", title_justify="left")
    for one in found:
        table.add_row(one.text, one.kind)
    output.console.print(table)


def read_boost(text: str) -> dict[str, Any]:
    """Read a boost as the command line has it: ``CONDITION => NUMBER``.

    Raises:
        InvalidInputError: it is something else.
    """
    condition, arrow, number = text.rpartition("=>")
    try:
        boost = float(number)
    except ValueError:
        arrow = ""
        boost = 0.0
    if not arrow or not condition.strip():
        raise InvalidInputError(
            "--boost", f"must be a condition, => and a number, got {text[:100]!r}", "write 'price < 5 => 0.5'"
        )
    return {"condition": condition.strip(), "boost": boost}


def recommend(
    placement: Annotated[
        str, typer.Option(help="home-page, product-page, cart or category: where the answer is shown; or rank.")
    ] = "home-page",
    seed: Annotated[list[str] | None, typer.Option(help="Product to start from, repeatable.")] = None,
    condition: FilterOption = None,
    user: UserOption = None,
    visitor: VisitorOption = None,
    page_size: PageSizeOption = 10,
    offset: OffsetOption = 0,
    region: RegionOption = None,
    language: LanguageOption = None,
    kind: KindOption = None,
    bundles: Annotated[
        int | None, typer.Option(help="At a product page or cart: offer at most so many sets that are bought together.")
    ] = None,
    exclude_purchased_days: Annotated[
        float | None, typer.Option(help="Leave out what the shopper bought within so many days; 36500 for ever.")
    ] = None,
    novelty: NoveltyOption = None,
    diversity: DiversityOption = None,
    coverage: CoverageOption = None,
    margin: MarginOption = None,
    margin_field: MarginFieldOption = None,
    relevance_floor: FloorOption = None,
    cap: CapOption = None,
    adult: AdultOption = None,
    collapse: CollapseOption = False,
    explain: ExplainOption = False,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Recommend products: from a shopper's history, from products, or what is popular."""
    output = Output(as_json=as_json)
    with output.handle_errors():
        caps = [read_cap(text) for text in cap or ()] or None
    ask(
        server,
        output,
        lambda client: client.recommend(
            placement,
            seed_product_ids=seed,
            filter=condition,
            user_id=user,
            visitor_id=visitor,
            page_size=page_size,
            offset=offset,
            kind=kind,
            bundles=bundles,
            context=write_context(region=region, language=language),
            exclude_purchased_days=exclude_purchased_days,
            novelty=novelty,
            diversity=diversity,
            coverage=coverage,
            margin=margin,
            margin_field=margin_field,
            relevance_floor=relevance_floor,
            caps=caps,
            adult=adult,
            collapse=collapse or None,
            explain=explain or None,
        ),
    )


def similar(
    product: Annotated[str, typer.Argument(help="Id of a product.")],
    condition: FilterOption = None,
    page_size: PageSizeOption = 10,
    offset: OffsetOption = 0,
    kind: KindOption = None,
    language: LanguageOption = None,
    explain: ExplainOption = False,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Find products like a given one."""
    ask(
        server,
        Output(as_json=as_json),
        lambda client: client.similar(
            product,
            filter=condition,
            page_size=page_size,
            offset=offset,
            kind=kind,
            context=write_context(language=language),
            explain=explain or None,
        ),
    )


def rank(
    products: Annotated[list[str], typer.Argument(help="Ids of the products to order, at most 500.")],
    condition: FilterOption = None,
    user: UserOption = None,
    visitor: VisitorOption = None,
    region: RegionOption = None,
    language: LanguageOption = None,
    explain: ExplainOption = False,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> None:
    """Order given products for a shopper; what the catalogue does not have comes last."""
    ask(
        server,
        Output(as_json=as_json),
        lambda client: client.rank(
            products,
            filter=condition,
            user_id=user,
            visitor_id=visitor,
            context=write_context(region=region, language=language),
            explain=explain or None,
        ),
    )


def write_context(**facts: str | None) -> dict[str, str] | None:
    """Return the facts of a request that are known; None for none."""
    return {name: value for name, value in facts.items() if value} or None


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
        if page.match != "none" or page.results:
            output.console.print(tabulate(page))
        for facet in page.facets:
            output.console.print(tabulate_facet(facet))
        for bundle in page.bundles:
            output.console.print(write_bundle(bundle), highlight=False, markup=False)
        for product in page.results:
            if product.explanation is not None:
                output.console.print(f"{product.rank:>3}  {product.explanation.text}", highlight=False, markup=False)
        if page.conditions:
            output.console.print(f"understood: {write_conditions(page)}", highlight=False, markup=False)
        for note in (
            describe_no_match(page),
            describe_correction(page),
            f"not in the catalogue: {', '.join(page.missing_ids)}" if page.missing_ids else "",
            f"answered without: {', '.join(page.degraded)}" if page.degraded else "",
        ):
            if note:
                output.warn(note)


def describe_correction(page: ResultPage) -> str:
    """Say what became of a misspelt query; empty for one that is fine."""
    if page.corrected_query is None:
        return ""
    return (
        f"searched for {page.corrected_query!r}"
        if page.corrected_applied
        else f"did you mean {page.corrected_query!r}?"
    )


def write_conditions(page: ResultPage) -> str:
    """Write what the query of a page is understood to say, in one line."""
    return "; ".join(
        f"{one.text!r} ({one.type}): {one.effect} {one.filter}".rstrip()
        + (f", {one.status}: {one.reason}" if one.reason else "")
        for one in page.conditions
    )


def write_bundle(bundle: Bundle) -> str:
    """Write a bundle in one line: what is there, what it adds, its evidence and its price."""
    names = [f"{product.id} {product.title}".rstrip() for product in bundle.products if not product.added]
    added = [f"{product.id} {product.title}".rstrip() for product in bundle.products if product.added]
    evidence = bundle.explanation or f"{bundle.people} people bought all of it, {bundle.share:.0%} of the times"
    price = "" if bundle.price is None else f"; together {bundle.price:.2f} {bundle.currency or ''}".rstrip()
    return f"bundle: {', '.join(names)} + {' + '.join(added)}: {evidence}{price}"


def describe_no_match(page: ResultPage) -> str:
    """Say that nothing matches a search, and what is shown in its place; empty where something does."""
    if page.match != "none":
        return ""
    return "nothing matches; shown are the nearest" if page.results else "nothing matches; --beyond shows the nearest"


def describe_page(page: ResultPage) -> dict[str, Any]:
    """Describe a page as JSON values."""
    return {
        "total": page.total,
        **({"match": page.match} if page.match is not None else {}),
        "token": page.token,
        "missing_ids": list(page.missing_ids),
        "degraded": list(page.degraded),
        "timings": dict(page.timings),
        **(
            {"corrected_query": page.corrected_query, "corrected_applied": page.corrected_applied}
            if page.corrected_query
            else {}
        ),
        **({"conditions": page.details["conditions"]} if page.conditions else {}),
        **({"facets": page.details["facets"]} if page.facets else {}),
        **({"bundles": page.details["bundles"]} if "bundles" in page.details else {}),
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
                **({"variant": product.fields["variant"]} if product.variant is not None else {}),
                **({"variants": list(product.variants)} if product.variants else {}),
                **({"pinned": True} if product.pinned else {}),
                **({"beyond": True} if product.beyond else {}),
                **(
                    {"purchase_probability": product.purchase_probability}
                    if product.purchase_probability is not None
                    else {}
                ),
                **({"explanation": dict(product.explanation.fields)} if product.explanation is not None else {}),
            }
            for product in page.results
        ],
    }


def tabulate_facet(facet: Facet) -> Table:
    """Draw a facet as a table."""
    more = (facet.distinct or 0) - len(facet.values)
    table = Table(facet.key, title_justify="left", caption=f"and {more:,} more" if more > 0 else None)
    table.add_column("products", justify="right")
    for value in facet.values:
        table.add_row(value.value if value.interval is None else _write_interval(value.interval), f"{value.count:,}")
    return table


def _write_interval(interval: Interval) -> str:
    parts = [
        f"{words} {bound:g}"
        for words, bound in (
            ("from", interval.minimum),
            ("above", interval.exclusive_minimum),
            ("to", interval.maximum),
            ("below", interval.exclusive_maximum),
        )
        if bound is not None
    ]
    return " ".join(parts) or "any"


def tabulate(page: ResultPage) -> Table:
    """Draw a page as a table."""
    table = Table(title=f"{page.total:,} products", title_justify="left")
    told = any(product.purchase_probability is not None for product in page.results)
    varied = any(product.variant is not None for product in page.results)
    optional = (*(("variant",) if varied else ()), *(("chance",) if told else ()))
    for column in ("rank", "id", "product", "brand", "price", *optional, "found by"):
        table.add_column(column, justify="right" if column in ("rank", "price", "chance") else "left")
    for product in page.results:
        price = "" if product.price is None else f"{product.price:.2f}"
        sources = "does not match" if product.beyond else ", ".join(product.sources)
        more = [_write_variant(product.variant)] if varied else []
        chance = product.purchase_probability
        if told:
            more.append("" if chance is None else f"{chance:.1%}")
        table.add_row(str(product.rank), product.id, product.title, product.brand or "", price, *more, sources)
    return table


def _write_variant(variant: Variant | None) -> str:
    if variant is None:
        return ""
    price = "" if variant.price is None else f"{variant.price:.2f}"
    return ", ".join(filter(None, (variant.id, *map(str, variant.attributes.values()), price)))
