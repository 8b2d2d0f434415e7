"""Facets, sorting, boosts, explanations and suggestions, with both clients, against a real gRPC server."""

import json

import pytest
from mercato_client import (
    Boost,
    Bundle,
    BundleProduct,
    Cap,
    Condition,
    Explanation,
    Facet,
    FacetSpec,
    FacetValue,
    Interval,
    InvalidArgumentError,
    ProtocolError,
    Suggestion,
    Variant,
)

from tests.unit.client.canned_triton import PAGE, answer, floats, texts


def page_with(results=None, **members):
    found = [{**result, **more} for result, more in zip(PAGE["results"], results or [{}, {}], strict=True)]
    details = {**PAGE, **members, "results": found}
    return answer(PRODUCT_ID=texts("p1", "p2"), SCORE=floats(0.75, 0.5), DETAILS=texts(json.dumps(details)))


def test_caps_are_a_list_of_a_count_or_a_share_each(triton, connect):
    client = connect(triton.address)
    client.recommend(
        "home-page", caps=[Cap(field="brand", count=3), Cap(field="categories", share=0.5), {"field": "x", "count": 1}]
    )
    (request,) = triton.received
    assert json.loads(request.values["OPTIONS"]) == {
        "caps": [{"field": "brand", "count": 3}, {"field": "categories", "share": 0.5}, {"field": "x", "count": 1}]
    }
    with pytest.raises(InvalidArgumentError, match="caps: must be a list, is one Cap"):
        client.recommend("home-page", caps=Cap(field="brand", count=3))


def test_bundles_are_read(triton, connect):
    products = [
        {"id": "p1", "title": "Cup", "price": 2.5, "currency": "EUR", "availability": "IN_STOCK", "added": False},
        {"id": "p2", "added": True, "variant": {"id": "p2-red"}},
    ]
    first = {"products": products, "people": 9, "share": 0.25, "price": 7.5, "currency": "EUR"}
    triton.replies["recommend"] = lambda request, context: page_with(
        bundles=[{**first, "explanation": {"text": "9 bought"}}, {**first, "price": None}]
    )
    one, other = connect(triton.address).recommend("cart", seed_product_ids=["p1"], bundles=2).bundles
    cup = BundleProduct(
        id="p1", added=False, title="Cup", price=2.5, currency="EUR", availability="IN_STOCK", fields=products[0]
    )
    red = BundleProduct(id="p2", added=True, variant=Variant(id="p2-red"), fields=products[1])
    assert one == Bundle(products=(cup, red), people=9, share=0.25, price=7.5, currency="EUR", explanation="9 bought")
    assert one.added_ids == ("p2",)
    assert (other.price, other.explanation) == (None, "")
    assert json.loads(triton.received[0].values["OPTIONS"]) == {"bundles": 2}

    triton.replies["recommend"] = lambda request, context: page_with(bundles=[{"people": 9}])
    with pytest.raises(ProtocolError, match=r"bundles\[0\].*products must be a list of objects"):
        connect(triton.address).recommend("cart", seed_product_ids=["p1"], bundles=2)


def test_named_options_are_sent_as_options(triton, connect):
    connect(triton.address).search(
        "kettle",
        facets=[
            "brand",
            FacetSpec(
                key="price",
                limit=3,
                intervals=[Interval(maximum=10), Interval(exclusive_minimum=10)],
                excluded_filter_keys=("brand",),
            ),
        ],
        order_by="price desc",
        boosts=[Boost(condition="price < 5", boost=-0.5), {"condition": "price > 5", "boost": 1}],
        diversity=0.25,
        collapse=True,
        explain=True,
        rerank=False,
        spelling=False,
        options={"strict_filtering": False},
    )
    (request,) = triton.received
    assert json.loads(request.values["OPTIONS"]) == {
        "strict_filtering": False,
        "order_by": "price desc",
        "diversity": 0.25,
        "collapse": True,
        "explain": True,
        "rerank": False,
        "spelling": False,
        "facets": [
            "brand",
            {
                "key": "price",
                "limit": 3,
                "intervals": [{"maximum": 10}, {"exclusive_minimum": 10}],
                "excluded_filter_keys": ["brand"],
            },
        ],
        "boosts": [{"condition": "price < 5", "boost": -0.5}, {"condition": "price > 5", "boost": 1}],
    }


@pytest.mark.parametrize(
    ("arguments", "parameter", "says"),
    [
        ({"facets": "brand"}, "facets", "must be a list, is one str"),
        ({"facets": FacetSpec(key="brand")}, "facets", "must be a list, is one FacetSpec"),
        ({"boosts": {"condition": "price < 5", "boost": 1}}, "boosts", "must be a list, is one dict"),
        ({"order_by": "price", "options": {"order_by": "price"}}, "order_by", "give it once"),
        ({"boosts": [{"condition": "price < 5", "boost": float("nan")}]}, "options", "NaN"),
    ],
)
def test_what_cannot_be_sent_is_refused(triton, connect, arguments, parameter, says):
    with pytest.raises(InvalidArgumentError, match=says) as caught:
        connect(triton.address).search("kettle", **arguments)
    assert caught.value.parameter == parameter
    assert triton.received == []


def test_facets_are_read(triton, connect):
    interval = {"minimum": 5.0, "exclusive_maximum": 10.0}
    triton.replies["search"] = lambda request, context: page_with(
        corrected_query="kettle",
        corrected_applied=True,
        facets=[
            {"key": "brand", "values": [{"value": "Acme", "count": 2}], "distinct": 7},
            {
                "key": "price",
                "values": [{"interval": interval, "count": 1, "minimum": 6.0, "maximum": 6.0}],
                "minimum": 6.0,
                "maximum": 19.5,
            },
        ],
    )
    found = connect(triton.address).search("ketle")
    assert (found.corrected_query, found.corrected_applied) == ("kettle", True)
    assert found.facets == (
        Facet(key="brand", values=(FacetValue(value="Acme", count=2),), distinct=7),
        Facet(
            key="price",
            values=(
                FacetValue(count=1, interval=Interval(minimum=5.0, exclusive_maximum=10.0), minimum=6.0, maximum=6.0),
            ),
            minimum=6.0,
            maximum=19.5,
        ),
    )


def test_conditions_are_read(triton, connect):
    price = {"text": "under 30", "start": 7, "end": 15, "type": "price", "field": "price", "filter": "price < 30"}
    triton.replies["search"] = lambda request, context: page_with(
        conditions=[
            {**price, "effect": "filter", "status": "relaxed", "reason": "nothing that matches passes"},
            {"text": "red", "start": 0, "end": 3, "type": "colour", "effect": "boost", "status": "applied"},
        ]
    )
    found = connect(triton.address).search("kettle under 30", ignore_conditions=["brand"], understand="auto")
    assert found.conditions == (
        Condition(**price, effect="filter", status="relaxed", reason="nothing that matches passes"),
        Condition(text="red", start=0, end=3, type="colour", effect="boost"),
    )


def test_what_is_not_asked_for_is_absent(triton, connect):
    found = connect(triton.address).search("kettle")
    assert (found.facets, found.corrected_query, found.corrected_applied) == ((), None, False)
    first = found.results[0]
    assert (first.variants, first.pinned, first.explanation) == ((), False, None)


def test_variants_pins_and_explanations_are_read(triton, connect):
    explanation = {
        "text": "both words in the title",
        "stages": {"words": {"rank": 1, "score": 12.5}},
        "matched": {"words": ["kettle"], "fields": ["title"]},
        "features": [{"name": "price", "value": 19.5, "effect": -0.25}],
        "mood": "sunny",
    }
    more = [{"variants": ["p8", "p9"], "pinned": True, "explanation": explanation}, {}]
    triton.replies["search"] = lambda request, context: page_with(more)
    first, second = connect(triton.address).search("kettle", explain=True).results
    assert (first.variants, first.pinned) == (("p8", "p9"), True)
    assert first.explanation == Explanation(
        text="both words in the title",
        stages={"words": {"rank": 1, "score": 12.5}},
        matched={"words": ["kettle"], "fields": ["title"]},
        features=({"name": "price", "value": 19.5, "effect": -0.25},),
        fields=explanation,
    )
    assert second.explanation is None


def test_probabilities_of_purchase_are_read(triton, connect):
    triton.replies["recommend"] = lambda request, context: page_with([{"purchase_probability": 0.0231}, {}])
    first, second = connect(triton.address).recommend("home-page", user_id="u1").results
    assert (first.purchase_probability, second.purchase_probability) == (0.0231, None)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"facets": {"brand": 1}}, "facets must be a list of objects"),
        ({"facets": [{"key": "brand", "values": [{"value": "Acme"}]}]}, "count must be a whole number, is absent"),
        ({"facets": [{"key": 5, "values": []}]}, "key must be a text"),
        ({"corrected_query": 5}, "corrected_query must be a text"),
        ({"conditions": {"text": "red"}}, "conditions must be a list of objects"),
        ({"conditions": [{"text": "red", "start": 0}]}, "end must be a whole number, is absent"),
    ],
)
def test_facets_that_break_the_contract(triton, connect, members, says):
    triton.replies["search"] = lambda request, context: page_with(**members)
    with pytest.raises(ProtocolError, match=says):
        connect(triton.address).search("kettle")


def test_suggestions(triton, connect):
    triton.replies["suggest"] = lambda request, context: answer(
        SUGGESTION=texts("kettle", "kettles 水壶"),
        SCORE=floats(2.0, 1.5),
        DETAILS=texts('{"kinds": ["query", "product"]}'),
    )
    found = connect(triton.address).suggest("ket", limit=2)
    (request,) = triton.received
    assert request.values == {"PREFIX": "ket", "LIMIT": 2}
    assert found == (
        Suggestion(text="kettle", score=2.0, kind="query"),
        Suggestion(text="kettles 水壶", score=1.5, kind="product"),
    )


def test_no_suggestions_and_suggestions_that_do_not_belong_together(triton, connect):
    client = connect(triton.address)
    triton.replies["suggest"] = lambda request, context: answer(
        SUGGESTION=texts(), SCORE=floats(), DETAILS=texts('{"kinds": []}')
    )
    assert client.suggest("zzz") == ()
    triton.replies["suggest"] = lambda request, context: answer(
        SUGGESTION=texts("a"), SCORE=floats(1.0), DETAILS=texts('{"kinds": []}')
    )
    with pytest.raises(ProtocolError, match="1 SUGGESTION, 1 SCORE and 0 kinds do not belong together"):
        client.suggest("a")


def test_an_option_that_there_is_not_is_refused_like_any_argument(triton, connect):
    with pytest.raises(TypeError, match=r"unexpected .*'colapse'; options by name are adult, beyond, boosts, caps, "):
        connect(triton.address).search("kettle", colapse=True)
    assert list(triton.received) == []


def test_the_variant_of_a_product_is_read(triton, connect):
    given = {
        "id": "8802931",
        "price": 64.0,
        "availability": "IN_STOCK",
        "attributes": {"size": "L"},
        "image_uri": "https://shop.example/l.jpg",
    }
    triton.replies["search"] = lambda request, context: page_with([{"variant": given}, {"variant": {"id": "x"}}])
    first, second = connect(triton.address).search("kettle").results
    assert first.variant == Variant(
        id="8802931",
        price=64.0,
        availability="IN_STOCK",
        attributes={"size": "L"},
        image_uri="https://shop.example/l.jpg",
    )
    assert second.variant == Variant(id="x")
    triton.replies["search"] = lambda request, context: page_with([{}, {"variant": "x"}])
    with pytest.raises(ProtocolError, match="variant"):
        connect(triton.address).search("kettle")
