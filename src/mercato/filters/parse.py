"""Reads a filter; what cannot be read is answered with the place and what was expected there."""

import math
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, NoReturn

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from mercato.errors import InvalidInputError
from mercato.filters.expression import And, AnyOf, Comparison, Expression, Filter, InRange, Not, Or
from mercato.text.timestamps import parse_timestamp

FILTER_LIMIT_CHARS = 4_096
NESTING_LIMIT = 32
VALUES_LIMIT = 200
_CACHED_FILTERS = 1_024
# Characters around a place that an error points at.
_SHOWN_BEFORE = 50
_SHOWN_AFTER = 30

_ESCAPE = re.compile(r"\\([\s\S])")
_EXAMPLE = 'for example (brand: ANY("Acme")) AND price: IN(10, 50i) AND NOT availability: ANY("OUT_OF_STOCK")'
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
        The filter; the same object for the same text while it is among the last `_CACHED_FILTERS`.

    Raises:
        InvalidInputError: longer than `FILTER_LIMIT_CHARS`, nested deeper than `NESTING_LIMIT`, more values in ``ANY``
            than `VALUES_LIMIT`, or not in the grammar: with line, column, a caret below the place, and what was
            expected.
    """
    if len(text) > FILTER_LIMIT_CHARS:
        raise InvalidInputError(
            parameter, f"must be at most {FILTER_LIMIT_CHARS:,} characters, got {len(text):,}", "write a shorter filter"
        )
    if not text.strip():
        raise InvalidInputError(parameter, "must not be blank", f"leave it out, or write one, {_EXAMPLE}")
    return _parse(text, parameter)


@lru_cache(_CACHED_FILTERS)
def _parse(text: str, parameter: str) -> Filter:
    try:
        built: _Built = _PARSER.parse(text)  # type: ignore[assignment]
    except UnexpectedInput as exc:
        _refuse_syntax(text, parameter, exc)
    except _RefusedError as exc:
        raise point_at(parameter, text, exc.position, exc.problem, exc.remedy) from exc
    if built.values > VALUES_LIMIT:
        raise InvalidInputError(
            parameter, f"must have at most {VALUES_LIMIT} values in ANY, got {built.values:,}", "split the request"
        )
    return Filter(built.expression, text)


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
        texts = tuple(dict.fromkeys(_unquote(value) for value in values))
        return _Built(AnyOf(_field_name(field), texts, _position(field)), 0, len(values))

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
    for escape in _ESCAPE.finditer(token):
        if escape[1] not in '"\\':
            problem = f"{escape[0]!r:.8} is no escape" if escape[1].isprintable() else "a backslash stands alone"
            raise _RefusedError(
                _position(token) + escape.start(), problem, r"write \" for a quote and \\ for a backslash"
            )
    return _ESCAPE.sub(r"\1", token[1:-1])


def _field_name(token: Token) -> str:
    name, quote, rest = str(token).partition('."')
    if not quote:
        return name
    return name + "." + _ESCAPE.sub(r"\1", rest.replace('"."', ".").removesuffix('"'))


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


_PARSER = Lark(
    files("mercato.filters").joinpath("grammar.lark").read_text("utf-8"),
    parser="lalr",
    lexer="contextual",
    transformer=_Builder(),
    maybe_placeholders=False,
)
