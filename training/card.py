"""What a trained ranker says about itself: metrics as JSON and a model card for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluate import Estimate

Figures = Mapping[str, Mapping[str, Estimate]]
TASK_TITLES = {
    "search": "Search",
    "search_unknown": "Search by an unknown shopper",
    "recommend": "Recommendation",
}

_CARD = """# Mercato ranker

A small network that orders the candidates of a search or of a home-page recommendation for one shopper: cosines of
query, history and candidate, raw and after a learned projection, with {features} features, through a perceptron. It
starts from the order of retrieval and learns what to change about it.

## What it was trained on

Purchases, split by time. What was bought between {train} and {validation} was learned from; {validation} to {test}
decided when to stop; {test} to {end} is reported below. Popularity, co-occurrence, repeat rates and the catalogue's
order were learned from before {train} alone, and a shopper's history holds strictly earlier events only.

- {searches:,} searches: the text of a purchase's categories serves as the query that led to it (Ai et al. 2017,
  personalised product search), all products of the order in that category as its answers;
- {recommendations:,} recommendations without a query: the whole order as the answer.

In a fifth of both the shopper was taken to be unknown, in a tenth to be new.

Candidates come from the retrieval that serves. A list that holds nothing of what was bought teaches nothing; nothing
is put into a list that retrieval did not find.

{stopping}

## What it reaches on the last stretch of time

Means over requests with 95 % intervals (bootstrap over shoppers); what retrieval did not find counts as missed. A line
`ranker - NAME` is the paired difference. `retrieval` is the order before the ranker; `most bought` is what the shopper
bought most often, then what is popular. "Search by an unknown shopper" has the same searches with nothing known of who
asks.

{verdict}

{tables}

## What to keep in mind

- Queries made of category names are tidier than what people type, and a purchase that follows from habit is credited to
  the query. The search figures say how well a known need is met, not how well words are understood.
- Only purchases are learned from. What was seen and not bought is unknown, so products that were shown more gain.
- It orders home-page recommendations and searches. Around a product or a cart the order of retrieval holds.
- Scores compare candidates of one request only; they are no probabilities.
"""


def write_card(metrics: Mapping[str, Any], results: Mapping[str, Figures], *, feature_count: int) -> str:
    """Write the model card.

    Args:
        metrics: what ``metrics.json`` holds: ``split`` (dates), ``examples`` and ``fit``.
        results: task to system to metric to estimate.
        feature_count: number of features.

    Returns:
        Markdown.
    """
    fit = metrics["fit"]
    stopping = (
        f"Trained for {fit['epochs']} passes; the weights are those after pass {fit['best_epoch']}, "
        f"with the lowest validation loss ({fit['validation_loss']:.3f}, from {fit['start_loss']:.3f})."
    )
    return _CARD.format(
        **{name: date[:10] for name, date in metrics["split"].items()},
        features=feature_count,
        searches=metrics["examples"]["train"]["search"],
        recommendations=metrics["examples"]["train"]["recommend"],
        stopping=stopping,
        verdict="\n".join(f"- {describe_verdict(task, figures)}" for task, figures in results.items()),
        tables="\n\n".join(f"**{TASK_TITLES[task]}**\n\n{_table(figures)}" for task, figures in results.items()),
    )


def describe_verdict(task: str, figures: Figures) -> str:
    """Say in a sentence whether the ranker improves on each order before it, by nDCG@10."""
    parts = []
    for name in figures:
        if not name.startswith("ranker - "):
            continue
        gain = figures[name]["ndcg@10"]
        if gain.low > 0:
            verdict = "better than"
        elif gain.high < 0:
            verdict = "WORSE than"
        else:
            verdict = "not told apart from"
        parts.append(f"{verdict} {name.removeprefix('ranker - ')} ({gain.mean:+.3f})")
    return f"{TASK_TITLES[task]}: by nDCG@10 the ranker is {', '.join(parts)}."


def _table(figures: Figures) -> str:
    metrics = list(next(iter(figures.values())))
    lines = ["| order | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for name, values in figures.items():
        sign = "+" if " - " in name else ""
        cells = [f"{values[m].mean:{sign}.3f} [{values[m].low:{sign}.3f}, {values[m].high:{sign}.3f}]" for m in metrics]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
