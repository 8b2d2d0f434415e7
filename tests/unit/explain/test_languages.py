"""Explanations in each language: every phrase is there, says the same things, and a request names its language."""

import string
from collections.abc import Mapping

import pytest

from mercato.explain.chinese import CHINESE, PHRASES, find_phrases
from mercato.explain.matches import FieldMatch
from mercato.explain.phrases import ENGLISH, Phrases
from mercato.explain.sentence import Because, Move, write_recommendation_line, write_search_line
from mercato.features.inputs import Context
from tests import stores

CALLED = {"comma", "semicolon", "it"}
"""Phrases that may be without words."""


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("phrases", PHRASES.values(), ids=PHRASES.keys())
def test_every_language_has_every_phrase(phrases: Phrases) -> None:
    tables: list[tuple[Mapping[object, str], Mapping[object, str]]] = [
        (ENGLISH.texts, phrases.texts),  # type: ignore[list-item]
        (ENGLISH.deeds, phrases.deeds),  # type: ignore[list-item]
        (ENGLISH.fields, phrases.fields),  # type: ignore[list-item]
    ]
    for english, others in tables:
        assert set(others) == set(english)
        for key, text in english.items():
            assert names_in(others[key]) == names_in(text), key
            assert others[key] or key in CALLED
    assert len(phrases.months) == 12


@pytest.mark.parametrize("name", ["zh", "zh-CN", "zh-Hant-TW", "chinese"])
def test_chinese_by_its_names(name: str) -> None:
    assert find_phrases(name) is CHINESE


@pytest.mark.parametrize("name", ["", "en", "en-GB", "fr", "tlh", "\N{PILE OF POO}"])
def test_what_is_not_known_is_english(name: str) -> None:
    assert find_phrases(name) is ENGLISH


def test_a_search_line_in_chinese() -> None:
    matches = [FieldMatch(field="title", words=("tea",), stands_for={})]
    stages = {"dense": {"rank": 3, "score": 0.5}}
    line = write_search_line(CHINESE, "tea", [], matches, stages, [Move(group="price", effect=0.5, side="less")], None)
    assert line == "匹配标题中的“tea”；与“tea”意思相近；比其他商品便宜"


def test_a_recommendation_line_in_chinese() -> None:
    because = Because(source="repeat", product_id="a", title="A", event_type=2, time=stores.NOW - stores.DAY)
    line = write_recommendation_line(CHINESE, [], because, [], Context(time=stores.NOW))
    date = CHINESE.date(because.time, now=stores.NOW, utc_offset_s=0.0)
    assert line == f"您于{date}{CHINESE.deeds[2].format(what='')}"
    assert date.endswith("日")
