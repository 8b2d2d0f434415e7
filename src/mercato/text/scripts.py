"""Scripts without spaces between words: Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese.

Chinese is split by jieba's dictionary, which is fast and small; of the others the pairs of neighbours are terms. What a
pair cuts in two, or the dictionary takes for one word, is found too and counts less
(docs/decisions/0033-words-of-all-scripts.md).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

CHARACTER_WEIGHT = 0.3
"""A single character says less than the word that it stands in."""
CROSSING_WEIGHT = 0.5
"""Two characters of two words that stand side by side: a word that the dictionary does not know, or an accident."""

_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_HIRAGANA = "\u3041-\u309f"
_KATAKANA = "\u30a0-\u30ff\u31f0-\u31ff"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"
_CJK = _HAN + _HIRAGANA + _KATAKANA + _HANGUL + "\u3100-\u312f"


def _list_marks(blocks: Iterable[tuple[int, int]]) -> str:
    return "".join(
        chr(code) for first, last in blocks for code in range(first, last) if unicodedata.category(chr(code))[0] == "M"
    )


# Combining marks are not \w for `re`, yet part of words in Indic scripts, Thai, Arabic, Hebrew and others.
MARKS = _list_marks(
    [
        (0x300, 0x370), (0x483, 0x488), (0x591, 0x1100), (0x135D, 0x1360), (0x1700, 0x1D00), (0x1DC0, 0x1E00),
        (0x20D0, 0x2100), (0x302A, 0x3030), (0x3099, 0x309B), (0xA800, 0xAC00), (0xFE20, 0xFE30), (0x11000, 0x11500),
    ]
)  # fmt: skip
# Thai and Lao, Burmese, Khmer: letters and the marks on them, one class a script.
_SPACELESS = tuple(
    "".join(chr(code) for code in range(first, last) if unicodedata.category(chr(code))[0] in "LM")
    for first, last in ((0xE00, 0xE80), (0xE80, 0xF00), (0x1000, 0x10A0), (0x1780, 0x1800))
)
#: What no word with letters of other scripts goes on with.
WORDLESS = _CJK + "".join(_SPACELESS)
#: Runs of one chunk each, for a pattern of chunks.
WORDLESS_RUNS = f"(?=[{WORDLESS}])(?:" + "|".join(f"[{script}]+" for script in (_CJK, *_SPACELESS)) + ")|"

_IS_RUN = re.compile(f"[{_CJK}]+|" + "|".join(f"[{script}]+" for script in _SPACELESS))
_PIECE = re.compile(f"[{_HAN}]+|[{_HIRAGANA}][{_HIRAGANA}\u30fc]*|[{_KATAKANA}]+|[{_HANGUL}]+|.", re.DOTALL)
_KANA = re.compile(f"[{_HIRAGANA}{_KATAKANA}]")
_IS_HAN = re.compile(f"[{_HAN}]+")
_IS_HANGUL = re.compile(f"[{_HANGUL}]+")
_IS_CJK = re.compile(f"[{_CJK}]+")
_CLUSTER = re.compile(f"[^{MARKS}][{MARKS}]*|[{MARKS}]+")
# Particles at the end of a Korean word, the longest first; one syllable before them is no word.
_PARTICLE = re.compile("(?<=..)(?:에서|으로|까지|부터|하고|이나|은|는|을|를|의|에|와|과|도|로|가|이)$")
_LONG_MARK = "\u30fc"
_LONG_MARK_FROM_CHARS = 4  # as Lucene's JapaneseKatakanaStemFilter: "コーヒー" may lose its last, "コピー" may not
_WHOLE_CHARS = 3  # longer words are found by three of four pairs, as a query of several words is


class Run(NamedTuple):
    """One word of a run, or one pair where its words are not known.

    Attributes:
        parts: pairs of neighbours, or the one character.
        joined: the word, where it is longer than a pair; else empty.
        minor: what else a text with the run holds, with what it is worth beside a word.
    """

    parts: tuple[str, ...]
    joined: str = ""
    minor: tuple[tuple[str, float], ...] = ()


def is_run(word: str) -> bool:
    """Return whether a chunk is a run of a script without spaces."""
    return word[0] >= "\u0e00" and _IS_RUN.fullmatch(word) is not None


def split_run(run: str) -> list[Run]:
    """Split a run of characters that `is_run` tells.

    Chinese words are jieba's; one of four characters or more is its shorter words where they make it up. A run with
    kana is Japanese and is cut where the script changes, so that particles stand alone. Korean particles at the end of
    a word go, so does the long mark at the end of a katakana word.

    Args:
        run: at least one character.

    Returns:
        Its words, in order. Every character that stays and every two neighbours are among their parts, whole or minor.
    """
    if not _IS_CJK.match(run):
        return _pair_up(_CLUSTER.findall(run))
    pieces = _PIECE.findall(run)
    japanese = _KANA.search(run) is not None
    found: list[Run] = []
    before = ""
    for piece in pieces:
        for word in _cut(piece) if _IS_HAN.match(piece) and not japanese else [piece]:
            split = _split_word(word)
            if before:
                split[0] = split[0]._replace(minor=(*split[0].minor, (before + word[0], CROSSING_WEIGHT)))
            found += split
            before = word[-1]
    return found


def _split_word(word: str) -> list[Run]:
    if _IS_HANGUL.match(word):
        return _pair_up(_PARTICLE.sub("", word))
    if len(word) >= _LONG_MARK_FROM_CHARS and _KANA.match(word):
        return [_keep_whole(word.removesuffix(_LONG_MARK))]
    return [_keep_whole(word)] if len(word) <= _WHOLE_CHARS or _KANA.match(word) else _pair_up(word)


def _keep_whole(word: str) -> Run:
    pairs = tuple(a + b for a, b in pairwise(word))
    minor = tuple((char, CHARACTER_WEIGHT) for char in dict.fromkeys(word.replace(_LONG_MARK, ""))) if pairs else ()
    return Run(pairs or (word,), word if len(pairs) > 1 else "", minor)


def _pair_up(units: Sequence[str]) -> list[Run]:
    """Make a word of each pair of neighbours, with its characters as minor terms."""
    if len(units) < 2:
        return [Run((unit,)) for unit in units]
    pairs = [Run((a + b,), "", ((a, CHARACTER_WEIGHT),)) for a, b in pairwise(units)]
    last = pairs[-1]
    return [*pairs[:-1], last._replace(minor=(*last.minor, (units[-1], CHARACTER_WEIGHT)))]


@cache
def _load_jieba() -> Any:
    """Load the dictionary, 34 MB in memory, once somebody writes Chinese."""
    import rjieba

    return rjieba


def _cut(text: str) -> list[str]:
    """Cut a run of Chinese into words; a long one into the shorter ones that it is made of, where they are known."""
    if len(text) == 1:
        return [text]
    words = _load_jieba().cut(text)
    return [part for word in words for part in (_take_apart(word) if len(word) > _WHOLE_CHARS else [word])]


def _take_apart(word: str) -> list[str]:
    shorter = {part for part in _load_jieba().cut_for_search(word) if len(part) < len(word)}
    known = sorted(shorter, key=len, reverse=True)
    parts = []
    position = 0
    while position < len(word):
        part = next((part for part in known if word.startswith(part, position)), None)
        if part is None:
            return [word]
        parts.append(part)
        position += len(part)
    return parts
