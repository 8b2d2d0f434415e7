"""The reranker's training: what it learns from, what it refuses, and that the same seed gives the same network."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
import torch

from mercato.catalog.product import Product
from mercato.errors import DataError, ModelError
from mercato.events.event_batch import EventBatch
from mercato.events.event_order import order_to_time
from mercato.events.event_type import EVENT_TYPE_CODES
from mercato.index.live import LiveCatalog
from mercato.index.snapshot import Snapshot
from mercato.models.reranker import PairTokenizer
from mercato.retrieval.retriever import Retriever
from mercato_export.networks.reranker import choose_layers, load_reranker
from mercato_export.weights import LocatedWeights
from mercato_training.common.synthetic_queries import QueryMaker, list_phrases
from mercato_training.reranker import fit as reranker_fit
from mercato_training.reranker.data import RerankerDataOptions, prepare_groups
from mercato_training.reranker.events import SESSION_SECONDS, read_behaviour
from mercato_training.reranker.fit import RerankerFitOptions, compute_group_loss, draw
from mercato_training.reranker.groups import PairGroup, ProductTexts, find_candidates, group_ratings
from mercato_training.reranker.metrics import RerankerShape
from mercato_training.reranker.quality import DEFAULT_WEIGHT, ScoredQuery, choose_weight, measure_blend
from mercato_training.reranker.train import train_reranker
from tests.unit.export.tiny_encoder import TINY, make_tokenizer, make_weights

SHAPE = RerankerShape(layers=1, max_tokens=24, query_tokens=8)
FIT = RerankerFitOptions(epochs=3, patience=3, learning_rate=1e-3, width=6, groups_per_step=4)
QUERIES = ("milk", "bread", "apples", "cheese", "soap", "tea")


@pytest.fixture(scope="session")
def reranker_weights(tmp_path_factory: pytest.TempPathFactory) -> LocatedWeights:
    folder = tmp_path_factory.mktemp("tiny")
    make_tokenizer()
    assert TINY.licence == "MIT"
    return make_weights(folder)


@pytest.fixture
def catalog(snapshot: Snapshot) -> LiveCatalog:
    return LiveCatalog(snapshot, None)


def rate(products: list[Product]) -> dict[str, dict[str, int]]:
    """Of each kind the cheap ones are rated high; a product of another kind is rated 0."""
    ratings: dict[str, dict[str, int]] = {}
    for position, query in enumerate(QUERIES):
        for number in range(24):
            kind, order = number % 6, number // 6
            ratings.setdefault(query, {})[products[number].id] = max(0, 3 - order) if kind == position else 0
    return ratings


def train(catalog: LiveCatalog, encoder: Any, weights: LocatedWeights, out: Path, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "shape": SHAPE,
        "data_options": RerankerDataOptions(products=24, negatives=4, unrated=4),
        "synthetic_options": FIT,
        "rated_options": FIT,
        **changes,
    }
    return train_reranker(catalog, encoder, weights, out, **arguments).as_json()


def test_catalogue_alone_is_enough(
    catalog: LiveCatalog, encoder: Any, reranker_weights: LocatedWeights, tmp_path: Path
) -> None:
    metrics = train(catalog, encoder, reranker_weights, tmp_path)
    assert metrics["weight"] == DEFAULT_WEIGHT
    assert list(metrics["fits"]) == ["synthetic"]
    assert metrics["counts"]["synthetic_queries"] > 0
    network, config = load_reranker(tmp_path)
    assert (config.layers, config.weight, config.max_tokens) == ((0,), DEFAULT_WEIGHT, 24)
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "Not measured: there were no ratings" in card
    assert json.loads((tmp_path / "metrics.json").read_text())["groups"] == metrics["groups"]


def test_ratings_are_learned_and_the_fold_that_is_left_out_is_reported(
    catalog: LiveCatalog, encoder: Any, reranker_weights: LocatedWeights, products: list[Product], tmp_path: Path
) -> None:
    ratings = rate(products)
    ratings["milk"]["unknown"] = 3
    options = RerankerDataOptions(products=0, folds=2, fold=1, unrated=4)
    metrics = train(
        catalog, encoder, reranker_weights, tmp_path, ratings=ratings, data_options=options, rated_options=FIT
    )
    assert metrics["counts"]["ratings_of_unknown_products"] == 1
    assert metrics["counts"]["rated_queries"] == len(QUERIES)
    fit = metrics["fits"]["rated"]
    assert fit["train_loss"][-1] < fit["train_loss"][0]
    orders = metrics["results"]["test fold"]
    assert set(orders) == {"before", "reranker alone", "blend"}
    assert all(0 <= value <= 1 for values in orders.values() for value in values.values())
    assert "Fold 1 of 2 of the rated queries was left out" in (tmp_path / "MODEL_CARD.md").read_text()


def test_same_seed_gives_the_same_network_and_training_goes_on_from_it(
    catalog: LiveCatalog, encoder: Any, reranker_weights: LocatedWeights, products: list[Product], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        train(catalog, encoder, reranker_weights, tmp_path / name)
    left, right = ((tmp_path / name / "reranker.safetensors").read_bytes() for name in ("one", "two"))
    assert left == right
    on = train(
        catalog, encoder, reranker_weights, tmp_path / "on",
        start=tmp_path / "one", ratings=rate(products), data_options=RerankerDataOptions(products=0),
    )  # fmt: skip
    assert list(on["fits"]) == ["rated"]


@pytest.mark.parametrize(
    "ratings",
    [
        pytest.param({"milk": {"p00": 3, "p06": 0, "p12": 1}}, id="one query"),
        pytest.param({query: {"p00": 0, "p06": 0} for query in QUERIES}, id="all equal"),
        pytest.param({}, id="none"),
    ],
)
def test_too_little_to_learn_from_is_refused(
    catalog: LiveCatalog,
    encoder: Any,
    reranker_weights: LocatedWeights,
    tmp_path: Path,
    ratings: dict[str, dict[str, int]],
) -> None:
    options = RerankerDataOptions(products=0, unrated=0)
    with pytest.raises(DataError, match=r"needs at least 2 queries .*0 of the catalogue's own and [01] with ratings"):
        train(catalog, encoder, reranker_weights, tmp_path, ratings=ratings, data_options=options)


def test_one_rated_query_beside_the_catalogue_is_counted_and_not_fatal(
    catalog: LiveCatalog, encoder: Any, reranker_weights: LocatedWeights, tmp_path: Path
) -> None:
    metrics = train(catalog, encoder, reranker_weights, tmp_path, ratings={"milk": {"p00": 3, "p06": 0}})
    assert list(metrics["fits"]) == ["synthetic"]
    assert metrics["counts"]["rated_queries"] == 1


def test_loss_that_is_not_finite_is_an_error(
    catalog: LiveCatalog,
    encoder: Any,
    reranker_weights: LocatedWeights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reranker_fit, "TEACHER_TEMPERATURE", float("nan"))
    with pytest.raises(ModelError, match="the loss of pass 1 is nan"):
        train(catalog, encoder, reranker_weights, tmp_path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (replace(SHAPE, layers=3), "--layers: must be from 1 to 2, got 3"),
        (replace(SHAPE, max_tokens=12), "--max-tokens: must leave 8 tokens to the product"),
    ],
)
def test_shape_that_cannot_be_is_refused(
    catalog: LiveCatalog,
    encoder: Any,
    reranker_weights: LocatedWeights,
    tmp_path: Path,
    shape: RerankerShape,
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        train(catalog, encoder, reranker_weights, tmp_path, shape=shape)


def test_layers_are_spread_evenly() -> None:
    assert choose_layers(3, 6) == (0, 2, 5)
    assert choose_layers(2, 6) == (0, 5)
    assert choose_layers(1, 6) == (0,)
    assert choose_layers(9, 6) == (0, 1, 2, 3, 4, 5)


def test_loss_is_listnet_in_the_company_of_the_score_before() -> None:
    zero = torch.zeros(2)
    gains, before = torch.tensor([3.0, 1.0]), torch.tensor([0.0, 1.0])
    # shares 3/4 and 1/4; with a = 2 the order before says e^2 to 1 for the second
    first, second = 1 / (1 + np.e**2), np.e**2 / (1 + np.e**2)
    expected = -(0.75 * np.log(first) + 0.25 * np.log(second))
    assert float(compute_group_loss(zero, gains, zero, before, teaching=0.0)) == pytest.approx(expected)
    # nothing told, and the scores are what is taught: T = 0.05
    taught = torch.tensor([0.1, 0.0])
    assert float(compute_group_loss(taught / 0.05, zero, taught, zero, teaching=1.0)) == pytest.approx(0.0, abs=1e-6)


def test_draw_keeps_what_is_pinned_and_a_difference() -> None:
    gains = np.array([0, 0, 0, 0, 7], np.float32)
    group = PairGroup(
        query="q", texts=list("abcde"), gains=gains, taught=gains, before=gains, pinned=np.zeros(5, np.bool_)
    )
    for seed in range(20):
        drawn = draw(group, 2, np.random.default_rng(seed))
        assert "e" in drawn.texts
        assert len(set(drawn.texts)) == 2
    pinned = replace(group, pinned=np.array([True, False, False, False, True]))
    assert set(draw(pinned, 2, np.random.default_rng(0)).texts) == {"a", "e"}


def test_rated_group_holds_what_was_found_alone(catalog: LiveCatalog, encoder: Any) -> None:
    [found] = find_candidates(Retriever(catalog, None), encoder, ["milk"])
    first, second, third = found.rows[:3].tolist()
    group = group_ratings(found, {second: 2, 10**6: 3}, catalog, ProductTexts(catalog), unrated=2)
    assert group.gains.tolist() == [2.0**2 - 1, 0.0, 0.0]
    texts = ProductTexts(catalog)
    assert list(group.texts) == [texts.text(row) for row in (second, first, third)]
    assert group.before[1] >= group.before[0] >= group.before[2]


def test_synthetic_queries_say_what_a_product_is() -> None:
    titles = [f"Acme laser printer X{number}00" for number in range(30)] + [f"paper roll {n}" for n in range(300)]
    maker = QueryMaker(titles)
    document = {"title": titles[0], "brand": "Acme", "categories": ["Office", "Printers"], "attributes": {"c": "black"}}
    made = {query for seed in range(30) for query in maker.make_queries(document, np.random.default_rng(seed))}
    assert {"laser printer", "printers", "office printers", "x000"} <= made
    assert any(query.startswith("black ") for query in made)
    assert list_phrases("Acme HP-15 ink") == ["acme", "ink"]
    assert maker.make_queries({"title": "X"}, np.random.default_rng(0)) == []


def events(*rows: tuple[str, str, str | None, float, str | None]) -> Iterator[EventBatch]:
    kinds, visitors, products, times, queries = zip(*rows, strict=True)
    count = len(rows)
    yield EventBatch(
        event_type=np.array([EVENT_TYPE_CODES[kind] for kind in kinds], np.uint8),
        user_id=pa.array([None] * count, pa.string()),
        visitor_id=pa.array(visitors, pa.string()),
        product_id=pa.array(products, pa.string()),
        time=np.array(times, np.float64),
        quantity=np.ones(count, np.int32),
        price=np.full(count, np.nan, np.float32),
        order_id=pa.array([None] * count, pa.string()),
        event_id=pa.array([None] * count, pa.string()),
        key=np.zeros((count, 16), np.uint8),
        context=pa.array([query and orjson.dumps({"query": query}).decode() for query in queries], pa.string()),
    )


def test_what_is_done_after_a_search_answers_it() -> None:
    log = events(
        ("search", "v1", None, 100.0, "Green  Tea"),
        ("detail-page-view", "v1", "a", 110.0, None),
        ("purchase-complete", "v1", "a", 120.0, None),
        ("detail-page-view", "v1", "b", 100.0 + SESSION_SECONDS, None),
        ("detail-page-view", "v1", "c", 101.0 + SESSION_SECONDS, None),  # too late
        ("add-to-cart", "v2", "b", 105.0, None),  # somebody else's, without a search
        ("detail-page-view", "v1", "gone", 111.0, None),
    )
    behaviour = read_behaviour(log, {"a": 0, "b": 1, "c": 2})
    assert list(behaviour.answered.values()) == [{0: 3, 1: 1}]
    assert behaviour.interest.tolist() == [1 + 3, 1 + 2, 1]


def test_who_signs_in_after_a_search_answers_it_all_the_same() -> None:
    [log] = events(
        ("search", "v1", None, 100.0, "tea"),
        ("purchase-complete", "v1", "a", 120.0, None),
        ("purchase-complete", "v2", "b", 120.0, None),
    )
    signed_in = replace(log, user_id=pa.array([None, "u1", "u1"], pa.string()))
    behaviour = read_behaviour([signed_in], {"a": 0, "b": 1})
    assert behaviour.answered == {"tea": {0: 3, 1: 3}}  # on the other device too


def test_searches_without_times_are_not_answered() -> None:
    [log] = events(("search", "v1", None, 0.0, "tea"), ("purchase-complete", "v1", "a", 0.0, None))
    behaviour = read_behaviour([replace(log, time=order_to_time(np.arange(2)))], {"a": 0})
    assert behaviour.answered == {}
    assert behaviour.interest.tolist() == [3]


def test_searches_of_the_log_are_learned_from(
    catalog: LiveCatalog, encoder: Any, reranker_weights: LocatedWeights, products: list[Product], tmp_path: Path
) -> None:
    rows: list[tuple[str, str, str | None, float, str | None]] = []
    for position, query in enumerate(QUERIES):
        rows.append(("search", f"v{position}", None, 0.0, query))
        rows.append(("purchase-complete", f"v{position}", products[position].id, 1.0, None))
    behaviour = read_behaviour(events(*rows), catalog.snapshot.row_by_id)
    metrics = train(catalog, encoder, reranker_weights, tmp_path, behaviour=behaviour)
    assert metrics["counts"]["answered_queries"] == len(QUERIES)
    assert list(metrics["fits"]) == ["synthetic", "rated"]


def test_weight_is_chosen_by_what_it_gives(catalog: LiveCatalog, encoder: Any) -> None:
    data = prepare_groups(
        catalog,
        encoder,
        RerankerDataOptions(products=0),
        ratings={f"{query} number": {f"p{n:02d}": n % 4 for n in range(48)} for query in (*QUERIES, *"abcdef")},
    )
    rated = [replace(data.held_out[0], candidates=replace(data.held_out[0].candidates)) for _ in range(9)]
    gains = {row: float(rating) for row, rating in rated[0].ratings.items()}
    good = [
        ScoredQuery(rated=one, scores=np.array([gains.get(row, -1.0) for row in one.candidates.rows], np.float32))
        for one in rated
    ]
    bad = [replace(one, scores=-one.scores) for one in good]
    assert choose_weight(good[:3]) == DEFAULT_WEIGHT
    weight = choose_weight(good)
    assert weight > 0
    assert measure_blend(good, weight)["ndcg@10"] >= measure_blend(good, 0.0)["ndcg@10"]
    assert choose_weight(bad) == 0.0


def test_tokenizer_of_the_training_is_kept(
    catalog: LiveCatalog, encoder: Any, reranker_weights: LocatedWeights, tmp_path: Path
) -> None:
    train(catalog, encoder, reranker_weights, tmp_path)
    _, config = load_reranker(tmp_path)
    tokenizer = PairTokenizer(tmp_path / "tokenizer.json", max_tokens=config.max_tokens, query_tokens=8)
    assert tokenizer(["tea"], [["milk"]]).lengths.tolist() == [5]
    with pytest.raises(ModelError, match="does not hold a trained reranker"):
        load_reranker(tmp_path / "nothing")
