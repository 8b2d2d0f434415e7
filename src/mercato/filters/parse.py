"""Reads a filter; what cannot be read is answered with the place and what was expected there."""

import math
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, NoReturn

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from mercato.catalog.field_names import FIELD_PATTERN, TEXT_PATTERN, EscapeError, parse_field, parse_text
from mercato.errors import InvalidInputError
from mercato.filters.expression import LONG_CHARS, And, AnyOf, Comparison, Expression, Filter, InRange, Not, Or
from mercato.text.timestamps import parse_timestamp

FILTER_LIMIT_CHARS = 1_000_000
OUTSIDE_LIMIT_CHARS = LONG_CHARS
"""Of a filter's characters those that stand outside of lists of texts in quotes: what is read token by token."""
NESTING_LIMIT = 32
VALUES_LIMIT = 20_000
_CACHED_FILTERS = 1_024
_CACHED_LONG_FILTERS = 16
# Characters around a place that an error points at.
_SHOWN_BEFORE = 50
_SHOWN_AFTER = 30

_TEXT = re.compile(TEXT_PATTERN)
_FIELD = re.compile(FIELD_PATTERN)
_TEXTS = re.compile(rf"{TEXT_PATTERN}(?:\s*,\s*{TEXT_PATTERN})*|\"")
_EXAMPLE = 'for example (brand: ANY("Acme")) AND price: IN(10, 50i) AND NOT availability: ANY("OUT_OF_STOCK")'
_ESCAPES = r"write \" for a quote and \\ for a backslash"
# What a person calls the terminals of grammar.lark.
_NAMES = {
    "FIELD": "a field name", "TEXT": "a text in double quotes", "NUMBER": "a number", "OPERATOR": "<, <=, >, >= or =",
    "SUFFIX": "e or i", "STAR": "*", "NOT": "NOT", "MINUS": "-", "LPAR": "(", "RPAR": ")", "COMMA": "a comma",
    "COLON": "a colon", "AND": "AND", "OR": "OR", "ANY": 'ANY("...")', "IN": "IN(lower, upper)", "$END": "the end",
}  # fmt: skip


def parse_filter(text: str, parameter: str = "FILTER") -> Filter:
    """Read a filter.

    Args:
        text: in the grammar of ``grammar.lark``. Texts are compared exactly, case included, as Google Retail does.
            ``IN`` includes its lower bound and not its upper one, unless ``i`` or ``e`` behind the number says so.
        parameter: the caller's name for it, for messages.

    Returns:
        The filter; the same object for the same text while it is among the last `_CACHED_FILTERS`, or of long ones
        `_CACHED_LONG_FILTERS`.

    Raises:
        InvalidInputError: longer than `FILTER_LIMIT_CHARS`, or `OUTSIDE_LIMIT_CHARS` outside of texts; nested deeper
            than `NESTING_LIMIT`, more values in ``ANY`` than `VALUES_LIMIT`, or not in the grammar: with line, column,
            a caret below the place, and what was expected.
    """
    if not text.strip():
        raise InvalidInputError(parameter, "must not be blank", f"leave it out, or write one, {_EXAMPLE}")
    if len(text) <= LONG_CHARS:
        return _parse_short(text, parameter)
    if len(text) > FILTER_LIMIT_CHARS:
        raise InvalidInputError(
            parameter, f"must be at most {FILTER_LIMIT_CHARS:,} characters, got {len(text):,}", "write a shorter filter"
        )
    return _parse_long(text, parameter)


def _parse(text: str, parameter: str) -> Filter:
    try:
        built: _Built = _PARSER.parse(text)  # type: ignore[assignment]
    except UnexpectedInput as exc:
        _refuse_syntax(text, parameter, exc)
    except _RefusedError as exc:
        raise point_at(parameter, text, exc.position, exc.problem, exc.remedy) from exc
    if built.values > VALUES_LIMIT:
        raise InvalidInputError(
            parameter, f"must have at most {VALUES_LIMIT:,} values in ANY, got {built.values:,}", "split the request"
        )
    return Filter(built.expression, text, built.values)


@lru_cache(_CACHED_LONG_FILTERS)
def _parse_long(text: str, parameter: str) -> Filter:
    outside = _count_outside(text)
    if outside > OUTSIDE_LIMIT_CHARS:
        raise InvalidInputError(
            parameter,
            f"must have at most {OUTSIDE_LIMIT_CHARS:,} characters outside of texts in quotes, got {outside:,}",
            'name many values in one list: ANY("a", "b"), and close every quote',
        )
    return _parse(text, parameter)


def _count_outside(text: str) -> int:
    """Count the characters outside of lists of texts; behind a quote that is not closed all of them."""
    inside = 0
    for found in _TEXTS.finditer(text):
        if found[0] == '"':
            break
        inside += found.end() - found.start()
    return len(text) - inside


_parse_short = lru_cache(_CACHED_FILTERS)(_parse)


class _RefusedError(Exception):
    def __init__(self, position: int, problem: str, remedy: str = "") -> None:
        self.position, self.problem, self.remedy = position, problem, remedy
        super().__init__(problem)


class _Built(NamedTuple):
    """A part of the expression, with what the limits need: carried along, so that nothing ever recurses."""

    expression: Expression
    depth: int
    values: int


class _Bound(NamedTuple):
    value: float
    suffix: str
    is_time: bool


@v_args(inline=True)
class _Builder(Transformer[Token, _Built]):
    """Builds the expression bottom-up while the LALR parser reduces."""

    def disjunction(self, *operands: _Built) -> _Built:
        return _combine(Or, operands)

    def conjunction(self, *operands: _Built) -> _Built:
        return _combine(And, operands)

    def negation(self, operator: Token, operand: _Built) -> _Built:
        return _nest(operator, operand)._replace(expression=Not(operand.expression))

    def group(self, parenthesis: Token, inner: _Built) -> _Built:
        return _nest(parenthesis, inner)

    def any_of(self, field: Token, *values: Token) -> _Built:
        texts = [text for value in values for text in _unquote_all(value)]
        distinct = tuple(dict.fromkeys(texts))
        return _Built(AnyOf(_field_name(field), distinct, _position(field)), 0, len(texts))

    def in_range(self, field: Token, lower: _Bound | None, upper: _Bound | None) -> _Built:
        low, high = lower or _Bound(-math.inf, "", False), upper or _Bound(math.inf, "", False)
        if low.value > high.value:
            problem = f"the lower bound {low.value:g} is above the upper bound {high.value:g}"
            raise _RefusedError(_position(field), problem, "exchange them")
        expression = InRange(
            _field_name(field), low.value, high.value, low.suffix != "e", high.suffix == "i",
            low.is_time or high.is_time, _position(field),
        )  # fmt: skip
        return _Built(expression, 0, 0)

    def limit(self, number: Token, suffix: Token | None = None) -> _Bound:
        value, is_time = _number(number)
        return _Bound(value, str(suffix or ""), is_time)

    def no_limit(self, _star: Token) -> None:
        return None

    def comparison(self, field: Token, operator: Token, number: Token) -> _Built:
        value, is_time = _number(number)
        return _Built(Comparison(_field_name(field), str(operator), value, is_time, _position(field)), 0, 0)


def _combine(kind: type[And] | type[Or], operands: tuple[_Built, ...]) -> _Built:
    expression = kind(tuple(operand.expression for operand in operands))
    return _Built(expression, max(operand.depth for operand in operands), sum(operand.values for operand in operands))


def _nest(opening: Token, inner: _Built) -> _Built:
    if inner.depth >= NESTING_LIMIT:
        problem = f"is nested deeper than {NESTING_LIMIT} parentheses and NOTs"
        raise _RefusedError(_position(opening), problem, "write it flatter, with AND and OR of simple terms")
    return inner._replace(depth=inner.depth + 1)


def _position(token: Token) -> int:
    return token.start_pos or 0


def _unquote(token: Token) -> str:
    return _read_text(token, _position(token))


def _unquote_all(token: Token) -> list[str]:
    """Read the texts of a TEXT, or of a MORE, which has many of them."""
    if "\\" not in token:
        return [text[1:-1] for text in _TEXT.findall(token)]
    return [_read_text(found[0], _position(token) + found.start()) for found in _TEXT.finditer(token)]


def _read_text(quoted: str, position: int) -> str:
    try:
        return parse_text(quoted)
    except EscapeError as exc:
        raise _RefusedError(position + exc.position, str(exc), _ESCAPES) from exc


def _field_name(token: Token) -> str:
    try:
        return parse_field(str(token)) if _FIELD.fullmatch(token) else str(token)
    except EscapeError as exc:
        raise _RefusedError(_position(token) + exc.position, str(exc), _ESCAPES) from exc


def _number(token: Token) -> tuple[float, bool]:
    if token.type == "TEXT":
        try:
            return parse_timestamp(_unquote(token)), True
        except ValueError as exc:
            raise _RefusedError(_position(token), str(exc), 'a text is compared with field: ANY("...")') from exc
    value = float(token)
    if not math.isfinite(value):
        raise _RefusedError(_position(token), f"the number {token[:20]} is too large", "write * for no bound")
    return value, False


def _refuse_syntax(text: str, parameter: str, error: UnexpectedInput) -> NoReturn:
    position = error.pos_in_stream or 0
    expected: Any = ()
    if isinstance(error, UnexpectedToken):
        expected = error.accepts or error.expected
        if error.token.type == "$END":
            position = len(text.rstrip())
    elif isinstance(error, UnexpectedCharacters):
        expected = error.allowed or ()
    names = [name for terminal, name in _NAMES.items() if terminal in expected]
    problem = f"expected {' or '.join(names) or 'a filter'}, got {_found(text, position)}"
    raise point_at(parameter, text, position, problem, _advise(text, position)) from error


def _found(text: str, position: int) -> str:
    rest = text[position:]
    if not rest.strip():
        return "the end"
    word = re.match(r"\w+|\W", rest)
    return repr(word[0][:40]) if word else repr(rest[:1])


def _advise(text: str, position: int) -> str:
    """Say what is most likely wrong."""
    rest = text[position:]
    word = re.match(r"[A-Za-z]+", rest)
    if word and word[0].upper() in ("AND", "OR", "NOT", "ANY", "IN") and word[0] != word[0].upper():
        return f"write {word[0].upper()} in capitals"
    if rest.startswith('"') and rest.count('"') - rest.count('\\"') == 1:
        return "the text is not closed by a double quote"
    if rest.startswith(("'", "“", "”", "‘", "’")):
        return 'texts stand in double quotes: "..."'
    if rest.startswith("!"):
        return "write NOT before the field"
    if rest.startswith(("&", "|")):
        return "write AND or OR"
    return _EXAMPLE


def point_at(parameter: str, text: str, position: int, problem: str, remedy: str = "") -> InvalidInputError:
    """Make an error that shows a place in a text.

    Args:
        parameter: the caller's name for the text.
        text: the whole text.
        position: of the character, from 0; the text's length for its end.
        problem: what is wrong there.
        remedy: what to do.

    Returns:
        The error: line and column from 1, problem, remedy, then the line (clipped around the place) with a caret
        below the character.
    """
    before = text[:position]
    line_start = before.rfind("\n") + 1
    line_end = text.find("\n", position)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    column = position - line_start
    start, end = max(0, column - _SHOWN_BEFORE), min(len(line), column + _SHOWN_AFTER)
    left, right = "..." if start else "", "..." if end < len(line) else ""
    shown = "".join(char if char.isprintable() else " " for char in line[start:end])
    width = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line[start:column])
    caret = " " * (len(left) + width) + "^"
    place = f"line {before.count(chr(10)) + 1}, column {column + 1}"
    return InvalidInputError(
        parameter, f"{place}: {problem}{'; ' if remedy else ''}{remedy}\n    {left}{shown}{right}\n    {caret}"
    )


# A bare key of several words, before a colon or an operator, that holds nothing which means something in a filter.
_BARE = r"""(?=[^\W\d])(?:(?!\b(?i:and|or|not)\b)[^"'():<>=,!&|;*\n])+(?<!\s)(?=\s*(?::|[<>=]))"""
# Many values of a list are one token: reading a list of ten thousand token by token takes most of a second.
_TERMINALS = rf"""
TEXT: /{TEXT_PATTERN}/
MORE.2: /(?:\s*,\s*{TEXT_PATTERN})+/
FIELD: /(?!(?:AND|OR|NOT)(?![\w.\-]))(?:{_BARE}|{FIELD_PATTERN})/
"""
_PARSER = Lark(
    files("mercato.filters").joinpath("grammar.lark").read_text("utf-8") + _TERMINALS,
    parser="lalr",
    lexer="contextual",
    transformer=_Builder(),
    maybe_placeholders=False,
)
