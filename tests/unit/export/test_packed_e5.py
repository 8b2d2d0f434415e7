"""Weights and tokenizer out of the 4-bit file, from one that is packed here."""

import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mercato.models.encoder.tokenizer import TextTokenizer
from mercato_export.errors import WeightsError
from mercato_export.packed_e5 import BLOCK, BLOCK_WEIGHTS, MATRICES, NORMS, unpack_e5

HIDDEN, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS, TYPES = 32, 1, 2, 64, 8, 4, 2
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "\u2581tea", "\u2581", "a", "b")
HALF_STEP = 0.51
"""Of a quantised weight: half a level, and the rounding of its scale."""


def pack_matrix(matrix: np.ndarray) -> bytes:  # type: ignore[type-arg]
    rows = matrix.reshape(-1, BLOCK_WEIGHTS)
    scales = np.abs(rows).max(axis=1) / 7
    levels = np.round(rows / scales[:, None]).astype(np.int8) + 8
    blocks = np.zeros(len(rows), BLOCK)
    blocks["scale"] = scales
    blocks["halves"] = levels[:, :16] | (levels[:, 16:] << 4)
    return blocks.tobytes()


def pack(tensors: dict[str, np.ndarray]) -> bytes:  # type: ignore[type-arg]
    pieces = [piece.encode() for piece in PIECES]
    starts = np.cumsum([0, *map(len, pieces)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS, TYPES, 1e-12, 32)
    head += struct.pack("<i4iQ", len(pieces), 0, 2, 1, 3, int(starts[-1])) + starts.tobytes()
    head += np.array([0, 0, 0, 0, -1, -2, -3, -3], "<f4").tobytes() + b"".join(pieces)
    head += struct.pack("<iI", 0, 0)
    bodies = [pack_matrix(value) if value.ndim == 2 else value.astype("<f4").tobytes() for value in tensors.values()]
    at = len(head) + 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in tensors)
    directory = struct.pack("<i", len(tensors))
    for name, body, value in zip(tensors, bodies, tensors.values(), strict=True):
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 1, value.size, at, len(body))
        at += len(body)
    return head + directory + b"".join(bodies)


def draw_tensors() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(5)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (VOCABULARY, HIDDEN),
        "emb.pos": (POSITIONS, HIDDEN),
        "emb.type": (HIDDEN,),
        "emb.ln.w": (HIDDEN,),
        "emb.ln.b": (HIDDEN,),
    }
    for short in MATRICES:
        rows, columns = (WIDE if short == "fi" else HIDDEN), (WIDE if short == "fo" else HIDDEN)
        shapes |= {f"l0.{short}.w": (rows, columns), f"l0.{short}.b": (rows,)}
    for short in NORMS:
        shapes |= {f"l0.{short}.w": (HIDDEN,), f"l0.{short}.b": (HIDDEN,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_weights_are_those_that_were_packed(tmp_path: Path) -> None:
    tensors = draw_tensors()
    file = tmp_path / "packed.bin"
    file.write_bytes(pack(tensors))
    unpack_e5(file, tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    np.testing.assert_array_equal(written["embeddings.LayerNorm.weight"], tensors["emb.ln.w"])
    np.testing.assert_array_equal(written["embeddings.token_type_embeddings.weight"], [tensors["emb.type"]] * TYPES)
    for name, packed in (
        ("embeddings.word_embeddings.weight", "emb.word"),
        ("encoder.layer.0.intermediate.dense.weight", "l0.fi.w"),
        ("encoder.layer.0.output.dense.weight", "l0.fo.w"),
    ):
        rows = tensors[packed].reshape(-1, BLOCK_WEIGHTS)
        steps = np.abs(rows).max(axis=1, keepdims=True) / 7
        assert (np.abs(written[name].reshape(rows.shape) - rows) <= HALF_STEP * steps).all()


def test_tokenizer_folds_white_space_width_and_controls(tmp_path: Path) -> None:
    file = tmp_path / "packed.bin"
    file.write_bytes(pack(draw_tensors()))
    unpack_e5(file, tmp_path)
    tokenizer = TextTokenizer(tmp_path / "tokenizer.json")
    tea, space, a, b = (PIECES.index(piece) for piece in ("\u2581tea", "\u2581", "a", "b"))
    ids = tokenizer([" \uff54\uff45\uff41\u3000\n tea\x07", "tea ab\u8336"])[0]
    np.testing.assert_array_equal(ids[0, :4], [0, tea, tea, 2])
    np.testing.assert_array_equal(ids[1], [0, tea, space, a, b, PIECES.index("<unk>"), 2])


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "packed.bin"
    file.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(WeightsError, match="does not begin with E5S1"):
        unpack_e5(file, tmp_path / "out")
