"""The file that the benchmark of the sequence model writes: what training and evaluation read of it."""

from pathlib import Path

import numpy as np

from benchmarks.recommendation.sequence_server import write_histories
from mercato.evaluation.holdout import leave_last_out, read_interactions
from mercato_training.sequence.events import read_file


def test_histories_are_read_as_they_were_made(tmp_path: Path) -> None:
    write_histories([np.array([7, 2, 7]), np.array([2, 9])], tmp_path / "all.csv")
    # no texts and no times: users, products and an order
    assert (tmp_path / "all.csv").read_text().splitlines()[:2] == ["user_id,product_id,order", "u0,p7,0"]
    events = read_file(tmp_path / "all.csv", {}, print)
    by_user = {
        user: [product for owner, product in zip(events.users, events.products, strict=True) if owner == user]
        for user in ("u0", "u1")
    }
    assert by_user == {"u0": ["p7", "p2", "p7"], "u1": ["p2", "p9"]}
    assert not events.timed


def test_the_last_event_of_each_is_to_be_recommended(tmp_path: Path) -> None:
    write_histories([np.array([7, 2, 4]), np.array([2, 9])], tmp_path / "all.csv")
    split = leave_last_out(read_interactions(tmp_path / "all.csv"))
    assert sorted(zip(split.test.users, split.test.products, strict=True)) == [("u0", "p4"), ("u1", "p9")]
    assert sorted(split.past.products) == ["p2", "p2", "p7"]
