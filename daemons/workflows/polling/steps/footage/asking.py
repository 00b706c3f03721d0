"""Has a worker process read a film, and says what is wrong with the film as an error of the step."""

from contextlib import aclosing
from functools import partial
from typing import Any

from daemons.subprocess_work.errors import WorkerOutOfMemory, WorkerTaskFailed
from daemons.workflows.polling.film.errors import HOPELESS, FootageError
from daemons.workflows.polling.footage_worker import FOOTAGE_WORKER
from daemons.workflows.polling.ladder import StepContext
from daemons.workflows.polling.steps.file_threads import GoOn, in_thread
from daemons.workflows.polling.steps.files import FileReplaced, FileTrouble, Stamp, reading, stamp_of


async def look_at(path: bytes, size: int | None = None) -> Stamp:
    """Return which file is at `path`. Raises what `steps.files` names, FileReplaced where it has another `size`."""
    stamp = await in_thread(partial(_look, path))
    if size is not None and stamp.size != size:
        raise FileReplaced
    return stamp


async def ask_about_film(ctx: StepContext, request: dict[str, Any]) -> list[Any]:
    """Return all results of a request to `footage_worker`.

    Raises FootageError where no other try would help, FileTrouble or WorkerError where one may.
    """
    try:
        async with ctx.borrow(FOOTAGE_WORKER) as worker, aclosing(worker.run(request)) as results:
            return [result async for result in results]
    except WorkerTaskFailed as failed:
        kind = FootageError if failed.info.code in HOPELESS else FileTrouble
        raise kind(failed.info.message, remedy=failed.info.remedy, code=failed.info.code) from None
    except WorkerOutOfMemory as error:
        # It would grow again. One that hung may have waited for a disk.
        message = f"Reading the film ended its worker process: {error.message}"
        raise FootageError(message, remedy=error.remedy, code="ERR_FOOTAGE_KILLED_WORKER") from error


def _look(path: bytes, go_on: GoOn) -> Stamp:
    with reading(path) as file:
        return stamp_of(file)
