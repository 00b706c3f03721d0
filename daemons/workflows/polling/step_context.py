"""What a step of a record gets of the job that climbs."""

from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from pydantic import BaseModel

from daemons.handlers import JobContext, JobFailed
from daemons.states import LogLevel
from daemons.subprocess_work import Worker
from daemons.subprocess_work.spec import WorkerSpec
from daemons.values import Job, JsonValue
from daemons.workflows.polling.records import Record

T = TypeVar("T")


class JobStepContext:
    """The StepContext of one step, of what the job that climbs has."""

    def __init__(self, ctx: JobContext, options: Any, record: Record, step: str) -> None:
        self._ctx = ctx
        self._record = record
        self._step = step
        self.options = options

    def keeper(self, kind: type[T]) -> T:
        return self._ctx.keeper(kind)

    def client(self, kind: type[T]) -> T:
        return self._ctx.client(kind)

    def borrow(self, spec: WorkerSpec) -> AbstractAsyncContextManager[Worker]:
        return self._ctx.borrow(spec)

    async def job(self, type: str, args: JsonValue | BaseModel) -> Job:
        record = self._record
        key = f"{record.id} {self._step} {record.status_at:%Y%m%d%H%M%S%f} {record.attempts}"
        child = await self._ctx.spawn(type, args, key=key)
        try:
            return await self._ctx.wait_for(child, keeps_slot=True)
        except JobFailed:
            # Whoever cancels the climb cancels this too: the record is given back, and has not failed.
            self._ctx.raise_if_cancelled()
            raise

    async def log(self, level: LogLevel | str, message: object) -> None:
        await self._ctx.log(level, f"{self._record.code}: {message}", item_id=self._record.id)
