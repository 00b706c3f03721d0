"""One attempt of one job in this process: calls the handler and turns whatever comes of it into an outcome."""

import asyncio
import secrets
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

from daemons.clock import Clock
from daemons.errors import ErrorInfo
from daemons.executor.lanes import Lane
from daemons.handlers import JobContext, JobSpec, can_be_retried, info_of
from daemons.jobs.attempts import hold_of
from daemons.jobs.outcomes import Cancelled, Completed, Failed, GivenBack, Lost, Outcome, TriedAgain, cancelled
from daemons.jobs.rows import Hold
from daemons.values import Job

RETRY_FIRST = 1.0
"""Seconds before the second try; each further one waits twice as long."""
RETRY_LONGEST = 600.0


class Cut(Enum):
    """Why an attempt was told to end before it did. A later one with a higher value takes precedence."""

    STOP = auto()  #: the worker stops; the job goes back into the line
    TIMEOUT = auto()  #: it took longer than its type allows
    CANCEL = auto()  #: a person or a daemon wants it no more
    LOST = auto()  #: another worker has the job


@dataclass(eq=False, slots=True)
class Slot:
    """The place an attempt has on its lane; given away while the job waits for others."""

    lane: Lane
    is_held: bool = True
    is_over: bool = False
    waits: int = 0

    def leave(self) -> None:
        """Give the place away. Waits may overlap: the first gives it away."""
        self.waits += 1
        if self.waits == 1:
            self._release()

    async def come_back(self) -> None:
        """Take a place again once the last of overlapping waits is over, unless the attempt ended meanwhile."""
        self.waits -= 1
        if self.waits == 0 and not self.is_over:
            await self.lane.retake()
            self.is_held = True
            self._release_if_over()

    def stay_away(self) -> None:
        """End a wait without coming back: the handler is being cancelled and only tidies up."""
        self.waits -= 1

    def give_up(self) -> None:
        """Give the place away for good, also where a task that the handler left behind still waits."""
        self.is_over = True
        self._release()

    def _release_if_over(self) -> None:
        # Asked after waiting in line: the attempt may have ended meanwhile.
        if self.is_over:
            self._release()

    def _release(self) -> None:
        if self.is_held:
            self.is_held = False
            self.lane.release()


class JobRun:
    """One attempt: its job as it is now, its task, and why it was cut short, if it was."""

    def __init__(
        self, job: Job, spec: JobSpec, slot: Slot, clock: Clock, around: AbstractContextManager[None] | None = None
    ) -> None:
        self.job = job
        self.spec = spec
        self.slot = slot
        self.hold: Hold = hold_of(job)
        self.cut: Cut | None = None
        self.is_abandoned = False
        self.told_at = 0.0
        self.stored_at = 0.0
        self._clock = clock
        self._around = around or nullcontext()
        self.task: asyncio.Task[Outcome]

    def begin(self, context: JobContext) -> None:
        """Start the handler in a task of its own."""
        self.task = asyncio.create_task(self._perform(context), name=f"job {self.job.type} {self.job.id}")

    async def _perform(self, context: JobContext) -> Outcome:
        try:
            with self._around:
                result = await self.spec.call(context, self.job.args)
            return Completed(self.spec.result(result))
        except GeneratorExit:
            raise
        # SystemExit and KeyboardInterrupt too: asyncio would let them end the whole process.
        except BaseException as error:  # noqa: BLE001
            return self._outcome_of(error)

    def outcome(self) -> Outcome:
        """Return how the finished task ended."""
        # Cancelled before its first step: the handler never began.
        return self._outcome_of(asyncio.CancelledError()) if self.task.cancelled() else self.task.result()

    def abandon(self) -> Outcome:
        """Go on without the task, which ignored its cancellation; return what to write instead of its end."""
        self.is_abandoned = True
        return self._outcome_of(asyncio.CancelledError(), "It ignored the cancellation and was abandoned.")

    def cut_short(self, cut: Cut) -> bool:
        """Note why the attempt must end; return whether this is the first reason, so that it must be told."""
        first = self.cut is None
        if self.cut is None or cut.value > self.cut.value:
            self.cut = cut
        return first

    def _outcome_of(self, error: BaseException, detail: str | None = None) -> Outcome:
        cause = None if isinstance(error, asyncio.CancelledError) else info_of(error)
        match self.cut:
            case Cut.LOST:
                return Lost()
            case Cut.STOP:
                return GivenBack()
            case Cut.CANCEL:
                asked = self.job.error or cancelled("It was cancelled.")
                return Cancelled(replace(asked, detail=detail or asked.detail, cause=cause))
            case Cut.TIMEOUT:
                seconds = f"{self.spec.timeout:g}"
                late = ErrorInfo("ERR_TIMEOUT", f"It took longer than {seconds} seconds.", detail, None, cause)
                return self._failure(late, retryable=True)
        return self._failure(info_of(error), retryable=can_be_retried(error))

    def _failure(self, error: ErrorInfo, *, retryable: bool) -> Outcome:
        # The claim counted this failure already.
        if retryable and self.job.failures < self.job.max_attempts:
            return TriedAgain(error, self._clock.now() + retry_delay(self.job.failures))
        return Failed(error)


def retry_delay(failures: int) -> timedelta:
    """Return how long to wait after so many failures: doubling, bounded, ±25 % so that many do not come at once."""
    delay = min(RETRY_LONGEST, RETRY_FIRST * 2.0 ** min(failures - 1, 30))
    return timedelta(seconds=delay * (0.75 + secrets.randbelow(501) / 1000))
