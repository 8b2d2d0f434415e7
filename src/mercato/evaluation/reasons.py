"""Whether explanations are true: the event that one names is looked up among the purchases that are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mercato.errors import DataError
from mercato.evaluation.asking import Answer, ReturnedProduct
from mercato.evaluation.holdout import Interactions
from mercato.evaluation.result import tidy
from mercato.evaluation.shoppers import Shopper
from mercato.text.timestamps import format_timestamp, parse_timestamp

PURCHASE = "purchase-complete"
TOLERANCE_S = 1.0
"""Files round times, to a second at worst."""
SAMPLES = 12

Purchases = Mapping[tuple[str, str], Sequence[float]]
"""User and product -> times of the purchases, NaN where the file has none."""


def check_reasons(answers: Sequence[Answer], shoppers: Sequence[Shopper], past: Interactions, k: int) -> dict[str, Any]:
    """Check the explanations of the first k products of answers against the purchases that are known.

    An explanation that names a purchase is true where that user bought that product, at that time where the file has
    times. What names no purchase (popularity, a view) cannot be checked here.

    Args:
        answers: with explanations.
        shoppers: who they are for.
        past: the purchases that are known.
        k: products of each that count.

    Returns:
        ``results`` looked at, ``sentence_share`` of them with a sentence, ``event_share`` that name an event,
        ``checked`` of them, ``true_share`` of these (null without any), ``by_source`` (share of the sentences that a
        source is named for), ``untrue`` and ``samples``, some of each with ``user``, ``product_id``, ``title``,
        ``text``. Empty where nothing is explained.
    """
    known = _index_purchases(past)
    results = sentences = events = checked = true = 0
    by_source: Counter[str] = Counter()
    samples: list[dict[str, str]] = []
    untrue: list[dict[str, str]] = []
    for number, (answer, shopper) in enumerate(zip(answers, shoppers, strict=True)):
        said = [found for found in answer.results[:k] if found.text]
        if said and len(samples) < SAMPLES:
            samples.append(_describe(shopper, said[number % len(said)]))  # of different users, at different places
        for found in answer.results[:k]:
            results += 1
            sentences += bool(found.text)
            events += "event_type" in found.because
            if found.because:
                by_source[str(found.because.get("source"))] += 1
            if known and found.because.get("event_type") == PURCHASE:
                checked += 1
                good = is_true(found, shopper, known)
                true += good
                if not good and len(untrue) < SAMPLES:
                    untrue.append(_describe(shopper, found))
    if not sentences:
        return {}
    return {
        "k": k,
        "users": len(answers),
        "results": results,
        "sentence_share": tidy(sentences / results),
        "event_share": tidy(events / results),
        "checked": checked,
        "true_share": tidy(true / checked) if checked else None,
        "by_source": {name: tidy(count / results) for name, count in by_source.most_common()},
        "untrue": untrue,
        "samples": samples,
    }


def is_true(found: ReturnedProduct, shopper: Shopper, known: Purchases) -> bool:
    """Say whether the purchase that an explanation names is known."""
    times = known.get((shopper.user, str(found.because.get("product_id"))), ())
    named = _read_time(found)
    return any(named is None or time != time or abs(time - named) <= TOLERANCE_S for time in times)


def refuse_memory(answers: Sequence[Answer], shoppers: Sequence[Shopper]) -> None:
    """Refuse a server that gives what it is to predict as a reason: it knows the holdout.

    With times that is an event of the moment that it was asked of, or a later one; without times a purchase that is to
    be foretold, where the rest of that user's history is known.

    Args:
        answers: with explanations; those without say nothing.
        shoppers: who they are for.

    Raises:
        DataError: the server does; the message has both dates, or the product.
    """
    reasons = [(found, shopper) for answer, shopper in zip(answers, shoppers, strict=True) for found in answer.results]
    late = [
        (named, shopper)
        for found, shopper in reasons
        if (named := _read_time(found)) is not None and shopper.moment is not None and named >= shopper.moment
    ]
    remedy = "serve a state and a catalogue that hold what came before it alone"
    if late:
        named, shopper = max(late, key=lambda item: item[0])
        if all(time == one.moment for time, one in late):
            raise DataError(
                f"the server knows a part of what is kept back: it explains answers with events of"
                f" {format_timestamp(named)}, the very moment as of which user {shopper.user!r} is asked for: rows of"
                " one order were divided between what the server knows and what is to be foretold; keep orders whole,"
                f" and {remedy}"
            )
        raise DataError(
            f"the server knows the holdout: it explains answers with events up to {format_timestamp(named)}, user"
            f" {shopper.user!r} is asked for as of {format_timestamp(shopper.moment or 0.0)}; {remedy}"
            " (`mercato index --until`)"
        )
    for found, shopper in reasons:
        product = str(found.because.get("product_id"))
        bought = found.because.get("event_type") == PURCHASE and product in shopper.bought
        if shopper.moment is None and bought and shopper.before and product not in shopper.before:
            raise DataError(
                f"the server knows the holdout: it says that user {shopper.user!r} bought {product!r}, which is to be"
                f" foretold; {remedy}"
            )


def knows_nobody(answers: Sequence[Answer], shoppers: Sequence[Shopper]) -> bool:
    """Tell whether a server gives no event of anybody as a reason, though all is known of several before.

    Args:
        answers: with explanations.
        shoppers: who they are for.
    """
    known = [answer for answer, shopper in zip(answers, shoppers, strict=True) if shopper.before]
    explained = [found for answer in known for found in answer.results if found.because]
    return len(known) > 1 and bool(explained) and not any("event_type" in found.because for found in explained)


def _read_time(found: ReturnedProduct) -> float | None:
    given = found.because.get("time")
    if not isinstance(given, str):
        return None
    try:
        return parse_timestamp(given)
    except ValueError:
        return None


def _index_purchases(past: Interactions) -> Purchases:
    known: dict[tuple[str, str], list[float]] = defaultdict(list)
    for user, product, time in zip(past.users, past.products, past.time.tolist(), strict=True):
        known[user, product].append(time)
    return known


def _describe(shopper: Shopper, found: ReturnedProduct) -> dict[str, str]:
    return {"user": shopper.user, "product_id": found.id, "title": found.title, "text": found.text}
