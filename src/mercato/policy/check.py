"""Rules against a catalogue: what they name that is not there. It may come later, so these are hints."""

from __future__ import annotations

from collections.abc import Iterator

from mercato.catalog.columns import ColumnSet
from mercato.errors import InvalidInputError
from mercato.filters import evaluate, parse_filter
from mercato.policy.rules import Rule, RuleFile

_LISTED = 10


def list_unknown(file: RuleFile, columns: ColumnSet) -> list[str]:
    """List what rules name and a catalogue does not have.

    Args:
        file: the rules.
        columns: the catalogue's columns.

    Returns:
        One sentence for each kind of thing or condition; none where all is there.
    """
    hints = []
    products = dict.fromkeys(_list_products(file))
    unknown = [product for product in products if columns.row_of(product) is None]
    if unknown:
        more = f" and {len(unknown) - _LISTED:,} more" if len(unknown) > _LISTED else ""
        listed = ", ".join(map(repr, unknown[:_LISTED]))
        hints.append(f"{len(unknown):,} of {len(products):,} products are not in the catalogue: {listed}{more}")
    for path, condition in _list_conditions(file):
        try:
            evaluate(parse_filter(condition), columns)
        except InvalidInputError as exc:
            hints.append(f"{path} is left out until it fits the catalogue: {str(exc).splitlines()[0]}")
    return hints


def _list_products(file: RuleFile) -> Iterator[str]:
    yield from file.blocked
    for rule in file.rules:
        yield from (pin.product for pin in rule.pins)
        yield from rule.blocked


def _list_conditions(file: RuleFile) -> Iterator[tuple[str, str]]:
    """Yield each condition with its path in the file."""
    owners: list[tuple[str, RuleFile | Rule]] = [("", file)]
    owners += [(f"rules.{number}.", rule) for number, rule in enumerate(file.rules)]
    for owner, rule in owners:
        if rule.filter is not None:
            yield f"{owner}filter", rule.filter
        for number, boost in enumerate(rule.boosts):
            yield f"{owner}boosts.{number}.condition", boost.condition
