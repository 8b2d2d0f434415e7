"""What is sent: each kind of request that a shop's server gets, from the shop's own words, products and shoppers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mercato.errors import InvalidInputError

if TYPE_CHECKING:
    from mercato_client.contract import ModelSpec, TensorSpec

Values = Mapping[str, str | int]
"""One request: tensor name -> its one element; a tensor that is not named is sent as unset."""

VISITOR = "mercato-bench"
"""Begins the id of every visitor that a benchmark makes up."""
_STRANGERS = 50_000
WRITING_VISITORS = 4
"""Made-up visitors that events are written of: few, because each is erased by its id."""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What requests are made of.

    Attributes:
        queries: what shoppers search for, each once.
        product_ids: products that the shop has, each once.
        users: who is signed in, each once; empty where only strangers are asked for.
    """

    queries: Sequence[str] = ()
    product_ids: Sequence[str] = ()
    users: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class RequestSettings:
    """What all requests share.

    Attributes:
        page_size: products of a page.
        options: OPTIONS of each request that has any.
        run: names this run in what it makes up, so that no event of it is taken for one of another run.
    """

    page_size: int = 10
    options: Mapping[str, Any] = field(default_factory=dict)
    run: str = "run"

    def page(self, **options: Any) -> dict[str, str | int]:
        """Return the tensors of a page, with options of a workload that the caller's own go before."""
        merged = {**options, **self.options}
        page: dict[str, str | int] = {"PAGE_SIZE": self.page_size}
        return {**page, "OPTIONS": json.dumps(merged)} if merged else page


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One kind of request.

    Attributes:
        name: as it is asked for.
        model: the Triton model that answers.
        about: what it is, in a few words.
        subjects: what one request differs from the next by: queries, products or shoppers of a shop.
        make: writes a request: settings, its subject, its number in this run.
        writes: whether it changes the server's state.
    """

    name: str
    model: str
    about: str
    subjects: Callable[[Shop], Sequence[str]]
    make: Callable[[RequestSettings, str, int], Values]
    writes: bool = False


def _make_search(settings: RequestSettings, subject: str, number: int) -> Values:
    return {"QUERY": subject, **settings.page()}


def _make_plain_search(settings: RequestSettings, subject: str, number: int) -> Values:
    return {"QUERY": subject, **settings.page(rerank=False)}


def _make_recommend(settings: RequestSettings, subject: str, number: int) -> Values:
    who = "VISITOR_ID" if subject.startswith(VISITOR) else "USER_ID"
    return {"PLACEMENT": "home-page", who: subject, **settings.page()}


def _make_similar(settings: RequestSettings, subject: str, number: int) -> Values:
    return {"PLACEMENT": "product-page", "SEED_PRODUCT_IDS": json.dumps([subject]), **settings.page()}


def _make_event(settings: RequestSettings, subject: str, number: int) -> Values:
    event = {
        "event_type": "detail-page-view",
        "visitor_id": name_writing_visitor(settings.run, number),
        "product_id": subject,
        "event_id": f"{VISITOR}-{settings.run}-{number}",
    }
    return {"EVENTS": json.dumps([event])}


def name_writing_visitor(run: str, number: int) -> str:
    """Return the id of the visitor whom a written event is of."""
    return f"{VISITOR}-{run}-{number % WRITING_VISITORS}"


def list_writing_visitors(run: str) -> list[str]:
    """Return the ids of all visitors that a run writes events of: what has to be erased to undo it."""
    return [name_writing_visitor(run, number) for number in range(WRITING_VISITORS)]


def _list_queries(shop: Shop) -> Sequence[str]:
    return shop.queries


def _list_products(shop: Shop) -> Sequence[str]:
    return shop.product_ids


def _list_shoppers(shop: Shop) -> Sequence[str]:
    return shop.users or [f"{VISITOR}-stranger-{number}" for number in range(_STRANGERS)]


WORKLOADS: Mapping[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(
            name="search",
            model="search",
            about="first page of a search, without the reranker",
            subjects=_list_queries,
            make=_make_plain_search,
        ),
        Workload(
            name="rerank",
            model="search",
            about="the same read again by the reranker",
            subjects=_list_queries,
            make=_make_search,
        ),
        Workload(
            name="recommend",
            model="recommend",
            about="home page of a shopper",
            subjects=_list_shoppers,
            make=_make_recommend,
        ),
        Workload(
            name="similar",
            model="recommend",
            about="what is shown at the page of a product",
            subjects=_list_products,
            make=_make_similar,
        ),
        Workload(
            name="events",
            model="events",
            about="one page view written",
            subjects=_list_products,
            make=_make_event,
            writes=True,
        ),
    )
}
"""Every kind of request by name."""


def find_workload(name: str) -> Workload:
    """Return a workload by name.

    Raises:
        InvalidInputError: there is none of that name.
    """
    if name not in WORKLOADS:
        raise InvalidInputError("--workload", f"must be one of {', '.join(WORKLOADS)}, got {name!r}")
    return WORKLOADS[name]


def encode_request(model: ModelSpec, values: Values, *, timeout_s: float) -> bytes:
    """Return one request as it travels, a serialised ``ModelInferRequest`` of the inference protocol.

    Every input of the model is sent, as `mercato_client` does: Triton batches only requests with the same inputs.

    Args:
        model: what is asked.
        values: its tensors.
        timeout_s: seconds after which the server need not begin any more (Triton's request parameter ``timeout``).

    Raises:
        InvalidInputError: a required tensor is missing, or one that the model does not have is named.
    """
    from tritonclient.grpc import service_pb2

    unknown = sorted(set(values) - {spec.name for spec in model.inputs})
    if unknown:
        raise InvalidInputError(unknown[0], f"is no input of {model.name}")
    message = service_pb2.ModelInferRequest(model_name=model.name)
    message.parameters["timeout"].int64_param = max(1, round(timeout_s * 1e6))
    for spec in model.inputs:
        tensor = message.inputs.add(name=spec.name, datatype=spec.dtype)
        tensor.shape.extend([1, 1])
        message.raw_input_contents.append(_encode_element(model, spec, values.get(spec.name, spec.unset)))
    encoded: bytes = message.SerializeToString()
    return encoded


def _encode_element(model: ModelSpec, spec: TensorSpec, value: str | int | None) -> bytes:
    """Return one element of a tensor: little-endian, a text behind its length in bytes."""
    if value is None:
        raise InvalidInputError(spec.name, f"must be given to {model.name}")
    if isinstance(value, int):
        return value.to_bytes(4, "little", signed=True)
    text = value.encode()
    return len(text).to_bytes(4, "little") + text


def decode_details(answer: bytes) -> Mapping[str, Any]:
    """Return the details of an answer, or the result of a write; empty where it has none.

    Args:
        answer: a serialised ``ModelInferResponse``.
    """
    from tritonclient.grpc import service_pb2

    message = service_pb2.ModelInferResponse.FromString(answer)
    for tensor, content in zip(message.outputs, message.raw_output_contents, strict=False):
        if tensor.name in ("DETAILS", "RESULT"):
            document = json.loads(content[4:])
            return document if isinstance(document, Mapping) else {}
    return {}
