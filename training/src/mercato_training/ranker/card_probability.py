"""The part of the ranker's card that says what its probabilities are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NONE = """None: there was too little to fit them to. Scores are no probabilities."""

_TEXT = """`purchase_probability` of a recommendation is the probability that the product is **{event}**, for a
shopper of whom a purchase is known; nothing is said of others, nor of searches. {population}

It was fitted after the network, to {count:,} candidates of {shoppers:,} shoppers with {purchases:,} purchases among
them, on whole lists as they are served: no sample of what was not bought. Within a list it keeps the order of scores.
Of the ways tried (log loss: {tried}) the one that foretold shoppers left out best was taken: {method}. The figures are
cross-fitted over {folds} folds of shoppers: nobody's probabilities come from their own purchases.

| | ranker | base rate for all |
|---|---|---|
| log loss | {log_loss:.5f} | {base_log_loss:.5f} |
| Brier score | {brier:.5f} | {base_brier:.5f} |
| mean probability | {predicted:.4f} | {base_rate:.4f} |
| expected calibration error, {bins} bins of equal mass | {ece:.5f} | |

{groups}

**Reliability**: what was said and what happened, from the least likely fifteenth to the likeliest.

| candidates | from | to | mean probability | bought |
|---|---|---|---|---|
{table}

They hold for shoppers and weeks like these. Scores drift with the season and the offer: train again each month where
amounts are read, and not only which is likelier."""

_ALL_SHOPPERS = """It is over all such shoppers at the latest moment, also those who do not come back: of one who is on
the page it is too low."""
_ALL_ORDERS = "It is over visits that end in an order: of one that may end without it is too high."
_METHODS = {
    "score": "a logistic curve over the score",
    "score, isotonic": "isotonic regression over the score",
    "shopper": "a logistic curve over the score and what is known of the shopper ({features})",
    "shopper, isotonic": "isotonic regression over the score and what is known of the shopper ({features})",
}


def describe_probability(calibration: Mapping[str, Any] | None, plot: str = "") -> str:
    """Write the part: Markdown.

    Args:
        calibration: what ``metrics.json`` says of it, None where there is none.
        plot: file that shows the table; empty for none.
    """
    if calibration is None:
        return NONE
    reliability = calibration["reliability"]
    within = calibration["event"].startswith("bought within")
    return _TEXT.format(
        **{name: value for name, value in reliability.items() if name != "bins"},
        event=calibration["event"],
        population=_ALL_SHOPPERS if within else _ALL_ORDERS,
        shoppers=calibration["shoppers"],
        purchases=calibration["purchases"],
        folds=calibration["folds"],
        tried="; ".join(f"{name} {loss:.5f}" for name, loss in calibration["log_losses"].items()),
        method=_METHODS[calibration["method"]].format(features=", ".join(calibration["shopper_features"])),
        bins=len(reliability["bins"]),
        groups=_describe_groups(calibration["groups"]),
        table="\n".join(map(_write_bin, reliability["bins"])) + (f"\n\n![Reliability]({plot})" if plot else ""),
    )


def summarize_probability(calibration: Mapping[str, Any] | None) -> str:
    """Say in one line what the probabilities are worth; the argument is that of :func:`describe_probability`."""
    if calibration is None:
        return "purchase probabilities: none, there was too little to fit them to"
    reached = calibration["reliability"]
    return (
        f"purchase probabilities ({calibration['event']}): log loss {reached['log_loss']:.4f}, "
        f"{reached['base_log_loss']:.4f} with the base rate for all; calibration error {reached['ece']:.4f}"
    )


def _write_bin(one: Mapping[str, float]) -> str:
    parts = [f"{one[name]:.4f}" for name in ("least", "most", "predicted", "observed")]
    return f"| {one['count']:,} | {' | '.join(parts)} |"


def _describe_groups(groups: Mapping[str, Mapping[str, float]]) -> str:
    parts = [f"{name} {one['predicted']:.4f} and {one['observed']:.4f}" for name, one in groups.items()]
    return f"Mean probability and share bought by group of shopper: {'; '.join(parts)}."
