"""Health checks: what is asked, and that the answer is the truth."""

import grpc
import pytest

from tests.unit.client.canned_triton import PAGE, failing, page

MODELS = {"search": True, "recommend": True, "events": True, "catalog": True}


@pytest.fixture
def healthy(triton):
    well = page({**PAGE, "degraded": []})
    triton.replies.update({name: lambda request, context: well for name in ("search", "recommend")})
    return triton


def test_all_is_well(healthy, connect):
    health = connect(healthy.address).health()
    assert health.ok
    assert (health.live, health.ready, health.models, health.problems) == (True, True, MODELS, {})


def test_the_canaries_are_small(healthy, connect):
    connect(healthy.address).health()
    search, recommend = healthy.received
    assert (search.model, search.values["QUERY"], search.values["PAGE_SIZE"]) == ("search", "a", 1)
    assert (recommend.model, recommend.values["PLACEMENT"], recommend.values["PAGE_SIZE"]) == (
        "recommend",
        "home-page",
        1,
    )


def test_canaries_have_the_time_that_is_left(healthy, connect):
    connect(healthy.address).health(timeout_s=4)
    search, recommend = healthy.received
    assert 0 < recommend.timeout_us < search.timeout_us < 4_000_000


def test_without_canaries_nothing_is_searched(healthy, connect):
    assert connect(healthy.address).health(canary=False).ok
    assert healthy.received == []


def test_a_dead_process_behind_a_ready_model(healthy, connect):
    healthy.replies["search"] = failing(grpc.StatusCode.INTERNAL, "Stub process 'search_0_0' is not healthy.")
    client = connect(healthy.address)
    health = client.health()
    assert not health.ok
    assert health.models == {**MODELS, "search": False}
    assert "is not healthy" in health.problems["search"]
    assert client.health(canary=False).ok  # what Triton believes


def test_a_stage_that_is_left_out(healthy, connect):
    healthy.replies["recommend"] = lambda request, context: page()
    health = connect(healthy.address).health()
    assert health.ok
    assert health.problems == {"recommend": "answers without ranker"}


def test_a_model_that_is_not_loaded(healthy, connect):
    healthy.unready_models = {"recommend", "events"}
    health = connect(healthy.address).health()
    assert not health.ok
    assert health.models == {**MODELS, "recommend": False, "events": False}
    assert health.problems == {"recommend": "is not ready", "events": "is not ready"}
    assert [request.model for request in healthy.received] == ["search"]


def test_shoppers_are_served_without_writing(healthy, connect):
    healthy.unready_models = {"events", "catalog"}
    assert connect(healthy.address).health().ok


def test_a_server_that_starts(healthy, connect):
    healthy.ready = False
    health = connect(healthy.address).health()
    assert (health.ok, health.live, health.ready) == (False, True, False)
    assert health.problems == {"server": "is not ready"}


def test_no_server_is_an_answer(start_triton, connect):
    gone = start_triton()
    gone.stop()
    health = connect(gone.address).health()
    assert (health.ok, health.live, health.ready, health.models) == (False, False, False, {})
    assert "no server takes the call" in health.problems["server"]


def test_the_time_is_for_all_questions_together(healthy, connect):
    healthy.replies["search"] = healthy.hang
    health = connect(healthy.address).health(timeout_s=1)
    assert health.models == {**MODELS, "search": False, "recommend": False}
    assert "no answer within the time allowed" in health.problems["search"]
    assert [request.model for request in healthy.received] == ["search"]
    assert "the time for the whole check was up" in health.problems["recommend"]
