"""What a trained ranker says about itself: metrics as JSON and a model card for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mercato_training.common.cards import wrap_markdown
from mercato_training.ranker.card_probability import describe_probability
from mercato_training.ranker.card_purchases import describe_data
from mercato_training.ranker.evaluate import Estimate

Figures = Mapping[str, Mapping[str, Estimate]]
TASK_TITLES = {
    "search": "Search",
    "search_unknown": "Search by an unknown shopper",
    "recommend": "Recommendation",
}

_CARD = """# Mercato ranker

{network} that orders the candidates of a search or of a home-page recommendation for one shopper: cosines of
query, history and candidate, raw and after a learned projection, with {features} features, through a perceptron. It
starts from the order of retrieval and learns what to change about it.

## What it was trained on

{data}

{stopping}

{outcomes}

## What it reaches {where}

Means over requests with 95 % intervals (bootstrap over shoppers); what retrieval did not find counts as missed. A line
`ranker - NAME` is the paired difference. `retrieval` is the order before the ranker; `most bought` is what the shopper
bought most often, then what is popular. "Search by an unknown shopper" has the same searches with nothing known of who
asks.

{verdict}

{tables}

{groups}

## Probabilities

{probability}

## What to keep in mind

- It is for putting products in order, and for what follows from how likely a purchase is: how much room a page gives to
  recommendations, how much stock to expect. It is not for prices by person, for credit, or for anything else that is
  decided about a person: it knows what somebody bought, and not why.
- It foretells what shoppers do, not what showing a product changes: who buys a product every week would buy it unshown.
{queries}
- It learned from what was sold. What nobody was shown nobody bought, so what is popular gains, and more so with each
  training on what an earlier one put on top. New products get their places by rule (see the documentation of
  recommendation); coverage and popularity bias are measured by `mercato eval recommend`.
- It orders home-page recommendations and searches. Around a product or a cart the order of retrieval holds.
- Scores compare candidates of one request only.{seasons}
"""
_QUERIES = """- Queries made of category names are tidier than what people type, and a purchase that follows from habit
  is credited to the query. The search figures say how well a known need is met, not how well words are understood."""
_NO_QUERIES = "- It learned from no searches: what it makes of one was not measured."


def write_card(
    metrics: Mapping[str, Any], results: Mapping[str, Figures], *, feature_count: int, plot: str = ""
) -> str:
    """Write the model card.

    Args:
        metrics: what ``metrics.json`` holds.
        results: task to system to metric to estimate.
        feature_count: number of features.
        plot: file beside the card that shows the reliability of probabilities; empty for none.

    Returns:
        Markdown.
    """
    fit = metrics["fit"]
    members = fit["members"]
    window = metrics["options"]["prediction_window"]
    text = _CARD.format(
        network="A small network"
        if members == 1
        else f"The mean of {members} small networks, each with its own start,",
        features=feature_count,
        data=describe_data(metrics),
        stopping=(
            f"Trained for {fit['epochs']} passes; the weights are those after pass {fit['best_epoch']}, "
            f"with the lowest validation loss ({fit['validation_loss']:.3f}, from {fit['start_loss']:.3f})."
        ),
        outcomes=_describe_outcomes(fit["outcomes"]),
        where="on the last stretch of time" if window is None else "on shoppers it has not seen",
        verdict="\n".join(f"- {describe_verdict(task, figures)}" for task, figures in results.items()),
        tables="\n\n".join(f"**{TASK_TITLES[task]}**\n\n{_table(figures)}" for task, figures in results.items()),
        groups=_describe_groups(metrics["groups"]),
        queries=_QUERIES if metrics["examples"]["train"]["search"] else _NO_QUERIES,
        probability=describe_probability(metrics["calibration"], plot),
        seasons=""
        if window is None
        else " The shoppers of the figures are others than those it learned from, the weeks are the same: what another "
        "season changes these figures do not show.",
    )
    return wrap_markdown(text)


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


def _describe_outcomes(outcomes: Mapping[str, Mapping[str, float]]) -> str:
    if len(outcomes) == 1:
        return (
            "It learned from purchases alone: the log has no carts and clicks of known shoppers, or they were left out."
        )
    lines = [
        "Each outcome has a head of its own over what the network learned for all.",
        "",
        "| outcome | training lists that have it | part of the loss | part of the score that is served |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['lists']:,.0f} | {one['loss']:g} | {one['score']:g} |" for name, one in outcomes.items()
    ]
    return "\n".join(lines)


def _describe_groups(groups: Mapping[str, Mapping[str, float]]) -> str:
    if not groups:
        return ""
    lines = [
        "**Recommendation by group of shopper**: `new` have no purchase known, `light` have made fewer orders than the",
        "median of the others.",
        "",
        "| shoppers | requests | nDCG@10 of the ranker | of retrieval |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['requests']:,} | {one['ranker']:.3f} | {one['retrieval']:.3f} |"
        for name, one in groups.items()
    ]
    return "\n".join(lines)


def _table(figures: Figures) -> str:
    metrics = list(next(iter(figures.values())))
    lines = ["| order | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for name, values in figures.items():
        sign = "+" if " - " in name else ""
        cells = [f"{values[m].mean:{sign}.3f} [{values[m].low:{sign}.3f}, {values[m].high:{sign}.3f}]" for m in metrics]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
