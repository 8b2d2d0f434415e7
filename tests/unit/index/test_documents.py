from pathlib import Path

import pytest

from mercato.errors import SnapshotError
from mercato.index.documents import Documents, write_documents


def test_ids_and_documents_come_back_by_row(tmp_path: Path) -> None:
    write_documents(tmp_path / "p", ["b", "ä", "日本"], [b'{"id":"b"}', b"{}", "é".encode()])

    documents = Documents(tmp_path / "p")

    assert documents.count == 3
    assert documents.ids() == ["b", "ä", "日本"]
    assert [documents.id(row) for row in range(3)] == ["b", "ä", "日本"]
    assert [documents.document(row) for row in range(3)] == [b'{"id":"b"}', b"{}", "é".encode()]


def test_more_rows_than_a_batch_of_arrow_are_one_chunk(tmp_path: Path) -> None:
    count = 70_000  # Arrow cuts at 65,536 unless told otherwise
    write_documents(tmp_path / "p", [str(n) for n in range(count)], [b"%d" % n for n in range(count)])

    documents = Documents(tmp_path / "p")

    assert documents.id(count - 1) == "69999"
    assert documents.document(65_536) == b"65536"


def test_no_rows_at_all(tmp_path: Path) -> None:
    write_documents(tmp_path / "p", [], [])

    documents = Documents(tmp_path / "p")

    assert (documents.count, documents.ids()) == (0, [])


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"no arrow file at all"])
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "products.arrow").write_bytes(content)

    with pytest.raises(SnapshotError, match=r"products\.arrow: cannot be read .*build the snapshot again"):
        Documents(tmp_path / "products.arrow")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"products\.arrow: cannot be read"):
        Documents(tmp_path / "products.arrow")
