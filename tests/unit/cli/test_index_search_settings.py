from pathlib import Path

import pytest

from mercato.cli.index import SearchSettings
from mercato.errors import DataError, InvalidInputError
from mercato.index.search_weights import DEFAULT_WEIGHTS, FieldWeights, FusionWeights
from mercato.index.synonyms import SynonymRule


def test_without_options_the_defaults_hold() -> None:
    assert SearchSettings.parse("", "", None) == SearchSettings()


def test_options_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "synonyms.txt").write_text("tv, telly\n")

    assert SearchSettings.parse("title=3", "words=2", tmp_path / "synonyms.txt") == SearchSettings(
        weights=FieldWeights(weights={**DEFAULT_WEIGHTS, "title": 3.0}),
        fusion=FusionWeights(words=2.0),
        synonyms=(SynonymRule(left=("tv", "telly")),),
    )


@pytest.mark.parametrize(
    ("weights", "fusion", "message"),
    [
        ("colour=1", "", "weights: must name fields of"),
        ("title:1", "", "--weights: must be name=number pairs such as title=3,brand=2, got 'title:1'"),
        ("", "vectors=1", "--fusion: must name words, dense, popular, chosen, got 'vectors'"),
        ("", "words=0,dense=0", "fusion: must be weights of 0 or more, words and dense not both 0"),
        ("", "words=-1", "fusion: must be weights of 0 or more"),
    ],
)
def test_a_wrong_option_says_what_it_may_be(weights: str, fusion: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        SearchSettings.parse(weights, fusion, None)


def test_a_wrong_file_of_synonyms_is_named(tmp_path: Path) -> None:
    (tmp_path / "synonyms.txt").write_text("tv, telly\nlonely\n")
    with pytest.raises(DataError, match=r"synonyms\.txt: line 2: a phrase needs another one"):
        SearchSettings.parse("", "", tmp_path / "synonyms.txt")
