"""Glosses: what words of other languages mean in the shop's own, as a snapshot keeps them.

Only what the catalogue can answer is kept: a gloss all of whose words some product has. So a dictionary of half a
million words becomes one of this shop's goods, and no dictionary is needed where it is served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import log1p
from pathlib import Path

import orjson

from mercato.errors import SnapshotError

Glosses = Mapping[str, Sequence[str]]
"""Word or phrase of another language, folded -> what it may mean, the likeliest first."""
Evidence = Mapping[str, float]
"""What a word may mean -> how many dictionaries say so."""
SAME = 1.0
"""What it counts besides that a meaning is spelt as the word: "radio" is rather a radio than a wireless."""
MAX_GLOSSES = 8
"""Meanings of a word that are kept; each is searched."""
MAX_HEADS = 2
"""Last words of glosses that are kept besides."""
MIN_PART_CHARS = 4
"""Letters of a part of an English compound."""
MAX_GLOSS_WORDS = 3
"""A longer gloss describes what has no name."""


def choose_glosses(
    entries: Iterable[tuple[str, Evidence]],
    list_terms: Callable[[str], Sequence[str]],
    frequency: Callable[[str], int],
) -> dict[str, list[str]]:
    """Choose the glosses that a catalogue can answer, the likeliest first.

    A dictionary lists meanings by their commonness in the language; which one a shopper means follows from what is
    sold: of the meanings of "Ständer" an electronics shop knows the stand, and no pillar. A gloss is worth
    ``ln(1 + products that hold it) * evidence``. A word that the catalogue has itself is one of its own glosses. Of a
    gloss of several words the last, in English what the thing is, comes after all whole ones: a table lamp is a lamp.
    One word that no product has is read as two that some have: a wristwatch is a wrist watch, and a watch.

    Args:
        entries: words, each once, and their glosses.
        list_terms: splits a text into terms of the word index.
        frequency: in how many products a term stands.

    Returns:
        The words that have such glosses, at most `MAX_GLOSSES` whole ones each and `MAX_HEADS` last words.
    """
    read = cache(lambda word: tuple(list_terms(word)))
    count_word = cache(lambda word: min(map(frequency, read(word)), default=0))

    def count(text: str) -> int:
        return min(map(count_word, text.split()), default=0)

    respell = cache(lambda gloss: _respell(gloss, count))
    chosen: dict[str, list[str]] = {}
    for word, found in entries:
        glosses = dict(found)
        if not any(map(count, glosses)):
            glosses = {respell(gloss): evidence for gloss, evidence in found.items()}
        heads = [
            head for gloss in glosses if " " in gloss and (head := gloss.split()[-1]) not in glosses and count(head)
        ]
        if not heads and not any(map(count, glosses)):
            continue
        glosses[word] = glosses.get(word, 0.0) + SAME
        worth = {gloss: log1p(count(gloss)) * evidence for gloss, evidence in glosses.items()}
        distinct: dict[tuple[str, ...], str] = {}
        whole = sorted((gloss for gloss in worth if worth[gloss]), key=lambda gloss: -worth[gloss])
        for gloss in (*whole[:MAX_GLOSSES], *dict.fromkeys(heads)):
            distinct.setdefault(tuple(term for part in gloss.split() for term in read(part)), gloss)
        chosen[word] = list(distinct.values())[: MAX_GLOSSES + MAX_HEADS]
    return chosen


def _respell(gloss: str, count: Callable[[str], int]) -> str:
    """Return a gloss that no product has as two words that some have; as it is where there are none."""
    if count(gloss):
        return gloss
    if "-" in gloss and count(apart := gloss.replace("-", " ")):
        return apart
    best, most = gloss, 0
    for cut in range(MIN_PART_CHARS, len(gloss) - MIN_PART_CHARS + 1) if gloss.isalpha() else ():
        number = count(gloss[cut:]) and min(count(gloss[:cut]), count(gloss[cut:]))
        if number > most:
            best, most = f"{gloss[:cut]} {gloss[cut:]}", number
    return best


def write_glosses(path: Path, glosses: Mapping[str, Glosses]) -> None:
    """Write the glosses of each language, by its code, as JSON."""
    path.write_bytes(orjson.dumps(glosses))


def read_glosses(path: Path) -> dict[str, Glosses]:
    """Read what `write_glosses` wrote; nothing where a snapshot was built without.

    Raises:
        SnapshotError: the file is altered.
    """
    if not path.exists():
        return {}
    try:
        glosses: dict[str, Glosses] = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise SnapshotError(f"{path.name}: cannot be read ({exc}); build the snapshot again") from exc
    return glosses
