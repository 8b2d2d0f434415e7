"""The document and the page of an evaluation, and its comparison with an earlier one."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from mercato.errors import DataError
from mercato.evaluation.compare import compare_runs, read_run
from mercato.evaluation.measures import measure_orders
from mercato.evaluation.page import find_worst
from mercato.evaluation.report import write_report
from mercato.evaluation.result import describe_evaluation
from mercato.evaluation.stages import order_by_stage
from tests.unit.evaluation.made_up import PLAN, RATINGS, answer, make_evaluation


def test_the_document_holds_means_intervals_and_every_query() -> None:
    document = describe_evaluation(make_evaluation())
    assert document["queries"] == 4
    first, second, third = (row["metrics"]["ndcg@10"] for row in document["per_query"][:3])
    assert document["metrics"]["ndcg@10"] == pytest.approx((first + second + third) / 3, abs=1e-6)
    assert (first, third, document["per_query"][3]["metrics"]["ndcg@10"]) == (1.0, 0.0, None)
    assert document["metrics"]["zero_result_share"] == 1 / 4
    assert document["metrics"]["coverage@2"] == 4 / 8  # a, b, c, x
    assert document["queries_of_metric"]["ndcg@10"] == 3
    json.dumps(document, allow_nan=False)


def test_the_seed_of_the_bootstrap_is_the_callers() -> None:
    evaluation = make_evaluation()
    evaluation.values = {"auc": np.random.default_rng(1).random(40)}
    first, again = (describe_evaluation(evaluation, per_question=False) for _ in range(2))
    evaluation.seed = 5
    other = describe_evaluation(evaluation, per_question=False)
    assert first["intervals"] == again["intervals"]
    assert first["metrics"] == other["metrics"]
    assert first["intervals"]["auc"] != other["intervals"]["auc"]
    assert other["settings"]["seed"] == 5


def test_what_each_source_found_and_what_is_said_stand_on_the_page(tmp_path: Path) -> None:
    evaluation = make_evaluation(
        kind="recommend",
        sources={"repeat": {"shown_share": 0.75, "right_share": None, "precision": 0.125}},
        reasons={
            "users": 4, "results": 8, "sentence_share": 1.0, "event_share": 0.5, "true_share": None,
            "by_source": {"repeat": 0.25},
            "samples": [{"user": "<u>", "product_id": "a", "title": "tea", "text": "you bought it"}],
        },
    )  # fmt: skip
    page = write_report(tmp_path, evaluation, describe_evaluation(evaluation)).read_text(encoding="utf-8")
    for text in ("What each source found", "0.7500", "0.1250", "because of repeat", "you bought it", "&lt;u&gt;"):
        assert text in page


def test_stages_are_ordered_by_their_own_ranks() -> None:
    answers = [answer("a", "b", "x")]
    assert order_by_stage(answers, answers) == {
        "words": [["a", "b", "x"]],
        "dense": [["x", "b", "a"]],
        "shown": [["a", "b", "x"]],
    }
    values = measure_orders(RATINGS[:1], order_by_stage(answers, answers)["dense"], PLAN)
    assert values["mrr"][0] == pytest.approx(1 / 2)


def test_without_explanations_there_are_no_stages() -> None:
    assert order_by_stage([answer()], [answer()]) == {}


def test_the_page_stands_alone_and_shows_texts_as_texts(tmp_path: Path) -> None:
    evaluation = make_evaluation(warnings=["<script>alert(1)</script>"])
    page = write_report(tmp_path / "r", evaluation, describe_evaluation(evaluation)).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;b&gt;mug&lt;/b&gt;" in page
    assert "&lt;a&gt; &amp; co" in page
    identifiers = re.findall(r' id="([^"]+)"', page)
    named = [name for name in identifiers if not re.fullmatch(r"[pmhC][0-9a-f_]+", name)]
    assert len(named) == len(set(named))
    assert page.count('<svg role="img" aria-label=') == page.count("<svg ")
    assert "src=" not in page and "href=" not in page.replace("xlink:href=", "")
    for name in ("metrics", "stages", "wins-and-losses", "distribution"):
        assert ET.parse(tmp_path / "r" / f"{name}.svg").getroot().tag.endswith("svg")
        assert (tmp_path / "r" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "r" / "report.json").read_text())["kind"] == "search"


def test_the_worst_come_first_and_what_cannot_be_measured_not_at_all() -> None:
    assert find_worst(make_evaluation()) == [2, 1, 0]


def test_an_evaluation_in_which_nothing_can_be_measured_still_has_a_page(tmp_path: Path) -> None:
    evaluation = make_evaluation(answer(), answer(), answer(), answer(), stages={})
    evaluation.values = measure_orders([{}] * 4, [[]] * 4, PLAN)
    evaluation.ratings = [{}] * 4
    assert write_report(tmp_path, evaluation, describe_evaluation(evaluation)).is_file()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    evaluation = make_evaluation()
    with pytest.raises(DataError, match="cannot be written"):
        write_report(tmp_path / "file", evaluation, describe_evaluation(evaluation))


def test_two_runs_are_compared_query_by_query(tmp_path: Path) -> None:
    earlier = make_evaluation(answer("x", "a", "b"), answer("c", "a"), answer("d"), answer("x"))
    write_report(tmp_path, earlier, describe_evaluation(earlier))
    compared = compare_runs(make_evaluation(), read_run(tmp_path, "search"), "before")
    gain = compared["gain"]["mrr"]
    # ours 1, 1/2, 0; theirs 1/2, 1/2, 1
    assert gain["difference"] == pytest.approx((1 / 2 + 0 - 1) / 3, abs=1e-6)
    assert (gain["wins"], gain["losses"], gain["ties"], gain["queries"]) == (1, 1, 1, 3)
    assert compared["warnings"] == []


def test_runs_that_were_measured_differently_say_so(tmp_path: Path) -> None:
    earlier = make_evaluation(settings={"relevant": 2}, counts={"ratings": 4}, labels=["tea", "cup", "pot", "jug"])
    write_report(tmp_path, earlier, describe_evaluation(earlier))
    warnings = " ".join(compare_runs(make_evaluation(), read_run(tmp_path, "search"), "before")["warnings"])
    assert "2 queries are in one of the two runs only; 3 were compared" in warnings
    assert "differ in relevant: 1 here, 2 there" in warnings
    assert "different ratings" in warnings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a report"),
        ("{}", "no figures by query"),
        ('{"kind": "recommend", "schema": 1, "per_query": []}', "must be a report of `mercato eval search`"),
    ],
)
def test_what_is_no_earlier_run_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_run(file, "search")


def test_runs_without_a_common_query_are_refused(tmp_path: Path) -> None:
    earlier = make_evaluation(labels=["1", "2", "3", "4"])
    write_report(tmp_path, earlier, describe_evaluation(earlier))
    with pytest.raises(DataError, match="no query of it is among the 4"):
        compare_runs(make_evaluation(), read_run(tmp_path, "search"), "before")
