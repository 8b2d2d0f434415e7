"""The sequence model's network and training: causal, the same from a seed, better than what knows no order."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.recommendation.generated_sequences import Recipe, make_histories
from benchmarks.recommendation.sequence import SETTINGS, measure_scores, score_by, score_sequence
from mercato.arrays import Int64
from mercato.errors import DataError, InvalidInputError, ModelError
from mercato.index.snapshot import Snapshot
from mercato_export.networks.sequence import SequenceConfig, SequenceNetwork, load_sequence, save_sequence
from mercato_export.pipeline import export_model
from mercato_export.sequence import describe_sequence
from mercato_training.sequence.data import History, Windows, cut_windows
from mercato_training.sequence.events import UserEvents
from mercato_training.sequence.fit import Sampler, SequenceFitOptions, compute_loss, cut_batches, fit_sequence
from mercato_training.sequence.metrics import SequenceOptions, WeightMetrics
from mercato_training.sequence.train import gather_texts, name_products, train_sequence
from tests import stores

QUICK = SequenceFitOptions(epochs=2, seed=3)


def make_network(**changes: int) -> SequenceNetwork:
    torch.manual_seed(7)
    return SequenceNetwork(SequenceConfig(**{"products": 30, "max_length": 8, **changes})).eval()


def cut(histories: list[Int64]) -> Windows:
    each = [History(codes=codes, visits=np.arange(len(codes)), indices=np.arange(len(codes))) for codes in histories]
    return cut_windows(each, 8, np.random.default_rng(1))


def test_no_place_depends_on_those_after_it() -> None:
    network = make_network()
    codes = torch.randint(1, 31, (4, 8))
    other = codes.clone()
    other[:, 5:] = torch.randint(1, 31, (4, 3))
    with torch.inference_mode():
        before, after = network.encode(codes), network.encode(other)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_padding_and_company_change_nothing() -> None:
    network = make_network()
    codes = torch.randint(1, 31, (3, 5))
    padded = torch.cat((codes, torch.zeros(3, 3, dtype=torch.int64)), dim=1)
    with torch.inference_mode():
        torch.testing.assert_close(network(padded), network(codes))
        torch.testing.assert_close(network(codes)[1:2], network(codes[1:2]))
        assert torch.isfinite(network(torch.zeros(1, 4, dtype=torch.int64))).all()


def test_order_matters() -> None:
    network = make_network()
    with torch.inference_mode():
        assert not torch.allclose(network(torch.tensor([[1, 2, 3]])), network(torch.tensor([[2, 1, 3]])))


def test_the_loss_is_that_of_a_softmax_over_what_came_next() -> None:
    network = make_network()
    read, following = np.array([[1, 2, 0]]), np.array([[2, 5, 0]])
    with torch.inference_mode():
        loss, positions = compute_loss(network, read, following)
        scores = network.score(network.encode(torch.from_numpy(read))[0, :2], torch.arange(1, 31))
        expected = -(torch.log_softmax(scores, dim=1)[0, 1] + torch.log_softmax(scores, dim=1)[1, 4]) / 2
    assert positions == 2
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)


def test_a_drawn_softmax_comes_near_the_whole_one() -> None:
    network = make_network()
    windows = cut([np.random.default_rng(number).integers(1, 31, 9) for number in range(40)])
    counts = np.full(31, 10, np.int64)
    with torch.inference_mode():
        whole, _ = compute_loss(network, windows.read, windows.following)
        drawn, positions = compute_loss(network, windows.read, windows.following, Sampler(counts, 3_000, seed=1))
    assert positions == 40 * 8
    # 3,000 draws of 30 products: each is met 100 times, give or take 10
    assert float(drawn) == pytest.approx(float(whole), abs=0.1)


def test_padding_that_a_whole_batch_shares_is_not_computed_and_changes_nothing() -> None:
    network = make_network()
    read, following = np.array([[1, 2, 3], [4, 5, 0]]), np.array([[2, 3, 6], [5, 7, 0]])
    wide_read, wide_following = (np.pad(array, ((0, 0), (0, 5))) for array in (read, following))
    with torch.inference_mode():
        wide, narrow = compute_loss(network, wide_read, wide_following), compute_loss(network, read, following)
    assert float(wide[0]) == pytest.approx(float(narrow[0]), abs=1e-6)


def test_batches_hold_every_window_once_beside_those_of_its_length() -> None:
    random = np.random.default_rng(4)
    windows = cut([np.arange(1, length + 1) for length in random.integers(2, 9, 200).tolist()])
    lengths = np.count_nonzero(windows.read, axis=1)
    batches = cut_batches(windows, 40, random)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert all(lengths[rows].max() * len(rows) <= 40 for rows in batches)
    padded = sum(int(lengths[rows].max()) * len(rows) for rows in batches)
    assert padded <= 1.05 * lengths.sum()
    assert len(cut_batches(windows, 40, random)) == len(batches)
    assert [len(rows) for rows in cut_batches(windows, 1, random)] == [1] * 200, "a window is never cut"
    assert not cut_batches(Windows(read=windows.read[:0], following=windows.following[:0]), 40, random)


@pytest.mark.parametrize(
    ("device", "message"),
    [("tpu", "--device.*must be one of cpu, cuda, got 'tpu'"), ("cuda", "no GPU here.*--device cpu")],
)
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(device: str, message: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InvalidInputError, match=message):
        train_sequence(UserEvents.purchases([], []), None, fit_options=SequenceFitOptions(device=device))


@pytest.mark.parametrize(
    ("chosen", "lead", "rival", "says"),
    [
        (10.0, 0.03, "also_bought", "alone the model beats also_bought, .* it adds to the other sources, at weight 10"),
        (0.0, -0.03, "also_bought", "does NOT beat also_bought, .* its weight is 0, and a server does not ask it"),
        (0.0, 0.01, "repeat", "is not told apart from repeat"),
        (3.0, 0.0, "", "no other source had anything to say"),
    ],
)
def test_training_says_whether_the_model_beats_the_best_other_source(
    chosen: float, lead: float, rival: str, says: str
) -> None:
    weight = WeightMetrics(
        chosen=chosen, recall={}, alone_recall={}, visits=100, rival=rival, lead=lead, lead_error=0.01
    )
    assert re.search(says, weight.verdict)


def test_a_loss_that_is_no_number_ends_the_fit() -> None:
    windows = cut([np.arange(1, 9)] * 20)
    empty = Windows(read=windows.read[:0], following=windows.following[:0])
    config = SequenceConfig(products=8, max_length=8)
    with pytest.raises(
        ModelError, match=r"sequence: the loss became (nan|inf) in pass \d+.*learning rate below 1e\+30"
    ):
        fit_sequence(
            lambda random: windows,
            empty,
            np.ones(9, np.int64),
            config,
            SequenceFitOptions(epochs=5, learning_rate=1e30),
        )


def test_without_anything_kept_back_the_last_pass_stays() -> None:
    windows = cut([np.arange(1, 9)] * 20)
    empty = Windows(read=windows.read[:0], following=windows.following[:0])
    config = SequenceConfig(products=8, max_length=8)
    fit = fit_sequence(lambda random: windows, empty, np.ones(9, np.int64), config, SequenceFitOptions(epochs=3))
    assert fit.best_epoch == 3
    assert math.isnan(fit.start_loss)
    assert fit.train_loss[-1] < fit.train_loss[0]


def test_training_writes_what_export_reads_and_is_repeatable(tmp_path: Path) -> None:
    histories = make_histories(Recipe(users=60, products=20, seed=2))
    users = [str(user) for user, codes in enumerate(histories) for _ in codes]
    names = [f"p{code}" for codes in histories for code in codes.tolist()]
    for out in ("one", "two"):
        bought = UserEvents.purchases(users, names)
        train_sequence(bought, tmp_path / out, options=SequenceOptions(max_length=12), fit_options=QUICK)
    one, config = load_sequence(tmp_path / "one")
    two, _ = load_sequence(tmp_path / "two")
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=0, atol=0)
    assert (config.products, config.max_length) == (20, 12)
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text())
    assert metrics["counts"]["held_out_users"] == 6
    assert set(metrics["results"]) == {"sequence", "popularity"}
    card = (tmp_path / "one" / "MODEL_CARD.md").read_text()
    assert f"{len(users):,} events of 60 users" in card
    assert "no texts: it knows products by their ids alone" in card
    assert not (tmp_path / "one" / "learned_from.json").exists()  # nothing has a time
    timed = UserEvents.purchases(users, names, 86_400.0 * np.arange(len(users)))
    train_sequence(timed, tmp_path / "one", options=SequenceOptions(max_length=12), fit_options=QUICK)
    learned = json.loads((tmp_path / "one" / "learned_from.json").read_text())
    assert learned == {"last_event_time": 86_400.0 * (len(users) - 1)}
    train_sequence(bought, tmp_path / "one", options=SequenceOptions(max_length=12), fit_options=QUICK)
    assert not (tmp_path / "one" / "learned_from.json").exists()


def test_nobody_came_twice() -> None:
    bought = UserEvents.purchases(list("uuvv"), list("abab"), np.array([1.0, 1.0, 2.0, 2.0]))
    with pytest.raises(DataError, match="somebody must have come twice, but the events of each of the 2 users"):
        train_sequence(bought, None)


def test_texts_are_folded_into_the_products(snapshot: Snapshot, tmp_path: Path) -> None:
    ids = sorted(snapshot.row_by_id)[:10]
    texts = gather_texts(snapshot, [*ids, "unknown"])
    np.testing.assert_array_equal(texts[1], snapshot.vectors(np.array([snapshot.row_by_id[ids[0]]]))[0])
    assert not texts[0].any() and not texts[11].any()
    network = make_network(products=11, text_width=texts.shape[1])
    network.texts.copy_(torch.from_numpy(texts))
    save_sequence(tmp_path, network, [*ids, "unknown"])
    kept, config = load_sequence(tmp_path)
    codes, products = torch.tensor([[1, 4, 11]]), torch.arange(1, 12)
    with torch.inference_mode():
        expected = network.score(network(codes), products)
        torch.testing.assert_close(kept.score(kept(codes), products), expected, rtol=1e-4, atol=1e-5)
    assert config.text_width == 0


def test_a_variant_counts_as_its_product(tmp_path: Path) -> None:
    sizes = [{"id": "tee-s"}, {"id": "tee-m"}]
    stores.build(tmp_path / "catalog", [stores.product("tee", "Tee", variants=sizes), stores.product("cap", "Cap")])
    catalog = Snapshot(tmp_path / "catalog")
    assert name_products(catalog, ["tee-m", "cap", "tee", "gone", "tee-s"]) == ["tee", "cap", "tee", "gone", "tee"]


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not hold a trained sequence model .*mercato train sequence"):
        load_sequence(tmp_path)


def test_it_beats_what_knows_no_order(tmp_path: Path) -> None:
    recipe = Recipe(users=400, products=100, successors=3)
    histories = make_histories(recipe)
    past, right = [codes[:-1] for codes in histories], np.array([codes[-1] for codes in histories])
    ease = SETTINGS["ease"][0]
    sets_alone = max(
        (measure_scores(score_by(ease, past, recipe.products, repeats=repeats), right) for repeats in (True, False)),
        key=lambda measured: measured["recall@10"].mean(),
    )
    users = [str(user) for user, codes in enumerate(past) for _ in codes]
    names = [f"p{product}" for codes in past for product in codes.tolist()]
    shape = SequenceOptions(layers=1)
    bought = UserEvents.purchases(users, names)
    train_sequence(bought, tmp_path / "training", options=shape, fit_options=SequenceFitOptions(epochs=12))
    export_model(describe_sequence(tmp_path / "training"), target="onnx", out=tmp_path / "model", parity_source={})
    ordered = measure_scores(score_sequence(tmp_path / "model", past, recipe.products), right)
    for metric in ("recall@10", "ndcg@10"):
        assert ordered[metric].mean() > sets_alone[metric].mean() + 0.1
