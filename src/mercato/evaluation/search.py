"""How good the search of a running server is, against ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mercato.errors import InvalidInputError
from mercato.evaluation.asking import (
    MAX_PAGE_SIZE,
    SHOPPER_PAGE_SIZE,
    Answer,
    Ask,
    ask_all,
    count_catalogue,
    look_up,
    time_all,
)
from mercato.evaluation.judgements import Judgements
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.evaluation.result import Evaluation, summarize_answers, warn_of_answers
from mercato.evaluation.stages import order_by_stage
from mercato.progress import Progress, no_progress

if TYPE_CHECKING:
    from mercato_client import Client, ResultPage

EXPLAINED = 200
"""Products of an answer whose way through the stages is asked for: retrieval joins two lists of 100."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How a server is asked.

    Attributes:
        condition: filter that every search is sent with.
        options: OPTIONS that every search is sent with; unless they say otherwise, what does not match follows what
            does (``beyond``): the figures speak of the order, as deep as it is asked for, and not of where it ends.
        depth: products asked for; the figures named condensed look past what is not rated, so deeper than the cutoffs.
        concurrency: searches at a time.
        explain: whether to ask for explanations too, so that each stage can be measured.
        time_limit: most searches to time; 0 times none.
    """

    condition: str | None = None
    options: Mapping[str, Any] | None = None
    depth: int = MAX_PAGE_SIZE
    concurrency: int = 4
    explain: bool = False
    time_limit: int = 500


def evaluate_search(
    client: Client,
    judgements: Judgements,
    plan: MeasurePlan,
    settings: SearchSettings,
    progress: Progress = no_progress,
) -> Evaluation:
    """Ask a running server every rated query and measure what it returns.

    Args:
        client: of the server.
        judgements: queries and ratings.
        plan: what to measure.
        settings: how to ask.
        progress: told of questions.

    Raises:
        InvalidInputError: the server refuses the filter or the options.
        ServerError: the server cannot be reached, or fails.
    """
    catalogue = count_catalogue(client, settings.condition)
    unknown, owners = look_up(client, sorted(judgements.products))
    ratings = [rate_products(rated, unknown, owners) for rated in judgements.ratings.values()]
    depth = max(plan.depth, settings.depth)
    given = {name: value for name, value in (settings.options or {}).items() if name != "explain"}
    options = {"beyond": True, **given}
    answers = _ask(client, judgements, settings, options, depth, progress)
    if all(answer.error for answer in answers):
        raise InvalidInputError("the server", f"refuses every query; the first: {answers[0].error}")
    stages: dict[str, list[list[str]]] = {}
    notes = []
    if settings.explain or (settings.options or {}).get("explain"):
        # Explanations cost many times the answer: only as deep as what the stages order.
        explained = _ask(client, judgements, settings, {**options, "explain": True}, EXPLAINED, progress)
        stages = order_by_stage(explained, answers)
        if not stages:
            reason = next((answer.error for answer in explained if answer.error), "it names no ranks of stages")
            notes.append(f"no figures by stage: the server does not explain its answers ({reason})")
    latency = {}
    if settings.time_limit:
        latency = time_all(
            client, _questions(judgements, settings, given), limit=settings.time_limit, progress=progress
        )
    return Evaluation(
        kind="search",
        labels=judgements.queries,
        answers=answers,
        ratings=ratings,
        values=measure_orders(ratings, [answer.ids for answer in answers], plan),
        stages={stage: measure_orders(ratings, orders, plan) for stage, orders in stages.items()},
        depth=depth,
        cutoffs=plan.cutoffs,
        catalogue=catalogue,
        latency=latency,
        totals=summarize_answers(answers, plan.cutoffs, catalogue),
        counts=_count(judgements, ratings, unknown),
        settings={
            "filter": settings.condition,
            "options": options,
            "depth": depth,
            "k": list(plan.cutoffs),
            "relevant": plan.relevant,
            "recall_relevant": plan.recall_relevant,
        },
        definitions=define(plan),
        warnings=[*notes, *warn_of_judgements(judgements, ratings, unknown, plan), *warn_of_answers(answers)],
        shown=f"ndcg@{10 if 10 in plan.cutoffs else plan.depth}",
    )


def define(plan: MeasurePlan) -> dict[str, str]:
    """Say what the figures of a plan mean."""
    return {
        "ndcg@k": "gain 2^rating - 1, discount 1 / log2(rank + 1), products without a rating gain nothing;"
        " mean over the queries with a product rated above 0",
        "ndcg@k_condensed": "the same, after products without a rating were taken out of the list",
        "precision@k, f1@k, mrr, map, success@k": f"a product rated {plan.relevant} or more is relevant; mean over the"
        " queries that have one",
        "recall@k": f"share of the products rated {plan.recall_relevant} or more that are among the first k; mean over"
        " the queries that have one",
        "judged@k": "share of the first k that have a rating; what is not judged may be good or bad",
        "coverage@k": "share of the catalogue that is among the first k matches of any answer",
        "zero_result_share": "share of the queries that nothing matches",
        "intervals": "95 %, bootstrap over queries (BCa)",
        "latency_ms": f"first pages of {SHOPPER_PAGE_SIZE}, one query at a time: as the client sees it, and by the"
        " server's own clock",
    }


def warn_of_judgements(
    judgements: Judgements, ratings: Sequence[Mapping[str, int]], unknown: set[str], plan: MeasurePlan
) -> list[str]:
    """Say what of the ratings could not be used, and what they cannot tell."""
    warnings = []
    if judgements.rejected:
        first = judgements.shown[0]
        warnings.append(
            f"{judgements.rejected:,} of {judgements.rows:,} rows are no ratings and were left out;"
            f" the first: line {first.position}: {first.reason}"
        )
    if judgements.contradicted:
        warnings.append(f"{judgements.contradicted:,} rows rate a product again, differently; the first rating counts")
    if unknown:
        named = ", ".join(sorted(unknown)[:5])
        warnings.append(
            f"{len(unknown):,} of {len(judgements.products):,} rated products are not in the catalogue and were left"
            f" out: {named}{', ...' if len(unknown) > 5 else ''}"
        )
    unrated = sum(not rated for rated in ratings)
    if unrated:
        warnings.append(f"{unrated:,} of {len(ratings):,} queries have no rated product: they were asked, not measured")
    levels = {rating for rated in ratings for rating in rated.values()}
    if not any(level >= plan.relevant for level in levels):
        warnings.append(f"no product is rated {plan.relevant} or more: there is nothing to measure but what was shown")
    elif len(levels) == 1:
        warnings.append(
            f"all ratings are {levels.pop()}: every rated product counts as equally good, so the condensed figures are"
            " 1 wherever one was found; ratings of products that do not fit are missing"
        )
    return warnings


def rate_products(rated: Mapping[str, int], unknown: set[str], owners: Mapping[str, str]) -> dict[str, int]:
    """Return the ratings of the products that the catalogue holds; of several variants of one the best counts."""
    ratings: dict[str, int] = {}
    for product, rating in rated.items():
        if product not in unknown:
            owner = owners.get(product, product)
            ratings[owner] = max(rating, ratings.get(owner, 0))
    return ratings


def _count(judgements: Judgements, ratings: Sequence[Mapping[str, int]], unknown: set[str]) -> dict[str, int]:
    return {
        "rows": judgements.rows,
        "rejected_rows": judgements.rejected,
        "repeated_rows": judgements.repeated,
        "contradicted_rows": judgements.contradicted,
        "ratings": sum(map(len, ratings)),
        "rated_products": len(judgements.products),
        "unknown_products": len(unknown),
        "queries_without_ratings": sum(not rated for rated in ratings),
        "queries_with_relevant": sum(any(rating > 0 for rating in rated.values()) for rated in ratings),
    }


def _ask(
    client: Client,
    judgements: Judgements,
    settings: SearchSettings,
    options: Mapping[str, Any],
    depth: int,
    progress: Progress,
) -> list[Answer]:
    questions = _questions(judgements, settings, options)
    return ask_all(client, questions, depth, concurrency=settings.concurrency, progress=progress)


def _questions(judgements: Judgements, settings: SearchSettings, options: Mapping[str, Any]) -> list[Ask]:
    asked = [judgements.users.get(key, (key, None)) for key in judgements.queries]
    return [_make_question(text, user, settings.condition, dict(options) or None) for text, user in asked]


def _make_question(text: str, user: str | None, condition: str | None, options: dict[str, Any] | None) -> Ask:
    def ask(client: Client, page_size: int, offset: int) -> ResultPage:
        return client.search(text, user_id=user, filter=condition, page_size=page_size, offset=offset, options=options)

    return ask
