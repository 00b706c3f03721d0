"""Carries one batch of pictures through worker processes, whatever happens to them.

A picture that kills its worker costs itself: the rest goes on in a new process.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Any, Protocol, Self

from daemons.errors import ErrorInfo
from daemons.folders.paths import disk_path, wire_path
from daemons.subprocess_work import Worker
from daemons.subprocess_work.errors import (
    WorkerError,
    WorkerHung,
    WorkerNotStarted,
    WorkerOutOfMemory,
    WorkerTaskFailed,
)
from daemons.subprocess_work.spec import WorkerSpec
from daemons.workflows.describe.worker_specs import worker_of

# What another try cannot mend: it would hang or grow again.
_FINAL = (WorkerHung, WorkerOutOfMemory)


class Workers(Protocol):
    """Where a batch borrows its worker; `WorkerPool` is one."""

    def borrow(self, spec: WorkerSpec) -> AbstractAsyncContextManager[Worker]: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one picture: facts and a description, or an error.

    A model that ran in the worker gave the `answer`; for one elsewhere there is the picture in base64, `jpeg`.
    """

    path: bytes
    seconds: float | None = None
    sha256: str | None = None
    size: int | None = None
    mtime_ns: int | None = None
    facts: dict[str, Any] | None = None
    description: str | None = None
    error: ErrorInfo | None = None
    answer: dict[str, Any] | None = None
    jpeg: str | None = None

    @classmethod
    def from_wire(cls, result: dict[str, Any]) -> Self:
        """Read what the worker sent."""
        error = result.get("error")
        known = result | {"path": disk_path(result["path"]), "error": ErrorInfo.from_dict(error) if error else None}
        return cls(**known)


class Batch:
    """The pictures of one batch, described one after another."""

    def __init__(
        self,
        workers: Workers,
        paths: Sequence[bytes],
        *,
        describer: str = "basic",
        more: Mapping[str, Any] | None = None,
        spec: WorkerSpec | None = None,
        tries: int = 3,
    ) -> None:
        self._workers = workers
        self._spec = spec or worker_of(describer)
        self._request = {"describer": describer, **(more or {})}
        self._tries = tries
        self._left = [wire_path(path) for path in dict.fromkeys(paths)]
        self._deaths: Counter[str | None] = Counter()
        self._worker: Worker | None = None
        self._is_stopping = False

    async def run(self, accept: Callable[[Outcome], Awaitable[None]]) -> None:
        """Await `accept` with each outcome as it comes. Returns early only after `finish_current`."""
        while self._left and not self._is_stopping:
            try:
                await self._run_in_one_worker(accept)
            except (WorkerTaskFailed, WorkerNotStarted):
                raise
            except WorkerError as error:
                await self._count_death(error, accept)

    def finish_current(self) -> None:
        """Finish the picture in hand and take no more."""
        self._is_stopping = True
        if self._worker is not None:
            self._worker.finish_current()

    @property
    def left(self) -> list[bytes]:
        """The pictures without an outcome."""
        return [disk_path(path) for path in self._left]

    async def _run_in_one_worker(self, accept: Callable[[Outcome], Awaitable[None]]) -> None:
        request = {**self._request, "paths": self._left}
        async with self._workers.borrow(self._spec) as worker:
            if self._is_stopping:
                return
            self._worker = worker
            try:
                async with aclosing(worker.run(request)) as results:
                    async for result in results:
                        await self._settle(Outcome.from_wire(result), accept)
            finally:
                self._worker = None

    async def _settle(self, outcome: Outcome, accept: Callable[[Outcome], Awaitable[None]]) -> None:
        await accept(outcome)
        self._left.remove(wire_path(outcome.path))

    async def _count_death(self, error: WorkerError, accept: Callable[[Outcome], Awaitable[None]]) -> None:
        item = error.in_hand
        self._deaths[item] += 1
        is_over = isinstance(error, _FINAL) or self._deaths[item] >= self._tries
        if item is None:
            # It dies without a picture to blame: trying for ever would be a loop that does nothing.
            if self._deaths[item] >= self._tries:
                raise error
        elif is_over and item in self._left:
            await self._settle(Outcome(disk_path(item), error=_blame(error)), accept)


def _blame(error: WorkerError) -> ErrorInfo:
    return ErrorInfo(
        code="ERR_IMAGE_KILLED_WORKER",
        message="Describing the image ended its worker process.",
        detail="\n".join(error.stderr) or None,
        remedy="The image is left out; open it elsewhere to see whether it is damaged, then describe it again.",
        cause=ErrorInfo(error.error_code, error.message, None, error.remedy),
    )
