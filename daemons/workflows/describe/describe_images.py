"""The daemon that looks through a folder and has what is new described, batch by batch."""

from collections import deque
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field

from daemons.base import BaseDaemon, daemon
from daemons.options import NEEDS_FOLDER, DaemonOptions
from daemons.states import LogLevel
from daemons.values import Job
from daemons.workflows.describe.describe_batch import BatchArgs, BatchItem
from daemons.workflows.describe.keeper import DescriptionKeeper, FileStamp, Way, clean_path
from daemons.workflows.describe.paths import wire_path
from daemons.workflows.describe.scan import DirectoryError, FolderScan

MEMORY_SECONDS = 60.0
"""Seconds between two looks at the memory while it is short."""


@daemon("describe_images", title="Describe images")
class DescribeImages(BaseDaemon):
    """Describes every image of a folder, a batch at a time, and looks for new ones now and then."""

    class Options(DaemonOptions):
        directory: Path | None = Field(None, description="The folder of images.", json_schema_extra=NEEDS_FOLDER)
        recursive: bool = Field(True, description="Whether to go into the folders below.")
        batch_size: int = Field(100, ge=1, le=1000, description="Images in one job.")
        cooldown: float = Field(
            30, ge=0, le=3600, description="Seconds of rest between two batches; skipped when it is not needed."
        )
        max_memory_percent: float = Field(
            85, gt=0, le=100, description="No batch begins while more of the machine's memory is in use."
        )
        describer: Literal["basic"] = Field("basic", description="basic: from the image itself, without a model.")
        interval: float = Field(60, gt=0, description="Seconds between two looks once everything is described.")

    async def run(self) -> None:
        while self.is_running:
            way = Way.of(self.options)
            if way is None:
                await self.sleep(3600, "Not configured: set directory")
                continue
            try:
                await self._describe_what_is_new(way)
            except DirectoryError as error:
                folder = clean_path(way.folder)
                await self.report_error(error.error_code, f"{folder}: {error.message}")
                remedy = f" {error.remedy}" if error.remedy else ""
                await self.sleep(self.options.interval, f"{error.message} ({folder}).{remedy}")

    async def _describe_what_is_new(self, way: Way) -> None:
        pending, total = await self._look_through(way)
        if not pending:
            what = _so_far(total, await self.keeper(DescriptionKeeper).failed(way))
            await self.sleep(self.options.interval, what + ", looking again in {seconds} seconds")
            return
        batches = -(-len(pending) // self.options.batch_size)
        number = 0
        while pending and self.is_running and Way.of(self.options) == way:
            await self._wait_for_memory()
            number += 1
            job = await self._describe(way, pending, f"Describing batch {number} of {max(number, batches)}")
            await self.progress(total - len(pending), total)
            if job.error is not None:
                await self.log(LogLevel.ERROR, f"Batch {number} {job.state}: {job.error.message}")
                await self.report_error(job.error.code, job.error.message)
                # Not at once: it would fail again, or be what a person has just cancelled.
                wait = "trying again in {seconds} seconds"
                await self.sleep(self.options.interval, f"Batch {number} {job.state}, {wait}")
                return
            if pending:
                await self._rest()

    async def _look_through(self, way: Way) -> tuple[deque[FileStamp], int]:
        """Return the files that are not described as they are now, and how many there are in all."""
        await self.update_status(f"Looking through {clean_path(way.folder)}")
        keeper = self.keeper(DescriptionKeeper)
        pending: deque[FileStamp] = deque()
        scan = FolderScan(way.folder, recursive=self.options.recursive)
        async for found in scan.batches():
            stamps = [FileStamp(one.path, one.size, one.mtime_ns) for one in found]
            pending += await keeper.not_yet_described(way, stamps)
            await self.update_status(f"Looking through {clean_path(way.folder)}: {scan.found:,} images so far")
        for skipped in scan.skipped:
            await self.report_error(skipped.error.error_code, f"{clean_path(skipped.path)}: {skipped.error.message}")
        await self.progress(scan.found - len(pending), scan.found)
        # Kept while it does not run, so that how far it is can be told from the data alone.
        await self.metric("found", scan.found, "images")
        return pending, scan.found

    async def _describe(self, way: Way, pending: deque[FileStamp], what: str) -> Job:
        """Have the next of `pending` described; return the job when it has ended."""
        items = [pending.popleft() for _ in range(min(self.options.batch_size, len(pending)))]
        args = BatchArgs(folder=wire_path(way.folder), describer=way.describer, items=list(map(BatchItem.of, items)))
        job = await self.create_job("describe_batch", args, unique=self.name, on_stop="cancel")
        await self.update_status(f"{what} ({len(items)} images)", job_id=job.id, job_type=job.type)
        # What it tells next is the use since now.
        psutil.cpu_percent()
        job = await self.wait_for(job)
        if isinstance(job.result, dict):
            await self.metric("images", job.result["described"], "images")
            await self.metric("failed", job.result["failed"], "images")
        await self.metric("memory", psutil.virtual_memory().percent, "%")
        await self.metric("cpu", psutil.cpu_percent(), "%")
        return job

    async def _wait_for_memory(self) -> None:
        while self.is_running and (used := psutil.virtual_memory().percent) > self.options.max_memory_percent:
            limit = self.options.max_memory_percent
            await self.sleep(MEMORY_SECONDS, f"Waiting for memory: {used:g} % is in use, the limit is {limit:g} %")

    async def _rest(self) -> None:
        # What needs no model warms nothing up: it rests only while memory is getting short.
        is_short = psutil.virtual_memory().percent > self.options.max_memory_percent * 0.9
        if self.options.cooldown and (is_short or self.options.describer != "basic"):
            await self.sleep(self.options.cooldown, "Resting for {seconds} seconds between two batches")


def _so_far(total: int, failed: int) -> str:
    if not failed:
        return f"All {total:,} images are described"
    return f"{max(0, total - failed):,} of {total:,} images are described, {failed:,} failed"
