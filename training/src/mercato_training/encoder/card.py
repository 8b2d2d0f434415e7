"""What a fine-tuned encoder says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """# Mercato encoder

{repository} ({licence}) with low-rank adapters (rank {rank}, {trainable:,} weights) fitted to a shop's queries and
merged into it: as large and as fast as before. Its vectors cannot be compared with those of the original: index the
catalogue again.

## What it was trained on

{train:,} pairs of a query and a product that answers it, {validation:,} more of other queries held out:

- {own:,} queries made of the catalogue's own titles, categories, brands, attributes and model numbers;
- {rated:,} rated queries ({unknown:,} ratings of products that the catalogue lacks were left out);
- {answered:,} queries of the log of events, with what was clicked or bought after them.

{passes} passes; the weights are those after pass {best} (validation loss {loss:.4f}, from {start:.4f}). Seed {seed}; \
{seconds:.0f} s on {threads} thread(s).

## What it reaches

{results}

## What to keep in mind

- A shop with few queries gains little and may lose what the original knows of other words: compare both before serving.
- Pass 0 means that nothing was gained on the queries held out, and the encoder is the original.
"""


def write_encoder_card(metrics: Mapping[str, Any]) -> str:
    """Write the model card.

    Args:
        metrics: what ``metrics.json`` holds.

    Returns:
        Markdown.
    """
    fit, counts = metrics["fit"], metrics["counts"]
    queries = metrics["pairs"]["rated_queries_of_test"]
    before, after = (metrics["results"][name]["ndcg@10"] for name in ("before", "after"))
    return _CARD.format(
        repository=metrics["source"]["repository"],
        licence=metrics["source"]["licence"],
        rank=metrics["options"]["encoder"]["lora_rank"],
        trainable=metrics["trainable_weights"],
        train=metrics["pairs"]["train"],
        validation=metrics["pairs"]["validation"],
        own=counts["synthetic_queries"],
        rated=counts["rated_queries"],
        unknown=counts["ratings_of_unknown_products"],
        answered=counts["answered_queries"],
        passes=len(fit["train_loss"]),
        best=fit["best_epoch"],
        loss=min([fit["start_loss"], *fit["validation_loss"]]),
        start=fit["start_loss"],
        seed=metrics["options"]["encoder"]["seed"],
        seconds=metrics["seconds"],
        threads=metrics["tools"]["threads"],
        results=(
            f"nDCG@10 of rated products alone, over {queries} queries that were not learned from: {after:.3f}, "
            f"before {before:.3f}."
            if queries
            else "Not measured: there were no ratings."
        ),
    )
