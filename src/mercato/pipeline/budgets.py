"""How long a call of each stage may take where stages live behind calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mercato.errors import InvalidInputError

DEFAULT_BUDGETS_MS: Mapping[str, int] = {"encoder": 2000, "retriever": 5000, "ranker": 2000}
"""Milliseconds of one call by model. Generous: they are for what hangs; a shop that wants short answers sets less. The
reranker has its own, in ``rerank_budget_ms``."""


def check_budgets(budgets_ms: Mapping[str, int]) -> None:
    """Check budgets by model.

    Raises:
        InvalidInputError: no such stage, or a budget that is not above 0.
    """
    unknown = sorted(set(budgets_ms) - set(DEFAULT_BUDGETS_MS))
    if unknown:
        raise InvalidInputError(
            "stage budget", f"must name one of {', '.join(DEFAULT_BUDGETS_MS)}, got {', '.join(unknown)[:80]!r}"
        )
    for name, budget_ms in budgets_ms.items():
        if not budget_ms > 0:
            raise InvalidInputError("stage budget", f"of {name} must be above 0 milliseconds, got {budget_ms}")


def parse_budgets(pairs: Sequence[str]) -> dict[str, int]:
    """Read budgets as the command line gives them, such as ``encoder=200``.

    Raises:
        InvalidInputError: no such pair, no such stage, or a budget that is not above 0.
    """
    budgets_ms: dict[str, int] = {}
    for pair in pairs:
        name, equals, number = pair.partition("=")
        if not equals or not number.strip().isdecimal():
            raise InvalidInputError("--stage-budget", f"must be STAGE=MILLISECONDS, got {pair[:80]!r}")
        budgets_ms[name.strip()] = int(number)
    check_budgets(budgets_ms)
    return budgets_ms
