"""What a trained reranker says about itself: a model card for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_CARD = """# Mercato reranker

A cross-encoder: it reads a query and a product together and says how well they fit. Cut from {repository}
({licence}): its layers {layers}, {max_tokens} tokens a pair. It orders the best {depth} products of a search
again; its score counts {weight:.2f} in the blend with the score of the stage before, {chosen}.

## What it was trained on

{sources}

Products whose title has all words of a query are no counterexamples to it, and {untitled:.0%} of the products were read
without their titles. Beside the gains (weight {teaching} to 1) it was taught the text encoder's cosine plus half the
share of the query's words that a product has: what is alike, and what was said. Token embeddings were left as they are.

{fits}

Seed {seed}; {seconds:.0f} s on {threads} thread(s).

## What it reaches

{results}

nDCG@10 with gain 2^rating - 1: unrated products count as 0, and (condensed) are taken out of the list before it is cut.
"Before" is the order of the {before}.

## What to keep in mind

- It reads what is written: a product with a poor text is read poorly.
- Queries made of titles are tidier than what people type. With ratings, or with searches in the log of events, it
  learns from those too.
- Scores compare products of one query only; they are no probabilities.
- It belongs to its tokenizer. A folder with another one is refused.
"""


def write_reranker_card(metrics: Mapping[str, Any], *, layers: Sequence[int]) -> str:
    """Write the model card.

    Args:
        metrics: what ``metrics.json`` holds.
        layers: of the encoder that were kept, from 0.

    Returns:
        Markdown.
    """
    options = metrics["options"]
    count = metrics["weight_chosen_on"]
    return _CARD.format(
        repository=metrics["source"]["repository"],
        licence=metrics["source"]["licence"],
        layers=", ".join(str(layer + 1) for layer in layers),
        max_tokens=options["shape"]["max_tokens"],
        depth=options["shape"]["depth"],
        weight=metrics["weight"],
        chosen=f"chosen on {count} rated queries that it did not learn from" if count >= 1 else "which was given",
        sources="\n".join(f"- {line}" for line in _describe_sources(metrics)),
        untitled=options["data"]["untitled"],
        teaching=options["synthetic"]["teaching"],
        fits="\n".join(_describe_fit(name, fit) for name, fit in metrics["fits"].items()),
        seed=options["data"]["seed"],
        seconds=metrics["seconds"]["fit"],
        threads=metrics["tools"]["threads"],
        before=metrics["stage_before"],
        results=_table(metrics["results"]),
    )


def _describe_sources(metrics: Mapping[str, Any]) -> list[str]:
    counts = metrics["counts"]
    lines = [
        f"{counts['synthetic_queries']:,} queries made of the catalogue's own titles, categories, brands, attributes "
        "and model numbers, each against what retrieval takes for an answer too;",
        f"{counts['rated_queries']:,} rated queries with {counts['rated_pairs']:,} ratings "
        f"({counts['ratings_of_unknown_products']:,} more of products that the catalogue lacks);",
        f"{counts['answered_queries']:,} queries of the log of events, with what was clicked or bought after them.",
    ]
    fold = metrics["options"]["data"]["fold"]
    if fold is not None:
        lines.append(f"Fold {fold} of {metrics['options']['data']['folds']} of the rated queries was left out.")
    return lines


def _describe_fit(name: str, fit: Mapping[str, Any]) -> str:
    what = {"synthetic": "The catalogue's own queries", "rated": "Ratings and behaviour"}[name]
    losses = [fit["start_loss"], *fit["validation_loss"]]
    return (
        f"{what}: {len(fit['train_loss'])} passes, the weights are those after pass {fit['best_epoch']} "
        f"(validation loss {losses[fit['best_epoch']]:.3f}, from {fit['start_loss']:.3f})."
    )


def _table(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    if not results:
        return "Not measured: there were no ratings."
    lines = ["| queries | order | nDCG@10 | condensed |", "|---|---|---|---|"]
    for queries, orders in results.items():
        for order, values in orders.items():
            cells = " | ".join(f"{value:.3f}" for value in values.values())
            lines.append(f"| {queries} | {order} | {cells} |")
    return "\n".join(lines)
