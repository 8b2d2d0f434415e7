"""The floor of a catalogue: between what its own words reach and what other trades do."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from mercato.index.dense import DenseIndex, build_dense_index
from mercato.index.match_floor import MatchFloor, read_floor
from mercato.index.snapshot import Snapshot
from mercato.indexing.calibrate_floor import (
    SAMPLE,
    SampledQuery,
    calibrate_floor,
    find_credit,
    find_foreign_level,
    read_trades,
    sample_queries,
)
from tests.stores import HashEncoder, build, make_products, product


def test_the_trades_are_many_and_say_nothing_twice_in_a_language() -> None:
    trades = read_trades()
    assert len({trade for trade, _ in trades}) >= 15
    assert {language for _, language in trades} == {"en", "de", "fr", "es", "zh"}
    assert all(len(set(queries)) == len(queries) and all(queries) for queries in trades.values())


def test_the_trades_near_to_the_shop_say_nothing_about_what_it_lacks() -> None:
    far = {("cars", "en"): np.array([0.2, 0.3, 0.4]), ("food", "en"): np.array([0.1, 0.2, 0.3])}
    near = {("toys", "en"): np.array([0.9, 0.9]), ("home", "en"): np.array([0.8, 0.9])}
    # A sixth of four trades is one at least, the farthest: of its three the quantile .95 lies at position 1.9.
    assert find_foreign_level(far | near) == pytest.approx(0.2 + 0.9 * 0.1)
    other = {("food", "de"): np.array([0.5])}
    assert find_foreign_level(far | near | other) == pytest.approx(0.5)


def test_words_make_up_for_half_the_way_from_chance_at_least_and_never_for_more_than_all() -> None:
    assert find_credit(0.5, np.array([0.6, 0.7]), np.array([1.0, 1.0]), 0.1) == pytest.approx(0.5 * (0.5 - 0.1))
    assert find_credit(0.5, np.array([0.2]), np.array([1.0]), 0.1) == pytest.approx(0.5 - 0.2)
    assert find_credit(0.5, np.array([0.2]), np.array([0.0]), 0.1) == pytest.approx(0.5 - 0.1)


def test_queries_are_made_of_titles_words_and_none_of_none() -> None:
    titles = ["Folding desk lamp black", "Kettle", "???"] + [f"Chair number {n}" for n in range(2 * SAMPLE)]
    made = sample_queries(titles, np.random.default_rng(1))
    assert len({one.text for one in made}) == len(made)
    assert len({one.row for one in made}) <= SAMPLE
    assert all(word.lower() in titles[one.row].lower() for one in made for word in one.text.split())
    assert sample_queries(["???"], np.random.default_rng(1)) == []


def test_what_is_sold_lies_above_and_what_is_not_below(tmp_path: Path) -> None:
    encoder = HashEncoder()
    titles = [f"{colour} {thing}" for thing in ("anvil", "gimlet", "adze") for colour in ("red", "blue", "green")]
    build_dense_index(encoder.encode(titles), tmp_path / "dense", threads=1)
    sampled = [SampledQuery(text=title, row=row) for row, title in enumerate(titles)]
    floor = calibrate_floor(
        DenseIndex(tmp_path / "dense"), np.arange(9, dtype=np.int32), sampled, lambda _: 1.0, encoder.encode
    )
    assert -1 <= floor.chance < floor.meaning < 1
    assert floor.languages == {}
    assert 0 <= floor.words <= floor.meaning - floor.chance


@pytest.mark.parametrize("items", [[product("a", "Lamp")], [product("a", "!!!")], make_products()[:10]], ids=len)
def test_tiny_catalogues_and_those_without_words_have_a_floor(tmp_path: Path, items: list) -> None:  # type: ignore[type-arg]
    build(tmp_path / "catalog", items)
    floor = Snapshot(tmp_path / "catalog").floor
    assert floor is not None
    assert -1 <= floor.meaning <= 1
    assert floor.words >= 0


def test_the_best_of_what_holds_the_words_is_never_below_the_floor() -> None:
    floor = MatchFloor(meaning=0.5, words=0.2, chance=0.1)
    cosines, shares = np.array([0.3, 0.3], np.float32), np.array([0.0, 1.0], np.float32)
    np.testing.assert_allclose(floor.rate(cosines, shares), [0.3, 0.3 + 0.2], atol=1e-6)
    assert floor.require(0.4, best=0.6) == 0.5
    # Nine tenths of the way from chance to the best.
    assert floor.require(0.4, best=0.3) == pytest.approx(0.1 + 0.9 * 0.2)
    assert floor.require(0.4, best=0.05) <= 0.1


def test_where_the_shop_has_the_very_thing_what_only_names_it_must_be_nearer() -> None:
    floor = MatchFloor(meaning=0.5, words=0.2, chance=0.1)
    # Half of what the nearest has above the floor.
    assert floor.require(0.7, best=0.9) == pytest.approx(0.5 + 0.5 * (0.7 - 0.5))
    # Three quarters of the way from chance to the nearest.
    assert floor.narrow(0.7) == pytest.approx(0.1 + 0.75 * (0.7 - 0.1))
    assert floor.narrow(0.4) == 0.5


def test_queries_of_another_language_have_a_floor_of_their_own(tmp_path: Path) -> None:
    floor = MatchFloor(meaning=0.5, words=0.2, chance=0.1, languages={"zh": 0.3, "de": 0.6})
    assert floor.speak("zh-Hant-TW").meaning == floor.speak("chinese").meaning == 0.3
    # never above that of all
    assert floor.speak("de") == floor.speak("") == floor.speak("fr") == floor.speak("tlh") == floor
    encoder = HashEncoder()
    build_dense_index(encoder.encode(["red anvil", "blue adze"]), tmp_path / "dense", threads=1)
    learned = calibrate_floor(
        DenseIndex(tmp_path / "dense"),
        np.arange(2, dtype=np.int32),
        [],
        lambda _: 1.0,
        encoder.encode,
        multilingual=True,
    )
    assert {language for _, language in read_trades()} == set(learned.languages)
    assert max(learned.languages.values()) == learned.meaning


def test_a_snapshot_from_before_has_no_floor() -> None:
    assert read_floor({}) is None
    stored = MatchFloor(meaning=0.4, words=0.1, chance=0.0)
    assert read_floor({"match_floor": asdict(stored)}) == stored
    assert read_floor({"match_floor": {"meaning": 0.4, "words": 0.1, "chance": 0.0}}) == stored
