"""What a trained sequence model says about itself: a model card for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """# Mercato sequence model

A self-attentive encoder of what a shopper did last (SASRec, Kang and McAuley 2018): it reads the last {max_length}
products of a history, oldest first, and scores every product by how likely it is the next. {layers} layers of
{heads} heads, {width} wide; {products:,} products, {parameters:,} weights.

## What it was trained on

- {events:,} events of {users:,} users with a history of two or more{source};
- {rare:,} products with fewer than {min_events} events have no code: it neither reads nor shows them;
- {texts}.

The loss is a softmax over {over}. {passes} passes, the weights are those after pass {best} (validation
loss {loss:.3f}, from {start:.3f}). Seed {seed}; {seconds:.0f} s on {threads} thread(s).

## What it reaches

{results}

{weight}

## What to keep in mind

- It goes by the order of events. Where order says nothing, EASE and habit say more.
- A product that came after the training is unknown to it until it is trained again.
- Scores compare products for one history only; they are no probabilities of purchase.
"""


def write_sequence_card(metrics: Mapping[str, Any]) -> str:
    """Write the model card.

    Args:
        metrics: what ``metrics.json`` holds.

    Returns:
        Markdown.
    """
    counts, options, fit = metrics["counts"], metrics["options"], metrics["fit"]
    losses = [fit["start_loss"], *fit["validation_loss"]]
    drawn = f"the right product and {options['fit']['drawn']:,} drawn ones"
    return _CARD.format(
        max_length=metrics["config"]["max_length"],
        layers=metrics["config"]["layers"],
        heads=metrics["config"]["heads"],
        width=metrics["config"]["width"],
        products=metrics["config"]["products"],
        parameters=counts["weights"],
        events=counts["events"],
        users=counts["users"],
        source=f" ({metrics['source']})" if metrics["source"] else "",
        rare=counts["rare_products"],
        min_events=options["min_events"],
        texts=f"the text vectors of {counts['texts']:,} products"
        if counts["texts"]
        else "no texts: it knows products by their ids alone",
        over="all products" if metrics["config"]["products"] <= options["fit"]["all_products"] else drawn,
        passes=len(fit["train_loss"]),
        best=fit["best_epoch"],
        loss=losses[fit["best_epoch"]],
        start=fit["start_loss"],
        seed=options["fit"]["seed"],
        seconds=metrics["seconds"],
        threads=metrics["tools"]["threads"],
        results=_describe_results(metrics["results"], counts["held_out_users"]),
        weight=_describe_weight(metrics["weight"]),
    )


def _describe_results(results: Mapping[str, Mapping[str, float]], users: int) -> str:
    if not results:
        return "Not measured: no history is long enough to keep its last event back."
    lines = [
        f"The first event of the last visit of {users:,} users, which also decided when to stop:",
        "",
        "| order | recall@10 | nDCG@10 |",
        "|---|---|---|",
    ]
    return "\n".join(
        [*lines, *(f"| {name} | {one['recall@10']:.3f} | {one['ndcg@10']:.3f} |" for name, one in results.items())]
    )


def _describe_weight(weight: Mapping[str, Any] | None) -> str:
    if weight is None:
        return "How much it should weigh among other sources could not be measured; a server takes its default."
    alone = ", ".join(f"{source} {recall:.3f}" for source, recall in weight["alone_recall@10"].items())
    return "\n".join(
        [
            f"**Weight {weight['chosen']:g}** among the other sources of recommendations, unless a server's",
            "`--sources sequence=` says otherwise: the smallest that is not surely worse than the best one.",
            f"recall@10 of all products of the last visit, {weight['visits']:,} visits, fused with what repeats, EASE,",
            "orders and popularity know without it:",
            "",
            "| weight | recall@10 |",
            "|---|---|",
            *(f"| {value} | {recall:.3f} |" for value, recall in weight["recall@10"].items()),
            "",
            f"Each source alone: {alone}.",
        ]
    )
