from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.text import WordAnalyzer

NONE = WordAnalyzer("none")


def hold(text: str) -> set[str]:
    return NONE.list_held(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("电动牙刷", ["电动", "牙刷"]),
        ("保温杯", ["保温", "温杯", "保温杯"]),
        ("コーヒー豆", ["コー", "ーヒ", "コーヒ", "豆"]),
        ("赤い傘", ["赤", "い", "傘"]),
        ("ｺｰﾋｰ", ["コー", "ーヒ", "コーヒ"]),
        ("우산을", ["우산"]),
        ("무선청소기", ["무선", "선청", "청소", "소기"]),
        ("ร่มกัน", ["ร่ม", "มกั", "กัน"]),
    ],
)
def test_words_of_a_run(text: str, words: list[str]) -> None:
    assert NONE.analyze(text) == words


@pytest.mark.parametrize("run", ["红茶礼盒", "花瓶陶瓷白色", "日本酒", "ร่มกันแดด", "우산", "雨傘の袋"])
def test_every_character_of_a_run_is_held_and_counts_less(run: str) -> None:
    found = NONE.read(run)
    assert len(found.terms) <= len(run)
    for char, weight in found.minor:
        assert 0 < weight < 1, char
    if run.isalpha():  # no combining marks
        assert set(run) <= hold(run)


def test_what_a_long_mark_ends_is_the_same_without() -> None:
    assert NONE.analyze("エレベーター") == NONE.analyze("エレベータ")
    assert NONE.analyze("コピー") != NONE.analyze("コピ")  # too short to lose it


def test_neighbours_of_two_words_are_held() -> None:
    assert "壳透" in hold("手机壳透明")


@given(st.text(st.sampled_from("电动牙刷花生油壳杯あいのりカフェ東京"), min_size=2, max_size=12))
def test_two_neighbours_are_held_by_what_they_stand_in(run: str) -> None:
    assert {a + b for a, b in pairwise(run)} <= hold(run)
