"""How good the recommendations of a running server are, against what people bought afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mercato.arrays import Float64
from mercato.errors import DataError, InvalidInputError
from mercato.evaluation import beyond_accuracy
from mercato.evaluation.asking import (
    SHOPPER_PAGE_SIZE,
    Answer,
    Ask,
    ask_all,
    count_catalogue,
    look_up,
    read_learned,
    spread_positions,
    time_all,
)
from mercato.evaluation.dials import DEFAULT_USERS, Curve, measure_curves
from mercato.evaluation.holdout import JUST_BEFORE_S, Interactions, Split
from mercato.evaluation.intervals import SEED
from mercato.evaluation.learned import refuse_late_learning
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.evaluation.reasons import check_reasons, knows_nobody, refuse_memory
from mercato.evaluation.result import Evaluation, describe_values, summarize_answers, tidy, warn_of_answers
from mercato.evaluation.shoppers import Shopper, group_by_history, list_shoppers
from mercato.evaluation.stages import measure_sources, order_by_stage
from mercato.progress import Progress, no_progress

if TYPE_CHECKING:
    from mercato_client import Client, ResultPage

CUTOFFS = (5, 10, 20)
DEPTH = 200
"""Products asked for, where the cutoffs need no more: AUC looks at all that was returned."""
WINDOW = 128
"""Products whose way through the stages is asked for: what the ranker sees (`mercato.requests.retrieval`)."""
PROBES = 24
"""Users whose first page is explained beforehand: a server that knows the holdout says so."""
_FAMILIES = ("ndcg", "recall", "precision", "f1", "mrr", "map")
_MAX_GROUPS = 50


@dataclass(frozen=True, kw_only=True)
class RecommendSettings:
    """How a server is asked.

    Attributes:
        placement: where the answer would be shown.
        condition: filter of every request.
        options: OPTIONS of every request.
        new_only: whether only products count that the user had not bought before; those are taken out of the answer.
        concurrency: requests at a time.
        time_limit: most requests to time; 0 times none.
        explain_limit: most users whose answers are asked for with explanations, spread over all, so that each stage can
            be measured and the explanations checked; 0 for none.
        seed: of the bootstrap.
        curves: dials that are measured at several settings.
        curve_users: most users that these are measured for.
        regions: user -> CONTEXT.region of the request; users without one are asked for without.
    """

    placement: str = "home-page"
    condition: str | None = None
    options: Mapping[str, Any] | None = None
    new_only: bool = False
    concurrency: int = 4
    time_limit: int = 500
    explain_limit: int = 0
    seed: int = SEED
    curves: Sequence[Curve] = ()
    curve_users: int = DEFAULT_USERS
    regions: Mapping[str, str] = field(default_factory=dict)


def evaluate_recommend(
    client: Client,
    split: Split,
    plan: MeasurePlan,
    settings: RecommendSettings,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Ask a running server for every user of a holdout and measure what it returns.

    Args:
        client: of the server.
        split: what was bought, and what was known before.
        plan: cutoffs.
        settings: how to ask.
        groups: column -> user -> group, besides the groups by history.
        progress: told of questions.

    Raises:
        DataError: nothing of the holdout can be measured, or the server knows it.
        InvalidInputError: the server refuses the placement, the filter or the options.
        ServerError: the server cannot be reached, or fails.
    """
    catalogue = count_catalogue(client, settings.condition)
    learned_from = read_learned(client)
    unsaid = refuse_late_learning(split, learned_from)
    products = sorted(set(split.test.products))
    missing, owners = look_up(client, products)
    if owners:
        owners |= look_up(client, sorted(set(split.past.products) - owners.keys()))[1]
        split = split.name_products(owners)
    unknown = frozenset(missing)
    shoppers = list_shoppers(split, new_only=settings.new_only, unknown=unknown)
    if not shoppers:
        raise DataError(
            f"no purchase of the holdout can be measured: of its {len(products):,} products {len(unknown):,} are not in"
            " the catalogue" + (", and the others were bought before by their users" if settings.new_only else "")
        )
    questions = [_make_question(shopper, settings) for shopper in shoppers]
    strangers = _probe(client, shoppers, settings)
    most_before = max((len(shopper.before) for shopper in shoppers), default=0) if settings.new_only else 0
    depth = max(DEPTH, plan.depth) + min(most_before, 1_000)
    answers = ask_all(client, questions, depth, concurrency=settings.concurrency, progress=progress)
    if all(answer.error for answer in answers):
        raise InvalidInputError("the server", f"refuses every request; the first: {answers[0].error}")
    if settings.new_only:
        answers = [_drop(answer, shopper.before) for answer, shopper in zip(answers, shoppers, strict=True)]
    stages, reasons, notes = measure_explained(client, shoppers, answers, split.past, plan, settings, progress)
    latency = {}
    if settings.time_limit:
        latency = time_all(client, questions, limit=settings.time_limit, progress=progress)
    values = measure_lists(answers, shoppers, plan, split.past)
    shown = 20 if 20 in plan.cutoffs else plan.depth
    totals = summarize_answers(answers, plan.cutoffs, catalogue)
    totals |= {f"gini@{k}": beyond_accuracy.compute_gini(answers, k, catalogue) for k in plan.cutoffs}
    curves = measure_curves(
        client,
        settings.curves,
        shoppers,
        split.past,
        plan,
        make_question=lambda shopper, options: _make_question(shopper, replace(settings, options=options)),
        options=settings.options or {},
        new_only=settings.new_only,
        catalogue=catalogue,
        shown=shown,
        users=settings.curve_users,
        concurrency=settings.concurrency,
        seed=settings.seed,
        progress=progress,
    )
    known = {"history": group_by_history(shoppers, split.past), **(groups or {})}
    return Evaluation(
        kind="recommend",
        labels=[shopper.user for shopper in shoppers],
        answers=answers,
        ratings=[shopper.bought for shopper in shoppers],
        values=values,
        stages=stages,
        depth=depth,
        cutoffs=plan.cutoffs,
        catalogue=catalogue,
        latency=latency,
        totals=totals,
        groups={
            name: describe_groups(members, shoppers, answers, values, plan, catalogue, settings.seed)
            for name, members in known.items()
        },
        sources=measure_sources(answers, [shopper.bought for shopper in shoppers], shown),
        reasons=reasons,
        curves=curves,
        counts={
            "rows": split.test.rows,
            "rejected_rows": split.test.rejected,
            "ratings": sum(len(shopper.bought) for shopper in shoppers),
            "users": len(shoppers),
            "users_with_history": sum(bool(shopper.before) for shopper in shoppers),
            "past_rows": len(split.past.users),
            "unknown_products": len(unknown),
        },
        settings={
            "placement": settings.placement,
            "filter": settings.condition,
            "options": dict(settings.options or {}),
            "new_only": settings.new_only,
            "depth": depth,
            "k": list(plan.cutoffs),
            "learned_from": {part: dict(facts) for part, facts in learned_from.items()},
        },
        definitions=_define(settings),
        warnings=[*unsaid, *strangers, *notes, *_warn(split, shoppers, products, unknown), *warn_of_answers(answers)],
        shown=f"ndcg@{shown}",
        seed=settings.seed,
    )


def measure_explained(
    client: Client,
    shoppers: Sequence[Shopper],
    answers: Sequence[Answer],
    past: Interactions,
    plan: MeasurePlan,
    settings: RecommendSettings,
    progress: Progress = no_progress,
) -> tuple[dict[str, dict[str, Float64]], dict[str, Any], list[str]]:
    """Ask some users' answers with explanations: the order of each stage, and whether what is said is true.

    Args:
        client: of the server.
        shoppers: who is asked for.
        answers: what they were answered.
        past: the purchases that are known.
        plan: cutoffs.
        settings: how to ask, and of how many users.
        progress: told of questions.

    Returns:
        Stage -> metric -> float64 [shoppers], NaN where nobody asked; what was checked of the explanations; warnings.
    """
    positions = spread_positions(len(shoppers), settings.explain_limit)
    if not positions:
        return {}, {}, []
    asked = [shoppers[position] for position in positions]
    questions = [_make_question(shopper, settings, explain=True) for shopper in asked]
    explained = ask_all(client, questions, WINDOW, concurrency=settings.concurrency, progress=progress)
    if settings.new_only:
        explained = [_drop(answer, shopper.before) for answer, shopper in zip(explained, asked, strict=True)]
    reasons = check_reasons(explained, asked, past, plan.depth)
    orders = order_by_stage(explained, [answers[position] for position in positions])
    if not orders:
        reason = next((answer.error for answer in explained if answer.error), "it names no ranks of stages")
        return {}, reasons, [f"no figures by stage: the server does not explain its answers ({reason})"]
    bought = [shopper.bought for shopper in asked]
    stages: dict[str, dict[str, Float64]] = {}
    for stage, lists in orders.items():
        stages[stage] = {}
        for name, found in _keep_families(measure_orders(bought, lists, plan)).items():
            stages[stage][name] = np.full(len(shoppers), np.nan)
            stages[stage][name][positions] = found
    return stages, reasons, []


def measure_lists(
    answers: Sequence[Answer], shoppers: Sequence[Shopper], plan: MeasurePlan, past: Interactions
) -> dict[str, Float64]:
    """Measure a list for each user.

    Args:
        answers: what was returned.
        shoppers: who it was for.
        plan: cutoffs.
        past: what is known before, for popularity; empty leaves out what needs it.

    Returns:
        Metric -> float64 [users]; NaN where it is not defined.
    """
    bought = [shopper.bought for shopper in shoppers]
    measured = measure_orders(bought, [answer.ids for answer in answers], plan)
    values = _keep_families(measured)
    values |= {f"hit_rate@{k}": measured[f"success@{k}"] for k in plan.cutoffs}
    values["auc"] = beyond_accuracy.measure_auc(answers, bought)
    if any(shopper.ratings for shopper in shoppers):
        values["mae"] = beyond_accuracy.measure_rating_error(answers, [shopper.ratings for shopper in shoppers])
    buyers, users = beyond_accuracy.count_buyers(past)
    before = [shopper.before for shopper in shoppers]
    for k in plan.cutoffs:
        values[f"diversity@{k}"] = beyond_accuracy.measure_diversity(answers, k)
        values[f"title_diversity@{k}"] = beyond_accuracy.measure_diversity(answers, k, beyond_accuracy.read_title)
        if users:
            values[f"novelty@{k}"] = beyond_accuracy.measure_novelty(answers, k, buyers, users)
            values[f"popularity@{k}"] = beyond_accuracy.measure_popularity(answers, k, buyers, users)
            values[f"popularity_lift@{k}"] = beyond_accuracy.measure_popularity_lift(answers, before, k, buyers, users)
    return values


def describe_groups(
    members: Mapping[str, str],
    shoppers: Sequence[Shopper],
    answers: Sequence[Answer],
    values: Mapping[str, Float64],
    plan: MeasurePlan,
    catalogue: int,
    seed: int = SEED,
) -> dict[str, Any]:
    """Give the metrics of each group of users, the largest first; the smallest of very many are put together."""
    positions: dict[str, list[int]] = defaultdict(list)
    for position, shopper in enumerate(shoppers):
        positions[members.get(shopper.user, "unknown")].append(position)
    ordered = sorted(positions.items(), key=lambda item: (-len(item[1]), item[0]))
    if len(ordered) > _MAX_GROUPS:
        rest = [position for _, group in ordered[_MAX_GROUPS - 1 :] for position in group]
        ordered = [*ordered[: _MAX_GROUPS - 1], (f"{len(ordered) - _MAX_GROUPS + 1} smaller groups", rest)]
    described = {}
    for name, group in ordered:
        one = describe_values({metric: array[group] for metric, array in values.items()}, seed=seed)
        totals = summarize_answers([answers[position] for position in group], plan.cutoffs, catalogue)
        totals |= {
            f"gini@{k}": beyond_accuracy.compute_gini([answers[position] for position in group], k, catalogue)
            for k in plan.cutoffs
        }
        one["metrics"] |= {metric: tidy(value) for metric, value in totals.items()}
        described[name] = {"queries": len(group), **one}
    return described


def _drop(answer: Answer, products: frozenset[str]) -> Answer:
    return replace(answer, results=tuple(found for found in answer.results if found.id not in products))


def _keep_families(measured: Mapping[str, Float64]) -> dict[str, Float64]:
    return {
        name: one
        for name, one in measured.items()
        if name.partition("@")[0] in _FAMILIES and not name.endswith("_condensed")
    }


def _probe(client: Client, shoppers: Sequence[Shopper], settings: RecommendSettings) -> list[str]:
    """Ask some users' first pages with their reasons, and refuse a server that gives the holdout away.

    Returns:
        A warning where the server seems to know none of them.
    """
    asked = [shoppers[position] for position in spread_positions(len(shoppers), PROBES)]
    questions = [_make_question(shopper, settings, explain=True) for shopper in asked]
    answers = ask_all(client, questions, SHOPPER_PAGE_SIZE, concurrency=settings.concurrency)
    refuse_memory(answers, asked)
    if not knows_nobody(answers, asked):
        return []
    return [
        f"the server gives no event of any of {len(asked):,} users as a reason: it seems to know none of them, and"
        f" answers them as strangers; compare the ids of the holdout, such as {asked[0].user!r}, with those of its"
        " events"
    ]


def _make_question(shopper: Shopper, settings: RecommendSettings, *, explain: bool = False) -> Ask:
    region = settings.regions.get(shopper.user)
    context: dict[str, Any] = {} if shopper.moment is None else {"time": shopper.moment - JUST_BEFORE_S}
    context |= {} if region is None else {"region": region}
    given = {name: value for name, value in (settings.options or {}).items() if name != "explain"}
    options = ({**given, "explain": True} if explain else given) or None

    def ask(client: Client, page_size: int, offset: int) -> ResultPage:
        return client.recommend(
            settings.placement,
            user_id=shopper.user,
            filter=settings.condition,
            page_size=page_size,
            offset=offset,
            context=context or None,
            options=options,
        )

    return ask


def _define(settings: RecommendSettings) -> dict[str, str]:
    counted = "products that the user had not bought before" if settings.new_only else "all products bought"
    return {
        "right": f"{counted} in the holdout; all count the same",
        "recall@k, precision@k, f1@k, hit_rate@k, ndcg@k, mrr, map": "against these, mean over the users",
        "auc": "how often something bought stands before something not bought, within what was returned",
        "mae": "of ratings that are learned from the rank in the list, on the other half of the users",
        "coverage@k": "share of the catalogue that is among the first k of any list",
        "novelty@k": "mean -log2 of the share of users who had bought the product (bits)",
        "popularity@k": "mean share of users who had bought the product",
        "popularity_lift@k": "how much more popular lists are than what their users had bought: 0 equally, 0.5 half as"
        " popular again",
        "gini@k": "how unequally products are shown: 0 all equally often, 1 one takes all",
        "diversity@k, title_diversity@k": "mean Jaccard distance between the categories of two products of a list,"
        " and between the words of their titles",
        "stages": "the order in which each source, their fusion and the ranker had the products; for at most"
        f" {settings.explain_limit:,} users, and of a source what came into the window of {WINDOW} products alone",
        "sources": "of the first products of the lists: share that a source found, share of the right ones, precision",
        "reasons": "explanations that name a purchase, looked up among the purchases that are known",
        "history": "new: nothing known before; light: fewer purchases than the median of the others; heavy: the rest",
        "value@k": "of a dial's curve: what the bought products among the first k bring, margin or price, summed",
        "offer@k": "of a dial's curve: what the first k bring on average, bought or not",
        "intervals": "95 %, bootstrap over users (BCa)",
    }


def _tell_unknown_users(shoppers: Sequence[Shopper], known: Sequence[str]) -> str:
    """Say that no user of a holdout is known before, and where their ids are nearly the same, how they differ."""
    there = set(known)
    alike = next((shopper.user for shopper in shoppers if _plain_id(shopper.user) in there), None)
    told = f"{shoppers[0].user!r} there, {known[0]!r} before"
    if alike is not None:
        told = f"{alike!r} there, {_plain_id(alike)!r} before: a column of numbers with gaps is written so"
    return (
        f"none of the {len(shoppers):,} users of the holdout is known before: no event has their ids ({told}), so all"
        " of them are measured as strangers; give both files ids of one spelling"
    )


def _plain_id(user: str) -> str:
    """Return an id as it may be written elsewhere: without spaces, zeros before and a decimal point behind."""
    return user.strip().removesuffix(".0").lstrip("0") or "0"


def _warn(split: Split, shoppers: Sequence[Shopper], products: Sequence[str], unknown: frozenset[str]) -> list[str]:
    warnings = []
    for name, read in (("holdout", split.test), ("events", split.past)):
        if read.rejected:
            first = read.shown[0]
            warnings.append(
                f"{read.rejected:,} of {read.rows:,} rows of the {name} are no purchases and were left out; the first:"
                f" line {first.position}: {first.reason}"
            )
    if unknown:
        warnings.append(
            f"{len(unknown):,} of {len(products):,} products of the holdout are not in the catalogue and were left out:"
            f" {', '.join(sorted(unknown)[:5])}{', ...' if len(unknown) > 5 else ''}"
        )
    before = set(split.past.users)
    if before and not any(shopper.user in before for shopper in shoppers):
        warnings.append(_tell_unknown_users(shoppers, sorted(before)))
    left = len(set(split.test.users)) - len(shoppers)
    if left:
        warnings.append(f"{left:,} users of the holdout bought nothing that counts and were not asked for")
    if not len(split.past.users):
        warnings.append(
            "nothing is known of what was bought before (--events): every user counts as new, novelty and popularity"
            " are left out, and nobody checked that the server does not know the holdout"
        )
    if not split.moment:
        warnings.append("the holdout has no times: the server was asked as of now")
    return warnings
