"""The job that describes one batch: what comes out of each image is committed as it comes."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import BaseModel, Field

from daemons.clients.asking import Ask
from daemons.clients.vision import VisionClient
from daemons.clock import Clock
from daemons.folders.paths import disk_path, wire_path
from daemons.handlers import JobContext, job
from daemons.subprocess_work.errors import WorkerTaskFailed
from daemons.workflows.describe.answering import Answering
from daemons.workflows.describe.batch import Batch
from daemons.workflows.describe.copies import Copies
from daemons.workflows.describe.keeper import DescriptionKeeper, FileStamp, Way
from daemons.workflows.describe.local_errors import ModelNotLoaded, hinders_loading
from daemons.workflows.describe.options import PROMPT
from daemons.workflows.describe.settling import Settling

LANE = "describe"
TIDY_UP = 20.0
"""Seconds for the image in hand when the batch is to end."""


class BatchItem(BaseModel):
    """A file to describe, as it was seen: its path below the folder as `wire_path` text."""

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, stamp: FileStamp) -> "BatchItem":
        return cls(path=wire_path(stamp.path), size=stamp.size, mtime_ns=stamp.mtime_ns)

    def stamp(self) -> FileStamp:
        return FileStamp(disk_path(self.path), self.size, self.mtime_ns)


class BatchArgs(BaseModel):
    """The files of one batch and how to describe them."""

    folder: str = Field(description="The folder, absolute, as text in which \\xNN stands for a byte.")
    describer: str = "basic"
    model: str = ""
    prompt: str = PROMPT
    max_tokens: int = 256
    temperature: float = 0.0
    image_timeout: float = 180.0
    items: list[BatchItem] = Field(max_length=10_000)
    again: bool = Field(False, description="Whether to describe also what was described, or failed, before.")

    def way(self) -> Way:
        return Way(disk_path(self.folder), self.describer, self.model)

    def ask(self) -> Ask | None:
        """Return what a model is asked, None where there is none."""
        if self.describer == "basic":
            return None
        return Ask(self.prompt, self.max_tokens, self.temperature, self.image_timeout)


class BatchResult(BaseModel):
    """How the batch went; `copied` had the content of a file that is described."""

    described: int = 0
    failed: int = 0
    copied: int = 0
    known_already: int = 0


@job("describe_batch", max_attempts=3, lane=LANE, tidy_up=TIDY_UP, keeps_awake=True)
async def describe_batch(ctx: JobContext, args: BatchArgs) -> BatchResult:
    """Describes the images of a batch that are not described yet."""
    work = BatchWork(ctx, args)
    await _run_to_a_good_end(work, ctx.keeper(DescriptionKeeper).clock)
    return BatchResult(**work.tally)


class BatchWork:
    """One attempt at a batch."""

    def __init__(self, ctx: JobContext, args: BatchArgs) -> None:
        self._ctx = ctx
        self._args = args
        self._stamps = list({item.path: item.stamp() for item in args.items}.values())
        self._way = way = args.way()
        self._records = ctx.keeper(DescriptionKeeper).folder(way)
        self._settling = Settling(ctx, way, args.ask(), self._stamps, asked=args.again)
        self._copies = Copies(ctx, way, self._records, self._settling)
        self._batch: Batch | None = None
        self._is_stopping = False

    @property
    def tally(self) -> dict[str, int]:
        return dict(self._settling.tally)

    async def run(self) -> None:
        """Describe what is not described. Returns early only after `finish_current`."""
        left = self._stamps
        if self._args.again:
            await self._describe(left)
            return
        left = await self._records.not_yet_described(left)
        self._settling.tally["known_already"] += len(self._stamps) - len(left)
        while left and not self._is_stopping:
            fresh, left = await self._copies.take_over(left)
            await self._describe(fresh)

    def finish_current(self) -> None:
        """Finish the image in hand and take no more."""
        self._is_stopping = True
        if self._batch is not None:
            self._batch.finish_current()

    async def _describe(self, stamps: Sequence[FileStamp]) -> None:
        if self._is_stopping:
            return
        paths = [self._settling.path_of(stamp) for stamp in stamps]
        ask = self._args.ask()
        if ask is not None and self._args.describer == "vision":
            await self._ask_the_server(paths, ask)
            return
        more = {"ask": asdict(ask), "model": self._args.model} if ask else {}
        self._batch = Batch(self._ctx, paths, describer=self._args.describer, more=more)
        try:
            await self._batch.run(self._settling.accept)
        except WorkerTaskFailed as failed:
            if hinders_loading(failed.error_code):
                raise ModelNotLoaded(failed.message, remedy=failed.remedy, code=failed.error_code) from None
            raise

    async def _ask_the_server(self, paths: Sequence[bytes], ask: Ask) -> None:
        self._batch = batch = Batch(self._ctx, paths, describer="prepare")
        client, settling = self._ctx.client(VisionClient), self._settling
        async with Answering(
            client, ask, self._args.model, settle=settling.accept, tell=settling.say, stop=batch.finish_current
        ) as answering:
            await batch.run(answering.accept)


async def _run_to_a_good_end(work: BatchWork, clock: Clock) -> None:
    """Run the batch; when it is to end, let it finish the image in hand first."""
    running = asyncio.create_task(work.run())
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        work.finish_current()
        await clock.settle({running}, TIDY_UP / 2)
        raise
    finally:
        if not running.done():
            running.cancel()
            await clock.settle({running}, TIDY_UP / 4)
