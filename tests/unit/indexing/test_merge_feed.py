"""A feed and the live changes: which holds, by product and by field, and what is told of it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.catalog.product import Product, parse_product
from mercato.indexing.merge_feed import MergedFeed, Overruled, merge_feed
from mercato.state.values import ProductChange
from tests.stores import product

FEED_TIME = 1_000.0
BEFORE, AFTER = FEED_TIME - 1, FEED_TIME + 1
KETTLE = product("k", "Kettle", price=18, brand="Hydra", attributes={"colour": "red"})
PAN = product("p", "Pan", price=25)


def upsert(time: float, product_id: str, title: str, **fields: Any) -> ProductChange:
    return ProductChange("upsert", product_id, product(product_id, title, **fields).document(), time=time)


def patch(time: float, product_id: str, **fields: Any) -> ProductChange:
    return ProductChange("patch", product_id, orjson.dumps(fields), time=time)


def delete(time: float, product_id: str) -> ProductChange:
    return ProductChange("delete", product_id, time=time)


def merge(*changes: ProductChange, feed: tuple[Product, ...] = (KETTLE, PAN), **options: Any) -> MergedFeed:
    return merge_feed(feed, changes, as_of=FEED_TIME, **options)


def by_id(merged: MergedFeed) -> dict[str, Product]:
    assert len({item.id for item in merged.products}) == len(merged.products)
    return {item.id: item for item in merged.products}


def test_without_changes_the_feed_is_the_catalogue() -> None:
    assert merge() == MergedFeed(products=[KETTLE, PAN])


@pytest.mark.parametrize("time", [BEFORE, FEED_TIME])
def test_the_feed_wins_over_an_older_patch(time: float) -> None:
    merged = merge(patch(time, "k", price=15, brand="Hydra"))
    assert merged == MergedFeed(products=[KETTLE, PAN], feed_wins=[Overruled(id="k", field="price", old=15, new=18)]), (
        "a value that is the feed's too is not overruled"
    )


def test_a_newer_patch_stays_and_the_other_fields_are_those_of_the_feed() -> None:
    merged = merge(patch(BEFORE, "k", title="Old kettle"), patch(AFTER, "k", price=15))
    assert by_id(merged)["k"] == KETTLE.merged({"price": 15})
    assert merged.feed_wins == [Overruled(id="k", field="title", old="Old kettle", new="Kettle")]
    assert merged.changes_win == [Overruled(id="k", field="price", old=18, new=15)]


def test_a_whole_product_of_before_gives_way_in_every_field_that_the_feed_carries() -> None:
    merged = merge(
        upsert(BEFORE, "k", "Kettle", price=29, image_uri="http://shop/k.png", attributes={"colour": "blue"})
    )
    assert by_id(merged)["k"] == KETTLE.merged({"image_uri": "http://shop/k.png"}), "the feed carries no pictures"
    assert {(value.field, value.old, value.new) for value in merged.feed_wins} == {
        ("price", 29, 18),
        ("attributes.colour", "blue", "red"),
        ("brand", None, "Hydra"),
    }


def test_a_whole_product_of_after_stays_whole() -> None:
    merged = merge(upsert(AFTER, "k", "Samovar"))
    assert by_id(merged)["k"] == product("k", "Samovar")
    assert {value.field for value in merged.changes_win} == {"title", "price", "brand", "attributes.colour"}


def test_an_empty_field_of_the_feed_wins_too() -> None:
    merged = merge(patch(BEFORE, "p", brand="Hydra", attributes={"colour": "blue", "badge": "new"}))
    assert by_id(merged)["p"] == PAN.merged({"attributes": {"badge": "new"}}), "no product of the feed has a badge"
    assert [(value.field, value.old, value.new) for value in merged.feed_wins] == [
        ("brand", "Hydra", None),
        ("attributes.colour", "blue", None),
    ]


@pytest.mark.parametrize(("fields", "expected"), [((), "OUT_OF_STOCK"), (("availability",), "IN_STOCK")])
def test_stock_is_kept_where_the_feed_has_no_column_of_it(fields: tuple[str, ...], expected: str) -> None:
    merged = merge(patch(BEFORE, "k", availability="OUT_OF_STOCK"), fields=fields)
    assert by_id(merged)["k"].availability == expected


def test_stock_is_the_feeds_where_another_product_is_sold_out() -> None:
    sold_out = PAN.merged({"availability": "OUT_OF_STOCK"})
    merged = merge(patch(BEFORE, "k", availability="OUT_OF_STOCK"), feed=(KETTLE, sold_out))
    assert by_id(merged)["k"].availability == "IN_STOCK"


def test_what_was_deleted_and_is_listed_again_is_back_as_the_feed_has_it() -> None:
    merged = merge(patch(BEFORE, "k", image_uri="http://shop/k.png"), delete(BEFORE, "k"))
    assert by_id(merged) == {"k": KETTLE, "p": PAN}
    assert merged.restored == ["k"]


def test_what_was_deleted_after_the_feed_stays_deleted() -> None:
    merged = merge(delete(AFTER, "k"))
    assert by_id(merged) == {"p": PAN}
    assert merged.deleted == ["k"]


def test_a_product_of_live_changes_alone_is_kept_and_can_be_dropped() -> None:
    changes = upsert(BEFORE, "n", "Noodles", price=2), patch(BEFORE, "n", price=3), patch(AFTER, "n", brand="Udon")
    merged = merge(*changes)
    assert by_id(merged)["n"] == product("n", "Noodles", price=3, brand="Udon")
    assert merged.unlisted == ["n"]
    dropped = merge(*changes, drop_unlisted=True)
    assert by_id(dropped) == {"k": KETTLE, "p": PAN}
    assert (dropped.unlisted, dropped.gone) == (["n"], [])


def test_a_product_that_came_after_the_feed_is_added_whatever_is_dropped() -> None:
    merged = merge(upsert(AFTER, "n", "Noodles"), drop_unlisted=True)
    assert by_id(merged)["n"] == product("n", "Noodles")
    assert (merged.added, merged.unlisted) == (["n"], [])


def test_what_an_earlier_index_decided_is_not_brought_back() -> None:
    seen: list[int] = []

    def settled(change: ProductChange) -> bool:
        seen.append(change.sequence)
        return True

    merged = merge(ProductChange("upsert", "n", product("n", "N").document(), sequence=7, time=BEFORE), settled=settled)
    assert (by_id(merged), merged.gone, seen) == ({"k": KETTLE, "p": PAN}, ["n"], [7])


@pytest.mark.parametrize("time", [BEFORE, AFTER])
def test_a_patch_brings_no_product_back_that_the_feed_no_longer_lists(time: float) -> None:
    merged = merge(patch(time, "x", price=3), patch(time, "x", price=4))
    assert by_id(merged) == {"k": KETTLE, "p": PAN}
    assert merged.gone == ["x"]


def test_deleted_and_not_listed_is_nothing_to_tell() -> None:
    assert merge(upsert(BEFORE, "n", "N"), delete(BEFORE, "n")) == MergedFeed(products=[KETTLE, PAN])
    assert merge(upsert(AFTER, "n", "N"), delete(AFTER, "n")) == MergedFeed(products=[KETTLE, PAN])


def test_a_change_that_cannot_be_read_is_left_out_and_named() -> None:
    newer = ProductChange("upsert", "k", b'{"id": "k", "title": "t", "a field to come": 1}', sequence=3, time=AFTER)
    broken = ProductChange("patch", "k", b"{", sequence=4, time=BEFORE)
    merged = merge(broken, newer)
    assert (merged.products, sorted(merged.unreadable)) == ([KETTLE, PAN], [3, 4])


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "price": st.none() | st.integers(1, 3),
        "brand": st.sampled_from([None, "A", "B"]),
        "availability": st.sampled_from(["IN_STOCK", "OUT_OF_STOCK"]),
        "attributes": st.none() | st.dictionaries(st.sampled_from("xyz"), st.sampled_from([None, 1, "t"]), max_size=2),
    },
)
PRODUCTS = st.builds(lambda number, fields: product(f"i{number}", "T", **fields), st.integers(0, 3), FIELDS)
FEEDS = st.lists(PRODUCTS, max_size=4, unique_by=lambda item: item.id)


@st.composite
def logs(draw: st.DrawFn) -> list[ProductChange]:
    """Changes as they are written: only what is there is patched or deleted; times rise."""
    changes: list[ProductChange] = []
    there: set[str] = {"i0", "i1"}
    for number, kind in enumerate(draw(st.lists(st.sampled_from(["upsert", "patch", "delete"]), max_size=8))):
        if kind == "upsert":
            item = draw(PRODUCTS)
            there.add(item.id)
            changes.append(ProductChange("upsert", item.id, item.document(), sequence=number + 1, time=number))
        elif there:
            product_id = draw(st.sampled_from(sorted(there)))
            if kind == "delete":
                there.discard(product_id)
            document = orjson.dumps(draw(FIELDS)) if kind == "patch" else None
            changes.append(ProductChange(kind, product_id, document, sequence=number + 1, time=number))
    return changes


@given(feed=FEEDS, changes=logs())
def test_after_every_change_the_feed_is_the_catalogue_where_it_carries_everything(
    feed: list[Product], changes: list[ProductChange]
) -> None:
    every = ["price", "brand", "availability", *(f"attributes.{key}" for key in "xyz")]
    merged = merge_feed(feed, changes, as_of=100, fields=every, drop_unlisted=True)
    assert merged.products == feed
    assert merged.changes_win == []


@given(feed=FEEDS, changes=logs())
def test_before_every_change_the_changes_are_applied_in_their_order(
    feed: list[Product], changes: list[ProductChange]
) -> None:
    expected = {item.id: item for item in feed}
    for change in changes:
        if change.operation == "delete":
            expected.pop(change.product_id, None)
        elif change.operation == "upsert":
            expected[change.product_id] = parse_product(orjson.loads(change.document or b""))
        elif change.product_id in expected:
            expected[change.product_id] = expected[change.product_id].merged(orjson.loads(change.document or b""))
    merged = merge_feed(feed, changes, as_of=-1)
    assert by_id(merged) == expected
    assert merged.feed_wins == []


@given(feed=FEEDS, changes=logs(), as_of=st.integers(-1, 8))
def test_every_value_of_the_catalogue_is_the_feeds_or_a_changes(
    feed: list[Product], changes: list[ProductChange], as_of: int
) -> None:
    merged = merge_feed(feed, changes, as_of=as_of)
    found = by_id(merged)
    listed = {item.id: item for item in feed}
    last = {change.product_id: change for change in changes}
    for product_id in listed.keys() | last.keys():
        newest = last.get(product_id)
        if newest is None or (newest.time or 0) <= as_of:
            assert product_id not in listed or product_id in found, "what the feed lists last is there"
        elif newest.operation == "delete":
            assert product_id not in found, "what was deleted last is gone"
    told = {value.id for value in merged.feed_wins}
    assert told <= {change.product_id for change in changes if (change.time or 0) <= as_of}


SMALL = {"id": "40017", "price": 79, "availability": "IN_STOCK", "attributes": {"size": "S", "colour": "moss"}}
LARGE = {"id": "40018", "price": 84, "availability": "IN_STOCK", "attributes": {"size": "L"}}
JACKET = product("jacket", "Rain jacket", variants=[SMALL, LARGE])


def test_a_newer_patch_of_a_variant_leaves_the_others_to_the_feed() -> None:
    sold_out = patch(
        AFTER, "jacket", variants={"40017": {"availability": "OUT_OF_STOCK", "attributes": {"size": "XS"}}}
    )
    merged = merge(sold_out, patch(AFTER, "jacket", variants={"gone": {"price": 1}}), feed=(JACKET,))
    [jacket] = merged.products
    small, large = jacket.variants
    assert (small.availability, small.attributes) == ("OUT_OF_STOCK", {"size": "XS", "colour": "moss"})
    assert large == JACKET.variants[1]
    assert merged.changes_win == [
        Overruled(id="jacket", field="price", old=79, new=84),  # the lowest in stock
        Overruled(id="jacket", field="variants.40017.availability", old="IN_STOCK", new="OUT_OF_STOCK"),
        Overruled(id="jacket", field="variants.40017.attributes.size", old="S", new="XS"),
    ]


def test_the_feed_wins_over_an_older_patch_of_a_variant() -> None:
    merged = merge(patch(BEFORE, "jacket", variants={"40018": {"price": 60}, "40017": None}), feed=(JACKET,))
    assert merged.products == [JACKET]
    assert Overruled(id="jacket", field="variants.40018.price", old=60, new=84) in merged.feed_wins


def test_variants_that_only_live_changes_know_stay_with_a_feed_that_has_none() -> None:
    changes = (upsert(BEFORE, "k", "Kettle", variants=[SMALL, LARGE]), patch(BEFORE, "k", variants={"40018": None}))
    kettle = by_id(merge(*changes))["k"]
    assert [variant.as_dict() for variant in kettle.variants] == [SMALL]
    assert kettle.price == 18  # which the feed says
    replaced = by_id(merge(*changes, patch(BEFORE, "k", variants=[LARGE])))["k"]
    assert [variant.id for variant in replaced.variants] == ["40018"]
