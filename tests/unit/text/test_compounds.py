import pytest

from mercato.text import WordAnalyzer
from mercato.text.compounds import AFTER_PARTICLE_WEIGHT, HEAD_WEIGHT, MODIFIER_WEIGHT


def find_parts(language: str, word: str, shop: str) -> dict[str, float]:
    """Parts of a word in a shop whose texts hold others."""
    known = set(WordAnalyzer(language).analyze(f"{shop} {word}"))
    return dict(WordAnalyzer(language, known=known).read(word).minor)


def test_the_last_part_is_worth_more_than_the_others() -> None:
    assert find_parts("german", "Gartenstühle", "Garten Stuhl") == {"stuhl": HEAD_WEIGHT, "gart": MODIFIER_WEIGHT}


@pytest.mark.parametrize(
    ("language", "word", "shop", "parts"),
    [
        ("german", "Regenschirme", "Regen Schirm", {"reg", "schirm"}),
        ("german", "Arbeitshose", "Arbeit Hose", {"arbeit", "hos"}),  # linked by s
        ("german", "Blumenkasten", "Blume Kasten", {"blum", "kast"}),
        ("german", "Schulranzen", "Schule Ranzen", {"schul", "ranz"}),  # lost its e
        ("german", "Kleiderschrank", "Kleid Schrank", {"kleid", "schrank"}),
        ("german", "Gartenstuhlkissen", "Garten Stuhl Kissen", {"gart", "stuhl", "kiss"}),
        ("german", "Skihandschuhe", "Handschuhe", set()),  # "Ski" is short, and no word of this shop
        ("german", "Motorradhandschuhe", "Handschuhe", {"handschuh"}),
        ("dutch", "Tuinstoelen", "tuin stoel", {"tuin", "stoel"}),
        ("swedish", "Trädgårdsstol", "trädgård stol", {"tradgard", "stol"}),
        ("danish", "Havestole", "have stole", {"stol"}),
        ("english", "keyboard", "key board", set()),
    ],
)
def test_parts_that_the_shop_knows(language: str, word: str, shop: str, parts: set[str]) -> None:
    assert find_parts(language, word, shop).keys() >= parts
    if not parts:
        assert not find_parts(language, word, shop)


def test_the_longest_end_decides() -> None:
    assert "eck" not in find_parts("german", "Staubecken", "Staub Ecken Becken")
    assert "tub" not in find_parts("german", "Wachstube", "Wachs Tube Stube Wach")


@pytest.mark.parametrize(
    ("word", "shop"),
    [("Durchmesser", "Messer"), ("Kompass", "Pass"), ("Matrosen", "Rosen"), ("Schlampe", "Lampe"), ("Verband", "Band")],
)
def test_what_only_looks_like_a_compound(word: str, shop: str) -> None:
    assert not find_parts("german", word, shop)


def test_words_behind_a_particle() -> None:
    assert find_parts("none", "הכלב", "כלב") == {"כלב": AFTER_PARTICLE_WEIGHT}
    assert find_parts("none", "والقهوة", "قهوة") == {"قهوه": AFTER_PARTICLE_WEIGHT}
    assert not find_parts("none", "הדר", "כלב")
