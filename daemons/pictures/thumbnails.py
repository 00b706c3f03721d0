"""Small copies of pictures, made when they are first asked for, once, in worker processes, and kept within a bound.

ask ─▶ on disk? ─▶ being made already? ─▶ a slot ─▶ worker ─▶ disk, and to everybody who asks
"""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from daemons.clock import Clock
from daemons.errors import ErrorInfo, NotFound
from daemons.findings import Finding
from daemons.folders.paths import wire_path
from daemons.pictures.thumbnail_files import ThumbnailFiles
from daemons.subprocess_work.errors import WorkerError, WorkerHung, WorkerOutOfMemory, WorkerTaskFailed
from daemons.subprocess_work.pool import WorkerPool
from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec

AT_ONCE = 2
"""Pictures that are made small at the same time, however many are asked for."""
THUMBNAIL_WORKER = WorkerSpec.module(
    "daemons.pictures.thumbnail_worker",
    memory=1536 * MEBIBYTE,
    silence=60.0,
    recycle_requests=500,
    recycle_memory=400 * MEBIBYTE,
)
SWEEP_SHARE = 20
"""After so much of the limit, as a fraction, was written the folder is looked at again."""

# What the bytes themselves are cannot change; anything else may be mended any time, and a page is looked at often.
_HOPELESS = ("ERR_IMAGE", "ERR_NOT_AN_IMAGE")
_HOPELESS_SECONDS = 3600.0
_DOUBTFUL_SECONDS = 30.0
_REMEMBERED_MOST = 10_000


class Size(IntEnum):
    """How large a copy is: its longest edge."""

    THUMBNAIL = 384
    LARGE = 2048


class Source(NamedTuple):
    """Where the picture is, and which bytes are meant."""

    path: bytes
    sha256: str
    size: Size = Size.THUMBNAIL

    @property
    def name(self) -> str:
        return f"{self.sha256}.webp" if self.size is Size.THUMBNAIL else f"{self.sha256}.{self.size.value}.webp"


class NoThumbnail(NotFound):
    """The picture cannot be shown."""

    code = "ERR_NO_THUMBNAIL"


@dataclass(slots=True)
class _Making:
    task: "asyncio.Task[bytes]"
    wanted: int = 0
    is_begun: bool = False


class Thumbnails:
    """Everything it started has ended when its context ends."""

    def __init__(self, workers: WorkerPool, clock: Clock, folder: Path, limit: int) -> None:
        self._workers = workers
        self._clock = clock
        self._limit = limit
        self._files = ThumbnailFiles(folder, limit)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._making: dict[Source, _Making] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: OrderedDict[Source, tuple[ErrorInfo, float]] = OrderedDict()
        self._trouble: str | None = None
        # Unknown at first: then the folder is looked at.
        self._written: int | None = None
        self._is_sweeping = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def get(self, source: Source) -> bytes:
        """Return the copy as WebP. Raises NoThumbnail with the code and the remedy of what is wrong.

        Who is cancelled while waiting for a slot is waited for by nobody: then it is not made at all.
        """
        self._raise_known(source)
        making = self._making.get(source)
        if making is None:
            making = self._making[source] = _Making(self._start(self._make(source), f"thumbnail {source.name}"))
        making.wanted += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.wanted -= 1
            # One that a worker has in hand is finished: stopping the worker would cost more.
            if not making.wanted and not making.is_begun:
                making.task.cancel()
                self._making.pop(source, None)

    def findings(self) -> list[Finding]:
        """Return why thumbnails are not kept, while that is so."""
        if self._trouble is None:
            return []
        message = f"Thumbnails cannot be kept: {self._trouble}. Pictures are still shown, but made small each time."
        remedy = "Free some space where the data are, or set thumbnails_megabytes lower."
        return [Finding("ERR_THUMBNAILS_NOT_KEPT", "warning", message, remedy)]

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whoever waited for it has heard; perhaps all of them have left.
            task.exception()

    def _raise_known(self, source: Source) -> None:
        error, until = self._failed.get(source, (None, 0.0))
        if error is not None and self._clock.monotonic() < until:
            raise NoThumbnail(error.message, remedy=error.remedy, code=error.code)

    async def _make(self, source: Source) -> bytes:
        making = self._making[source]
        try:
            if (kept := await self._read(source.name)) is not None:
                return kept
            async with self._slots:
                making.is_begun = True
                data = await self._render(source)
            await self._keep(source.name, data)
            return data
        finally:
            if self._making.get(source) is making:
                del self._making[source]

    async def _render(self, source: Source) -> bytes:
        request = {"path": wire_path(source.path), "sha256": source.sha256, "edge": source.size.value}
        try:
            async with self._workers.borrow(THUMBNAIL_WORKER) as worker:
                results = [result async for result in worker.run(request)]
        except WorkerError as error:
            found = error.info if isinstance(error, WorkerTaskFailed) else _blame(error)
            self._remember(source, error, found)
            raise NoThumbnail(found.message, remedy=found.remedy, code=found.code) from error
        return base64.b64decode(results[0]["webp"])

    def _remember(self, source: Source, error: WorkerError, found: ErrorInfo) -> None:
        is_its_own_fault = isinstance(error, WorkerTaskFailed) and found.code.startswith(_HOPELESS)
        is_hopeless = is_its_own_fault or isinstance(error, WorkerHung | WorkerOutOfMemory)
        seconds = _HOPELESS_SECONDS if is_hopeless else _DOUBTFUL_SECONDS
        self._failed[source] = found, self._clock.monotonic() + seconds
        self._failed.move_to_end(source)
        while len(self._failed) > _REMEMBERED_MOST:
            self._failed.popitem(last=False)

    # The folder.

    async def _read(self, name: str) -> bytes | None:
        if self._written is None:
            self._written = 0
            self._sweep(leftovers=True)
        try:
            return await asyncio.to_thread(self._files.read, name)
        except OSError:
            return None  # It is made again; if it cannot be kept either, that is told.

    async def _keep(self, name: str, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._files.write, name, data)
        except OSError as error:
            self._trouble = error.strerror or str(error)
            return
        self._trouble = None
        self._written = (self._written or 0) + len(data)
        if self._written * SWEEP_SHARE >= self._limit and not self._is_sweeping:
            self._written = 0
            self._sweep()

    def _sweep(self, *, leftovers: bool = False) -> None:
        if not self._is_sweeping:
            self._is_sweeping = True
            self._start(self._tidy(leftovers=leftovers), "sweep thumbnails")

    async def _tidy(self, *, leftovers: bool) -> None:
        try:
            if leftovers:
                await asyncio.to_thread(self._files.sweep_leftovers)
            await asyncio.to_thread(self._files.tidy)
        except OSError as error:
            self._trouble = error.strerror or str(error)
        finally:
            self._is_sweeping = False


def _blame(error: WorkerError) -> ErrorInfo:
    return ErrorInfo("ERR_IMAGE_KILLED_WORKER", f"Making the picture small failed: {error.message}", None, error.remedy)
