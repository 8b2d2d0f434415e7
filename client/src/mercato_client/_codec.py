"""From arguments to tensors, and from tensors to results. Pure: no connection, no clock."""

import json
import operator
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any, NoReturn, cast

import numpy as np
from tritonclient.grpc import InferInput, InferResult

from mercato_client._document import REMEDY, Document
from mercato_client.contract import ModelSpec, TensorSpec
from mercato_client.errors import InvalidArgumentError, ProtocolError
from mercato_client.types import (
    Bundle,
    BundleProduct,
    Condition,
    Explanation,
    Facet,
    FacetValue,
    Interval,
    Product,
    Profile,
    Rejection,
    ResultPage,
    Statement,
    Suggestion,
    Variant,
    WriteResult,
)

_INT32 = np.iinfo(np.int32)


def encode_inputs(model: ModelSpec, values: Mapping[str, object]) -> list[InferInput]:
    """Return the tensors of one request, shape [1, 1] each.

    Args:
        model: the model to be asked.
        values: tensor name -> value: str for a text, int for a count, a mapping becomes JSON. What is None is sent as
            unset, so that all requests have the same inputs and can share a batch.

    Raises:
        InvalidArgumentError: a value cannot be sent.
    """
    return [
        _encode_unset(spec) if values.get(spec.name) is None else _encode(spec, values[spec.name])
        for spec in model.inputs
    ]


@cache
def _encode_unset(spec: TensorSpec) -> InferInput:
    """The tensor of an input that was not given: one for all requests, which only read it."""
    return _encode(spec, spec.unset)


def _encode(spec: TensorSpec, value: object) -> InferInput:
    parameter = spec.name.lower()
    if spec.dtype == "INT32":
        data = np.array([[_to_int32(parameter, value)]], dtype=np.int32)
    else:
        text = _to_json(parameter, value) if isinstance(value, Mapping) else value
        if not isinstance(text, str):
            raise InvalidArgumentError(f"{parameter}: must be text, is {value!r}", parameter=parameter)
        try:
            data = np.array([[text.encode()]], dtype=np.object_)
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(
                f"{parameter}: must be valid Unicode, has a lone surrogate ({error}); decode the text it came from "
                "with errors='replace'",
                parameter=parameter,
            ) from error
    tensor = InferInput(spec.name, list(data.shape), spec.dtype)
    tensor.set_data_from_numpy(data)
    return tensor


def _to_int32(parameter: str, value: object) -> int:
    try:
        number = operator.index(cast("Any", value))
    except TypeError as error:
        raise InvalidArgumentError(f"{parameter}: must be a whole number, is {value!r}", parameter=parameter) from error
    if not _INT32.min <= number <= _INT32.max:
        raise InvalidArgumentError(f"{parameter}: must fit 32 bits, is {number}", parameter=parameter)
    return number


def _to_json(parameter: str, value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_simplify)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(
            f"{parameter}: must be expressible in JSON: {error}; NaN and infinity are not, None is", parameter=parameter
        ) from error


def encode_list(parameter: str, elements: Iterable[object]) -> str:
    """Return a JSON array; an element that JSON cannot express is named by its index.

    Args:
        parameter: name of the parameter, for messages.
        elements: its elements.

    Raises:
        InvalidArgumentError: an element cannot be expressed in JSON, or ``elements`` is one thing and not several.
    """
    if isinstance(elements, str | bytes | Mapping):
        raise InvalidArgumentError(
            f"{parameter}: must be a list, is one {type(elements).__name__}; put it into a list", parameter=parameter
        )
    return f"[{','.join(_to_json(f'{parameter}[{index}]', element) for index, element in enumerate(elements))}]"


def _simplify(value: object) -> object:
    """What JSON has for values that Python programs often hold."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.isoformat()
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def decode_page(model: ModelSpec, answer: InferResult, first_rank: int) -> ResultPage:
    """Return the page of products in an answer of ``search`` or ``recommend``.

    Args:
        model: the model that answered.
        answer: PRODUCT_ID BYTES [1, n], SCORE FP32 [1, n], DETAILS BYTES [1, 1].
        first_rank: rank of the first product, offset + 1.

    Raises:
        ProtocolError: an output is missing, malformed, or not aligned with the others.
    """
    ids = [_to_text(model, "PRODUCT_ID", value) for value in _read_output(model, answer, "PRODUCT_ID")]
    scores = _read_output(model, answer, "SCORE")
    details = Document(f"{model.name}: DETAILS", _read_json(model, answer, "DETAILS"))
    documents = details.objects("results")
    if not len(ids) == len(scores) == len(documents):
        details.fail(f"{len(ids)} PRODUCT_ID, {len(scores)} SCORE and {len(documents)} results do not belong together")
    products = []
    for position, (id_, score, document) in enumerate(zip(ids, scores, documents, strict=True)):
        if document.fields.get("id", id_) != id_:
            document.fail(f"result {position} is of {document.fields['id']!r}, PRODUCT_ID there is {id_!r}")
        products.append(_read_product(document, id_, float(score), first_rank + position))
    return ResultPage(
        results=tuple(products),
        total=details.integer("total"),
        match=details.text("match"),
        token=details.text("token") or "",
        page_token=details.text("page_token") or "",
        missing_ids=details.texts("missing_ids"),
        variant_products=details.mapping("variant_products"),
        degraded=details.texts("degraded"),
        facets=tuple(_read_facet(facet) for facet in details.optional_objects("facets")),
        bundles=tuple(_read_bundle(bundle) for bundle in details.optional_objects("bundles")),
        corrected_query=details.text("corrected_query"),
        corrected_applied=details.flag("corrected_applied"),
        conditions=tuple(_read_condition(one) for one in details.optional_objects("conditions")),
        timings=details.numbers("timings"),
        details=details.fields,
    )


def _read_bundle(document: Document) -> Bundle:
    explanation = document.member("explanation")
    return Bundle(
        products=tuple(_read_bundle_product(product) for product in document.objects("products")),
        people=document.integer("people"),
        share=document.number("share") or 0.0,
        price=document.number("price"),
        currency=document.text("currency"),
        explanation="" if explanation is None else explanation.text("text") or "",
    )


def _read_bundle_product(document: Document) -> BundleProduct:
    return BundleProduct(
        id=document.text("id") or "",
        added=document.flag("added"),
        title=document.text("title") or "",
        price=document.number("price"),
        currency=document.text("currency"),
        availability=document.text("availability"),
        variant=_read_variant(document.member("variant")),
        fields=document.fields,
    )


def _read_condition(document: Document) -> Condition:
    return Condition(
        text=document.text("text") or "",
        start=document.integer("start"),
        end=document.integer("end"),
        type=document.text("type") or "",
        effect=document.text("effect") or "",
        status=document.text("status") or "",
        field=document.text("field") or "",
        filter=document.text("filter") or "",
        reason=document.text("reason") or "",
    )


def _read_product(document: Document, id_: str, score: float, rank: int) -> Product:
    return Product(
        id=id_,
        score=score,
        rank=rank,
        title=document.text("title") or "",
        price=document.number("price"),
        currency=document.text("currency"),
        brand=document.text("brand"),
        categories=document.texts("categories"),
        availability=document.text("availability"),
        attributes=document.mapping("attributes"),
        sources=document.texts("sources"),
        reasons=document.texts("reasons"),
        variant=_read_variant(document.member("variant")),
        variants=document.texts("variants"),
        pinned=document.flag("pinned"),
        beyond=document.flag("beyond"),
        purchase_probability=document.number("purchase_probability"),
        explanation=_read_explanation(document.member("explanation")),
        fields=document.fields,
    )


def _read_variant(document: Document | None) -> Variant | None:
    if document is None:
        return None
    return Variant(
        id=document.text("id") or "",
        title=document.text("title"),
        price=document.number("price"),
        availability=document.text("availability"),
        attributes=document.mapping("attributes"),
        image_uri=document.text("image_uri"),
        uri=document.text("uri"),
    )


def _read_explanation(document: Document | None) -> Explanation | None:
    if document is None:
        return None
    return Explanation(
        text=document.text("text") or "",
        stages=document.mapping("stages"),
        matched=document.mapping("matched"),
        features=tuple(feature.fields for feature in document.optional_objects("features")),
        fields=document.fields,
    )


def _read_facet(document: Document) -> Facet:
    return Facet(
        key=document.text("key") or "",
        values=tuple(_read_facet_value(value) for value in document.objects("values")),
        distinct=None if document.fields.get("distinct") is None else document.integer("distinct"),
        minimum=document.number("minimum"),
        maximum=document.number("maximum"),
    )


def _read_facet_value(document: Document) -> FacetValue:
    interval = document.member("interval")
    return FacetValue(
        count=document.integer("count"),
        value=document.text("value"),
        interval=None
        if interval is None
        else Interval(**{bound.name: interval.number(bound.name) for bound in fields(Interval)}),
        minimum=document.number("minimum"),
        maximum=document.number("maximum"),
    )


def decode_suggestions(model: ModelSpec, answer: InferResult) -> tuple[Suggestion, ...]:
    """Return the suggestions in an answer.

    Args:
        model: the model that answered.
        answer: SUGGESTION BYTES [1, n], SCORE FP32 [1, n], DETAILS BYTES [1, 1].

    Raises:
        ProtocolError: an output is missing, malformed, or not aligned with the others.
    """
    found = [_to_text(model, "SUGGESTION", value) for value in _read_output(model, answer, "SUGGESTION")]
    scores = _read_output(model, answer, "SCORE")
    details = Document(f"{model.name}: DETAILS", _read_json(model, answer, "DETAILS"))
    kinds = details.texts("kinds")
    if not len(found) == len(scores) == len(kinds):
        details.fail(f"{len(found)} SUGGESTION, {len(scores)} SCORE and {len(kinds)} kinds do not belong together")
    return tuple(
        Suggestion(text=text, score=float(score), kind=kind)
        for text, score, kind in zip(found, scores, kinds, strict=True)
    )


def decode_profile(model: ModelSpec, answer: InferResult) -> Profile:
    """Return the profile in an answer.

    Args:
        model: the model that answered.
        answer: RESULT BYTES [1, 1].

    Raises:
        ProtocolError: the output is missing or malformed.
    """
    result = Document(f"{model.name}: RESULT", _read_json(model, answer, "RESULT"))
    return Profile(
        statements=tuple(_read_statement(one) for one in result.objects("statements")),
        total=result.integer("total"),
        left_out=int(result.number("left_out") or 0),
    )


def _read_statement(document: Document) -> Statement:
    return Statement(
        id=document.text("id") or "",
        statement=document.text("statement") or "",
        says=document.text("says") or "",
        text=document.text("text") or "",
        product_id=document.text("product_id") or "",
        title=document.text("title") or "",
        name=document.text("name") or "",
        count=document.integer("count"),
        first_time=document.text("first_time"),
        last_time=document.text("last_time"),
        rating=document.number("rating"),
        weight=document.number("weight"),
        evidence=tuple(event.fields for event in document.optional_objects("events")),
        rests_on=document.texts("rests_on"),
        forget=tuple(event.fields for event in document.optional_objects("forget")),
        fields=document.fields,
    )


def decode_write(model: ModelSpec, answer: InferResult) -> WriteResult:
    """Return what became of a write.

    Args:
        model: the model that answered.
        answer: RESULT BYTES [1, 1].

    Raises:
        ProtocolError: the output is missing or malformed.
    """
    result = Document(f"{model.name}: RESULT", _read_json(model, answer, "RESULT"))
    return WriteResult(
        accepted=result.integer("accepted"),
        rejected=tuple(
            Rejection(index=item.integer("index"), reason=item.text("reason") or "")
            for item in result.objects("rejected")
        ),
        sequence=result.integer("sequence"),
        unchanged=int(result.number("unchanged") or 0),
    )


def _read_output(model: ModelSpec, answer: InferResult, name: str) -> list[Any]:
    """The elements of one output of a single request; a missing one is an error (Triton's cache can lose them)."""
    spec = next(spec for spec in model.outputs if spec.name == name)
    header = answer.get_output(name)
    if header is None:
        raise ProtocolError(f"{model.name}: the answer has no output {name}; {REMEDY}")
    try:
        values = answer.as_numpy(name)
    except Exception as error:  # tritonclient lets struct, numpy and its own errors through
        raise ProtocolError(f"{model.name}: output {name} cannot be read ({error}); {REMEDY}") from error
    shape = (1, *spec.dims)
    if header.datatype != spec.dtype or not _fits(values.shape, shape):
        raise ProtocolError(
            f"{model.name}: output {name} must be {spec.dtype} {list(shape)}, is {header.datatype} "
            f"{list(values.shape)}; {REMEDY}"
        )
    return list(values[0])


def _fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(shape) == len(expected) and all(want in (-1, size) for size, want in zip(shape, expected, strict=True))


def _read_json(model: ModelSpec, answer: InferResult, name: str) -> object:
    text = _to_text(model, name, _read_output(model, answer, name)[0])
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{model.name}: output {name} is not JSON ({error}); {REMEDY}") from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _to_text(model: ModelSpec, name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"{model.name}: output {name} is not UTF-8 ({error}); {REMEDY}") from error
