"""Asks a server about the pictures that a worker prepares, several at a time, as many as the server takes."""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from types import TracebackType
from typing import Self

from daemons.clients.asking import Ask
from daemons.clients.errors import ImageFailed
from daemons.clients.vision import VisionClient
from daemons.errors import ErrorInfo
from daemons.workflows.describe.batch import Outcome

Settle = Callable[[Outcome], Awaitable[None]]


class Answering:
    """Turns prepared pictures into descriptions; leaving the block waits for the answers that are due.

    A server that is away ends the batch: `stop` is called, what is not answered is settled by nobody, and the block
    raises ServerAway.
    """

    def __init__(
        self,
        client: VisionClient,
        ask: Ask,
        model: str,
        *,
        settle: Settle,
        tell: Callable[[str], Awaitable[None]],
        stop: Callable[[], None],
    ) -> None:
        self._client = client
        self._ask = ask
        self._model = model
        self._settle = settle
        self._tell = tell
        self._stop = stop
        self._places = asyncio.Semaphore(client.settings.concurrency)
        self._asking: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None

    async def __aenter__(self) -> Self:
        return self

    async def accept(self, outcome: Outcome) -> None:
        """Take what the worker made of one picture. Returns once the server has a place for the next."""
        if outcome.jpeg is None:
            await self._settle(outcome)
            return
        await self._places.acquire()
        if self._failed is not None:
            self._places.release()
            return
        task = asyncio.create_task(self._answer(outcome, outcome.jpeg))
        self._asking.add(task)
        task.add_done_callback(self._answered)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._asking and error is None:
                await asyncio.wait(self._asking)
        finally:
            for task in self._asking:
                task.cancel()
            if self._asking:
                await asyncio.wait(self._asking)
        if self._failed is not None and error is None:
            raise self._failed

    async def _answer(self, outcome: Outcome, jpeg: str) -> None:
        picture = await asyncio.to_thread(b64decode, jpeg)
        try:
            answer = await self._client.describe(picture, self._ask, model=self._model, tell=self._tell)
        except ImageFailed as failed:
            error = ErrorInfo(failed.error_code, failed.message, None, failed.remedy)
            await self._settle(replace(outcome, jpeg=None, description=None, error=error))
        else:
            await self._settle(replace(outcome, jpeg=None, answer=asdict(answer)))

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()) is not None and self._failed is None:
            self._failed = error
            self._stop()
