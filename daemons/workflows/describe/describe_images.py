"""The daemon that looks through a folder and has what is new described, batch by batch."""

import math
from collections import deque

import psutil

from daemons.base import BaseDaemon, daemon
from daemons.clients.errors import NotConfigured
from daemons.clients.vision import VisionClient
from daemons.clock import Clock
from daemons.folders.paths import wire_path
from daemons.folders.scan import DirectoryError
from daemons.folders.watch import FolderWatch, Place
from daemons.states import JobState, LogLevel
from daemons.values import Job
from daemons.workflows.describe.describe_batch import BatchArgs, BatchItem
from daemons.workflows.describe.keeper import DescriptionKeeper, FileStamp, Way, clean_path
from daemons.workflows.describe.local_errors import hinders_loading
from daemons.workflows.describe.looking import SETTLED_SECONDS, FolderLooker, Look
from daemons.workflows.describe.machine import memory_percent
from daemons.workflows.describe.options import DescribeOptions

MEMORY_SECONDS = 60.0
"""Seconds between two looks at the memory while it is short."""
LONGEST_WAIT = 900.0
"""Seconds between two tries after batches failed one after another."""
_LOOKING_SHARE = 0.05
"""Of the time, what looking through the whole folder may take."""
_SHORT, _ROOMY = 0.9, 0.8
"""Of the memory that may be in use: from where on there is a rest, and up to where batches grow again."""


@daemon("describe_images", title="Describe images")
class DescribeImages(BaseDaemon):
    """Describes every image of a folder, a batch at a time, and sees new ones as they come."""

    Options = DescribeOptions

    _looker: FolderLooker | None = None
    _scope: object = None
    _look_due = 0.0
    _total = 0
    # Batches are this many times smaller than usual, because memory was short.
    _divisor = 1
    _failed_in_a_row = 0

    async def run(self) -> None:
        async with FolderWatch(self._clock, self.wake) as watch:
            while self.is_running:
                try:
                    way = self._way()
                    await watch.follow(Place(way.folder, self.options.recursive) if self.options.watch else None)
                    await self._describe_what_is_new(way, watch)
                except NotConfigured as missing:
                    await watch.follow(None)
                    await self.sleep(3600, missing.message)
                except DirectoryError as error:
                    # Whatever comes back in its place has to be looked through and watched anew.
                    self._looker = None
                    await watch.follow(None)
                    folder = clean_path(way.folder)
                    await self.report_error(error.error_code, f"{folder}: {error.message}")
                    remedy = f" {error.remedy}" if error.remedy else ""
                    await self.sleep(self.options.interval, f"{error.message} ({folder}).{remedy}")

    def _way(self) -> Way:
        """Return how the folder is described. Raises NotConfigured, saying what to set."""
        model = ""
        if self.options.describer == "vision":
            model = self.client(VisionClient).settings.model
            if not (model or self.options.model):
                raise NotConfigured("vision.model")
        way = Way.of(self.options, model)
        if way is None:
            raise NotConfigured("directory")
        return way

    async def _describe_what_is_new(self, way: Way, watch: FolderWatch) -> None:
        looker = self._looker_of(way)
        changed = watch.take()
        if changed and self._now() < self._look_due:
            look = await looker.look(self._tell_nothing, changed)
            self._total = (await looker.records.counts()).present + look.new
        else:
            look = await self._look_through(looker)
            self._total = look.found
        watch.add(look.young)
        await self._keep_the_limit(looker, look)
        await self.progress(self._total - len(look.pending), self._total)
        if await self._describe_all(way, look.pending):
            await self._sleep_until_the_next_look(looker, look)

    def _looker_of(self, way: Way) -> FolderLooker:
        options = self.options
        scope = (way, options.recursive, tuple(options.include), tuple(options.exclude))
        if self._looker is None or scope != self._scope:
            keeper = self.keeper(DescriptionKeeper)
            self._looker = FolderLooker(keeper, way, recursive=options.recursive, wanted=options.wanted())
            self._scope, self._look_due = scope, 0.0
        return self._looker

    async def _look_through(self, looker: FolderLooker) -> Look:
        folder = clean_path(looker.way.folder)

        async def tell(found: int) -> None:
            await self.update_status(f"Looking through {folder}: {found:,} images so far")

        await self.update_status(f"Looking through {folder}")
        began = self._now()
        look = await looker.look(tell)
        pause = max(self.options.interval, (self._now() - began) / _LOOKING_SHARE)
        self._look_due = self._now() + pause
        for skipped in look.skipped:
            await self.report_error(skipped.error.error_code, f"{clean_path(skipped.path)}: {skipped.error.message}")
        # Kept while it does not run, so that how far it is can be told from the data alone.
        await self.metric("found", look.found, "images")
        return look

    async def _keep_the_limit(self, looker: FolderLooker, look: Look) -> None:
        if self.options.limit is None:
            return
        allowed = max(0, self.options.limit - (await looker.records.counts()).present)
        while len(look.pending) > allowed:
            look.pending.pop()
        self._total = min(self._total, self.options.limit)

    async def _describe_all(self, way: Way, pending: deque[FileStamp]) -> bool:
        """Have all of `pending` described; return whether that came to an end."""
        number = 0
        while pending:
            await self._wait_for_memory()
            if not self.is_running or self._way() != way:
                return False
            number += 1
            size = self._batch_size()
            batches = number - 1 + -(-len(pending) // size)
            job = await self._describe(way, pending, size, f"Describing batch {number} of {batches}")
            if job.error is not None:
                await self._wait_after_a_failure(number, job)
                return False
            self._failed_in_a_row = 0
            if pending:
                await self._rest()
        return True

    async def _describe(self, way: Way, pending: deque[FileStamp], size: int, what: str) -> Job:
        """Have the next of `pending` described; return the job when it has ended."""
        done = self._total - len(pending)
        items = [pending.popleft() for _ in range(min(size, len(pending)))]
        args = BatchArgs(
            folder=wire_path(way.folder),
            describer=way.describer,
            model=way.model,
            items=list(map(BatchItem.of, items)),
            **self.options.ask(),
        )
        job = await self.create_job("describe_batch", args, unique=self.name, on_stop="cancel")
        await self.update_status(f"{what} ({_images(len(items))})", job_id=job.id, job_type=job.type)
        # What it tells next is the use since now.
        psutil.cpu_percent()
        job = await self.wait_for(job, done=done, total=self._total)
        if isinstance(job.args, dict) and job.args.get("items") != args.model_dump(mode="json")["items"]:
            # One that an earlier run had left: what it did is known to the next.
            pending.extendleft(reversed(items))
        if isinstance(job.result, dict):
            await self.metric("images", job.result["described"], "images")
            await self.metric("failed", job.result["failed"], "images")
        await self.metric("memory", memory_percent(), "%")
        await self.metric("cpu", psutil.cpu_percent(), "%")
        return job

    async def _wait_after_a_failure(self, number: int, job: Job) -> None:
        assert job.error is not None
        await self.log(LogLevel.ERROR, f"Batch {number} {job.state}: {job.error.message}")
        await self.report_error(job.error.code, job.error.message)
        if hinders_loading(job.error.code):
            await self.sleep(LONGEST_WAIT, f"Not configured: {job.error.message} {job.error.remedy or ''}".rstrip())
            return
        # Not at once: it would fail again, or be what a person has just cancelled.
        seconds = max(self.options.interval, min(LONGEST_WAIT, self.options.interval * 2**self._failed_in_a_row))
        self._failed_in_a_row = min(self._failed_in_a_row + 1, 10) if job.state == JobState.FAILED else 0
        self._look_due = 0.0
        why = "" if job.state == JobState.CANCELLED else f": {job.error.message} {job.error.remedy or ''}".rstrip()
        await self.sleep(seconds, f"Batch {number} {job.state}{why}, trying again in {{seconds}} seconds")
        if job.state == JobState.FAILED and self.options.describer == "vision":
            await self._wait_for_the_server(seconds)

    async def _wait_for_the_server(self, seconds: float) -> None:
        """Return once the server describes a tiny picture: no batch is begun that would fail like the last one."""
        while self.is_running and self.options.describer == "vision":
            report = await self.client(VisionClient).check(self._way().model)
            if report.problem is None:
                return
            seconds = min(LONGEST_WAIT, 2 * seconds)
            why = f"{report.problem.message} {report.problem.remedy or ''}".rstrip()
            await self.sleep(seconds, f"Waiting for the vision server: {why} Trying again in {{seconds}} seconds")

    def _batch_size(self) -> int:
        size: int = self.options.pacing().batch_size
        return max(1, size // self._divisor)

    async def _wait_for_memory(self) -> None:
        has_waited = False
        while self.is_running and (used := memory_percent()) > self.options.max_memory_percent:
            if has_waited and self._batch_size() > 1:
                self._divisor *= 2
                await self.log(LogLevel.WARNING, f"Memory stays short: a batch is {_images(self._batch_size())} now")
            smaller = f"; a batch is down to {_images(self._batch_size())}" if self._divisor > 1 else ""
            limit = f"{self.options.max_memory_percent:g} %"
            words = f"Waiting for memory: {used:g} % is in use, the limit is {limit}{smaller}"
            await self.sleep(MEMORY_SECONDS, words)
            has_waited = True
        if not has_waited and used < self.options.max_memory_percent * _ROOMY:
            self._divisor = max(1, self._divisor // 2)

    async def _rest(self) -> None:
        # What needs no model warms nothing up: it rests only while memory is getting short.
        cooldown = self.options.pacing().cooldown
        is_short = memory_percent() > self.options.max_memory_percent * _SHORT
        if cooldown and (is_short or self.options.describer == "local"):
            await self.sleep(cooldown, "Resting for {seconds} seconds between two batches")

    async def _sleep_until_the_next_look(self, looker: FolderLooker, look: Look) -> None:
        failed = (await looker.records.counts()).failed
        seconds = SETTLED_SECONDS if look.young else max(0.0, self._look_due - self._now())
        # Whole seconds are enough to read, and a little too late is not too early.
        seconds = math.ceil(seconds) if seconds > 1 else seconds
        limited = ", as many as the limit allows" if self._total == self.options.limit else ""
        what = _so_far(self._total, failed, len(look.young)) + limited
        await self.sleep(seconds, what + ", looking again in {seconds} seconds")

    async def _tell_nothing(self, found: int) -> None:
        """Look at what changed without a word: it is over at once."""

    @property
    def _clock(self) -> Clock:
        return self.keeper(DescriptionKeeper).clock

    def _now(self) -> float:
        return self._clock.monotonic()


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _so_far(total: int, failed: int, young: int) -> str:
    if not failed and not young:
        return "1 image is described" if total == 1 else f"All {total:,} images are described"
    left_out = [f"{failed:,} failed"] if failed else []
    left_out += [f"{young:,} may still be written to"] if young else []
    return f"{max(0, total - failed - young):,} of {total:,} images are described, {', '.join(left_out)}"
