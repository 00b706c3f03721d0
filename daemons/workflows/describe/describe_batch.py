"""The job that describes one batch: a worker process says one result an image, each is committed as it comes."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from pydantic import BaseModel, Field

from daemons.handlers import JobContext, job
from daemons.killpoints import reach
from daemons.workflows.describe.batch import Batch, Outcome
from daemons.workflows.describe.keeper import DescriptionKeeper, FileStamp, Finding, Way, record
from daemons.workflows.describe.paths import disk_path, wire_path

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
    items: list[BatchItem] = Field(max_length=10_000)
    again: bool = Field(False, description="Whether to describe also what was described, or failed, before.")

    def way(self) -> Way:
        return Way(disk_path(self.folder), self.describer, self.model)


class BatchResult(BaseModel):
    """How the batch went."""

    described: int
    failed: int
    known_already: int


@job("describe_batch", max_attempts=3, lane=LANE, tidy_up=TIDY_UP, keeps_awake=True)
async def describe_batch(ctx: JobContext, args: BatchArgs) -> BatchResult:
    """Describes the images of a batch that are not described yet."""
    keeper = ctx.keeper(DescriptionKeeper)
    way = args.way()
    stamps = {_full(way, stamp): stamp for stamp in (item.stamp() for item in args.items)}
    known = [] if args.again else list(stamps.values())
    left = {_full(way, stamp) for stamp in await keeper.not_yet_described(way, known)} if known else set(stamps)
    result = BatchResult(described=0, failed=0, known_already=len(stamps) - len(left))
    batch = Batch(ctx, [path for path in stamps if path in left], describer=args.describer)
    accept = partial(_accept, ctx, way, stamps, result, args.again)
    await _run_to_a_good_end(batch, accept, keeper)
    return result


async def _accept(
    ctx: JobContext, way: Way, stamps: dict[bytes, FileStamp], result: BatchResult, asked: bool, outcome: Outcome
) -> None:
    seen = stamps[outcome.path]
    stamp = FileStamp(seen.path, _or(outcome.size, seen.size), _or(outcome.mtime_ns, seen.mtime_ns))
    finding = Finding(stamp, outcome.seconds, outcome.sha256, outcome.facts, outcome.description, outcome.error)
    reach("image described")
    await ctx.write(lambda tx: record(tx, way, finding, ctx.job_id, asked=asked))
    if outcome.error:
        result.failed += 1
        await ctx.log("warning", f"{wire_path(seen.path)}: {outcome.error.code}: {outcome.error.message}")
    else:
        result.described += 1
    done = result.described + result.failed + result.known_already
    await ctx.progress(done, len(stamps), wire_path(seen.path))


async def _run_to_a_good_end(
    batch: Batch, accept: Callable[[Outcome], Awaitable[None]], keeper: DescriptionKeeper
) -> None:
    """Run the batch; when it is to end, let it finish the image in hand first."""
    running = asyncio.create_task(batch.run(accept))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        batch.finish_current()
        await keeper.clock.settle({running}, TIDY_UP / 2)
        raise
    finally:
        if not running.done():
            running.cancel()
            await keeper.clock.settle({running}, TIDY_UP / 4)


def _full(way: Way, stamp: FileStamp) -> bytes:
    return way.folder.rstrip(b"/") + b"/" + stamp.path


def _or(newer: int | None, seen: int) -> int:
    return seen if newer is None else newer
