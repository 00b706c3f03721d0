"""What clients of the events socket are told that they did not hear: all there is, or what they missed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from daemons.errors import NotFound
from daemons.events import DaemonChanged, DaemonRemoved, Event, ItemChanged, JobChanged, JobRemoved, LogWritten
from daemons.jobs.lists import JobFilter
from daemons.service import Service
from daemons.states import UNFINISHED_JOB_STATES
from daemons.values import Job
from web.frames import DAEMONS, HUB, JOBS, LOGS, Change, frame_text, snapshot_frames
from web.listener import Telling
from web.live import Hub, Pointer, heartbeat

FINISHED_JOBS = 100
LOG_LINES = 200
JOBS_A_READ = 500
RESUMED_JOBS = 500
"""Jobs that are read one by one for a client that resumes; if more changed, a snapshot costs less."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one kind of client hears; those who hear the same share its frames."""

    topics: frozenset[str]
    daemon_id: str | None = None
    job_id: str | None = None

    def wants(self, event: Event) -> bool:
        match event:
            case DaemonChanged(daemon):
                return DAEMONS in self.topics and self.daemon_id in (None, daemon.row.id)
            case DaemonRemoved(id):
                return DAEMONS in self.topics and self.daemon_id in (None, id)
            case JobChanged(job):
                return JOBS in self.topics and self._wants_job(job.id, job.daemon_id)
            case JobRemoved(id):
                return JOBS in self.topics and self.job_id in (None, id)
            case LogWritten(line):
                return LOGS in self.topics and self._wants_job(line.job_id, line.daemon_id)
            case ItemChanged(topic):
                return topic in self.topics
            case _:
                return False

    def _wants_job(self, job_id: str | None, daemon_id: str | None) -> bool:
        return self.job_id in (None, job_id) and self.daemon_id in (None, daemon_id)


class Retelling:
    """Tells one subscription what is: to who comes, who comes back, and who was too slow to hear.

    Only the last frame of a snapshot carries a number: who is cut off within it starts over.
    """

    def __init__(self, service: Service, hub: Hub, subscription: Subscription) -> None:
        self._service = service
        self._hub = hub
        self._subscription = subscription

    def opening(self, since: int | None, boot: str) -> Telling:
        """Return hello, then what a client missed that has seen everything up to `since`, or all there is."""
        missed = None if since is None else self._missed(since, boot)
        return Telling(self._hub.seq, self._opening(missed, since or 0, self._hub.seq))

    def again(self, since: int) -> Telling:
        """Return what a client missed that was too slow; of many log lines the last."""
        missed = self._missed(since, self._hub.boot)
        return Telling(self._hub.seq, self._again(missed, self._hub.seq))

    def _missed(self, since: int, boot: str) -> list[tuple[int, Pointer]] | None:
        known = self._hub.since(since, boot)
        if known is None:
            return None
        missed = [(seq, pointer) for seq, pointer in known if self._may_want(pointer)]
        return missed if sum(_is_job(pointer) for _, pointer in missed) <= RESUMED_JOBS else None

    def _may_want(self, pointer: Pointer) -> bool:
        """Whether to look at what `pointer` points to; what it points to is asked again."""
        if not isinstance(pointer, tuple):
            return self._subscription.wants(pointer)
        return (JOBS if _is_job(pointer) else DAEMONS) in self._subscription.topics

    async def _opening(self, missed: list[tuple[int, Pointer]] | None, since: int, seq: int) -> AsyncIterator[str]:
        now = self._hub.clock.now()
        hello = {
            "boot": self._hub.boot,
            "version": self._hub.version,
            "seq": seq,
            "time": now,
            "resumed": missed is not None,
        }
        yield frame_text(0 if missed is None else since, HUB, "hello", now, hello)
        async for text in self._snapshot() if missed is None else self._resumed(missed):
            yield text
        yield heartbeat(seq, self._hub.clock.now(), self._hub.version).text

    async def _again(self, missed: list[tuple[int, Pointer]] | None, seq: int) -> AsyncIterator[str]:
        if missed is not None:
            lines = [number for number, pointer in missed if isinstance(pointer, LogWritten)]
            left_out = set(lines[:-LOG_LINES])
            missed = [(number, pointer) for number, pointer in missed if number not in left_out]
            if left_out:
                yield self._hub.say_dropped(lines[0] - 1, len(left_out))
        async for text in self._snapshot() if missed is None else self._resumed(missed):
            yield text
        yield heartbeat(seq, self._hub.clock.now(), self._hub.version).text

    async def _snapshot(self) -> AsyncIterator[str]:
        at, wanted = self._hub.clock.now(), self._subscription
        if DAEMONS in wanted.topics:
            daemons = [daemon for daemon in self._service.board.all() if wanted.wants(DaemonChanged(daemon))]
            for text in snapshot_frames(0, DAEMONS, at, daemons):
                yield text
        if JOBS in wanted.topics:
            async for jobs, more in self._jobs():
                for text in snapshot_frames(0, JOBS, at, jobs, more=more):
                    yield text
        if LOGS in wanted.topics:
            lines = await self._service.journal.lines(daemon_id=wanted.daemon_id, job_id=wanted.job_id, limit=LOG_LINES)
            for text in snapshot_frames(0, LOGS, at, lines):
                yield text

    async def _jobs(self) -> AsyncIterator[tuple[list[Job], bool]]:
        """Read the newest jobs whatever their state, then the unfinished ones, a bounded number at a time."""
        wanted, jobs = self._subscription, self._service.jobs
        if wanted.job_id is not None:
            event = await self._present_job(wanted.job_id)
            yield ([event.job] if isinstance(event, JobChanged) else []), False
            return
        newest = await jobs.list(JobFilter(daemon=wanted.daemon_id), limit=FINISHED_JOBS)
        yield newest.items, True
        cursor = None
        while True:
            unfinished = JobFilter(states=tuple(UNFINISHED_JOB_STATES), daemon=wanted.daemon_id)
            page = await jobs.list(unfinished, cursor=cursor, limit=JOBS_A_READ)
            cursor = page.next
            yield page.items, cursor is not None
            if cursor is None:
                return

    async def _resumed(self, missed: list[tuple[int, Pointer]]) -> AsyncIterator[str]:
        for seq, pointer in missed:
            event = await self._present(pointer)
            if self._subscription.wants(event):
                yield Change(seq, self._hub.clock.now(), event).frame.text

    async def _present_job(self, job_id: str) -> Event:
        try:
            return JobChanged(await self._service.jobs.get(job_id))
        except NotFound:
            return JobRemoved(job_id)

    async def _present(self, pointer: Pointer) -> Event:
        if not isinstance(pointer, tuple):
            return pointer
        kind, entity = pointer
        if kind == "job":
            return await self._present_job(entity)
        try:
            return DaemonChanged(self._service.board.get(entity))
        except NotFound:
            return DaemonRemoved(entity, "")


def _is_job(pointer: Pointer) -> bool:
    return isinstance(pointer, tuple) and pointer[0] == "job"
