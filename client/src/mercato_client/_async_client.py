"""The client for asyncio programs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tritonclient.grpc.aio import InferenceServerClient
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


class AsyncClient(ClientBase):
    """``Client`` for asyncio: the same methods, awaited. Use it within the event loop of its first call.

    Its calls raise what those of ``Client`` raise, and ``asyncio.CancelledError`` when their task is cancelled or the
    client is closed meanwhile.

    Example:
        >>> async with AsyncClient("dns:///mercato:8001") as client:                         # doctest: +SKIP
        ...     page, picks = await asyncio.gather(client.search("tea"), client.recommend("home-page"))
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
        self._throttle = Throttle()
        self._connections: dict[bool, InferenceServerClient] = {}

    async def search(
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
        """As ``Client.search``."""
        return await self._run(
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

    async def suggest(
        self, prefix: str, *, limit: int | None = None, timeout_s: float | None = None
    ) -> tuple[Suggestion, ...]:
        """As ``Client.suggest``."""
        return await self._run(call_suggest(prefix, limit=limit, timeout_s=self._read_timeout(timeout_s)))

    async def recommend(
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
        """As ``Client.recommend``."""
        return await self._run(
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

    async def similar(
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
        """As ``Client.similar``."""
        return await self.recommend(
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

    async def rank(
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
        """As ``Client.rank``."""
        return await self.recommend(
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

    async def profile(
        self,
        *,
        user_id: str | None = None,
        visitor_id: str | None = None,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> Profile:
        """As ``Client.profile``."""
        return await self._run(
            call_profile(user_id=user_id, visitor_id=visitor_id, limit=limit, timeout_s=self._read_timeout(timeout_s))
        )

    async def forget(self, statements: Iterable[Statement], *, timeout_s: float | None = None) -> WriteResult:
        """As ``Client.forget``."""
        return await self._run(call_forget(statements, timeout_s=self._write_timeout(timeout_s)))

    async def write_events(self, events: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """As ``Client.write_events``."""
        return await self._run(call_write_events(events, timeout_s=self._write_timeout(timeout_s)))

    async def write_catalog(self, operations: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """As ``Client.write_catalog``."""
        return await self._run(call_write_catalog(operations, timeout_s=self._write_timeout(timeout_s)))

    async def upsert_products(self, products: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """As ``Client.upsert_products``."""
        return await self.write_catalog(upsert_operations(products), timeout_s=timeout_s)

    async def patch_products(self, products: Iterable[JsonObject], *, timeout_s: float | None = None) -> WriteResult:
        """As ``Client.patch_products``."""
        return await self.write_catalog(patch_operations(products), timeout_s=timeout_s)

    async def delete_products(self, product_ids: Iterable[str], *, timeout_s: float | None = None) -> WriteResult:
        """As ``Client.delete_products``."""
        return await self.write_catalog(delete_operations(product_ids), timeout_s=timeout_s)

    async def health(self, *, canary: bool = True, timeout_s: float | None = None) -> Health:
        """As ``Client.health``."""
        allowed_s = self._health_timeout(timeout_s)
        countdown = Countdown(allowed_s)
        check = ask_health(canary=canary, timeout_s=allowed_s)
        question = next(check)
        while True:
            try:
                question = check.send(await self._ask(question, countdown))
            except StopIteration as end:
                health: Health = end.value
                return health

    async def _ask(self, question: Question, countdown: Countdown) -> Reply:
        self._check_open()
        try:
            left_s = countdown.remaining_s()
            if isinstance(question, Call):
                return await self._run(question if left_s is None else replace(question, timeout_s=left_s))
            connection = self._connect(repeating=True)
            arguments: dict[str, Any] = {"headers": self._headers, "client_timeout": left_s}
            if isinstance(question, ModelQuestion):
                return bool(await connection.is_model_ready(question.model, **arguments))
            return bool(await getattr(connection, question.method)(**arguments))
        except InferenceServerException as error:
            return translate_error(error)
        except ClientClosedError:
            raise
        except MercatoClientError as error:
            return error

    async def _run(self, call: Call[Answer]) -> Answer:
        self._check_open()
        connection = self._connect(repeating=call.repeatable)
        attempts = Attempts(call, self._retries, self._throttle)
        while True:
            try:
                answer = await connection.infer(headers=self._headers, **attempts.to_infer_arguments())
            except InferenceServerException as error:
                translated = translate_error(error)
                wait_s = attempts.wait_s(translated)
                if wait_s is None:
                    raise translated from error
            else:
                attempts.note_answer()
                return call.decode(answer)
            await asyncio.sleep(wait_s)
            self._check_open()

    def _connect(self, *, repeating: bool) -> InferenceServerClient:
        """The connection for calls that may, or may not, be repeated; made when first used, within the event loop."""
        if repeating not in self._connections:
            self._connections[repeating] = InferenceServerClient(**self._connection_arguments(repeating=repeating))
        return self._connections[repeating]

    async def close(self) -> None:
        """Close the connections. Calls in flight are cancelled. Closing twice does nothing."""
        self._closed = True
        while self._connections:
            _, connection = self._connections.popitem()
            await connection.close()

    async def __aenter__(self) -> AsyncClient:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()
