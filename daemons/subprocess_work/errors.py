"""What can happen to a worker process.

    WorkerError
        WorkerNotStarted     the program could not be started
        WorkerKilled         a signal ended it; 9 often means that the machine ran out of memory
        WorkerOutOfMemory    it reached its own memory limit
        WorkerExited         it ended by itself in the middle of a request
        WorkerHung           it said nothing for too long
        WorkerGarbled        it wrote something that is not the protocol
        WorkerTaskFailed     the request failed; the worker itself is well

Each carries the item that was in hand and the last lines of stderr.
"""

from collections.abc import Sequence

from daemons.errors import DaemonError, ErrorInfo


class WorkerError(DaemonError):
    """A worker process failed."""

    code = "ERR_WORKER"

    def __init__(
        self, message: str | None = None, *, in_hand: str | None = None, stderr: Sequence[str] = (), **more: str | None
    ) -> None:
        super().__init__(message, **more)
        self.in_hand = in_hand
        self.stderr = tuple(stderr)
        if stderr:
            self.add_note("Last lines of the worker's stderr:\n" + "\n".join(stderr))


class WorkerNotStarted(WorkerError):
    """The worker process could not be started."""

    code = "ERR_WORKER_NOT_STARTED"
    remedy = "Check that the program exists and that the machine has memory and processes left."


class WorkerKilled(WorkerError):
    """The worker process was killed by a signal."""

    code = "ERR_WORKER_KILLED"


class WorkerOutOfMemory(WorkerError):
    """The worker process needed more memory than it may use."""

    code = "ERR_WORKER_OUT_OF_MEMORY"
    remedy = "Raise the worker's memory limit or leave the item out."


class WorkerExited(WorkerError):
    """The worker process ended in the middle of its work."""

    code = "ERR_WORKER_EXITED"


class WorkerHung(WorkerError):
    """The worker process said nothing for too long and was killed."""

    code = "ERR_WORKER_HUNG"


class WorkerGarbled(WorkerError):
    """The worker process wrote something that is not a result."""

    code = "ERR_WORKER_PROTOCOL"


class WorkerTaskFailed(WorkerError):
    """The worker could not carry out the request."""

    code = "ERR_WORKER_TASK"

    def __init__(self, info: ErrorInfo, *, in_hand: str | None = None, stderr: Sequence[str] = ()) -> None:
        super().__init__(info.message, in_hand=in_hand, stderr=stderr, remedy=info.remedy, code=info.code)
        self.info = info
