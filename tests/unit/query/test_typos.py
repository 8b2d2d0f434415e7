import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from mercato.query.typos import NearWord, NearWords, Slip, is_near_key, write_sound

WORDS = ["kettle", "mettle", "settee", "ladle", "handle", "candle", "handles", "kettles", "kettel", "phone", "größe"]


@pytest.mark.parametrize(
    ("typed", "meant", "slip"),
    [
        ("ekttle", "kettle", Slip.SWAPPED),
        ("ketttle", "kettle", Slip.DOUBLED),
        ("ketle", "kettle", Slip.DOUBLED),
        ("ketle", "ketles", Slip.LOST),
        ("ladgle", "ladle", Slip.ADDED),
        ("handke", "handle", Slip.NEAR),  # k beside l
        ("handpe", "handle", Slip.NEAR),  # p above l
        ("hanxle", "handle", Slip.NEAR),
        ("hanqle", "handle", Slip.OTHER),
        ("hanqlee", "handle", Slip.TWO),
    ],
)
def test_what_went_wrong(typed: str, meant: str, slip: Slip) -> None:
    (found,) = NearWords([meant]).find(typed, 2)
    assert found == NearWord(word=meant, slip=slip, first=typed[0] != meant[0])


@given(st.text("abcdehknlst", min_size=3, max_size=9), st.sampled_from([1, 2]))
def test_all_words_within_the_distance_are_found(typed: str, edits: int) -> None:
    found = {near.word for near in NearWords(WORDS).find(typed, edits)}
    assert found == {word for word in WORDS if 0 < OSA.distance(typed, word) <= edits}


@given(
    st.sampled_from(WORDS), st.integers(0, 8), st.sampled_from("aeszqö"), st.sampled_from(["put in", "left out", "put"])
)
def test_every_single_slip_is_found(word: str, place: int, letter: str, kind: str) -> None:
    at = min(place, len(word) - 1)
    typed = word[:at] + ("" if kind == "left out" else letter) + word[at + (kind != "put in") :]
    found = {near.word for near in NearWords(WORDS).find(typed, 1)}
    assert word in found or typed == word


def test_words_come_and_go() -> None:
    near = NearWords(["kettle"])
    assert [one.word for one in near.find("kettlo", 1)] == ["kettle"]
    near.add("kettly")
    near.remove("kettle")
    assert [one.word for one in near.find("kettlo", 1)] == ["kettly"]


def test_no_words_are_near_nothing() -> None:
    assert NearWords([]).find("kettle", 2) == []


@pytest.mark.parametrize(("one", "other"), [("phone", "fone"), ("quick", "kwik"), ("foto", "photo"), ("wald", "walt")])
def test_what_sounds_alike_is_written_alike(one: str, other: str) -> None:
    assert (write_sound(one) == write_sound(other)) is (one != "quick")


def test_keys_lie_side_by_side() -> None:
    assert is_near_key("g", "h") and is_near_key("y", "z") and is_near_key("a", "q")
    assert not is_near_key("a", "l") and not is_near_key("ö", "l")
