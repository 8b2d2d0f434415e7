"""The readable line: phrases in their order, each said once, and none that does not hold."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.explain.matches import FieldMatch
from mercato.explain.phrases import ENGLISH, TITLE_CHARS, shorten_title
from mercato.explain.rules import RuleNote
from mercato.explain.sentence import Because, Move, write_recommendation_line, write_search_line
from mercato.features.inputs import Context
from mercato.retrieval.evidence import Counts
from mercato.retrieval.source_weights import WEIGHTS

MARCH_3 = datetime(2026, 3, 3, 12, tzinfo=timezone.utc).timestamp()
JULY = Context(time=datetime(2026, 7, 1, tzinfo=timezone.utc).timestamp())
PURCHASE, VIEW, CART = (EVENT_TYPE_CODES[name] for name in ("purchase-complete", "detail-page-view", "add-to-cart"))

FIVE, FEW = (Counts(buyers=number, days=0, until=JULY.time, orders=True) for number in (5, 4))
LATELY = Counts(buyers=6, days=35, until=JULY.time)


def search_line(
    *matches: FieldMatch,
    rules: tuple[RuleNote, ...] = (),
    dense_rank: int = 0,
    moves: tuple[Move, ...] = (),
    because: Because | None = None,
    query: str = "frozen pizza",
) -> str:
    stages = {"dense": {"rank": dense_rank, "score": 0.5}} if dense_rank else {}
    return write_search_line(ENGLISH, query, rules, matches, stages, moves, because)


def recommendation_line(because: Because | None, *moves: Move, context: Context = JULY) -> str:
    return write_recommendation_line(ENGLISH, (), because, moves, context)


def match(field: str, *words: str) -> FieldMatch:
    return FieldMatch(field=field, words=words)


def test_words_then_what_moved_it() -> None:
    line = search_line(
        match("title", "frozen", "pizza"),
        moves=(
            Move(group="words", effect=2.0, side="more"),
            Move(group="popularity", effect=1.0, side="more"),
            Move(group="price", effect=0.5, side="less"),
            Move(group="brand", effect=0.4, side="more"),
        ),
    )
    assert line == "matches 'frozen', 'pizza' in the title; bought often; cheaper than the others"


def test_another_word_is_named_with_what_it_stands_for() -> None:
    sofa = FieldMatch(field="title", words=("red", "sofas"), stands_for={"sofas": "couch"})
    assert search_line(sofa) == "matches 'red', 'sofas' for 'couch' in the title"


def test_each_word_is_named_once_in_the_first_field_that_holds_it() -> None:
    line = search_line(
        match("title", "frozen"), match("categories", "frozen", "pizza"), match("attributes.pack_size", "12")
    )
    assert line == "matches 'frozen' in the title, 'pizza' in the categories, '12' in pack size"


def test_what_speaks_against_a_product_is_no_reason_for_it() -> None:
    line = search_line(
        match("title", "frozen"),
        moves=(
            Move(group="price", effect=-3.0, side="more"),
            Move(group="popularity", effect=0.05, side="more"),  # too little to say
            Move(group="popularity", effect=1.0, side="less"),  # raised for being rare: there is no phrase
        ),
    )
    assert line == "matches 'frozen' in the title"


@pytest.mark.parametrize(("rank", "says"), [(1, True), (10, True), (11, False)])
def test_near_products_are_close_in_meaning_besides_their_words(rank: int, says: bool) -> None:
    assert ("close in meaning" in search_line(match("title", "frozen"), dense_rank=rank)) is says
    assert search_line(dense_rank=rank) == "close in meaning to 'frozen pizza'", "without words it is the reason"


def test_without_any_other_reason_the_source_is_named() -> None:
    assert search_line(because=Because(source="words", follows=True)) == "next by the words of the query"
    assert search_line(because=Because(source="oracle")) == "found by oracle"
    assert search_line() == ""


def test_rules_of_the_shop_come_first() -> None:
    pinned, boosted = RuleNote(kind="pinned"), RuleNote(kind="boosted", what="price < 3", boost=0.5)
    assert search_line(match("title", "frozen"), rules=(pinned,)).startswith("pinned by a rule; matches")
    assert search_line(match("title", "frozen"), rules=(boosted,)).startswith("boosted by price < 3; matches")


@pytest.mark.parametrize(
    ("because", "says"),
    [
        (Because(source="repeat", product_id="p", title="Milk", event_type=PURCHASE, time=MARCH_3),
         "you bought it on 3 Mar"),
        (Because(source="repeat", product_id="p", title="Milk", event_type=PURCHASE, time=-1e10),
         "you bought it on an earlier day"),  # its order alone is known
        (Because(source="repeat", product_id="p", title="Milk", event_type=CART, time=MARCH_3),
         "you put it into the cart on 3 Mar"),
        (Because(source="cooccurrence", product_id="p", title="Milk", event_type=CART, time=MARCH_3, counts=FIVE),
         "often bought with Milk, which you put into the cart on 3 Mar: in 5 orders"),
        (Because(source="cooccurrence", product_id="p", title="Milk", event_type=PURCHASE, time=MARCH_3, counts=FEW),
         "bought with Milk, which you bought on 3 Mar: in 4 orders"),
        (Because(source="cooccurrence", product_id="p", title="Milk", event_type=PURCHASE, time=MARCH_3),
         "goes with Milk, which you bought on 3 Mar"),
        (Because(source="cooccurrence", product_id="p", title="Milk", counts=FIVE),
         "often bought with Milk: in 5 orders"),
        (Because(source="cooccurrence", product_id="p", title="Milk", counts=FEW), "bought with Milk: in 4 orders"),
        (Because(source="cooccurrence", product_id="p", title="Milk"), "goes with Milk"),
        (Because(source="also_bought", product_id="p", title="Milk", event_type=PURCHASE, time=MARCH_3, counts=FIVE),
         "bought by 5 who bought Milk, which you bought on 3 Mar"),
        (Because(source="lately", product_id="p", title="Milk", event_type=PURCHASE, time=MARCH_3, counts=LATELY),
         "bought in the last five weeks by 6 who bought Milk, which you bought on 3 Mar"),
        (Because(source="lately", product_id="p", title="Milk", counts=LATELY),
         "bought in the last five weeks by 6 who bought Milk"),
        (Because(source="lately", product_id="p", title="Milk"), "goes with Milk of late"),
        (Because(source="similar", product_id="p", title="Milk", event_type=VIEW, time=MARCH_3),
         "like Milk, which you looked at on 3 Mar"),
        (Because(source="similar", product_id="p", title="Milk"), "like Milk"),
        (Because(source="similar", product_id="p"), "like p"),
        (Because(source="similar"), "among the nearest in meaning"),
        (Because(source="cooccurrence"), "goes with what you chose"),
        (Because(source="popular"), "popular in the shop"),
        (Because(source="popular", follows=True), "next by popularity"),
        (Because(source="popular", filtered=True), "popular among what fits the filter"),
        (Because(source="popular", filtered=True, follows=True), "next by popularity"),
        (Because(source="category", product_id="p", title="Milk", category="Dairy", event_type=PURCHASE, time=MARCH_3),
         "popular in Dairy, from which you bought Milk on 3 Mar"),
        (Because(source="category", product_id="p", title="Milk", category="Dairy", event_type=VIEW, time=MARCH_3,
                 sold=False),
         "of Dairy, from which you looked at Milk on 3 Mar"),
        (Because(source="category"), "popular in its category"),
        (Because(source="trending"), "wanted more than usual of late"),
        (Because(source="arrival"), "new in the shop"),
        (Because(source="oracle", product_id="p", title="Milk", event_type=VIEW, time=MARCH_3),
         "found by oracle"),
        (Because(source="oracle", product_id="p", title="Milk"), "found by oracle"),
        (None, ""),
    ],
)  # fmt: skip
def test_a_recommendation_names_its_source_and_who_speaks_for_it(because: Because | None, says: str) -> None:
    assert recommendation_line(because) == says


def test_dates_are_the_shoppers_and_name_another_year() -> None:
    late = datetime(2025, 12, 31, 23, 30, tzinfo=timezone.utc).timestamp()
    bought = Because(source="repeat", product_id="p", event_type=PURCHASE, time=late)
    assert recommendation_line(bought) == "you bought it on 31 Dec 2025"
    east = Context(time=JULY.time, utc_offset_s=3600.0)
    assert recommendation_line(bought, context=east) == "you bought it on 1 Jan"


def test_a_named_source_is_not_said_twice() -> None:
    popular = Move(group="popularity", effect=1.0, side="more")
    cheap = Move(group="price", effect=0.5, side="less")
    assert (
        recommendation_line(Because(source="popular"), popular, cheap) == "popular in the shop; cheaper than the others"
    )
    together = Move(group="bought by the same shoppers", effect=1.0, side="more")
    also = Because(source="also_bought", product_id="p", title="Milk")
    assert recommendation_line(also, together, cheap) == "goes with Milk; cheaper than the others"
    similar = Move(group="similarity", effect=1.0, side="more")
    assert recommendation_line(None, similar) == "close to what you chose before"


def test_long_titles_end_at_a_word() -> None:
    words = "word " * 20
    short = shorten_title(words.strip())
    assert short.endswith("word…")
    assert len(short) <= TITLE_CHARS + 1
    assert shorten_title("x" * 100) == "x" * TITLE_CHARS + "…"
    assert shorten_title("Milk") == "Milk"


def test_counts_are_told_with_the_days_they_are_of() -> None:
    now, day = JULY.time, 86_400.0

    def line(source: str, days: int, until: float, region: str = "") -> str:
        counts = Counts(buyers=9, days=days, until=until, region=region, month_buyers=13)
        return recommendation_line(Because(source=source, counts=counts))

    assert line("regional", 7, now, "Lyon") == "popular in Lyon this week: 9 bought it"
    assert line("regional", 28, now - day, "Lyon") == "popular in Lyon in the last four weeks: 9 bought it"
    # Learned long ago, it is not of this week.
    assert line("regional", 7, now - 1.1 * day, "Lyon") == "popular in Lyon in the week to 29 Jun: 9 bought it"
    assert line("regional", 28, now - 365 * day, "Lyon") == (
        "popular in Lyon in the four weeks to 1 Jul 2025: 9 bought it"
    )
    assert line("trending", 7, now) == "bought more than usual this week: by 9 shoppers, by 13 in four weeks"
    assert line("trending", 7, float("nan")) == (
        "bought more than usual within a week: by 9 shoppers, by 13 in four weeks"
    )
    assert line("arrival", 28, now) == "first sold in the last four weeks: to 9 shoppers"
    assert line("popular", 28, now) == "popular in the shop", "there is no phrase with numbers"


def test_every_source_of_recommendations_has_a_phrase() -> None:
    for source in {source for sources in WEIGHTS.values() for source in sources}:
        assert not recommendation_line(Because(source=source)).startswith("found by"), source
