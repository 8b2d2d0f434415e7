"""The ranker's card says what was done, and does not say what was not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mercato.index.snapshot import Snapshot
from mercato.state.values import EventTable
from mercato_training.common.cards import wrap_markdown
from mercato_training.ranker.card import describe_probability, summarize_probability
from mercato_training.ranker.fit import FitOptions
from mercato_training.ranker.metrics import CalibrationGroup, CalibrationMetrics
from mercato_training.ranker.prediction_window import WindowOptions
from mercato_training.ranker.prepare import DataOptions
from mercato_training.ranker.probability import draw_calibration
from mercato_training.ranker.reliability import Bin, Reliability
from mercato_training.ranker.train import train_ranker


def train(
    snapshot: Snapshot, events: EventTable, encoder: Any, folder: Path, **options: Any
) -> tuple[str, dict[str, Any]]:
    data = DataOptions(searches=100, recommendations=100, width=32, train_days=42, validation_days=14, test_days=21)
    metrics = train_ranker(
        snapshot, events, encoder, folder,
        data_options=data, fit_options=FitOptions(epochs=2, batch_size=32),
        report=lambda what, done, total: None, say=lambda line: None,
        **options,
    )  # fmt: skip
    return " ".join((folder / "MODEL_CARD.md").read_text().split()), metrics.as_json()


def test_training_at_moments_describes_moments(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    options = WindowOptions(days=21.0, snapshot_dates=2, step_days=14.0, held_out=0.5)
    card, metrics = train(
        snapshot,
        events,
        encoder,
        tmp_path,
        window=options,
        shape={"members": 3, "hidden": (8,), "projection": 2},
    )
    assert "in the 21 days after each of 2 moments, 14 days apart" in card
    assert f"the first on {metrics['split']['train'][:10]}, the last on {metrics['split']['validation'][:10]}" in card
    assert "Of 25.0% of all shoppers nothing was learned at any moment" in card
    assert "Of as many others, 600 at most, nothing was learned either" in card
    assert "all of them, in lists of up to 128" in card
    assert "The mean of 3 small networks" in card
    assert "on shoppers it has not seen" in card
    assert "probability that the product is **bought within 21 days**" in card
    assert "Orders, split by time" not in card
    assert "It learned from purchases alone" in card


def test_training_on_orders_describes_orders(
    snapshot: Snapshot, events: EventTable, encoder: Any, tmp_path: Path
) -> None:
    card, metrics = train(snapshot, events, encoder, tmp_path)
    assert "Orders, split by time" in card
    assert "a random sample that makes a list of 32; held-out lists are whole" in card
    assert "moments" not in card
    assert "on the last stretch of time" in card
    told = metrics["calibration"]
    assert f"{told['reliability']['ece']:.5f}" in card
    assert "![Reliability](reliability.png)" in card
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert f"| heavy | {metrics['groups']['heavy']['requests']} |" in card
    assert "another season" not in card


def make_calibration(event: str) -> CalibrationMetrics:
    one_bin = Bin(count=10, least=0.1, most=0.2, predicted=0.15, observed=0.125)
    return CalibrationMetrics(
        event=event,
        method="shopper",
        log_losses={"score": 0.2, "shopper": 0.1},
        shoppers=5,
        purchases=2,
        folds=5,
        shopper_features=["log_orders"],
        groups={"light": CalibrationGroup(candidates=10, predicted=0.15, observed=0.125)},
        reliability=Reliability(
            count=10, base_rate=0.125, predicted=0.15, log_loss=0.1, base_log_loss=0.2,
            brier=0.1, base_brier=0.11, ece=0.025, bins=[one_bin],
        ),
    )  # fmt: skip


@pytest.mark.parametrize("event", ["bought within 35 days", "bought in the order that a visit ends in"])
def test_probabilities_are_described_with_whom_they_are_of(event: str) -> None:
    card = " ".join(describe_probability(make_calibration(event)).split())
    assert f"**{event}**" in card
    assert ("also those who do not come back" in card) == event.startswith("bought within")
    assert "what is known of the shopper (log_orders)" in card
    assert "| 10 | 0.1000 | 0.2000 | 0.1500 | 0.1250 |" in card
    assert "score 0.20000; shopper 0.10000" in card


def test_no_probabilities_are_not_described() -> None:
    assert describe_probability(None).startswith("None: there was too little")
    assert summarize_probability(None).startswith("purchase probabilities: none")


def test_probabilities_in_one_line() -> None:
    calibration = make_calibration("bought within 35 days")
    reached = replace(calibration.reliability, log_loss=0.07828, base_log_loss=0.09929, ece=0.00226)
    assert summarize_probability(replace(calibration, reliability=reached)) == (
        "purchase probabilities (bought within 35 days): log loss 0.0783, 0.0993 with the base rate for all; "
        "calibration error 0.0023"
    )


def test_a_plot_of_an_earlier_training_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "reliability.png").touch()
    assert not draw_calibration(tmp_path, None)
    assert not list(tmp_path.iterdir())


def test_text_is_wrapped_and_tables_are_not() -> None:
    long = "word " * 40
    row = f"| {long} |"
    wrapped = wrap_markdown(f"# {long}\n\n{long}\n\n\n\n- first\n- {long}\n  more\n\n{row}\n{row}")
    title, paragraph, bullets, table = wrapped.rstrip("\n").split("\n\n")
    assert title == f"# {long}"
    assert [len(line) <= 120 for line in paragraph.splitlines()] == [True, True]
    assert bullets.splitlines()[0] == "- first"
    assert bullets.splitlines()[1].startswith("- word")
    assert bullets.splitlines()[2].startswith("  word")
    assert bullets.endswith("word more")
    assert table == f"{row}\n{row}"
