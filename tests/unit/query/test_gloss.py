"""Queries of other languages, word by word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.index.glosses import MAX_GLOSSES, choose_glosses
from mercato.query.gloss import Glossary, Segment
from mercato.text.language_names import LANGUAGES, find_language, parse_language
from mercato.text.words import WordAnalyzer

GERMAN = {
    "maus": ["mouse"],
    "tasche": ["bag", "pocket"],
    "festplatte": ["hard disk"],
    "extern": ["external"],
    "kind": ["child"],
    "wagen": ["car"],
    "rote bete": ["beetroot"],
}
CHINESE = {"笔记本电脑": ["laptop"], "笔记本": ["notebook"], "包": ["bag"], "无线": ["wireless"]}
SPANISH = {"cámara": ["camera"], "zapato": ["shoe"]}
KNOWN = {"laptop", "usb", "kamera"}


def glossary(code: str, glosses: dict[str, list[str]]) -> Glossary:
    return Glossary(parse_language(code, "code"), glosses, KNOWN.__contains__)


def read(code: str, glosses: dict[str, list[str]], text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(segment.text, segment.glosses) for segment in glossary(code, glosses).read(text)]


def test_words_are_found_as_they_are_and_others_stay() -> None:
    assert read("de", GERMAN, "USB Maus") == [("usb", ()), ("maus", ("mouse",))]
    assert glossary("de", GERMAN).has("Maus".casefold())
    assert not glossary("de", GERMAN).has("usb")


def test_an_inflected_word_is_found_by_its_stem() -> None:
    assert read("de", GERMAN, "neue Festplatten") == [("neue", ()), ("festplatten", ("hard disk",))]
    assert read("es", SPANISH, "zapatos") == [("zapatos", ("shoe",))]


def test_the_longest_phrase_counts() -> None:
    assert read("de", GERMAN | {"bete": ["beet"]}, "rote bete") == [("rote bete", ("beetroot",))]


def test_a_word_of_the_shop_is_itself_before_it_is_a_form_of_another() -> None:
    glosses = {"kamerad": ["comrade"], "kameras": ["cameras"], "usbs": ["stitch"]}
    assert read("de", glosses, "usb") == [("usb", ("usb", "stitch"))]
    hub = Glossary(parse_language("es", "code"), SPANISH, {"hub", "con"}.__contains__)
    # "hub" is the stem of "hubo", which says nothing; "con" says nothing itself
    assert [segment.text for segment in hub.read("hub con zapato")] == ["hub", "zapato"]
    assert [segment.text for segment in glossary("es", SPANISH).read("hubo zapato")] == ["zapato"]


def test_words_that_say_nothing_are_left_out() -> None:
    assert read("es", SPANISH, "zapatos para la cámara") == [("zapatos", ("shoe",)), ("cámara", ("camera",))]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("kameratasche", ["kamera", "tasche"]),
        ("laptoptasche", ["laptop", "tasche"]),
        ("kinderwagen", ["kinder", "wagen"]),
        ("tastatur", ["tastatur"]),
    ],
)
def test_compounds_are_read_by_parts_that_are_known(word: str, parts: list[str]) -> None:
    assert [text for text, _ in read("de", GERMAN, word)] == parts


def test_a_run_of_chinese_is_cut_at_the_longest_words() -> None:
    assert read("zh", CHINESE, "笔记本电脑包") == [("笔记本电脑", ("laptop",)), ("包", ("bag",))]
    assert read("zh", CHINESE, "usb无线蓝牙包") == [
        ("usb", ()),
        ("无线", ("wireless",)),
        ("蓝牙", ()),
        ("包", ("bag",)),
    ]


def test_what_is_read_is_the_likeliest_meaning() -> None:
    assert Segment("tasche", ("bag", "pocket")).meaning == "bag"
    assert Segment("usb").meaning == "usb"


@given(st.text(max_size=60), st.sampled_from([("de", GERMAN), ("zh", CHINESE), ("es", SPANISH)]))
def test_any_text_is_read(text: str, language: tuple[str, dict[str, list[str]]]) -> None:
    for segment in glossary(*language).read(text):
        assert segment.text
        assert all(segment.glosses)


def test_glosses_are_those_that_the_catalogue_answers_most() -> None:
    products = {"stand": 90, "pillar": 1, "stud": 30, "pen": 4, "headphon": 50, "watch": 20, "appl": 500, "applet": 1}
    entries = {
        "ständer": ["upright", "pillar", "stand", "stud"],
        "kopfhörer": ["headphones", "headphone"],
        "armbanduhr": ["wrist watch"],
        "apple": ["applet"],
        "pfau": ["peacock"],
    }
    found = {word: dict.fromkeys(glosses, 1.0) for word, glosses in entries.items()}
    chosen = choose_glosses(found.items(), WordAnalyzer().analyze, lambda term: products.get(term, 0))
    assert chosen == {
        # no product has "upright"
        "ständer": ["stand", "stud", "pillar"],
        # the same term
        "kopfhörer": ["headphones"],
        # a wrist watch is a watch
        "armbanduhr": ["watch"],
        # what the shop calls so itself
        "apple": ["apple", "applet"],
    }


def test_only_some_meanings_are_kept() -> None:
    meanings = [f"word{letter}" for letter in "abcdefghijkl"]
    chosen = choose_glosses(
        {"x": dict.fromkeys(meanings, 1.0)}.items(), WordAnalyzer().analyze, lambda term: 1 if term != "x" else 0
    )
    assert chosen == {"x": meanings[:MAX_GLOSSES]}


def test_what_several_dictionaries_say_and_what_is_spelt_alike_is_likelier() -> None:
    products = {
        "radio": 60,
        "wireless": 900,
        "clamp": 300,
        "batteri": 40,
        "wrist": 5,
        "watch": 30,
        "solid": 9,
        "state": 9,
    }
    entries = {
        # ln(61) * (1 + 1) = 8.2, ln(901) * 1 = 6.8
        "radio": {"wireless": 1.0, "radio": 1.0},
        # ln(41) * 3 = 11.1, ln(301) * 0.5 = 2.9
        "pila": {"clamp": 0.5, "battery": 3.0},
        # no product has the word in one
        "reloj": {"wristwatch": 1.0},
        "estado": {"solid-state": 1.0},
        "torre": {"tower": 1.0},
    }
    assert choose_glosses(entries.items(), WordAnalyzer().analyze, lambda term: products.get(term, 0)) == {
        "radio": ["radio", "wireless"],
        "pila": ["battery", "clamp"],
        "reloj": ["wrist watch", "watch"],
        "estado": ["solid state", "state"],
    }


def test_languages_have_one_code_and_several_names() -> None:
    for language in LANGUAGES:
        for name in (language.code, language.long_code, language.name, f"{language.code}-XX", language.name.upper()):
            assert find_language(name) is language
    assert find_language("tlh") is None
    assert find_language("") is None
