r"""Synonyms: reading a file in Solr's format, and what a snapshot keeps of it.

One rule a line; ``#`` begins a comment. ``tv, television, telly``: whoever searches one finds all. ``sneakers =>
trainers, running shoes``: whoever searches the left finds the right, the left itself only where the right repeats it.
A phrase may have several words. ``\,``, ``\#``, ``\=>`` and ``\\`` stand for themselves.

Source: Solr's SolrSynonymParser (solr.apache.org/guide, "Synonym Graph Filter"). No maintained parser of the format was
found among Python packages; it is this one function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mercato.errors import DataError, SnapshotError

MAX_PHRASES = 100
"""Phrases of one side of a rule; a thesaurus's whole category as synonyms finds everything."""
MAX_PHRASE_CHARS = 200
_SHOWN_PROBLEMS = 10
_TOKEN = re.compile(r"\\.|=>|,|#|[^\\,#=]+|[\\=]")


@dataclass(frozen=True, kw_only=True)
class SynonymRule:
    """One line of the file.

    Attributes:
        left: phrases that are searched.
        right: phrases that are found instead; empty where each of ``left`` finds all of them.
    """

    left: tuple[str, ...]
    right: tuple[str, ...] = ()


def read_synonyms(path: Path) -> list[SynonymRule]:
    """Read a file of synonyms.

    Args:
        path: UTF-8 text.

    Returns:
        The rules in order.

    Raises:
        DataError: the file cannot be read, or a line is no rule; the message names every such line, up to ten.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"synonyms {path}: cannot be read as UTF-8 text ({exc})") from exc
    return parse_synonyms(text.splitlines(), str(path))


def parse_synonyms(lines: Sequence[str], name: str) -> list[SynonymRule]:
    """Read the lines of a file of synonyms; ``name`` is what messages call it. See `read_synonyms`."""
    rules, problems = [], []
    for number, line in enumerate(lines, 1):
        try:
            rule = _parse_line(line)
        except ValueError as exc:
            problems.append(f"line {number}: {exc}, got {line.strip()[:60]!r}")
            continue
        if rule is not None:
            rules.append(rule)
    if problems:
        more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise DataError(f"synonyms {name}: {'; '.join(problems[:_SHOWN_PROBLEMS])}{more}; correct or comment them out")
    return rules


def _parse_line(line: str) -> SynonymRule | None:
    """Read one line; None where it holds nothing.

    Raises:
        ValueError: what is wrong with it.
    """
    sides: list[list[str]] = [[""]]
    for token in _TOKEN.findall(line):
        if token == "#":
            break
        if token == "=>":
            sides.append([""])
        elif token == ",":
            sides[-1].append("")
        else:
            sides[-1][-1] += token[1:] if token.startswith("\\") and len(token) == 2 else token
    if sides == [[""]] or (len(sides) == 1 and not "".join(sides[0]).strip()):
        return None
    if len(sides) > 2:
        raise ValueError("a rule has one =>")
    phrases = [tuple(dict.fromkeys(" ".join(phrase.split()) for phrase in side)) for side in sides]
    for side in phrases:
        if not all(side):
            raise ValueError("a phrase is missing")
        if len(side) > MAX_PHRASES:
            raise ValueError(f"a side has at most {MAX_PHRASES} phrases, this one {len(side)}")
        if max(map(len, side)) > MAX_PHRASE_CHARS:
            raise ValueError(f"a phrase has at most {MAX_PHRASE_CHARS} characters")
    if len(phrases) == 1 and len(phrases[0]) == 1:
        raise ValueError("a phrase needs another one: a, b or a => b")
    return SynonymRule(left=phrases[0], right=phrases[1] if len(phrases) == 2 else ())


def write_synonyms(path: Path, rules: Sequence[SynonymRule]) -> None:
    """Write rules as JSON."""
    path.write_text(json.dumps([asdict(rule) for rule in rules], ensure_ascii=False), encoding="utf-8")


def read_stored_synonyms(path: Path) -> list[SynonymRule]:
    """Read what `write_synonyms` wrote.

    Raises:
        SnapshotError: the file is missing or altered.
    """
    try:
        return [
            SynonymRule(left=tuple(rule["left"]), right=tuple(rule["right"])) for rule in json.loads(path.read_bytes())
        ]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SnapshotError(f"{path.name}: cannot be read ({exc}); build the snapshot again") from exc
