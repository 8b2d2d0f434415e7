from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercato.errors import DataError
from mercato.index.synonyms import MAX_PHRASES, SynonymRule, parse_synonyms, read_synonyms


def parse(*lines: str) -> list[SynonymRule]:
    return parse_synonyms(lines, "synonyms.txt")


def test_both_kinds_of_rules() -> None:
    assert parse("# shop", "", "tv, television,telly  # screens", "sneakers, kicks => trainers, running  shoes") == [
        SynonymRule(left=("tv", "television", "telly")),
        SynonymRule(left=("sneakers", "kicks"), right=("trainers", "running shoes")),
    ]


def test_signs_can_stand_for_themselves() -> None:
    assert parse(r"1\,5 l, a=b", r"c\#, c sharp", r"x \=> y, z\\w") == [
        SynonymRule(left=("1,5 l", "a=b")),
        SynonymRule(left=("c#", "c sharp")),
        SynonymRule(left=("x => y", "z\\w")),
    ]


def test_a_phrase_twice_counts_once() -> None:
    assert parse("a, b, a") == [SynonymRule(left=("a", "b"))]
    assert parse("a => a, a, b") == [SynonymRule(left=("a",), right=("a", "b"))]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a", "a phrase needs another one"),
        ("a, a", "a phrase needs another one"),
        ("a,,b", "a phrase is missing"),
        ("a =>", "a phrase is missing"),
        ("=> b", "a phrase is missing"),
        (", ,a", "a phrase is missing"),
        ("a => b => c", "a rule has one =>"),
        (", ".join(map(str, range(MAX_PHRASES + 1))), f"at most {MAX_PHRASES} phrases, this one {MAX_PHRASES + 1}"),
        ("a => " + "b" * 201, "at most 200 characters"),
    ],
)
def test_a_line_that_is_no_rule_is_named(line: str, problem: str) -> None:
    with pytest.raises(DataError, match=rf"synonyms synonyms.txt: line 2: .*{problem}.*got"):
        parse("a, b", line)


def test_all_bad_lines_are_told_together() -> None:
    with pytest.raises(DataError, match=r"line 1: .*line 10: .*; and 5 more; correct or comment them out"):
        parse(*["lonely"] * 15)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_bytes("\ufeffcrème, cream\r\n电视, 电视机\r\n".encode())
    assert read_synonyms(path) == [SynonymRule(left=("crème", "cream")), SynonymRule(left=("电视", "电视机"))]

    path.write_bytes(b"caf\xe9, coffee")
    with pytest.raises(DataError, match="cannot be read as UTF-8"):
        read_synonyms(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_synonyms(tmp_path / "missing.txt")


@given(st.text(alphabet="ab ,=>#\\", max_size=30))
def test_any_line_is_a_rule_or_a_clear_error(line: str) -> None:
    try:
        rules = parse(line)
    except DataError as exc:
        assert "line 1: " in str(exc)
    else:
        assert all(all(rule.left) and all(rule.right) for rule in rules)
