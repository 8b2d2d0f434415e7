"""Apertium's compiled dictionaries, written here as lttoolbox writes them."""

from pathlib import Path

import pytest

from mercato.errors import DataError
from mercato.indexing.apertium import find_apertium, read_apertium
from mercato.indexing.dictionaries import read_dictionary
from mercato.text.language_names import parse_language

ENGLISH, SPANISH, GALICIAN = parse_language("en", "code"), parse_language("es", "code"), parse_language("ca", "code")
TAGS = ["<n>", "<vblex>"]
NOUN, VERB = -1, -2


def write_number(number: int) -> bytes:
    size = next(size for size in range(1, 5) if number < 1 << (8 * size - 2))
    return (number | (size - 1) << (8 * size - 2)).to_bytes(size, "big")


def write_text(text: str) -> bytes:
    return write_number(len(text)) + b"".join(write_number(ord(char)) for char in text)


def list_symbols(word: str, meaning: str, tag: int) -> list[tuple[int, int]]:
    """Pair the letters, then the tag with itself; what is longer goes on beside it, as lttoolbox aligns."""
    left, right = [*map(ord, word), tag], [*map(ord, meaning), tag]
    length = max(len(left), len(right))
    padded = ([*side, *[0] * (length - len(side))] for side in (left, right))
    return list(zip(*padded, strict=True))


def write_apertium(file: Path, entries: list[tuple[str, str, int]], *, features: bytes = b"") -> None:
    paths = [list_symbols(*entry) for entry in entries]
    pairs = sorted({pair for path in paths for pair in path})
    arcs: list[list[tuple[int, int]]] = [[]]
    finals = []
    for path in paths:
        state = 0
        for pair in path:
            arcs[state].append((pairs.index(pair), len(arcs)))
            state = len(arcs)
            arcs.append([])
        finals.append(state)
    data = features + write_text("abc") + write_number(len(TAGS)) + b"".join(map(write_text, TAGS))
    data += write_number(len(pairs))
    for pair in pairs:
        data += b"".join(write_number(symbol + len(TAGS)) for symbol in pair)
    data += write_number(1) + write_text("main@standard") + features.replace(b"LTTB", b"LTTD")
    data += write_number(0) + write_number(len(finals))
    for before, state in zip([0, *finals], finals, strict=False):
        data += write_number(state - before)
    data += write_number(len(arcs))
    for state, found in enumerate(arcs):
        data += write_number(len(found))
        last = 0
        for pair_number, after in sorted(found):
            data += write_number(pair_number - last) + write_number((after - state) % len(arcs))
            last = pair_number
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


ENTRIES = [
    ("cargar", "charge", VERB),
    ("trípode", "tripod", NOUN),
    ("pila", "battery", NOUN),
    ("ordenador# de sobremesa", "desktop computer", NOUN),
]


@pytest.mark.parametrize("features", [b"", b"LTTB" + bytes(8)])
def test_words_and_meanings_nouns_before_verbs(tmp_path: Path, features: bytes) -> None:
    file = tmp_path / "apertium-eng-spa" / "spa-eng.autobil.bin"
    write_apertium(file, ENTRIES, features=features)
    assert find_apertium(SPANISH, ENGLISH, tmp_path) == file
    assert find_apertium(GALICIAN, ENGLISH, tmp_path) is None
    pairs = list(read_apertium(file))
    assert sorted(pairs[:-1]) == [
        ("ordenador de sobremesa", "desktop computer"),
        ("pila", "battery"),
        ("trípode", "tripod"),
    ]
    assert pairs[-1] == ("cargar", "charge")
    found = read_dictionary(SPANISH, ENGLISH, tmp_path, tmp_path)
    assert found["trípode"] == {"tripod": 1.0}


def test_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "spa-eng.autobil.bin"
    write_apertium(file, ENTRIES)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(DataError, match="cannot be read .* install it again"):
        list(read_apertium(file))
    write_apertium(file, ENTRIES, features=b"LTTB" + bytes([1]) + bytes(7))
    with pytest.raises(DataError, match="weighted"):
        list(read_apertium(file))
