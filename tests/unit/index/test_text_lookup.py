import json
from bisect import bisect_left
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.errors import SnapshotError
from mercato.index.arrays import map_arrays, write_arrays
from mercato.index.documents import Documents, write_documents
from mercato.index.row_ids import RowIds, read_row_ids, write_rows
from mercato.index.text_lookup import TextLookup, find_places, hash_text, pack_texts
from mercato.index.words import WordIndex, build_word_index
from tests.unit.index.test_word_index import DOCUMENTS, WEIGHTS, count_occurrences

TEXTS = st.lists(st.text(max_size=6), unique=True, max_size=30)


@given(TEXTS, st.text(max_size=6))
def test_every_text_is_found_by_its_number_and_no_other_is(texts: list[str], other: str) -> None:
    lookup = TextLookup.from_arrays(pack_texts(texts))

    assert list(lookup) == texts
    assert [lookup.find(text) for text in texts] == list(range(len(texts)))
    assert lookup.find(other) == (texts.index(other) if other in texts else -1)
    assert (other in lookup) == (other in texts)


@given(st.lists(st.text(alphabet="abc", max_size=4), unique=True, max_size=400), st.text(alphabet="abcd", max_size=4))
def test_texts_in_order_are_found_by_their_order(texts: list[str], wanted: str) -> None:
    texts.sort()
    lookup = TextLookup.from_arrays(pack_texts(texts))

    assert lookup.bisect(wanted) == bisect_left(texts, wanted)


def test_numbers_from_the_end_and_slices_are_those_of_a_list() -> None:
    lookup = TextLookup.from_arrays(pack_texts(["ant", "bee", "cow"]))

    assert lookup[-1] == "cow"
    assert lookup[1:] == ["bee", "cow"]
    with pytest.raises(IndexError):
        lookup[3]


def test_texts_of_one_hash_are_told_apart() -> None:
    wanted = np.uint64(hash_text("bee"))
    hashes = np.array([wanted, wanted], np.uint64)
    places = np.array([1, 0], np.int32)

    assert list(find_places(hashes, places, "bee")) == [1, 0]
    packed = pack_texts(["ant", "bee"]) | {"hashes": hashes, "places": places}
    assert TextLookup.from_arrays(packed).find("bee") == 1


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    ids = ["mug", "cup", "Ünit-7"]
    write_documents(tmp_path / "products.arrow", ids, [b"{}"] * 3)
    write_rows(tmp_path, ids)
    return Documents(tmp_path / "products.arrow")


@pytest.mark.parametrize("file", ["ids.safetensors", "not there"])
def test_rows_are_found_by_ids_in_a_snapshot_with_or_without_the_file(
    tmp_path: Path, documents: Documents, file: str
) -> None:
    rows = read_row_ids(tmp_path / file, documents)

    assert dict(rows) == {"mug": 0, "cup": 1, "Ünit-7": 2}
    assert (rows.get("cup"), rows.get("pan"), rows.get("pan", -1), "mug" in rows, len(rows)) == (1, None, -1, True, 3)
    assert rows.find("pan") == -1
    with pytest.raises(KeyError):
        rows["pan"]


def test_rows_of_ids_in_another_order(tmp_path: Path, documents: Documents) -> None:
    rows = read_row_ids(tmp_path / "ids.safetensors", documents).reorder(np.array([2, 0, 1], np.int32))

    assert dict(rows) == {"mug": 2, "cup": 0, "Ünit-7": 1}
    assert rows.find("pan") == -1


def test_a_file_of_something_else_is_refused(tmp_path: Path, documents: Documents) -> None:
    write_arrays(tmp_path / "ids.safetensors", {"other": np.zeros(1)})

    with pytest.raises(SnapshotError, match=r"ids\.safetensors: has no 'hashes'; build the snapshot again"):
        read_row_ids(tmp_path / "ids.safetensors", documents)


def test_an_id_whose_hash_another_product_has_is_unknown(documents: Documents) -> None:
    rows = RowIds(documents, np.array([hash_text("pan")], np.uint64), np.array([0], np.int32))

    assert rows.find("pan") == -1


def test_terms_of_an_older_word_index_are_read_as_they_were_written(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    build_word_index(count_occurrences(DOCUMENTS), WEIGHTS, folder)
    new = WordIndex(folder)
    terms = list(TextLookup.from_arrays(map_arrays(folder / "terms.safetensors")))
    (folder / "terms.safetensors").unlink()
    (folder / "vocabulary.json").write_text(json.dumps(terms))

    old = WordIndex(folder)

    assert list(old.terms) == list(new.terms) == terms
    for term in [*terms, "no such"]:
        assert old.frequency(term) == new.frequency(term)
        np.testing.assert_array_equal(old.lookup(term)[0], new.lookup(term)[0])
