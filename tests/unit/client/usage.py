"""How programs use the client, as a type checker sees it. Never run; test_client_package.py has mypy read it.

Each ``type: ignore`` marks a mistake that the types must catch; mypy complains about those that catch none.
"""

import asyncio

from mercato_client import (
    AsyncClient,
    Boost,
    Bundle,
    Client,
    FacetSpec,
    Health,
    Interval,
    InvalidArgumentError,
    MercatoClientError,
    Product,
    Profile,
    Rejection,
    ResultPage,
    Retries,
    Suggestion,
    Timeouts,
    Tls,
    WriteResult,
    assign_event_ids,
)


def use_client() -> None:
    """Everything a blocking program does."""
    with Client(
        ["127.0.0.1:8001", "127.0.0.1:8002"],
        timeouts=Timeouts(read_s=0.5),
        retries=Retries(attempts=2),
        tls=Tls(ca_path="ca.pem"),
        headers={"authorization": "Bearer token"},
    ) as client:
        page: ResultPage = client.search("tea", user_id="u", filter='brand: ANY("Acme")', page_size=10, timeout_s=1)
        first: Product = page.results[0]
        price: float | None = first.price
        names: list[str] = [product.title for product in page.results]
        similar: ResultPage = client.similar(first.id, visitor_id="v", options={"strict_filtering": False})
        picks: ResultPage = client.recommend("cart", seed_product_ids=names, context={"device": "phone"})
        ordered: ResultPage = client.rank(names, user_id="u", filter="price < 5")
        sets: tuple[Bundle, ...] = client.recommend("cart", seed_product_ids=names, bundles=2).bundles
        client.recommend("home-page", exclude_purchased_days=30, diversity=0.5, collapse=True, explain=True)
        client.similar(first.id, kind="complementary")
        written: WriteResult = client.write_events(
            assign_event_ids([{"event_type": "add-to-cart", "user_id": "u", "product_id": first.id}])
        )
        rejected: tuple[Rejection, ...] = written.rejected
        client.upsert_products([{"id": "p1", "title": "Tea"}])
        client.patch_products([{"id": "p1", "price": 2.5}])
        client.delete_products(["p1"])
        health: Health = client.health()
        well: bool = health.ok
        faceted = client.search("tea", facets=["brand", FacetSpec(key="price", intervals=[Interval(maximum=5)])])
        counts: list[int] = [value.count for facet in faceted.facets for value in facet.values]
        client.search("tea", order_by="price desc", diversity=0.5, collapse=True, explain=True, rerank=False)
        client.search("tea", boosts=[Boost(condition="price < 5", boost=0.5), {"condition": "price > 9", "boost": -1}])
        completions: tuple[Suggestion, ...] = client.suggest("te", limit=5)
        known: Profile = client.profile(user_id="u", limit=50)
        client.forget([one for one in known.statements if one.says == "against"])
        client.recommend("home-page", user_id="u", exclude_disliked=False)
        del price, similar, picks, ordered, sets, rejected, well, counts, completions


async def use_async_client() -> None:
    """Two answers at once."""
    async with AsyncClient("dns:///mercato:8001") as client:
        found, picks = await asyncio.gather(client.search("tea"), client.recommend("home-page", user_id="u"))
        total: int = found.total + picks.total
        written: WriteResult = await client.write_events([{"event_type": "search", "visitor_id": "v"}])
        del total, written


def name_fault(client: Client) -> str | None:
    """Errors carry what a program needs."""
    try:
        client.search("tea", filter="brand:")
    except InvalidArgumentError as error:
        return error.parameter
    except MercatoClientError as error:
        return error.status
    return None


def make_mistakes(client: Client, aclient: AsyncClient, product: Product) -> None:
    """What the types must catch."""
    client.search("tea", "u")  # type: ignore[call-arg]
    client.search(b"tea")  # type: ignore[arg-type]
    client.search("tea", page=2)  # type: ignore[call-arg]
    client.search("tea", collapse=1.5)  # type: ignore[arg-type]
    client.suggest("te")[0].word  # type: ignore[attr-defined]  # noqa: B018
    client.recommend("cart", user_id=42)  # type: ignore[arg-type]
    client.rank("p1", "p2")  # type: ignore[call-arg]
    client.search("tea").items  # type: ignore[attr-defined]  # noqa: B018
    product.price = 1.0  # type: ignore[misc]
    total: int = aclient.search("tea").total  # type: ignore[attr-defined]
    del total
