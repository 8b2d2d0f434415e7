"""What is declared of a feature is true: its column, its inputs, its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.features.candidate_lists import CandidateLists
from mercato.features.features import BLOCKS, COLUMN, FEATURE_NAMES, FEATURES, compute_features
from mercato.features.inputs import CandidateList, Context, History, ProductFeatures, RankRequest
from mercato.retrieval.signals import SIGNALS
from mercato.signals.history import PURCHASE

DAY = 86_400.0
NOW = 1000 * DAY + 0.4 * DAY
COUNT = 12
PRODUCTS = 20
VIEW = EVENT_TYPE_CODES["detail-page-view"]


def make_request(rng: np.random.Generator, *, repeats: int = 1) -> RankRequest:
    rows = rng.permutation(PRODUCTS)[:COUNT].astype(np.int32)
    bought = np.concatenate([rows[:6], rows[:4], [19, 18] * repeats]).astype(np.int32)
    return RankRequest(
        candidates=CandidateList(
            rows=rows,
            dense_score=rng.random(COUNT).astype(np.float32),
            word_score=rng.random(COUNT).astype(np.float32),
            cooccurrence=rng.random(COUNT).astype(np.float32),
            dense_rank=rng.permutation(COUNT).astype(np.int32) * 2,
            word_rank=rng.permutation(COUNT).astype(np.int32) * 2,
            fused=np.sort(rng.random(COUNT))[::-1].astype(np.float32),
            coverage=rng.random(COUNT).astype(np.float32),
            category_meaning=np.sin(rows).astype(np.float32),
            category_named=(np.cos(rows) ** 2).astype(np.float32),
            matches=77,
            signals={name: rng.random(COUNT).astype(np.float32) * 5 for name in SIGNALS},
            chosen=rng.spawn(1)[0].random(COUNT).astype(np.float32),
            chosen_category=rng.spawn(1)[0].random(COUNT).astype(np.float32),
        ),
        history=History(
            rows=bought,
            time=NOW - np.sort(rng.integers(0, 100, len(bought))) * DAY,
            type=np.where(np.arange(len(bought)) % 3 == 2, VIEW, PURCHASE).astype(np.uint8),
            price=rng.random(len(bought)).astype(np.float32) * 9,
            quantity=rng.integers(1, 9, len(bought)).astype(np.int32),
        ),
        context=Context(time=NOW, utc_offset_s=3600.0, device="phone", region="north"),
        has_query=True,
    )


def make_products(rng: np.random.Generator) -> ProductFeatures:
    return ProductFeatures(
        log_popularity=rng.random(PRODUCTS).astype(np.float32),
        trend=rng.random(PRODUCTS).astype(np.float32),
        repeat_rate=rng.random(PRODUCTS).astype(np.float32),
        repeat_interval_days=rng.random(PRODUCTS).astype(np.float32) * 90 + 1,
        price=rng.random(PRODUCTS).astype(np.float32) * 10,
        leaf_category=rng.integers(0, 3, PRODUCTS).astype(np.int32),
        brand=rng.integers(0, 3, PRODUCTS).astype(np.int32),
        in_stock=rng.random(PRODUCTS) < 0.5,
        available_days=(900 * rng.random(PRODUCTS)).astype(np.float32),
        kind_bounds=np.arange(PRODUCTS + 1) * 2,
        kind_names=rng.integers(0, 6, 2 * PRODUCTS).astype(np.int32),
        kind_weights=rng.random(2 * PRODUCTS).astype(np.float32),
    )


def list_inputs() -> list[str]:
    candidates = [
        f"candidates.{field.name}" for field in fields(CandidateList) if field.name not in ("rows", "signals")
    ]
    products = [f"products.{field.name}" for field in fields(ProductFeatures) if not field.name.startswith("kind_")]
    context = [f"context.{field.name}" for field in fields(Context)]
    signals = [f"signals.{name}" for name in SIGNALS]
    return [*candidates, *products, "products.kinds", *context, *signals, "history", "has_query"]


def change(name: str, request: RankRequest, products: ProductFeatures) -> tuple[RankRequest, ProductFeatures]:
    """Give one input another value."""
    other = np.random.default_rng(99)
    room, _, member = name.partition(".")
    if room == "products":
        found = make_products(other)
        members = ("kind_bounds", "kind_names", "kind_weights") if member == "kinds" else (member,)
        return request, replace(products, **{one: getattr(found, one) for one in members})
    if name == "history":
        return replace(request, history=make_request(other, repeats=4).history), products
    if name == "has_query":
        return replace(request, has_query=False), products
    if room == "context":
        # A Wednesday becomes a Sunday at another hour, before some of the events or by going far east.
        moved: Mapping[str, Any] = {
            "time": NOW - 59.3 * DAY,
            "utc_offset_s": 4.2 * DAY,
            "device": "tv",
            "region": "west",
            "language": "de",
        }
        return replace(request, context=replace(request.context, **{member: moved[member]})), products
    drawn = make_request(other).candidates
    if room == "signals":
        assert request.candidates.signals is not None and drawn.signals is not None
        signals = {**request.candidates.signals, member: drawn.signals[member]}
        return replace(request, candidates=replace(request.candidates, signals=signals)), products
    value = 3 if member == "matches" else getattr(drawn, member)
    return replace(request, candidates=replace(request.candidates, **{member: value})), products


@pytest.mark.parametrize("name", list_inputs())
def test_a_feature_changes_with_what_it_reads_and_with_nothing_else(name: str) -> None:
    rng = np.random.default_rng(1)
    request, products = make_request(rng), make_products(rng)
    before = compute_features([request], products)
    other_request, other_products = change(name, request, products)
    after = compute_features([other_request], other_products)
    changed = {feature.name for feature in FEATURES if (before != after)[:, COLUMN[feature.name]].any()}
    assert changed == {feature.name for feature in FEATURES if name in feature.reads}


def test_features_read_inputs_that_there_are() -> None:
    assert {name for feature in FEATURES for name in feature.reads} <= set(list_inputs())


def test_every_signal_is_read_by_a_feature() -> None:
    assert [name for name in SIGNALS if not any(f"signals.{name}" in feature.reads for feature in FEATURES)] == []


def test_columns_follow_each_other_block_by_block() -> None:
    assert FEATURE_NAMES == tuple(feature.name for block in BLOCKS for feature in block.features)
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


def test_a_block_writes_its_own_columns_and_no_others() -> None:
    rng = np.random.default_rng(2)
    request, products = make_request(rng), make_products(rng)
    lists = CandidateLists([request])
    columns = {name: np.zeros(COUNT, np.float32) for name in FEATURE_NAMES}
    for block in BLOCKS:
        before = {name: column.copy() for name, column in columns.items()}
        block.fill(columns, lists, products)
        written = {name for name, column in columns.items() if (column != before[name]).any()}
        assert written <= {feature.name for feature in block.features}
