"""What stills and footage have in common: a daemon that sees what is new, and has a job do the climbing."""

import asyncio
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any, ClassVar

from daemons.base import BaseDaemon
from daemons.clients.errors import NotConfigured
from daemons.clients.filemaker import FileMakerClient
from daemons.errors import DaemonError
from daemons.states import JobState, LogLevel
from daemons.values import Job
from daemons.workflows.polling.climb import ClimbArgs, ClimbResult
from daemons.workflows.polling.drop_folder import DropFolder
from daemons.workflows.polling.in_step import keep_in_step
from daemons.workflows.polling.keeper import Column, RecordKeeper
from daemons.workflows.polling.ladder import Ladder
from daemons.workflows.polling.stores.filemaker import FileMakerStore

FILEMAKER = "FileMaker"
LINGER = 10.0
"""Seconds the job stays after all is done: what is added meanwhile needs no new one."""
LONGEST_WAIT = 900.0
"""Seconds between two tries after climbs failed one after another."""


class ClimbingDaemon(BaseDaemon):
    """Has the records of its ladders climb. Extend it with the names of the ladders and the endings of their files."""

    ladders: ClassVar[tuple[str, ...]]
    """The first is the one that dropped files become records of."""
    endings: ClassVar[frozenset[bytes]]

    _failed_in_a_row = 0
    _drop_folder: DropFolder
    _in_step_with: set[tuple[str, str]]

    async def on_start(self) -> None:
        self._drop_folder = DropFolder(self._keeper, self._ladder(0), self.endings, self._report)
        # Before it is running: who looks on must not take a folder nobody has looked through yet for an empty one.
        self._drop_folder.expect(self.options.drop_folder is not None)

    async def on_stop(self) -> None:
        self._keeper.expected -= {one for one in self._keeper.expected if one[0] in self.ladders}

    async def run(self) -> None:
        changed = asyncio.Event()
        self._in_step_with = set()

        def wake() -> None:
            changed.set()
            self._keeper.expected |= self._in_step_with
            self.wake()

        looking = self._drop_folder.look_after(lambda: self.options)
        parts = [looking, self._have_them_climb(), *self._keep_in_step(changed)]
        with self._keeper.hearing(wake, self.ladders):
            tasks = [asyncio.create_task(part) for part in parts]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _keep_in_step(self, changed: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield what keeps each ladder in step with its FileMaker layout, where it has one."""
        clock = self._keeper.clock
        for name in self.ladders:
            try:
                store = FileMakerStore(self._keeper, self.client(FileMakerClient), name, clock)
            except NotConfigured:
                continue
            place = (name, FILEMAKER)
            self._in_step_with.add(place)
            self._keeper.expected.add(place)
            in_step = partial(self._keeper.expected.discard, place)
            yield keep_in_step(store, changed, lambda: float(self.options.interval), self._report, clock, in_step)

    async def _report(self, what: str, error: DaemonError) -> None:
        await self.report_error(error.error_code, f"{what}: {error.message}")
        self.wake()  # what it says may be another now

    # Climbing.

    async def _have_them_climb(self) -> None:
        while self.is_running:
            seconds = await self._keeper.seconds_until_due(self.ladders)
            if seconds > 0:
                pause = min(seconds, 60.0)
                await self.sleep(pause, await self._sentence())
                continue
            job = await self.create_job("climb", self._order(), unique=self.name, on_stop="cancel")
            await self.update_status("Climbing", job_id=job.id, job_type=job.type)
            await self._judge(await self.wait_for(job))

    def _order(self) -> ClimbArgs:
        options = self.options
        return ClimbArgs(
            ladders=list(self.ladders),
            options=options.model_dump(mode="json"),
            linger=LINGER,
            concurrency=options.concurrency,
            chain_limit=options.chain_limit,
            interval=options.interval,
        )

    async def _judge(self, job: Job) -> None:
        if job.state == JobState.COMPLETED:
            self._failed_in_a_row = 0
            result = ClimbResult.model_validate(job.result)
            await self.metric("steps", result.steps, "steps")
            await self.metric("chained", result.chained, "steps")
            await self.metric("failed", result.failed, "steps")
            await self.metric("complete", result.complete, "records")
            return
        why = job.error.message if job.error else str(job.state)
        await self.log(LogLevel.ERROR, f"The climb {job.state}: {why}")
        seconds = min(LONGEST_WAIT, self.options.interval * 2**self._failed_in_a_row)
        self._failed_in_a_row = min(self._failed_in_a_row + 1, 10)
        await self.sleep(seconds, f"The climb {job.state}: {why} Trying again in {{seconds}} seconds")

    async def _sentence(self) -> str:
        """Say how all of them stand."""
        if (fault := self._drop_folder.fault) is not None:
            return f"{fault.message} {fault.remedy or ''}".rstrip()
        columns: list[Column] = []
        for name in self.ladders:
            columns += await self._keeper.board(name)
        total = sum(column.total for column in columns)
        if not total:
            if self.options.drop_folder:
                return "No records: the drop folder is empty"
            return f"No records: {'FileMaker has none' if self._in_step_with else 'nothing is dropped or added yet'}"
        awaiting = {self._ladder(at).awaiting for at in range(len(self.ladders))}
        waits = sum(column.total for column in columns if column.status in awaiting)
        parked = sum(column.parked for column in columns)
        complete = sum(column.complete for column in columns)
        parts = [f"{complete:,} of {total:,} records are complete"]
        parts += [f"{waits:,} {'awaits' if waits == 1 else 'await'} input"] if waits else []
        parts += [f"{parked:,} {'is' if parked == 1 else 'are'} parked"] if parked else []
        return ", ".join(parts)

    def _ladder(self, at: int) -> Ladder:
        return self._keeper.ladder(self.ladders[at])

    @property
    def _keeper(self) -> RecordKeeper:
        return self.keeper(RecordKeeper)
