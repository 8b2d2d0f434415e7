"""Training from a file of events, as from a state store."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mercato.cli.train import train_app as app
from mercato.errors import DataError, InvalidInputError
from mercato.signals.history import PURCHASE
from mercato_training.common.sources import read_event_file

ROWS = """customer,product_id,time,invoice
a,p1,2026-01-01T10:00:00Z,i1
a,p2,2026-01-01T10:00:00Z,i1
b,p1,2026-01-02T10:00:00Z,i2
,p1,2026-01-02T10:00:00Z,i3
b,p1,yesterday,i4
"""
MAP = ["user_id=customer", "order_id=invoice"]


def ignore(*anything: object) -> None:
    """Take what is told and do nothing."""


def test_a_file_is_read_by_the_rules_of_the_import(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text(ROWS)
    said: list[str] = []
    table = read_event_file(file, MAP, "purchase-complete", ignore, said.append)
    assert len(table) == 3
    assert [table.users[user] for user in table.user] == ["a", "a", "b"]
    assert [table.products[product] for product in table.product] == ["p1", "p2", "p1"]
    assert table.order[0] == table.order[1] != table.order[2]
    assert (table.event_type == PURCHASE).all()
    assert np.diff(table.time).tolist() == [0.0, 86_400.0]
    # A row without a customer and one without a time.
    assert said[0].startswith("sales.csv: 2 of 5 rows left out; the first: line 5: ")


def test_a_file_without_an_event_is_refused_with_what_to_name(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("customer,product_id,time,invoice\n")
    with pytest.raises(DataError, match=r"sales.csv: no row is an event; name columns with --event-map"):
        read_event_file(file, MAP, "purchase-complete", ignore, ignore)


def test_messages_name_the_option_of_this_command(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("customer,product_id,time\n")
    with pytest.raises(DataError, match=r"user_id or visitor_id \(--event-map user_id=COLUMN\)"):
        read_event_file(file, [], "purchase-complete", ignore, ignore)
    with pytest.raises(InvalidInputError, match=r"^--event-map: must be FIELD=COLUMN, got 'user_id'; .*--event-map"):
        read_event_file(file, ["user_id"], "purchase-complete", ignore, ignore)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--state", "sqlite:x", "--event-map", "user_id=customer"], "say how to read --events FILE"),
        (["--state", "sqlite:x", "--event-type", "purchase-complete"], "say how to read --events FILE"),
        (["--events", "x.csv", "--map", "user_id=customer"], "those of --events are named by --event-map"),
    ],
)
def test_what_is_said_of_a_file_that_is_not_given_is_refused(tmp_path: Path, given: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["ranker", "--catalog", str(tmp_path), *given], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_one_log_is_learned_from(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["ranker", "--catalog", str(tmp_path), "--state", "sqlite:x", "--events", "x.csv"], env={"COLUMNS": "200"}
    )
    assert result.exit_code == 2
    assert "give --events FILE or --state URL, not both" in " ".join(result.output.split())
    result = CliRunner().invoke(app, ["ranker", "--catalog", str(tmp_path)], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "give --state or --events, --judgements, or both" in " ".join(result.output.split())
