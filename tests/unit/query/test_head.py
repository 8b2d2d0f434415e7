"""Which words of a query are its head, by grammar."""

import pytest

from mercato.query.head import MODIFIER, HeadFinder
from mercato.query.word_query import WordQuery, group_alone
from mercato.text.stopwords import list_stopwords
from mercato.text.words import WordAnalyzer


def find_heads(text: str, language: str) -> list[str]:
    """Return the words whose weight is 1, as they were typed."""
    analyzer = WordAnalyzer(language)
    stopwords = list_stopwords(analyzer, language)
    words = [word for word in text.split() if not stopwords.issuperset(analyzer.analyze(word))]
    query = WordQuery(groups=tuple(group_alone([chunk for word in words for chunk in analyzer.split(word)])))
    weights = HeadFinder(analyzer, language).weigh(text, query)
    assert all(weight in (1.0, pytest.approx(MODIFIER)) for weight in weights.tolist())
    return [word for word, weight in zip(words, weights.tolist(), strict=True) if weight == 1.0]


@pytest.mark.parametrize(
    ("text", "language", "heads"),
    [
        ("oak dining table", "english", ["table"]),
        ("curtains for bedroom windows", "english", ["curtains"]),
        ("lemonade without sugar", "english", ["lemonade"]),
        ("leg of lamb", "english", ["lamb"]),
        ("cotton shirt size 4", "english", ["size", "4"]),  # meaning has to tell
        ("toner 4", "english", ["toner", "4"]),  # numbers may be anything
        ("with", "english", []),
        ("regenjacke für kinder", "german", ["regenjacke"]),
        ("wasserdichte regenjacke", "german", ["regenjacke"]),
        ("zapatos rojos para mujer", "spanish", ["zapatos"]),
        ("jus de pomme sans sucre", "french", ["jus"]),
        ("lampada da tavolo", "italian", ["lampada"]),
        ("корм для кошек", "russian", ["корм"]),
        ("μαύρα παπούτσια", "greek", ["μαύρα", "παπούτσια"]),  # anywhere
    ],
)
def test_the_head_stands_where_the_language_has_it(text: str, language: str, heads: list[str]) -> None:
    assert find_heads(text, language) == heads


def test_a_query_that_begins_with_a_preposition_is_no_shorter_for_it() -> None:
    assert find_heads("without sugar lemonade", "english") == ["lemonade"]


def test_a_query_without_a_known_word_has_no_head() -> None:
    analyzer = WordAnalyzer("english")

    assert len(HeadFinder(analyzer, "english").weigh("!?", WordQuery(groups=()))) == 0
