"""What a dial costs and what it brings: the same users asked at several settings, and compared pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mercato.arrays import Float64
from mercato.catalog.field_names import ATTRIBUTES, parse_field
from mercato.errors import InvalidInputError
from mercato.evaluation import beyond_accuracy
from mercato.evaluation.asking import Answer, Ask, ReturnedProduct, ask_all, spread_positions
from mercato.evaluation.holdout import Interactions
from mercato.evaluation.intervals import compare_values
from mercato.evaluation.measures import MeasurePlan, measure_orders
from mercato.evaluation.result import describe_comparison, describe_values, summarize_answers
from mercato.evaluation.shoppers import Shopper
from mercato.progress import Progress, no_progress
from mercato.requests.dials import DIAL_NAMES

if TYPE_CHECKING:
    from mercato_client import Client

DEFAULT_SETTINGS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
DEFAULT_USERS = 500
MAX_SETTINGS = 20


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One dial and the settings that it is measured at.

    Attributes:
        dial: its name, as OPTIONS has it.
        settings: ascending, 0 the first: what the others are compared with.
    """

    dial: str
    settings: tuple[float, ...]


def parse_curve(text: str) -> Curve:
    """Read ``--dial``: a name, and behind = the settings that are measured.

    Raises:
        InvalidInputError: no dial has that name, or a setting is no number from 0 to 1.
    """
    name, equals, listed = text.partition("=")
    if name not in DIAL_NAMES:
        raise InvalidInputError("--dial", f"must be one of {', '.join(DIAL_NAMES)}, got {name[:64]!r}")
    if not equals:
        return Curve(dial=name, settings=DEFAULT_SETTINGS)
    try:
        settings = {float(part) for part in listed.split(",")}
    except ValueError:
        settings = {-1.0}
    if not all(0 <= setting <= 1 for setting in settings) or len(settings) > MAX_SETTINGS:
        raise InvalidInputError(
            "--dial", f"must have at most {MAX_SETTINGS} settings from 0 to 1, got {listed[:64]!r}", "novelty=0,0.2,0.5"
        )
    return Curve(dial=name, settings=tuple(sorted({0.0, *settings})))


def measure_curves(
    client: Client,
    curves: Sequence[Curve],
    shoppers: Sequence[Shopper],
    past: Interactions,
    plan: MeasurePlan,
    *,
    make_question: Callable[[Shopper, Mapping[str, Any]], Ask],
    options: Mapping[str, Any],
    new_only: bool,
    catalogue: int,
    shown: int,
    users: int = DEFAULT_USERS,
    concurrency: int = 4,
    seed: int,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Ask users at each setting of each dial, and compare every setting with 0, user by user.

    Args:
        client: of the server.
        curves: the dials and their settings.
        shoppers: who can be asked for.
        past: the purchases that are known, for novelty.
        plan: cutoffs.
        make_question: makes a question for a user with OPTIONS.
        options: of every request; ``margin_field`` says what a sale brings.
        new_only: leave out what a user had bought before.
        catalogue: products that the server can show.
        shown: the cutoff k that is measured at.
        users: most users, spread over all.
        concurrency: requests at a time.
        seed: of the bootstrap.
        progress: told of questions.

    Returns:
        ``users``, ``k`` and by dial its points: ``setting``, ``metrics`` (`measure_point`, and coverage of the
        catalogue, which is of all lists together), ``intervals``, and ``change`` of each metric against setting 0 with
        its paired interval. Nothing without curves.

    Raises:
        InvalidInputError: the server refuses every request of a setting.
        ServerError: the server cannot be reached, or fails.
    """
    if not curves:
        return {}
    asked = [shoppers[position] for position in spread_positions(len(shoppers), users)]
    most_before = max((len(shopper.before) for shopper in asked), default=0) if new_only else 0
    buyers = beyond_accuracy.count_buyers(past)
    points: dict[str, list[dict[str, Any]]] = {}
    for curve in curves:
        points[curve.dial], base = [], None
        for setting in curve.settings:
            given = {**options, curve.dial: setting}
            questions = [make_question(shopper, given) for shopper in asked]
            answers = ask_all(
                client, questions, shown + min(most_before, 1_000), concurrency=concurrency, progress=progress
            )
            if all(answer.error for answer in answers):
                raise InvalidInputError("the server", f"refuses every request; the first: {answers[0].error}")
            answers = [_cut(answer, shopper, shown, new_only) for answer, shopper in zip(answers, asked, strict=True)]
            values = measure_point(answers, asked, buyers, plan, shown, str(options.get("margin_field") or ""))
            base = values if base is None else base
            point = {"setting": setting, **describe_values(values, seed=seed)}
            point["metrics"][f"coverage@{shown}"] = summarize_answers(answers, (shown,), catalogue)[f"coverage@{shown}"]
            point["change"] = {
                name: describe_comparison(compare_values(ours, base[name], seed=seed)) for name, ours in values.items()
            }
            points[curve.dial].append(point)
    return {"users": len(asked), "k": shown, "dials": points}


def measure_point(
    answers: Sequence[Answer],
    shoppers: Sequence[Shopper],
    buyers: tuple[Mapping[str, int], int],
    plan: MeasurePlan,
    k: int,
    margin_field: str = "",
) -> dict[str, Float64]:
    """Measure the lists of one setting.

    Args:
        answers: the lists.
        shoppers: who they are for.
        buyers: product -> distinct buyers, and all buyers, for novelty, which is left out where there are none.
        plan: cutoffs, k among them.
        k: products of each that count.
        margin_field: field that says what the sale of a product brings; empty for its price.

    Returns:
        Metric -> float64 [users]: recall, nDCG, novelty, diversity (of categories and of titles), ``value`` (what the
        products bring that were bought, summed: the expected value of a list) and ``offer`` (what the products of a
        list bring on average, bought or not); NaN where it is not defined.
    """
    bought = [shopper.bought for shopper in shoppers]
    measured = measure_orders(bought, [answer.ids for answer in answers], plan)
    values = {name: measured[name] for name in (f"recall@{k}", f"ndcg@{k}")}
    if buyers[1]:
        values[f"novelty@{k}"] = beyond_accuracy.measure_novelty(answers, k, *buyers)
    values[f"diversity@{k}"] = beyond_accuracy.measure_diversity(answers, k)
    values[f"title_diversity@{k}"] = beyond_accuracy.measure_diversity(answers, k, beyond_accuracy.read_title)
    worth = _value_products(answers, margin_field)
    values[f"value@{k}"] = np.array(
        [
            sum(worth.get(found.id, 0.0) for found in answer.results[:k] if found.id in right)
            for answer, right in zip(answers, bought, strict=True)
        ],
        np.float64,
    )
    known = [[worth[found.id] for found in answer.results[:k] if found.id in worth] for answer in answers]
    values[f"offer@{k}"] = np.array([np.mean(one) if one else np.nan for one in known], np.float64)
    return values


def _value_products(answers: Sequence[Answer], margin_field: str) -> dict[str, float]:
    """Return what the sale of each product brings, as the dial has it: its margin, else its price at the usual rate."""
    found = {product.id: product for answer in answers for product in answer.results}
    margins = (
        {}
        if not margin_field
        else {
            product_id: margin
            for product_id, product in found.items()
            if (margin := _read_number(product, margin_field)) is not None
        }
    )
    rates = [margin / price for one, margin in margins.items() if margin > 0 and (price := found[one].price or 0.0) > 0]
    rate = float(np.median(rates)) if rates else 1.0
    prices = {one: product.price * rate for one, product in found.items() if product.price is not None}
    return prices | margins


def _read_number(product: ReturnedProduct, field: str) -> float | None:
    name = parse_field(field)
    return product.price if name == "price" else product.numbers.get(name.removeprefix(ATTRIBUTES))


def _cut(answer: Answer, shopper: Shopper, k: int, new_only: bool) -> Answer:
    kept = [found for found in answer.results if not new_only or found.id not in shopper.before]
    return replace(answer, results=tuple(kept[:k]))
