"""A command that a message or a page names is one of the command line, with options that it has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mercato.cli.main import app

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCES = ("src", "export/src", "training/src", "model_repository")
PAGES = ("README.md", "CONTRIBUTING.md", "docs", "client/README.md")
GONE = re.compile(r"python -m (export|training|mercato_export|mercato_training)\b")
COMMAND = re.compile(r"(?:(?<=bin/)|(?<![\w/.:@\[-]))mercato ((?:[a-z]+)(?: [^;,()`|<>\"\n]*)?)")
# What follows a command in a sentence, rather than being part of it.
PROSE = re.compile(r" (?:or|and|then|in|of|is|was|has|does|on|before|again|for|wrote|brings|needs|from|takes)\b.*")


@cache
def list_commands() -> dict[tuple[str, ...], frozenset[str]]:
    """Return the options of each command, by its words after `mercato`; groups have those of `--help` alone."""
    found: dict[tuple[str, ...], frozenset[str]] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        found[words] = frozenset(name for option in command.params for name in (*option.opts, *option.secondary_opts))
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def list_messages(source: str) -> Iterator[str]:
    """Yield each string of a file, `X` for what is filled in."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def find_problems(text: str) -> list[str]:
    """Return what is wrong with the commands of ours that a text names."""
    problems = [f"{found[0]} is no command any more" for found in GONE.finditer(text)]
    commands = list_commands()
    firsts = {words[0] for words in commands if words}
    for found in COMMAND.finditer(text):
        line = PROSE.sub("", " ".join(found[1].split()))
        words = line.split()
        if words[0] not in firsts:
            continue  # the product's name in a sentence
        length = max(count for count in range(1, 4) if tuple(words[:count]) in commands)
        path, rest = tuple(words[:length]), words[length:]
        options = [word.partition("=")[0].rstrip(".:") for word in rest if re.match(r"--[a-z]", word)]
        if options and any(len(deeper) > length and deeper[:length] == path for deeper in commands):
            if not rest[0].isupper():  # MODEL stands for any of them
                problems.append(f"mercato {line}: {' '.join(path)} is a group of commands")
            continue
        unknown = [option for option in options if option not in commands[path] | {"--help"}]
        problems += [f"mercato {line}: {' '.join(path)} has no {option}" for option in unknown]
    return problems


def list_sources() -> list[Path]:
    """Return the Python files that are installed."""
    return sorted(path for folder in SOURCES for path in (REPOSITORY / folder).rglob("*.py"))


def list_pages() -> list[Path]:
    """Return what people read, deployment included."""
    pages = [path for name in PAGES for path in [REPOSITORY / name] if path.is_file()]
    pages += [path for name in PAGES for path in (REPOSITORY / name).rglob("*.md") if (REPOSITORY / name).is_dir()]
    return sorted(pages)


def test_messages_name_commands_that_are_installed() -> None:
    problems = {
        str(path.relative_to(REPOSITORY)): found
        for path in list_sources()
        if (found := [one for text in list_messages(path.read_text()) for one in find_problems(text)])
    }
    assert problems == {}


def test_pages_name_commands_that_are_installed() -> None:
    problems = {
        str(path.relative_to(REPOSITORY)): found
        for path in list_pages()
        if (found := find_problems(path.read_text().replace("\\\n", " ")))
    }
    assert problems == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("make it: python -m export encoder --out X", "is no command any more"),
        ("train one: mercato train ranker --into X", "train ranker has no --into"),
        ("run mercato export --target onnx", "export is a group of commands"),
        ("mercato serve --catalogue=var/x", "serve has no --catalogue"),
    ],
)
def test_what_is_no_command_is_noticed(text: str, said: str) -> None:
    (problem,) = find_problems(text)
    assert said in problem


def test_commands_and_sentences_are_told_apart() -> None:
    fine = "mercato export MODEL --target torch; mercato answers, and `mercato train ranker --catalog C`, then"
    assert find_problems(fine) == []
    assert ("events", "import") in list_commands()


def test_pages_and_messages_name_commands_at_all() -> None:
    named = [found[1] for path in list_pages() for found in COMMAND.finditer(path.read_text())]
    texts = [text for path in list_sources() for text in list_messages(path.read_text())]
    told = [found[1] for text in texts for found in COMMAND.finditer(text)]
    assert len(named) > 100 and len(told) > 50
