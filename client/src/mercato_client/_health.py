"""What a health check asks, and what it makes of the answers; asking is left to the clients."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

from mercato_client._calls import Call, call_recommend, call_search
from mercato_client.contract import CATALOG, EVENTS, RECOMMEND, SEARCH
from mercato_client.errors import MercatoClientError
from mercato_client.types import Health, ResultPage


@dataclass(frozen=True, kw_only=True)
class ServerQuestion:
    """Is the server live, or ready?

    Attributes:
        method: tritonclient's method for it.
    """

    method: str


@dataclass(frozen=True, kw_only=True)
class ModelQuestion:
    """Is this model ready?

    Attributes:
        model: its name.
    """

    model: str


Question: TypeAlias = ServerQuestion | ModelQuestion | Call[ResultPage]
Reply: TypeAlias = bool | ResultPage | MercatoClientError

_MODELS = (SEARCH.name, RECOMMEND.name, EVENTS.name, CATALOG.name)


def ask_health(*, canary: bool, timeout_s: float) -> Generator[Question, Reply, Health]:
    """Yield one question after the other, take the reply to each, and return the verdict.

    Args:
        canary: whether ``search`` and ``recommend`` must answer a request, and not just be called ready.
        timeout_s: seconds for a canary request; the caller may allow less.
    """
    models: dict[str, bool] = {}
    problems: dict[str, str] = {}
    live = _note("server", (yield ServerQuestion(method="is_server_live")), "is not live", problems)
    if not live:
        return Health(live=False, ready=False, models=models, problems=problems)
    ready = _note("server", (yield ServerQuestion(method="is_server_ready")), "is not ready", problems)
    for model in _MODELS:
        models[model] = _note(model, (yield ModelQuestion(model=model)), "is not ready", problems)
    if canary:
        for call in _build_canaries(timeout_s):
            if models[call.model]:
                models[call.model] = _note(call.model, (yield call), "gave no page", problems)
    return Health(live=live, ready=ready, models=models, problems=problems)


def _note(name: str, reply: Reply, problem: str, problems: dict[str, str]) -> bool:
    """Whether ``reply`` is a good one; says in ``problems`` what is not well."""
    if isinstance(reply, MercatoClientError):
        problems[name] = str(reply)
        return False
    if isinstance(reply, ResultPage):
        if reply.degraded:
            problems[name] = f"answers without {', '.join(reply.degraded)}"
        return True
    if not reply:
        problems[name] = problem
    return reply


def _build_canaries(timeout_s: float) -> list[Call[ResultPage]]:
    nobody = {"user_id": None, "visitor_id": None, "filter": None, "offset": None, "context": None, "options": None}
    return [
        call_search("a", page_size=1, timeout_s=timeout_s, **nobody),
        call_recommend("home-page", seed_product_ids=None, page_size=1, timeout_s=timeout_s, **nobody),
    ]
