"""The part of the ranker's card that says which purchases it learned from, and what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mercato.requests.retrieval import WINDOW
from mercato_training.ranker.prediction_window import NEW_SHARE as NEW_PRODUCTS_SHARE
from mercato_training.ranker.tasks import NEW_SHARE, UNKNOWN_SHARE

_ORDERS = """Orders, split by time. What was bought between {train} and {validation} was learned from; {validation} to
{test} decided when to stop; {test} to {end} is reported below. Popularity, co-occurrence, repeat rates and the
catalogue's order were learned from before {train} alone, and a shopper's history holds strictly earlier events only.
Where the log has views and carts, a request is made at a moment drawn from the session that ended in the order, before
what it is to foretell.

- {searches:,} searches: the text of a purchase's categories serves as the query that led to it (Ai et al. 2017,
  personalised product search), all products of the order in that category as its answers;
- {recommendations:,} recommendations without a query: the whole order as the answer.

In {unknown:.0%} of both the shopper was taken to be unknown, in {new:.0%} to be new."""

_MOMENTS = """What shoppers bought in the {days:g} days after each of {snapshot_dates} moments, {step_days:g} days
apart, the first on {first}, the last on {last}; its weeks end on {end}. At a moment retrieval and features know
what came before it alone; the answers are what came after it.

- {recommendations:,} recommendations, of shoppers who had bought before a moment and bought after it; for
  {new_products:.0%} of them there is a second one that asks for products new to them;
- {searches_made}

Of {stopping:.1%} of all shoppers nothing was learned at any moment: they decided when to stop ({validation_lists:,}
lists). Of as many others, {calibrated:,} at most, nothing was learned either: the figures below are theirs
({test_lists:,} lists)."""

_SEARCHES = """{searches:,} searches, of the orders of the latest moment's weeks: the text of a purchase's categories
  serves as the query that led to it, and in {unknown:.0%} of them the shopper was taken to be unknown, in {new:.0%} to
  be new."""
_NO_SEARCHES = "no searches."

_NEGATIVES = """Candidates come from the retrieval that serves, and what of them was not bought are the negatives:
{negatives}. A list that holds nothing of what was bought teaches nothing; nothing is put into a list that retrieval did
not find. Retrieval found something of what was bought for {found:.0%} of the recommendations."""


def describe_data(metrics: Mapping[str, Any]) -> str:
    """Write the part.

    Args:
        metrics: what ``metrics.json`` holds: ``split`` (dates), ``examples`` and ``options``.

    Returns:
        Markdown.
    """
    options, window = metrics["options"], metrics["options"]["prediction_window"]
    examples = metrics["examples"]
    dates = {name: date[:10] for name, date in metrics["split"].items()}
    shared = {
        "searches": examples["train"]["search"],
        "recommendations": examples["train"]["recommend"],
        "unknown": UNKNOWN_SHARE,
        "new": NEW_SHARE,
    }
    if window is None:
        text, width = _ORDERS.format(**dates, **shared), options["data"]["width"]
    else:
        width = window["width"]
        text = _MOMENTS.format(
            **window,
            stopping=window["held_out"] / 2,
            **shared,
            searches_made=_SEARCHES.format(**shared) if shared["searches"] else _NO_SEARCHES,
            first=dates["train"],
            last=dates["validation"],
            end=dates["end"],
            new_products=NEW_PRODUCTS_SHARE,
            validation_lists=examples["validation"]["recommend"] + examples["validation"]["search"],
            test_lists=examples["test"]["recommend"] + examples["test"]["search"],
        )
    negatives = (
        f"a random sample that makes a list of {width}; held-out lists are whole"
        if width < WINDOW
        else f"all of them, in lists of up to {WINDOW}"
    )
    found = examples["train"]["recommend_answerable"]
    return f"{text}\n\n{_NEGATIVES.format(negatives=negatives, found=found)}"
