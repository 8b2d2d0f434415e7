from mercato.index.synonyms import parse_synonyms
from mercato.query.expand_synonyms import SYNONYM_WEIGHT, SynonymMap
from mercato.query.word_query import Alternative, WordGroup
from mercato.text.words import Chunk, WordAnalyzer

ANALYZER = WordAnalyzer()


def expand(query: str, *lines: str, stopwords: frozenset[str] = frozenset()) -> list[WordGroup]:
    return SynonymMap(parse_synonyms(lines, "test"), ANALYZER, stopwords).expand(ANALYZER.split(query))


def other(*terms: str) -> Alternative:
    return Alternative(terms=terms, weight=SYNONYM_WEIGHT)


def words(*terms: str) -> tuple[Chunk, ...]:
    return tuple(Chunk((term,)) for term in terms)


def test_each_of_equal_words_finds_the_others() -> None:
    rule = "tv, television, telly"
    assert expand("cheap televisions", rule) == [
        WordGroup(chunks=words("cheap")),
        WordGroup(chunks=words("televis"), alternatives=(other("tv"), other("telli"))),
    ]
    (group,) = expand("telly", rule)
    assert group.alternatives == (other("tv"), other("televis"))


def test_one_way_replaces_the_left() -> None:
    rule = "kicks => sneakers, running shoes"
    assert expand("kicks", rule) == [WordGroup(chunks=words("sneaker"), alternatives=(other("run", "shoe"),))]
    assert expand("sneakers", rule) == [WordGroup(chunks=words("sneaker"))]
    assert expand("kicks", "kicks => kicks, sneakers") == [
        WordGroup(chunks=words("kick"), alternatives=(other("sneaker"),))
    ]


def test_phrases_of_several_words_are_found_the_longest_first() -> None:
    rules = ("hard drive, hdd", "hard, solid")
    assert expand("external hard drives", *rules) == [
        WordGroup(chunks=words("extern")),
        WordGroup(chunks=words("hard", "drive"), alternatives=(other("hdd"),)),
    ]
    assert expand("hard case", *rules)[0] == WordGroup(chunks=words("hard"), alternatives=(other("solid"),))


def test_rules_of_one_phrase_add_up() -> None:
    (group,) = expand("b", "a, b", "b, c")
    assert group == WordGroup(chunks=words("b"), alternatives=(other("a"), other("c")))


def test_circles_end() -> None:
    rules = ("a => b", "b => c", "c => a", "x, y", "y, x", "z => z")
    assert [expand(word, *rules)[0].chunks for word in "abcz"] == [words(term) for term in "bcaz"]
    assert expand("x", *rules) == [WordGroup(chunks=words("x"), alternatives=(other("y"),))]


def test_a_word_of_parts_is_looked_for_whole_and_in_parts() -> None:
    (group,) = expand("wlan", "wlan, wi-fi")
    assert group.alternatives == (other("wifi"), other("wi", "fi"))


def test_stop_words_do_not_part_a_phrase() -> None:
    stopwords = frozenset(["of"])
    (group,) = SynonymMap(parse_synonyms(["bag of crisps, chips"], "test"), ANALYZER, stopwords).expand(
        ANALYZER.split("bag crisps")
    )
    assert group == WordGroup(chunks=words("bag", "crisp"), alternatives=(other("chip"),))


def test_without_rules_each_word_is_alone() -> None:
    assert expand("a b") == [WordGroup(chunks=words("a")), WordGroup(chunks=words("b"))]
    assert len(SynonymMap([], ANALYZER, frozenset())) == 0


def test_a_phrase_without_a_word_is_no_rule() -> None:
    assert expand("a", "!!!, ???") == [WordGroup(chunks=words("a"))]
    assert expand("a", "a => !!!") == [WordGroup(chunks=words("a"))]
