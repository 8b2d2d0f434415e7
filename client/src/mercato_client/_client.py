"""The client for ordinary, blocking programs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from mercato_client._base import DEFAULT_SERVER, ClientBase, Countdown
from mercato_client._calls import (
    PRODUCT_PLACEMENT,
    RANK_PLACEMENT,
    Answer,
    Call,
    call_forget,
    call_profile,
    call_recommend,
    call_search,
    call_suggest,
    call_write_catalog,
    call_write_events,
    delete_operations,
    patch_operations,
    upsert_operations,
)
from mercato_client._health import ModelQuestion, Question, Reply, ask_health
from mercato_client._options import RecommendOptions, SearchOptions
from mercato_client._repeats import Attempts, Throttle
from mercato_client._translate import translate_error
from mercato_client.errors import ClientClosedError, MercatoClientError
from mercato_client.settings import Retries, Timeouts, Tls
from mercato_client.types import Health, JsonObject, Profile, ResultPage, Statement, Suggestion, WriteResult

if TYPE_CHECKING:  # Python 3.11 has it
    from typing import Unpack


class Client(ClientBase):
    """Search, recommendation and writing, over gRPC. Safe to share between threads; make one and keep it.

    Every call raises a ``MercatoClientError`` and nothing else when it fails: ``InvalidArgumentError``,
    ``DeadlineExceededError``, ``UnavailableError``, ``UnauthenticatedError``, ``ServerError``, ``ProtocolError`` or
    ``ClientClosedError``.

    Example:
        >>> with Client("127.0.0.1:8001") as client:                                         # doctest: +SKIP
        ...     for product in client.search("usb c charger", page_size=5).results:
        ...         logger.info("%d. %s", product.rank, product.title)
    """

    def __init__(
        self,
        servers: str | Sequence[str] = DEFAULT_SERVER,
        *,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        tls: Tls | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make a client; the parameters are those of ``ClientBase``."""
        super().__init__(servers, timeouts=timeouts, retries=retries, tls=tls, headers=headers)
        self._repeating = InferenceServerClient(**self._connection_arguments(repeating=True))
        self._once = InferenceServerClient(**self._connection_arguments(repeating=False))
        self._throttle = Throttle()

    def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        visitor_id: str | None = None,
        filter: str | None = None,
        page_size: int | None = None,
        offset: int | None = None,
        context: JsonObject | None = None,
        options: JsonObject | None = None,
        timeout_s: float | None = None,
        **named: Unpack[SearchOptions],
    ) -> ResultPage:
        """Find products by words and by meaning.

        Args:
            query: what a shopper typed.
            user_id: who is signed in, for personal results.
            visitor_id: who is not, as a cookie knows them; no personal data.
            filter: what products must satisfy, for example
                ``brand: ANY("Acme") AND price: IN(10, 50i) AND NOT availability: ANY("OUT_OF_STOCK")``.
            page_size: products wanted; 20 when not given.
            offset: products to skip, for the next page. Pages of one list that a client asks for one after the other
                repeat no product, whatever happens meanwhile.
            context: facts about the moment (device, time, region, language) as a JSON object.
            options: further settings of the answer as a JSON object.
            timeout_s: seconds allowed; by default ``timeouts.read_s``.
            named: settings of the answer by name: `SearchOptions`.

        Returns:
            The page; possibly shorter than asked for, possibly empty.
        """
        return self._run(
            call_search(
                query,
                user_id=user_id,
                visitor_id=visitor_id,
                filter=filter,
                page_size=page_size,
                offset=offset,
                context=context,
                options=options,
                timeout_s=self._read_timeout(timeout_s),
                pages=self._pages,
                **named,
            )
        )

    def suggest(
        self, prefix: str, *, limit: int | None = None, timeout_s: float | None = None
    ) -> tuple[Suggestion, ...]:
        """Complete what a shopper has typed so far, from the catalogue and from what others searched for.

        Args:
            prefix: the text in the search field.
            limit: most suggestions wanted; 10 when not given.
            timeout_s: seconds allowed; by default ``timeouts.read_s``.

        Returns:
            Whole queries, best first; possibly none.
        """
        return self._run(call_suggest(prefix, limit=limit, timeout_s=self._read_timeout(timeout_s)))

    def recommend(
        self,
        placement: str,
        *,
        user_id: str | None = None,
        visitor_id: str | None = None,
        seed_product_ids: Sequence[str] | None = None,
        filter: str | None = None,
        page_size: int | None = None,
        offset: int | None = None,
        context: JsonObject | None = None,
        options: JsonObject | None = None,
        timeout_s: float | None = None,
        **named: Unpack[RecommendOptions],
    ) -> ResultPage:
        """Recommend products for a placement in the shop. Unknown users and products are no error.

        Args:
            placement: ``home-page``, ``product-page``, ``cart``, ``category``, or ``rank``: see ``rank``.
            user_id: who is signed in.
            visitor_id: who is not, as a cookie knows them; no personal data.
            seed_product_ids: the product looked at, the cart's content; unknown ones are in ``missing_ids``.
            filter: as in ``search``.
            page_size: as in ``search``.
            offset: as in ``search``.
            context: as in ``search``.
            options: as in ``search``.
            timeout_s: as in ``search``.
            named: settings of the answer by name: `RecommendOptions`.
        """
        return self._run(
            call_recommend(
                placement,
                user_id=user_id,
                visitor_id=visitor_id,
                seed_product_ids=seed_product_ids,
                filter=filter,
                page_size=page_size,
                offset=offset,
                context=context,
                options=options,
                timeout_s=self._read_timeout(timeout_s),
                pages=self._pages,
                **named,
            )
        )

    def similar(
        self,
        product_id: str,
        *,
        user_id: str | None = None,
        visitor_id: str | None = None,
        filter: str | None = None,
        page_size: int | None = None,
        offset: int | None = None,
        kind: str | None = None,
        explain: bool | None = None,
        context: JsonObject | None = None,
        options: JsonObject | None = None,
        timeout_s: float | None = None,
    ) -> ResultPage:
        """Recommend for the page of one product: ``recommend("product-page", seed_product_ids=[product_id])``.

        Args:
            product_id: the product looked at.
            user_id: as in ``recommend``.
            visitor_id: as in ``recommend``.
            filter: as in ``search``.
            page_size: as in ``search``.
            offset: as in ``search``.
            kind: as in `RecommendOptions`.
            explain: as in `PageOptions`.
            context: as in ``search``.
            options: as in ``search``.
            timeout_s: as in ``search``.
        """
        return self.recommend(
            PRODUCT_PLACEMENT,
            user_id=user_id,
            visitor_id=visitor_id,
            seed_product_ids=[product_id],
            filter=filter,
            page_size=page_size,
            offset=offset,
            kind=kind,
            explain=explain,
            context=context,
            options=options,
            timeout_s=timeout_s,
        )

    def rank(
        self,
        product_ids: Sequence[str],
        *,
        user_id: str | None = None,
        visitor_id: str | None = None,
        filter: str | None = None,
        explain: bool | None = None,
        context: JsonObject | None = None,
        options: JsonObject | None = None,
        timeout_s: float | None = None,
    ) -> ResultPage:
        """Order a list of products for a shopper: ``recommend("rank", seed_product_ids=product_ids)``.

        Args:
            product_ids: at most 500; a repeated one counts once. Unknown ones end the page and are in ``missing_ids``.
            user_id: as in ``recommend``.
            visitor_id: as in ``recommend``.
            filter: what fails it is left out; of unknown products it says nothing.
            explain: as in `PageOptions`.
            context: as in ``search``.
            options: as in ``search``.
            timeout_s: as in ``search``.
        """
        return self.recommend(
            RANK_PLACEMENT,
            user_id=user_id,
            visitor_id=visitor_id,
            seed_product_ids=product_ids,
            filter=filter,
            explain=explain,
            context=context,
            options=options,
            timeout_s=timeout_s,
        )

    def profile(
        self,
        *,
        user_id: str | None = None,
        visitor_id: str | None = None,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> Profile:
        """Tell what is known of a shopper, and what takes each statement back.

        Args:
            user_id: who is signed in.
            visitor_id: who is not; one of the two must be given.
            limit: most statements, 1 to 10,000; 200 when not given.
            timeout_s: as in ``search``.

        Returns:
            The profile; without statements where nothing is known.
        """
        return self._run(
            call_profile(user_id=user_id, visitor_id=visitor_id, limit=limit, timeout_s=self._read_timeout(timeout_s))
        )

    def forget(self, statements: Iterable[Statement], *, timeout_s: float | None = None) -> WriteResult:
        """Take back statements of a profile: from the next request on they count for nothing.

        Args:
            statements: of a ``profile``. Taken back twice they are taken back once; what is done later counts again.
            timeout_s: as in ``write_events``.

        Returns:
            As of ``write_events``; an element is an event that forgets.
        """
        return self._run(call_forget(statements, timeout_s=self._write_timeout(timeout_s)))

    def write_events(self, events: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """Write what users did: searches, views, purchases.

        Args:
            events: JSON objects with ``event_type``, ``user_id`` or ``visitor_id``, mostly ``product_id``, and possibly
                ``time``, ``quantity``, ``price``, ``order_id``, ``event_id``, ``context``. A time may be a ``datetime``
                with a time zone. An event without ``event_id`` gets one (see ``assign_event_ids``), so that a repeat
                counts it once.
            timeout_s: seconds allowed; by default ``timeouts.write_s``.

        Returns:
            How many were accepted, and why the others were not.
        """
        return self._run(call_write_events(events, timeout_s=self._write_timeout(timeout_s)))

    def write_catalog(self, operations: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """Change the catalogue by operations of different kinds, in their order. Never repeated by itself.

        Args:
            operations: ``{"operation": "upsert" | "patch", "product": {...}}``, ``{"operation": "delete", "id": ...}``.
            timeout_s: seconds allowed; by default ``timeouts.write_s``.

        Returns:
            How many were accepted, and why the others were not.
        """
        return self._run(call_write_catalog(operations, timeout_s=self._write_timeout(timeout_s)))

    def upsert_products(self, products: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """Add products, or replace those with the same ids as a whole.

        Args:
            products: JSON objects with at least ``id`` and ``title``.
            timeout_s: as in ``write_catalog``.
        """
        return self.write_catalog(upsert_operations(products), timeout_s=timeout_s)

    def patch_products(self, products: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """Change some fields of products, and leave the others.

        Args:
            products: JSON objects with ``id`` and the fields to change.
            timeout_s: as in ``write_catalog``.
        """
        return self.write_catalog(patch_operations(products), timeout_s=timeout_s)

    def delete_products(self, product_ids: Iterable[str], *, timeout_s: float | None = None) -> WriteResult:
        """Remove products.

        Args:
            product_ids: their ids.
            timeout_s: as in ``write_catalog``.
        """
        return self.write_catalog(delete_operations(product_ids), timeout_s=timeout_s)

    def health(self, *, canary: bool = True, timeout_s: float | None = None) -> Health:
        """Ask whether the shop is served. Answers, and does not raise, when no server can be reached.

        Args:
            canary: also send one small ``search`` and ``recommend``; without it a dead model may pass for a ready one.
            timeout_s: seconds for the whole check; by default ``timeouts.health_s``.
        """
        allowed_s = self._health_timeout(timeout_s)
        countdown = Countdown(allowed_s)
        check = ask_health(canary=canary, timeout_s=allowed_s)
        question = next(check)
        while True:
            try:
                question = check.send(self._ask(question, countdown))
            except StopIteration as end:
                health: Health = end.value
                return health

    def _ask(self, question: Question, countdown: Countdown) -> Reply:
        self._check_open()
        try:
            left_s = countdown.remaining_s()
            if isinstance(question, Call):
                return self._run(question if left_s is None else replace(question, timeout_s=left_s))
            arguments: dict[str, Any] = {"headers": self._headers, "client_timeout": left_s}
            if isinstance(question, ModelQuestion):
                return bool(self._repeating.is_model_ready(question.model, **arguments))
            return bool(getattr(self._repeating, question.method)(**arguments))
        except InferenceServerException as error:
            return translate_error(error)
        except ClientClosedError:
            raise
        except MercatoClientError as error:
            return error

    def _run(self, call: Call[Answer]) -> Answer:
        self._check_open()
        connection = self._repeating if call.repeatable else self._once
        attempts = Attempts(call, self._retries, self._throttle)
        while True:
            try:
                answer = connection.infer(headers=self._headers, **attempts.to_infer_arguments())
            except InferenceServerException as error:
                translated = translate_error(error)
                wait_s = attempts.wait_s(translated)
                if wait_s is None:
                    raise translated from error
            except ValueError:
                self._check_open()  # gRPC says ValueError when another thread has closed the channel
                raise
            else:
                attempts.note_answer()
                return call.decode(answer)
            time.sleep(wait_s)
            self._check_open()

    def close(self) -> None:
        """Close the connections. Calls in flight end with ``ClientClosedError``. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._repeating.close()
            self._once.close()

    def __enter__(self) -> Client:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
