"""Runs jobs: takes as many as there is room for, watches over each, and hands on how it ended.

offer, freed slot, due retry ─▶ claim (one statement) ─▶ JobRun ─▶ Settling
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.clock import Clock
from daemons.database import Database
from daemons.dispatch import Dispatcher
from daemons.errors import ErrorInfo, Unavailable
from daemons.events import Event, JobChanged
from daemons.executor.context import RunContext, Workplace
from daemons.executor.lanes import Lanes, admission_of
from daemons.executor.patrol import JobPatrol, Key
from daemons.executor.progress import JobProgress
from daemons.executor.run import Cut, JobRun, Slot
from daemons.executor.settling import Settling
from daemons.jobs import Jobs
from daemons.jobs.attempts import refuse
from daemons.jobs.claims import claim
from daemons.jobs.outcomes import NAMES, Ending, Failed, GivenBack, Lost, Outcome
from daemons.jobs.requests import move_to_lanes
from daemons.jobs.rows import Hold
from daemons.journal import Journal
from daemons.keep_awake import KeepAwake
from daemons.killpoints import reach
from daemons.orders import JobTypes, Orders
from daemons.questions import Questions
from daemons.states import JobState, LogLevel
from daemons.subprocess_work.pool import WorkerPool
from daemons.values import Job
from daemons.workflow import Keepers

GRACE = 6.0
"""Seconds running jobs get to tidy up when the executor stops and nothing else is said."""
SETTLE_SECONDS = 2.0
"""Seconds the last ends get to be written when the executor stops."""
PATROL_SECONDS = 2.0
CLAIM_PACE = 0.001
"""Seconds between two claims."""


class Stopped(NamedTuple):
    """What became of the jobs in hand when the executor stopped."""

    given_back: list[str]
    abandoned: list[str]
    """Ids of jobs whose handlers still run because they ignored their cancellation."""
    unsettled: int
    """Ends that could not be written; those jobs are rescued by whoever comes next."""


class Executor:
    """The worker of this process, from enter to exit."""

    def __init__(
        self,
        types: JobTypes,
        jobs: Jobs,
        orders: Orders,
        dispatcher: Dispatcher,
        journal: Journal,
        database: Database,
        clock: Clock,
        bus: Bus,
        *,
        worker: str,
        slots: Mapping[str, int],
        dead_workers: Callable[[], Awaitable[Collection[str]]],
        keepers: Keepers | None = None,
        workers: WorkerPool | None = None,
        questions: Questions | None = None,
        keep_awake: KeepAwake | None = None,
        clients: Clients | None = None,
    ) -> None:
        self.worker = worker
        self._types = types
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._journal = journal
        self._keep_awake = keep_awake
        self._database = database
        self._clock = clock
        self._bus = bus
        # Room, and reasons to look for work.
        self._wake = asyncio.Event()
        self._lanes = Lanes(slots, self._wake.set)
        self._due: list[datetime] = []
        self._due_changed = asyncio.Event()
        # Attempts in hand, and handlers that would not end.
        self._running: dict[Key, JobRun] = {}
        self._abandoned: set[JobRun] = set()
        self._cancelled_early: dict[Key, Job] = {}
        self._no_claim = asyncio.Event()
        self._no_claim.set()
        self._settling = Settling(database, clock, dispatcher, self._until_ends_may_be_written)
        self._patrol = JobPatrol(worker, dead_workers, jobs, dispatcher, database, clock)
        progress = JobProgress(database, clock, bus, self._lost)
        self._progress = progress
        self._workplace = Workplace(
            orders, journal, database, clock, progress, self._lost, keepers, workers, questions, clients
        )
        # Our own tasks.
        self._admitting = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stack = AsyncExitStack()
        self._stop_task: asyncio.Task[Stopped] | None = None

    async def __aenter__(self) -> Self:
        specs = self._types.jobs.values()
        self._admission = self._jobs.admission = admission_of(specs, self._lanes)
        await self._database.write(lambda tx: move_to_lanes(tx, [(spec.type, spec.lane) for spec in specs]))
        await self._patrol.rescue((await self._patrol.look(())).strangers)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._progress.behind)
            stack.enter_context(self._bus.listen(self._hear))
            await self._dispatcher.open(self._offered)
            stack.push_async_callback(self._dispatcher.close)
            self._admitting = True
            self._admit_task = asyncio.create_task(self._repeat(self._admit), name="job claims")
            self._start_task(self._repeat(self._wait_until_due), "due jobs")
            self._start_task(self._repeat(self._make_round), "job patrol")
            self._expect_work((await self._patrol.look(())).lanes)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop(GRACE)

    @property
    def running(self) -> list[Job]:
        """The jobs in hand."""
        return [run.job for run in self._running.values()]

    @property
    def abandoned(self) -> list[str]:
        """Ids of jobs whose handlers ignored their cancellation and still run."""
        return [run.job.id for run in self._abandoned]

    async def stop(self, grace: float) -> Stopped:
        """Take nothing more, end what runs, give it back with its progress, and return once that is written.

        Bounded by `grace` and SETTLE_SECONDS. Safe to call twice: everybody gets the same answer.
        """
        if self._stop_task is None:
            self._stop_task = asyncio.create_task(self._stop(grace), name="executor stop")
        return await asyncio.shield(self._stop_task)

    async def _stop(self, grace: float) -> Stopped:
        self._admitting = False
        await self._dispatcher.close()
        # A claim on its way is waited for, not cancelled: its jobs would be ours without our knowing.
        self._wake.set()
        deadline = self._clock.monotonic() + grace
        await self._clock.settle({self._admit_task}, grace)
        runs = list(self._running.values())
        for run in runs:
            self._cut(run, Cut.STOP)
        await self._clock.settle({run.task for run in runs}, deadline - self._clock.monotonic())
        for run in list(self._running.values()):
            self._abandon(run)
        await self._settling.settle(SETTLE_SECONDS)
        reach("jobs given back")
        unsettled = self._settling.unsettled
        await self._settling.close()
        for task in {*self._tasks, self._admit_task}:
            task.cancel()
        await asyncio.wait({*self._tasks, self._admit_task})
        await self._stack.aclose()
        return Stopped([run.job.id for run in runs], self.abandoned, unsettled)

    # Taking jobs.

    def _offered(self, job_id: str, attempt: int) -> None:
        # Only a hint: the claim takes whatever stands first in line.
        self._expect_work()

    def _expect_work(self, lanes: Iterable[str] | None = None) -> None:
        self._lanes.expect_work(lanes)
        self._wake.set()

    def _hear(self, event: Event) -> None:
        if not isinstance(event, JobChanged):
            return
        job = event.job
        if job.state is JobState.QUEUED:
            self._lanes[job.lane].has_work = True
            if job.run_after > self._clock.now():
                heapq.heappush(self._due, job.run_after)
                self._due_changed.set()
        elif job.state is JobState.CANCELLING:
            self._cancel(job)
        elif job.is_finished and job.type in self._admission.conflicts:
            self._expect_work(self._admission.guarded_lanes)

    async def _wait_until_due(self) -> None:
        wait = (self._due[0] - self._clock.now()).total_seconds() if self._due else None
        self._due_changed.clear()
        if wait is None or wait > 0:
            await self._clock.wait(self._due_changed, wait)
        while self._due and self._due[0] <= self._clock.now():
            heapq.heappop(self._due)
            self._expect_work()

    async def _admit(self) -> None:
        await self._wake.wait()
        self._wake.clear()
        free = self._lanes.reserve_all()
        if not free or not self._admitting:
            return
        claimed: list[Job] = []
        self._no_claim.clear()
        try:
            claimed = await self._database.write(
                lambda tx: claim(tx, self.worker, free, self._admission), durable=False
            )
        except Unavailable:
            self._expect_work()
            raise
        finally:
            self._no_claim.set()
            self._lanes.settle(free, Counter(job.lane for job in claimed))
        reach("claimed")
        for job in claimed:
            self._begin(job)
        # Under load the offers of a millisecond share a claim; a lone one was taken at once.
        await self._clock.breathe(CLAIM_PACE)

    def _begin(self, job: Job) -> None:
        slot = Slot(self._lanes[job.lane])
        spec = self._types.jobs.get(job.type)
        if spec is None or not self._admitting:
            self._settling.add(Ending(job, Failed(unknown_type(job.type)) if spec is None else GivenBack()))
            slot.give_up()
            return
        awake = self._keep_awake.during(job.type) if self._keep_awake and spec.keeps_awake else None
        run = JobRun(job, spec, slot, self._clock, around=awake)
        self._running[job.id, job.attempt] = run
        run.begin(RunContext(run, self._workplace))
        run.task.add_done_callback(lambda task: self._ended(run))
        if spec.timeout is not None:
            self._start_task(self._time_out(run, spec.timeout), f"timeout of {job.id}")
        if early := self._cancelled_early.pop((job.id, job.attempt), None):
            self._cancel(early)

    # Ending jobs.

    def _ended(self, run: JobRun) -> None:
        if not run.is_abandoned:
            self._close(run, run.outcome())
            return
        self._abandoned.discard(run)
        outcome = run.outcome()
        if not isinstance(outcome, Lost):
            self._start_task(self._refuse(run.hold, "late end", f"It ended as {NAMES[type(outcome)]}."), "late end")

    def _close(self, run: JobRun, outcome: Outcome) -> None:
        if self._running.pop((run.hold.job_id, run.hold.attempt), None) is None:
            return
        self._progress.ended(run)
        # The slot first: the next claim need not wait for the disk, as this end must.
        run.slot.give_up()
        if not isinstance(outcome, Lost):
            self._settling.add(Ending(run.job, outcome))

    def _cut(self, run: JobRun, cut: Cut) -> None:
        if run.cut_short(cut):
            run.task.cancel()
            self._start_task(self._see_off(run), f"end of {run.job.id}")

    async def _see_off(self, run: JobRun) -> None:
        if await self._clock.settle({run.task}, run.spec.tidy_up):
            self._abandon(run)

    def _abandon(self, run: JobRun) -> None:
        if run.task.done():
            self._ended(run)
            return
        outcome = run.abandon()
        self._abandoned.add(run)
        self._journal.log(
            LogLevel.ERROR,
            "The handler ignored its cancellation and was abandoned; it is rid of only with the process.",
            job_id=run.job.id,
        )
        self._close(run, outcome)

    async def _until_ends_may_be_written(self) -> None:
        # A claim waits for nobody's disk, so it goes first. Progress on its way would come too late after its end.
        await self._no_claim.wait()
        await self._progress.stored.wait()

    async def _time_out(self, run: JobRun, seconds: float) -> None:
        if await self._clock.settle({run.task}, seconds):
            self._cut(run, Cut.TIMEOUT)

    def _cancel(self, job: Job) -> None:
        run = self._running.get((job.id, job.attempt))
        if run is None and job.worker == self.worker:
            # Claimed and cancelled in one commit: we hear of the cancel first.
            self._cancelled_early[job.id, job.attempt] = job
        if run is None or run.cut in (Cut.CANCEL, Cut.LOST):
            return
        behind = job.revision < run.job.revision
        run.job = replace(
            run.job, state=job.state, error=job.error, revision=max(job.revision, run.job.revision) + behind
        )
        if behind:
            # Pages have seen a newer picture of ours already. Not now: the older one is just being handed out.
            asyncio.get_running_loop().call_soon(self._bus.publish, JobChanged(run.job))
        self._cut(run, Cut.CANCEL)

    def _lost(self, hold: Hold) -> None:
        run = self._running.get((hold.job_id, hold.attempt))
        if run is not None:
            self._cut(run, Cut.LOST)

    async def _refuse(self, hold: Hold, what: str, detail: str) -> None:
        try:
            await self._database.write(lambda tx: refuse(tx, hold, what, detail))
        except Unavailable:
            self._journal.log(LogLevel.WARNING, f"Refused: {what}. {detail}", job_id=hold.job_id)

    # Looking for what no event tells.

    async def _make_round(self) -> None:
        await self._clock.sleep(PATROL_SECONDS)
        self._cancelled_early.clear()
        found = await self._patrol.look({*self._running, *self._settling.keys})
        await self._patrol.rescue(found.strangers)
        for key in found.gone & self._running.keys():
            run = self._running[key]
            if run.cut is not Cut.LOST:
                self._cut(run, Cut.LOST)
                await self._patrol.refuse_heartbeat(run.hold)
        for job_id, _ in found.cancelling & self._running.keys():
            self._cancel(await self._jobs.get(job_id))
        for job_id, attempt in found.strays - self._running.keys():
            job = await self._jobs.get(job_id)
            if (job.attempt, job.worker) == (attempt, self.worker):
                self._settling.add(Ending(job, GivenBack()))
        if found.lanes:
            self._expect_work(found.lanes)
            await self._patrol.tell_reasons()

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while self._admitting:
            try:
                await step()
            except Unavailable:
                await self._clock.sleep(1)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the other jobs must go on
                info = ErrorInfo.of(error)
                self._journal.log(LogLevel.ERROR, f"The executor stumbled: {info.message}\n{info.detail}")
                await self._clock.sleep(1)

    def _start_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def unknown_type(job_type: str) -> ErrorInfo:
    """Return the error of a stored job whose type nobody knows any more."""
    return ErrorInfo(
        "ERR_UNKNOWN_JOB_TYPE",
        f"There is no handler for jobs of type {job_type!r}.",
        None,
        "Install or enable the plug-in that brings it, restart, then retry the job.",
    )
