"""The sequence model in process: what comes next, batches, the ends of histories, and folders that do not fit."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file

from mercato.errors import InvalidInputError, ModelError
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.inputs import History
from mercato.models.sequence import NextProducts, SequenceModel
from mercato.models.sequence.onnx_sequence import select_best
from tests.adapters.tiny_models import write_sequence

# ids are sorted, so their codes are a: 1, b: 2, c: 3, d: 4
SUCCESSORS = {"a": "c", "b": "c", "c": "d"}
BUY, REMOVE = EVENT_TYPE_CODES["purchase-complete"], EVENT_TYPE_CODES["remove-from-cart"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sequence(tmp_path / "sequence", SUCCESSORS)


@pytest.fixture
def model(folder: Path) -> SequenceModel:
    return SequenceModel(folder)


def history(*rows: int, kind: int = BUY) -> History:
    count = len(rows)
    return History(
        rows=np.array(rows, np.int32),
        time=np.arange(count, 0, -1).astype(np.float64),
        type=np.full(count, kind, np.uint8),
        price=np.full(count, np.nan, np.float32),
    )


def test_the_successors_of_a_history_come_first(model: SequenceModel) -> None:
    indices, scores = model.next_products([[1, 2], [3], []], 3)
    # "c" follows both "a" and "b"; equal scores are in order of their indices
    assert indices.tolist() == [[2, 0, 1], [3, 0, 1], [0, 1, 2]]
    assert scores.tolist() == [[2, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert [model.products.ids[index] for index in indices[:2, 0]] == ["c", "d"]


def test_more_than_there_are_are_all(model: SequenceModel) -> None:
    indices, _ = model.next_products([[1]], 9)
    assert indices.tolist() == [[2, 0, 1, 3]]
    assert model.next_products([], 9)[0].shape == (0, 9)


def test_the_last_products_alone_are_read(model: SequenceModel) -> None:
    assert model.pad([[1] * 49 + [2, 3], [4]]).shape == (2, 50)
    assert model.pad([[1] * 49 + [2, 3]])[0].tolist() == [1] * 48 + [2, 3]
    assert model.score([[1] * 100])[0].tolist() == [0, 0, 50, 0]


def test_what_is_no_code_is_refused(model: SequenceModel) -> None:
    for history_with, given in (([0, 1], "0 to 1"), ([1, 5], "1 to 5")):
        with pytest.raises(InvalidInputError, match=f"histories: must hold codes from 1 to 4, .*{given}"):
            model.score([history_with])
    with pytest.raises(InvalidInputError, match="product_codes: must be codes from 0 .padding. to 4, got 9 to 9"):
        model.encode(np.array([[9]]))
    with pytest.raises(InvalidInputError, match=r"must have shape \[histories, 1 to 50\], got \[1, 51\]"):
        model.encode(np.ones((1, 51), np.int64))
    with pytest.raises(InvalidInputError, match="k: must be at least 1, got 0"):
        model.next_products([[1]], 0)


def test_many_histories_are_as_each_alone(model: SequenceModel) -> None:
    random = np.random.default_rng(3)
    histories = [random.integers(1, 5, length) for length in random.integers(1, 60, 150)]
    together = model.score(histories)
    for row, one in enumerate(histories):
        np.testing.assert_array_equal(together[row], model.score([one])[0])


def test_the_best_are_those_of_a_full_sort() -> None:
    random = np.random.default_rng(5)
    for k in (1, 3, 40):
        scores = random.integers(0, 6, 30).astype(np.float32)
        allowed = random.random(30) < 0.5
        order = np.argsort(-scores, kind="stable")
        assert select_best(scores, k).tolist() == order[:k].tolist()
        assert select_best(scores, k, allowed).tolist() == order[allowed[order]][:k].tolist()


def test_rows_of_a_snapshot_in_and_out(model: SequenceModel) -> None:
    following = NextProducts(model, {"d": 0, "other": 1, "a": 2, "c": 3}, 4)
    assert following.rows.tolist() == [2, -1, 3, 0]
    # newest first: "c", a product the model does not know, one the snapshot does not know, "a"
    codes = following.read_history(np.array([3, 1, -1, 2], np.int32), history(3, 1, 9, 2))
    assert codes.tolist() == [1, 3]
    [(rows, scores)] = following.rank([codes], [lambda rows: rows >= 0], 2)
    assert rows.tolist() == [3, 0]
    assert scores.tolist() == [1, 1]
    [(rows, _)] = following.rank([codes], [lambda rows: rows != 3], 2)
    assert rows.tolist() == [0, 2]


def allow(may: npt.NDArray[np.bool_], asked: list[int], rows: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Say which rows a mask allows, and note which were asked for."""
    assert (rows >= 0).all()
    asked.extend(rows.tolist())
    return may[rows]


def test_a_filter_that_leaves_little_is_exact(tmp_path: Path) -> None:
    ids = [f"p{number:02d}" for number in range(40)]
    model = SequenceModel(write_sequence(tmp_path / "many", dict(zip(ids[:20], ids[20:], strict=True))))
    # the last product of the model is not in the snapshot
    following = NextProducts(model, {name: row for row, name in enumerate(ids[:39])}, 39)
    random = np.random.default_rng(4)
    [scores] = model.score([[1, 1, 2, 3]])
    for share in (0.05, 0.3, 0.9, 1.0):
        may = random.random(39) < share
        asked: list[int] = []

        [(rows, _)] = following.rank([np.array([1, 1, 2, 3])], [partial(allow, may, asked)], 5)
        expected = [row for row in np.argsort(-scores, kind="stable").tolist() if row < 39 and may[row]][:5]
        assert rows.tolist() == expected
        # what allows all is asked for the ten best alone
        assert share < 1.0 or len(asked) <= 10


def test_what_was_put_back_is_no_part_of_a_history(model: SequenceModel) -> None:
    following = NextProducts(model, {"a": 0}, 1)
    assert following.read_history(np.array([0], np.int32), history(0, kind=REMOVE)).tolist() == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("manifest.json", b"{", "is not a manifest"),
        ("products.json", b'["a"]', "products.json has"),
        ("model.onnx", None, "model.onnx is missing"),
    ],
)
def test_a_folder_that_is_not_whole(folder: Path, name: str, content: bytes | None, said: str) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"sequence: .*{said}.*mercato export sequence"):
        SequenceModel(folder)


def forget_size(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name]["bytes"] = (folder / name).stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_products_that_do_not_fit_together(folder: Path) -> None:
    vectors = np.zeros((3, 64), np.float32)
    save_file({"vectors": vectors, "bias": np.zeros(3, np.float32)}, folder / "products.safetensors")
    forget_size(folder, "products.safetensors")
    with pytest.raises(ModelError, match=r"must hold vectors \[4, width\].*given \[3, 64\]"):
        SequenceModel(folder)
    save_file(
        {"vectors": np.full((4, 64), np.nan, np.float32), "bias": np.zeros(4, np.float32)},
        folder / "products.safetensors",
    )
    forget_size(folder, "products.safetensors")
    with pytest.raises(ModelError, match="not finite"):
        SequenceModel(folder)
