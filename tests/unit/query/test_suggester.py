"""Suggestions over a real snapshot and a real state: prefixes, past queries, typos, and a state that breaks."""

import math
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from mercato.errors import InvalidInputError
from mercato.events.event import parse_event
from mercato.index.manifest import read_manifest
from mercato.query.suggest.request import MAX_LIMIT, SuggestRequest, parse_suggest
from mercato.query.suggest.searched import Searched
from mercato.query.suggest.stored import SUGGESTIONS, SnapshotTexts, read_suggestions
from mercato.query.suggest.suggester import REFRESH_S, SuggestAnswer, Suggester
from mercato.signals.past_queries import QUERIES_A_DAY
from mercato.state.sqlite import SqliteStateStore
from mercato.state.values import SearchQuery
from tests import stores


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def suggest_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suggest")
    stores.build(
        folder / "catalog", [*stores.make_products(), stores.product("cn", "有机牛奶 250ml", categories=["乳制品"])]
    )
    return folder / "catalog"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteStateStore]:
    store = stores.open_store(tmp_path / "state.db")
    yield store
    store.close()


def searched(store: SqliteStateStore, query: str, *users: str, field: str = "search_query") -> None:
    document = {"event_type": "search", "time": stores.NOW, "context": {"query": query}}
    if field == "search_query":
        document = {"event_type": "search", "time": stores.NOW, "search_query": query}
    store.append_events([parse_event({**document, "user_id": user}, now=stores.NOW) for user in users])


def ask(suggester: Suggester, prefix: str, limit: int = 5) -> SuggestAnswer:
    [answer] = suggester.suggest([parse_suggest({"PREFIX": prefix.encode(), "LIMIT": limit})])
    assert isinstance(answer, SuggestAnswer)
    return answer


def details(answer: SuggestAnswer) -> dict[str, list[str]]:
    parsed: dict[str, list[str]] = orjson.loads(answer.details)
    return parsed


def test_a_catalogue_completes_prefixes(suggest_snapshot: Path) -> None:
    suggester = Suggester(read_suggestions(suggest_snapshot), None)
    assert ask(suggester, "dri").texts == ["drinks"]
    assert details(ask(suggester, "dri"))["kinds"] == ["category"]
    assert ask(suggester, "frozen p").texts[0] == "frozen pizza"
    assert set(ask(suggester, "coff").texts) >= {"ground coffee", "organic ground coffee"}
    assert "有机牛奶 250ml" in ask(suggester, "牛奶").texts
    assert ask(suggester, "ac").texts == ["acme"]
    scores = ask(suggester, "o", 20).scores.tolist()
    assert scores == sorted(scores, reverse=True)


def test_a_batch_with_a_bad_request(suggest_snapshot: Path) -> None:
    suggester = Suggester(read_suggestions(suggest_snapshot), None)
    bad = InvalidInputError("LIMIT", "is wrong")
    good = SuggestRequest(prefix="dri", limit=1)
    first, passed_on, last = suggester.suggest([good, bad, good])
    assert passed_on is bad
    assert isinstance(first, SuggestAnswer)
    assert isinstance(last, SuggestAnswer)
    assert first.texts == last.texts == ["drinks"]


def test_a_typo_is_mended_and_told(suggest_snapshot: Path) -> None:
    suggester = Suggester(read_suggestions(suggest_snapshot), None)
    answer = ask(suggester, "frozne piz")
    assert answer.texts[0] == "frozen pizza"
    assert details(answer)["corrected"] == ["frozen piz"]
    assert details(ask(suggester, "frozen piz"))["corrected"] == []
    nothing = ask(suggester, "xylophone")
    assert (nothing.texts, nothing.scores.shape) == ([], (0,))


def test_past_queries_come_first_once_two_shoppers_sent_them(suggest_snapshot: Path, state: SqliteStateStore) -> None:
    clock = Clock()
    suggester = Suggester(read_suggestions(suggest_snapshot), state, clock)
    assert "frozen yogurt" not in ask(suggester, "froz").texts
    searched(state, " Frozen  YOGURT", "u1")
    searched(state, "frozen yogurt", "u1")
    searched(state, "frozen secret", "u1")
    clock.now += REFRESH_S
    assert "frozen yogurt" not in ask(suggester, "froz").texts, "one shopper, twice, is not two"
    searched(state, "frozen yogurt", "u2", "u3", "u4", field="query")
    assert "frozen yogurt" not in ask(suggester, "froz").texts, "read every half minute"
    clock.now += REFRESH_S
    answer = ask(suggester, "froz")
    assert answer.texts[0] == "frozen yogurt"
    assert details(answer)["kinds"][0] == "query"
    assert "frozen secret" not in ask(suggester, "froz", 50).texts
    assert ask(suggester, "", 1).texts == ask(suggester, "", 2).texts[:1]


def test_one_shopper_is_one_whatever_is_sent_and_a_robot_is_cut_off(
    suggest_snapshot: Path, state: SqliteStateStore
) -> None:
    clock = Clock()
    suggester = Suggester(read_suggestions(suggest_snapshot), state, clock)
    searched(state, "frozen junk", *["u1"] * 600)
    for number in range(QUERIES_A_DAY + 5):
        searched(state, f"frozen robot {number:02d}", "r1", "r2")
    texts = ask(suggester, "frozen", 50).texts
    assert "frozen junk" not in texts
    assert sum("robot" in text for text in ask(suggester, "frozen robot", 50).texts) == 50
    assert f"frozen robot {QUERIES_A_DAY}" not in ask(suggester, f"frozen robot {QUERIES_A_DAY}", 50).texts


def test_what_was_searched_lately_counts_more_than_what_was_long_ago() -> None:
    def send(text: str, shoppers: int, days_ago: float, first: int) -> list[SearchQuery]:
        time = stores.NOW - days_ago * stores.DAY
        return [SearchQuery(text, f"u{n}", first + n, time) for n in range(shoppers)]

    searches = Searched()
    searches.read([*send("old", 8, 180, 0), *send("new", 2, 0, 10), *send("sorted", 2, 60, 20)])
    entries = {entry.text: entry.weight for entry in searches.list_entries()}
    # 180 days are three half-lives, 60 are one.
    assert entries["old"] == pytest.approx(2 * math.log1p(8 / 8))
    assert entries["new"] == pytest.approx(2 * math.log1p(2))
    assert entries["sorted"] == pytest.approx(2 * math.log1p(2 / 2))
    assert (searches.sequence, searches.newest) == (21, stores.NOW)
    untimed = Searched()
    untimed.read([SearchQuery("tea", f"u{n}", n, -1e10 + n) for n in range(4)])
    assert [entry.weight for entry in untimed.list_entries()] == [pytest.approx(2 * math.log1p(4 / 2))]


def test_a_query_is_suggested_where_its_words_find_something(suggest_snapshot: Path, state: SqliteStateStore) -> None:
    clock = Clock()
    snapshot = SnapshotTexts(suggest_snapshot)
    suggester = Suggester(read_suggestions(suggest_snapshot), state, clock, snapshot=snapshot)
    for query in ("frozen pizzas", "frozen yoghurt", "family frozen pizza vegan", "the frozen pizza", "frozen"):
        searched(state, query, "u1", "u2", "u3")
    found = set(ask(suggester, "frozen", 50).texts)
    assert {"frozen pizzas", "the frozen pizza", "family frozen pizza vegan"} <= found  # three of four are enough
    assert "frozen yoghurt" not in found
    state.append_product_changes([stores.upsert(stores.product("y", "Yoghurt"))])
    searched(state, "frozen yoghurt", "u4")
    clock.now += REFRESH_S
    assert "frozen yoghurt" in ask(suggester, "frozen", 50).texts


def test_a_state_that_breaks_leaves_what_is_known(suggest_snapshot: Path, state: SqliteStateStore) -> None:
    clock = Clock()
    searched(state, "oat milk", "u1", "u2")
    broken = stores.BreakableStore(state)
    suggester = Suggester(read_suggestions(suggest_snapshot), broken, clock)
    assert ask(suggester, "oat").texts == ["oat milk"]
    broken.broken = True
    clock.now += REFRESH_S
    answer = ask(suggester, "oat")
    assert answer.texts == ["oat milk"]
    assert details(answer)["degraded"] == ["state"]
    broken.broken = False
    clock.now += REFRESH_S
    assert details(ask(suggester, "oat"))["degraded"] == []


def test_a_snapshot_without_suggestions_gets_the_same_ones(suggest_snapshot: Path, tmp_path: Path) -> None:
    assert SUGGESTIONS in read_manifest(suggest_snapshot).files
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in suggest_snapshot.resolve().iterdir():
        if path.name not in (SUGGESTIONS, "manifest.json"):
            (bare / path.name).symlink_to(path)
    manifest = read_manifest(suggest_snapshot)
    files = {name: one for name, one in manifest.files.items() if name != SUGGESTIONS}
    (bare / "manifest.json").write_text(manifest.model_copy(update={"files": files}).model_dump_json())
    kept, made = read_suggestions(suggest_snapshot), read_suggestions(bare)
    assert [made.text(entry) for entry in range(len(made))] == [kept.text(entry) for entry in range(len(kept))]
    assert made.find("o", 20) == kept.find("o", 20)


@pytest.mark.parametrize(
    ("fields", "parameter", "says"),
    [
        ({}, "PREFIX", "must be given"),
        ({"PREFIX": b"\xff"}, "PREFIX", "must be UTF-8"),
        ({"PREFIX": b"a" * 1001}, "PREFIX", "at most 1,000 characters"),
        ({"PREFIX": b"a", "LIMIT": 0}, "LIMIT", "between 1 and 50, got 0"),
        ({"PREFIX": b"a", "LIMIT": MAX_LIMIT + 1}, "LIMIT", "got 51"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(fields: dict[str, bytes | int | None], parameter: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        parse_suggest(fields)
    assert caught.value.parameter == parameter


def test_a_prefix_of_white_space_is_empty() -> None:
    assert parse_suggest({"PREFIX": b" \t "}) == SuggestRequest(prefix="", limit=10)
