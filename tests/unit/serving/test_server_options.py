from pathlib import Path

import pytest

from mercato.errors import InvalidInputError
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.triton_models.registry import TRITON_MODELS


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(InvalidInputError) as caught:
        ServerOptions(
            ports=Ports(grpc=70000, http=-1),
            stop_timeout_s=0,
            state="mysql:x",
            stub_memory_bytes=1,
            stage_budgets_ms={"encoder": 0},
            source_weights={"astrology": 1.0},
        )
    message = str(caught.value)
    assert "stop_timeout_s must be above 0, given 0" in message
    assert "ports.grpc must be from 0 to 65535, given 70000" in message
    assert "ports.http must be from 0 to 65535, given -1" in message
    assert "state must begin with one of sqlite:, given 'mysql:x'" in message
    assert "stage budget: of encoder must be above 0 milliseconds, got 0" in message
    assert "weights of sources: 'astrology' is no source" in message
    assert "stub_memory_bytes must be at least 1048576 (1 MiB), given 1" in message


def test_models_without_what_they_need_are_not_served() -> None:
    everything = ServerOptions(
        catalog=Path("c"),
        encoder=Path("e"),
        ranker=Path("r"),
        reranker=Path("x"),
        sequence=Path("q"),
        state="sqlite:s",
    )
    assert everything.unserved_models == {"shard"}
    no_ranker_no_state = ServerOptions(catalog=Path("c"), encoder=Path("e"))
    assert no_ranker_no_state.unserved_models == {
        "ranker",
        "reranker",
        "sequence",
        "events",
        "catalog",
        "profile",
        "shard",
    }
    nothing = ServerOptions()
    assert nothing.unserved_models == {model.name for model in TRITON_MODELS}
    assert {"search", "recommend", "suggest", "retriever"} <= nothing.unserved_models


def test_engines_lie_in_the_models_folders_unless_given() -> None:
    options = ServerOptions(encoder=Path("e"), ranker=Path("r"), engines={"ranker": Path("elsewhere.plan")})
    assert options.all_engines == {"encoder": Path("e/model.plan"), "ranker": Path("elsewhere.plan")}
