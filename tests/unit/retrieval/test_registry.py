"""One tuple lists the sources: what others need to know of them follows from it."""

from pathlib import Path

import numpy as np
import pytest

from mercato.explain.groups import GROUPS
from mercato.explain.phrases import ENGLISH
from mercato.requests.retrieval import Kind, Placement, SourceFlags
from mercato.retrieval.source_weights import KIND_SOURCES, WEIGHTS
from mercato.retrieval.sources import registry
from mercato.retrieval.sources.base import Source
from mercato.retrieval.sources.registry import BY_LABEL, FLAGS, IN_TURN, SOURCES, list_labels, list_signals, write_table

DOCS = Path(__file__).resolve().parents[3] / "docs"
FOLDER = Path(registry.__file__).parent
FIRST = [
    "dense", "words", "repeat", "cooccurrence", "similar", "popular", "also_bought", "lately", "trending", "arrival",
    "category", "sequence", "regional", "chosen",
]  # fmt: skip
SHARED = {"__init__", "base", "neighbours", "registry"}


def test_every_file_of_the_folder_is_listed() -> None:
    listed = {type(source).__module__.rpartition(".")[2] for source in SOURCES}
    assert listed == {path.stem for path in FOLDER.glob("*.py")} - SHARED
    assert len(listed) == len(SOURCES) == len(BY_LABEL)


def test_answers_name_sources_in_the_order_of_the_list() -> None:
    labels = [source.label for source in SOURCES]
    assert labels[: len(FIRST)] == FIRST, "a new source comes last: the flags of the others stay"
    assert list_labels(sum(FLAGS.values())) == labels
    assert list_labels(FLAGS["regional"] | FLAGS["repeat"]) == ["repeat", "regional"]
    assert list_labels(0) == []


def test_flags_are_wider_than_sixteen_bits_and_fit() -> None:
    assert np.iinfo(SourceFlags).bits > 16
    assert max(FLAGS.values()) <= np.iinfo(SourceFlags).max
    assert len(set(FLAGS.values())) == len(SOURCES)


def test_of_equal_parts_the_reason_is_the_source_asked_first_and_popularity_is_asked_last() -> None:
    labels = [source.label for source in IN_TURN if source.weights]
    assert [label for label in labels if label in FIRST] == [
        "similar", "cooccurrence", "also_bought", "lately", "repeat", "trending", "category", "regional", "arrival",
        "sequence", "popular",
    ]  # fmt: skip
    assert labels[-1] == "popular"


def test_weights_and_kinds_are_those_of_the_sources() -> None:
    for source in SOURCES:
        for placement in WEIGHTS:
            assert WEIGHTS[placement].get(source.label) == source.weights.get(placement)
        for kind, labels in KIND_SOURCES.items():
            assert (source.label in labels) == (kind in source.kinds)
    assert Placement.SEARCH not in WEIGHTS
    assert Kind.BOTH not in KIND_SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.label)
def test_a_source_says_what_it_is(source: Source) -> None:
    assert ENGLISH.knows(f"{source.label} alone")
    assert source.speaks_of <= {group.name for group in GROUPS}
    if source.weights:
        assert source.asks and source.learned_from
        assert type(source).find is not Source.find or type(source).find_batch is not Source.find_batch


def test_signals_are_learned_once_and_stored_apart() -> None:
    signals = list_signals(counts=True)
    assert len(set(signals)) == len(signals)
    stored = [f"{signal.name}.{array}" for signal in signals for array in signal.arrays().values()]
    assert len(set(stored)) == len(stored)
    assert set(list_signals()) < set(signals)


def test_the_documentation_has_the_table_of_the_sources() -> None:
    text = (DOCS / "recommendation.md").read_text(encoding="utf-8")
    assert write_table() in text, f"docs/recommendation.md must have this table:\n{write_table()}"
