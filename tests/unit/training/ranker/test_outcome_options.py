"""What is said of outcomes on the command line, and what of it the log allows."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from mercato.cli.train import train_app as app
from mercato.errors import InvalidInputError
from mercato_training.ranker.examples import ExampleSet
from mercato_training.ranker.outcomes import choose_outcomes, read_weights


def make_examples(**further: bool) -> ExampleSet:
    return ExampleSet(
        rows=np.zeros((1, 2), np.int32),
        features=np.zeros((1, 2, 1), np.float32),
        bought=np.ones((1, 2), np.bool_),
        query=np.zeros(1, np.int32),
        history=np.zeros((1, 4), np.float32),
        tasks=[],
        further={kind: np.full((1, 2), had) for kind, had in further.items()},
    )


def test_weights_by_name() -> None:
    assert read_weights("purchase=1, cart=0.2,click=0", option="--x") == {"purchase": 1.0, "cart": 0.2, "click": 0.0}
    assert read_weights("", option="--x") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cart", "'cart' must be NAME=NUMBER"),
        ("cart=much", "'cart=much' must be NAME=NUMBER"),
        ("wish=1,cart=-1", "'wish' must be one of purchase, cart, click; cart must be a number from 0 on, given -1"),
        ("cart=nan", "cart must be a number from 0 on, given nan"),
    ],
)
def test_what_is_wrong_is_said_all_at_once(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=f"--task-losses: {message}"):
        read_weights(text, option="--task-losses")


def test_heads_are_switched_on_where_the_log_has_such_events() -> None:
    losses, alone = {"cart": 0.3, "click": 0.1}, {"purchase": 1.0}
    assert choose_outcomes(make_examples(), losses, alone) == (("purchase",), (1.0,))
    assert choose_outcomes(make_examples(click=True, cart=False), losses, alone) == (("purchase", "click"), (1.0, 0.0))
    both = make_examples(click=True, cart=True)
    assert choose_outcomes(both, {"cart": 0.3, "click": 0.0}, alone) == (("purchase", "cart"), (1.0, 0.0))
    chosen = choose_outcomes(both, losses, {"purchase": 1.0, "click": 0.05})
    assert chosen == (("purchase", "cart", "click"), (1.0, 0.0, 0.05))


def test_what_is_not_learned_cannot_be_served() -> None:
    with pytest.raises(InvalidInputError, match="--task-weights: cart cannot count in the score"):
        choose_outcomes(make_examples(), {"cart": 0.3}, {"purchase": 1.0, "cart": 0.2})
    with pytest.raises(InvalidInputError, match="--task-weights: one must be more than 0"):
        choose_outcomes(replace(make_examples()), {}, {"purchase": 0.0})


def test_the_command_line_names_the_option() -> None:
    result = CliRunner().invoke(
        app, ["ranker", "--catalog", "no", "--state", "sqlite:x", "--task-losses", "purchase=2"]
    )
    assert result.exit_code == 1
    assert "--task-losses: 'purchase' must be one of cart, click" in " ".join(result.output.split())
