"""What a trained ranker says about itself: model cards and sentences for people."""

from __future__ import annotations

from dataclasses import asdict

from mercato.requests.retrieval import WINDOW
from mercato_training.common.cards import render_card
from mercato_training.ranker.metrics import CalibrationMetrics, Figures, RankerMetrics, RatedRankerMetrics
from mercato_training.ranker.prediction_window import NEW_SHARE as NEW_PRODUCTS_SHARE
from mercato_training.ranker.tasks import NEW_SHARE, UNKNOWN_SHARE

TASK_TITLES = {
    "search": "Search",
    "search_unknown": "Search by an unknown shopper",
    "recommend": "Recommendation",
}


def write_card(metrics: RankerMetrics, *, feature_count: int, plot: str = "") -> str:
    """Write the model card of a training from purchases.

    Args:
        metrics: what was done and reached.
        feature_count: number of features.
        plot: file beside the card that shows the reliability of probabilities; empty for none.

    Returns:
        Markdown.
    """
    values = {
        "m": metrics,
        "features": feature_count,
        "titles": TASK_TITLES,
        "verdicts": [describe_verdict(task, figures) for task, figures in metrics.results.items()],
        "dates": {name: moment[:10] for name, moment in asdict(metrics.split).items()},
        "shares": {"unknown": UNKNOWN_SHARE, "new": NEW_SHARE, "new_products": NEW_PRODUCTS_SHARE},
        "ranked": WINDOW,
        "plot": plot,
    }
    return render_card("ranker/card.md.jinja", values)


def write_rated_card(metrics: RatedRankerMetrics) -> str:
    """Write the model card of a training from ratings: Markdown.

    Args:
        metrics: what was done and reached.
    """
    return render_card("ranker/card_ratings.md.jinja", {"m": metrics, "settings": asdict(metrics.options.fit)})


def describe_probability(calibration: CalibrationMetrics | None, plot: str = "") -> str:
    """Write the part of the card that says what probabilities are worth: Markdown.

    Args:
        calibration: None where there was too little to fit them to.
        plot: file that shows the table; empty for none.
    """
    return render_card("ranker/probability.md.jinja", {"calibration": calibration, "plot": plot})


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
    before = figures.get("ranker - retrieval")
    useless = before is not None and not before["ndcg@10"].low > 0
    advice = " Nothing speaks for serving it: the order of retrieval is as good." if useless else ""
    return f"{TASK_TITLES[task]}: by nDCG@10 the ranker is {', '.join(parts)}.{advice}"


def summarize_probability(calibration: CalibrationMetrics | None) -> str:
    """Say in one line what the probabilities are worth; the argument is that of :func:`describe_probability`."""
    if calibration is None:
        return "purchase probabilities: none, there was too little to fit them to"
    reached = calibration.reliability
    return (
        f"purchase probabilities ({calibration.event}): log loss {reached.log_loss:.4f}, "
        f"{reached.base_log_loss:.4f} with the base rate for all; calibration error {reached.ece:.4f}"
    )
