"""The model card of a ranker that learned from ratings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """# Mercato ranker, from ratings

Orders the candidates of a search. Its relevance layer joins {members} small networks over the ranker's features
({features} of them) and two cosines, each input once standardised and once cut into {bins} pieces; what they answer on
average is added to the order of retrieval.

## What it was trained on

{queries:,} queries with {pairs:,} ratings ({levels}), of which retrieval finds {pairs_found:,} in the window that is
ranked. {queries_that_teach:,} queries teach an order: a better and a worse product among those found.
{products_unknown:,} rated products are not in the catalogue.

Least squares on the gain 2 ** rating - 1, scaled to 1. A candidate that nobody rated counts as one of rating 0, with
weight {unrated_weight}: ratings are asked for what some search found, so what was not rated is mostly worse, and not
always. The searches are those of an unknown shopper.

Each network leaves out its own part of the training queries. Fitting stopped where the loss on the parts left out was
lowest: after pass {best_epoch} of {epochs} ({left_out_loss:.4f}, from {start_loss:.4f}).

## What it reaches

{measured}

{table}

nDCG with unrated products as gain 0, and *condensed*: without them. Recall is of products rated at least half of the
highest rating. Means with 95 % intervals (bootstrap over queries).

## Settings

{settings}

## What to keep in mind

- Ratings that were pooled from one search engine know little of what that engine did not find. Look at both nDCGs.
- It learned from searches alone: what it says about a recommendation is the order of retrieval, unless it went on to
  learn from purchases.
- Scores compare candidates of one request only; they are no probabilities.
"""


def write_rated_card(metrics: Mapping[str, Any]) -> str:
    """Write the card: Markdown.

    Args:
        metrics: what ``metrics.json`` holds.
    """
    ratings, fit, options = metrics["ratings"], metrics["fit"], metrics["options"]["fit"]
    folds = metrics["folds"]
    results = metrics["results"]
    if not results:
        measured = "Nothing was held out, so nothing was measured."
    elif folds["fold"] is None:
        measured = (
            f"{folds['folds']}-fold cross-validation over queries: each is ordered by a network that saw no rating "
            "of it. The network kept here learned from all queries, so measuring it on them says nothing."
        )
    else:
        measured = f"On fold {folds['fold']} of {folds['folds']}, whose queries it did not learn from."
    return _CARD.format(
        **ratings | {"levels": ", ".join(map(str, ratings["levels"]))},
        **fit,
        members=options["members"],
        bins=options["bins"],
        unrated_weight=options["unrated_weight"],
        features=metrics["features"],
        measured=measured,
        table=_table(results) if results else "",
        settings="\n".join(f"- {name}: {value}" for name, value in options.items()),
    )


def _table(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    names = list(next(iter(results.values())))
    lines = ["| order | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for system, values in results.items():
        sign = "+" if " - " in system else ""
        cells = [
            f"{values[name]['mean']:{sign}.3f} [{values[name]['low']:{sign}.3f}, {values[name]['high']:{sign}.3f}]"
            for name in names
        ]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
