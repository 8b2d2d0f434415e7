"""Which query an event follows from."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mercato.signals.query_log import QueryLog
from mercato.state.values import EventTable
from mercato.text.query_key import NO_KEY, hash_query, list_query_terms
from tests.unit.signals.query_events import ANALYZER, deed, name, read, write

ROWS = {"mug": 0, "pot": 1, "tea": 2}


def test_an_event_is_of_the_query_that_it_names(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        [
            deed("search", "a", 0, search_query="cups"),
            deed("view", "a", 5, product_id="mug", search_query="red mug", context={"rank": 7}),
            deed("buy", "b", 0, product_id="pot", search_query="tea pot"),
            deed("view", "b", 5, product_id="gone", search_query="tea pot"),
        ],
    )
    assert name(read(table, ROWS)) == [("red mug", 0, 7), ("tea pot", 1, 0)]


def test_a_view_follows_the_last_search_of_the_session(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        [
            deed("view", "a", 0, product_id="tea"),
            deed("search", "a", 10, search_query="mugs"),
            deed("view", "a", 1_809, product_id="mug", context={"rank": 2}),
            deed("view", "a", 1_811, product_id="pot"),
            deed("search", "b", 10, search_query="pots"),
            deed("view", "c", 11, product_id="mug"),
            deed("home-page-view", "b", 12),
            deed("view", "b", 13, product_id="mug"),
        ],
    )
    assert name(read(table, ROWS)) == [("mugs", 0, 2)]


def test_a_purchase_follows_what_led_to_the_product_and_not_the_last_search(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        [
            deed("search", "a", 0, search_query="mugs"),
            deed("view", "a", 5, product_id="mug"),
            deed("cart", "a", 6, product_id="mug"),
            deed("search", "a", 10, search_query="tea"),
            deed("buy", "a", 20_000, product_id="mug"),
            deed("buy", "a", 20, product_id="tea"),
            deed("buy", "a", 200_000, product_id="mug"),
        ],
    )
    assert name(read(table, ROWS)) == [("mugs", 0, 0), ("mugs", 0, 0), ("mugs", 0, 0), ("tea", 2, 0)]


def test_a_visitor_who_signs_in_is_one_shopper(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        [
            {**deed("search", "", 0, search_query="mugs"), "visitor_id": "v"},
            {**deed("view", "a", 5, product_id="mug"), "visitor_id": "v"},
        ],
    )
    assert name(read(table, ROWS)) == [("mugs", 0, 0)]


def test_a_history_without_queries_gives_nothing(tmp_path: Path) -> None:
    table = write(tmp_path, [deed("buy", "a", 5, product_id="mug"), deed("search", "a", 6)])
    assert table.query is None
    assert len(read(table, ROWS)) == 0
    assert len(read(EventTable.empty(), ROWS)) == 0
    assert len(QueryLog.empty()) == 0


def test_events_without_times_and_queries_without_words_are_left_out(tmp_path: Path) -> None:
    untimed = {"event_type": "purchase-complete", "user_id": "a", "product_id": "mug", "order": 3}
    table = write(
        tmp_path,
        [{**untimed, "search_query": "mugs"}, deed("buy", "b", 0, product_id="mug", search_query="???")],
    )
    assert len(read(table, ROWS)) == 0


def test_ranks_that_are_none_are_not_read(tmp_path: Path) -> None:
    said = [-1, 0, "3", 2.5, 10**9, None, 10_000]
    table = write(
        tmp_path,
        [
            deed("view", f"u{n}", n, product_id="mug", search_query="mugs", context={"rank": rank})
            for n, rank in enumerate(said)
        ],
    )
    assert table.rank is not None
    assert sorted(table.rank.tolist()) == [0, 0, 0, 0, 0, 0, 10_000]


def test_one_query_has_one_key_in_whatever_order_case_and_number() -> None:
    keys = {hash_query(text, ANALYZER) for text in ("red mug", "Mugs  red", "RED, mug", "red red mug")}
    assert list_query_terms("Mugs  red", ANALYZER) == ("mug", "red")
    assert len(keys) == 1
    assert hash_query("wifi router", ANALYZER) == hash_query("router wi-fi", ANALYZER)
    assert hash_query("coffee with sugar", ANALYZER) != hash_query("coffee without sugar", ANALYZER)
    assert hash_query("🍕 !", ANALYZER) == NO_KEY
    assert NO_KEY not in keys


@given(st.permutations(["red", "mug", "mugs", "16gb", "wi-fi", "café", "牛奶"]))
def test_the_order_of_words_never_matters(words: list[str]) -> None:
    assert list_query_terms(" ".join(words), ANALYZER) == list_query_terms(" ".join(sorted(words)), ANALYZER)
