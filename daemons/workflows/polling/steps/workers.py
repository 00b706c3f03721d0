"""Has a worker process do what decodes files."""

import asyncio
import os
from contextlib import aclosing
from typing import Any
from weakref import WeakKeyDictionary

from daemons.subprocess_work.errors import WorkerHung, WorkerOutOfMemory, WorkerTaskFailed
from daemons.subprocess_work.spec import MEBIBYTE, WorkerSpec
from daemons.workflows.polling.ladder import StepContext
from daemons.workflows.polling.steps.files import FileUnfit, error_of

STILLS_WORKER = WorkerSpec.module(
    "daemons.workflows.polling.stills_worker",
    memory=1536 * MEBIBYTE,
    silence=120.0,
    recycle_requests=500,
    recycle_memory=400 * MEBIBYTE,
)
AT_ONCE = max(2, os.cpu_count() or 1)
"""Processes that decode at a time, however many records climb."""

_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def ask_worker(ctx: StepContext, spec: WorkerSpec, request: dict[str, Any]) -> Any:
    """Return a worker's one result. Raises FileUnfit where no other try would help, FileTrouble, or WorkerError."""
    try:
        async with _place(), ctx.borrow(spec) as worker, aclosing(worker.run(request)) as results:
            found = [result async for result in results]
    except WorkerTaskFailed as failed:
        raise error_of(failed.info) from None
    except (WorkerHung, WorkerOutOfMemory) as error:
        # It would hang or grow again.
        message = f"Reading the image ended its worker process: {error.message}"
        raise FileUnfit(message, remedy=error.remedy, code="ERR_IMAGE_KILLED_WORKER") from error
    return found[0]


def _place() -> asyncio.Semaphore:
    return _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
