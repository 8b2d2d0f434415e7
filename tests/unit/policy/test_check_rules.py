"""Rules against a catalogue: what is not there is named, and stops nothing."""

import logging
from pathlib import Path

import pytest

from mercato.errors import DataError
from mercato.index.live import LiveCatalog
from mercato.policy.rules import RuleFile, list_unknown
from mercato.serving.options import ServerOptions
from mercato.serving.preflight import check_inputs, check_rules


def test_what_is_there_gives_no_hints(catalog: LiveCatalog) -> None:
    rules = {
        "blocked": ["p01"],
        "filter": "price >= 0",
        "rules": [{"query": "tea", "pins": [{"product": "p02", "position": 1}], "blocked": ["p03"]}],
    }
    assert list_unknown(RuleFile.model_validate(rules), catalog.snapshot.columns) == []


def test_unknown_products_and_fields_are_named_with_their_places(catalog: LiveCatalog) -> None:
    rules = {
        "blocked": [f"x{number:02d}" for number in range(12)],
        "boosts": [{"condition": "price > 1", "boost": 1}, {"condition": "weather > 1", "boost": 1}],
        "rules": [
            {"query": "tea", "filter": "brand > 5", "pins": [{"product": "p02", "position": 1}]},
            {"query": "milk", "blocked": ["x00", "p03"]},
        ],
    }
    products, boost, condition = list_unknown(RuleFile.model_validate(rules), catalog.snapshot.columns)
    assert products.startswith("12 of 14 products are not in the catalogue: 'x00', 'x01'")
    assert products.endswith("'x09' and 2 more")
    assert boost.startswith("boosts.1.condition is left out until it fits the catalogue: FILTER: ")
    assert "unknown field 'weather'" in boost
    assert condition.startswith("rules.0.filter is left out")
    assert "brand holds texts" in condition


def test_the_server_warns_before_it_starts(policy_snapshot: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_rules(RuleFile.model_validate({"blocked": ["gone"]}), policy_snapshot)
    assert caplog.messages == ["rules: 1 of 1 products are not in the catalogue: 'gone'"]


def test_a_broken_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text('{"rules": [{"query": "tea", "position": 1}]}')
    with pytest.raises(DataError, match="rules.0.position: Extra inputs are not permitted"):
        check_inputs(ServerOptions(rules=path))
