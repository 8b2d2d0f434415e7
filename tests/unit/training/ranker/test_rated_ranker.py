import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mercato.cli.train import train_app as app
from mercato.errors import DataError, InvalidInputError
from mercato.evaluation.folds import fold_of
from mercato.index.match_floor import MatchFloor
from mercato.index.snapshot import Snapshot
from mercato.state.values import EventTable
from mercato_export.networks.ranker import load_ranker
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.fit_ratings import RatingFitOptions
from mercato_training.ranker.metrics import FoldOptions
from mercato_training.ranker.prepare import DataOptions
from mercato_training.ranker.rated_lists import UNRATED, build_rated_lists
from mercato_training.ranker.train import train_ranker
from mercato_training.ranker.train_ratings import BEYOND, train_from_ratings

FIT = RatingFitOptions(members=4, width=8, bins=4, epochs=4, seed=5)
BRANDS = ("acme", "best")


@pytest.fixture(scope="module")
def ratings(products: list[Any]) -> Mapping[str, Mapping[str, int]]:
    """Who searches for a kind with a brand wants that brand; the brand alone does not make it relevant."""
    kinds = sorted({product.categories[-1] for product in products})
    return {
        f"{brand} {kind}": {
            product.id: 3 if product.brand.lower() == brand else 1
            for product in products
            if product.categories[-1] == kind
        }
        | {product.id: 0 for product in products[:6] if product.categories[-1] != kind}
        for kind in kinds
        for brand in BRANDS
    }


def run(
    snapshot: Snapshot, ratings: Mapping[str, Mapping[str, int]], encoder: Any, out: Path, **folds: Any
) -> dict[str, Any]:
    lines: list[str] = []
    _, metrics = train_from_ratings(
        snapshot, ratings, encoder, out, fold_options=FoldOptions(**folds), fit_options=FIT,
        report=lambda what, done, total: None, say=lines.append,
    )  # fmt: skip
    assert lines[0].startswith("epoch 0")
    return metrics.as_json()


def test_lists_are_what_retrieval_finds(snapshot: Snapshot, ratings: Mapping[str, Any], encoder: Any) -> None:
    lists = build_rated_lists(snapshot, ratings, encoder, depth=60)
    assert [one.query for one in lists] == list(ratings)
    for one in lists:
        assert len(one.ids) == len(set(one.ids)) <= 60
        assert not set(one.ids) & set(one.beyond)
        found = one.ids[: len(one.window)]
        assert one.rating[one.window].tolist() == [one.ratings.get(product, UNRATED) for product in found]
        rows = [snapshot.row_by_id[product] for product in found]
        np.testing.assert_array_equal(one.candidates[one.window], snapshot.vectors(np.array(rows)))


def test_what_lies_below_the_floor_teaches_and_is_measured_behind_the_result(
    snapshot: Snapshot, ratings: Mapping[str, Any], encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = MatchFloor(meaning=0.999, words=0.0, chance=0.0)
    monkeypatch.setattr(snapshot, "floor", floor)
    lists = build_rated_lists(snapshot, ratings, encoder, depth=60)
    assert any(one.beyond for one in lists)
    for one in lists:
        assert len(one.rating) == len(one.candidates) == len(one.features) >= len(one.window)
        assert len(one.ids) + len(one.beyond) <= 60
    metrics = run(snapshot, ratings, encoder, tmp_path / "out", folds=3)
    assert {f"retrieval{BEYOND}", f"ranker{BEYOND}"} < set(metrics["results"])
    for system in ("retrieval", "ranker"):
        found, all_seen = (metrics["results"][name]["recall@100"]["mean"] for name in (system, f"{system}{BEYOND}"))
        assert found <= all_seen


def test_every_query_is_measured_by_a_network_that_did_not_see_it(
    snapshot: Snapshot, ratings: Mapping[str, Any], encoder: Any, tmp_path: Path
) -> None:
    metrics = run(snapshot, {**ratings, "unheard of": {"nowhere": 2}}, encoder, tmp_path / "out", folds=3)
    assert set(metrics["results"]) == {"retrieval", "ranker", "ranker - retrieval"}
    assert metrics["ratings"]["queries"] == 12 + 1
    assert metrics["ratings"]["products_unknown"] == 1
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "3-fold cross-validation" in card
    assert "unrated_weight: 0.12" in card
    network, config = load_ranker(tmp_path / "out")
    assert config.relevance == FIT.members * FIT.width
    assert not network.training


def test_a_fold_left_out_is_measured_and_not_learned_from(
    snapshot: Snapshot, ratings: Mapping[str, Any], encoder: Any, tmp_path: Path
) -> None:
    held_out = [query for query in ratings if fold_of(query, 2) == 0]
    assert 0 < len(held_out) < len(ratings)
    metrics = run(snapshot, ratings, encoder, tmp_path / "a", folds=2, fold=0)
    assert "On fold 0 of 2" in (tmp_path / "a" / "MODEL_CARD.md").read_text()
    # Other ratings of the fold that is left out change nothing in the network.
    twisted = {q: {p: 3 - r for p, r in rated.items()} if q in held_out else rated for q, rated in ratings.items()}
    other = run(snapshot, twisted, encoder, tmp_path / "b", folds=2, fold=0)
    assert (tmp_path / "a" / "ranker.safetensors").read_bytes() == (tmp_path / "b" / "ranker.safetensors").read_bytes()
    assert metrics["results"] != other["results"]


def test_a_fold_that_leaves_too_few_queries_is_not_measured(
    snapshot: Snapshot, ratings: Mapping[str, Any], encoder: Any, tmp_path: Path
) -> None:
    by_fold = sorted(ratings, key=lambda query: fold_of(query, 2))
    pair = {query: ratings[query] for query in (by_fold[0], by_fold[-1])}
    assert [fold_of(query, 2) for query in pair] == [0, 1]
    lines: list[str] = []
    _, metrics = train_from_ratings(
        snapshot, pair, encoder, tmp_path, fold_options=FoldOptions(folds=2), fit_options=FIT,
        report=lambda what, done, total: None, say=lines.append,
    )  # fmt: skip
    assert metrics.results == {}
    assert sum("is not measured" in line for line in lines) == 2
    assert "Nothing was held out" in (tmp_path / "MODEL_CARD.md").read_text()


def test_folds_are_checked() -> None:
    with pytest.raises(InvalidInputError, match="--folds"):
        FoldOptions(folds=1)
    with pytest.raises(InvalidInputError, match="--fold.*from 0 to 4.*got 5"):
        FoldOptions(folds=5, fold=5)
    with pytest.raises(InvalidInputError, match="--fold"):
        FoldOptions(folds=0, fold=0)


def test_one_query_and_equal_ratings_are_refused(
    snapshot: Snapshot, ratings: Mapping[str, Any], encoder: Any, tmp_path: Path
) -> None:
    one = dict(list(ratings.items())[:1])
    with pytest.raises(DataError, match="at least 2 queries"):
        run(snapshot, one, encoder, tmp_path, folds=0)
    alike = {query: dict.fromkeys(rated, 2) for query, rated in ratings.items()}
    with pytest.raises(DataError, match="at least 2 queries"):
        run(snapshot, {query: {p: 0 for p in rated} for query, rated in alike.items()}, encoder, tmp_path, folds=0)


def test_purchases_go_on_from_ratings(
    snapshot: Snapshot, ratings: Mapping[str, Any], events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    rated, _ = train_from_ratings(
        snapshot, ratings, encoder, tmp_path / "ratings", fold_options=FoldOptions(folds=0), fit_options=FIT,
        report=lambda what, done, total: None, say=lambda line: None,
    )  # fmt: skip
    train_ranker(
        snapshot, events, encoder, tmp_path / "both",
        data_options=DataOptions(
            searches=100, recommendations=60, width=32, train_days=42, validation_days=14, test_days=21
        ),
        fit_options=FitOptions(epochs=1, batch_size=32), report=lambda what, done, total: None,
        say=lambda line: None, rated=rated,
    )  # fmt: skip
    network, config = load_ranker(tmp_path / "both")
    assert config.relevance == rated.config.relevance
    assert config.hidden
    for name, weights in rated.relevance.state_dict().items():
        assert network.relevance.state_dict()[name].equal(weights)
    for folder in ("ratings", "both"):  # ratings were learned with the popularity that the catalogue has from events
        learned = json.loads((tmp_path / folder / "learned_from.json").read_text())
        assert learned == {"last_event_time": events.time.max()}


def test_the_command_needs_ratings_or_purchases() -> None:
    result = CliRunner().invoke(app, ["ranker", "--catalog", "anything"])
    assert result.exit_code == 2
    assert "--judgements" in result.output
