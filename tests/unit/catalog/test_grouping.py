"""Rows of one product are joined alike, whether they follow one another or lie apart."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercato.catalog import read as reading
from mercato.catalog.grouping import are_runs
from mercato.catalog.problems import ProductReport
from mercato.catalog.product import Product
from mercato.incoming import Rejected

ROWS = st.lists(st.tuples(st.sampled_from(["", "A", "B", "C"]), st.sampled_from(["red", "blue", ""])), min_size=1)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [([], True), (["A", "A", "B"], True), (["A", "B", "A"], False), (["A", "", "A"], False), (["", "A", ""], True)],
)
def test_groups_that_lie_together(groups: list[str], expected: bool) -> None:
    assert are_runs(groups) is expected


def read_rows(path: Path, rows: list[tuple[str, str]]) -> tuple[list[Product | Rejected], ProductReport]:
    lines = [f"a{at},{group},Mug {group},{colour}" for at, (group, colour) in enumerate(rows)]
    path.write_text("\n".join(["id,model,title,colour", *lines, "broken,row,of,too,many"]), encoding="utf-8")
    report = ProductReport()
    file = reading.open_products(path, group_by="model")
    return [item for batch in file.read(report) for item in batch], report


@settings(deadline=None)
@given(rows=ROWS)
def test_products_are_the_same_run_by_run(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("groups") / "products.csv"
    rows.sort()
    with pytest.MonkeyPatch.context() as patch:
        run_by_run = read_rows(path, rows)
        patch.setattr(reading, "are_runs", lambda groups: False)
        at_once = read_rows(path, rows)
    assert run_by_run == at_once
    assert run_by_run[1].joined == sum(rows.count((group, colour)) for group, colour in set(rows) if group) - len(
        {group for group, _ in rows if group}
    )
