"""One run of a daemon, from its making to the end of the last task it started."""

import asyncio
import inspect
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from daemons.base import BaseDaemon
from daemons.errors import ErrorInfo
from daemons.options import DaemonOptions, changed, needing_restart
from daemons.registry import DaemonType
from daemons.states import LogLevel, StopMode
from daemons.status import StatusLine
from daemons.supervisor.calls import CallServices, DaemonCalls
from daemons.supervisor.ownership import Owner, current_owner
from daemons.supervisor.stacks import SLEEP, Frame, codes_of_task, stack_of_task
from daemons.values import DaemonRow

ON_STOP_SECONDS = 5.0
"""How long `on_stop` may take."""
SWEEP_SECONDS = 2.0
"""Between two cancellations of tasks the run left behind."""

_ON_PURPOSE = frozenset({SLEEP, DaemonCalls.sleep.__code__, DaemonCalls.wait_for.__code__, DaemonCalls.ask.__code__})


@dataclass(frozen=True, slots=True)
class Returned:
    """`run` came to its end by itself."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run ended because it was told to."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The run ended by an error."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Fenced:
    """The run was ended because another manager has the daemon now."""


Outcome = Returned | Stopped | Crashed | Fenced


class DaemonRun:
    """Runs a daemon's code in a task of its own. Every method returns at once."""

    def __init__(
        self,
        services: CallServices,
        kind: DaemonType,
        row: DaemonRow,
        line: StatusLine,
        options: DaemonOptions,
        changed: Callable[[], None],
    ) -> None:
        self.row = row
        self.line = line
        self.stop_mode: StopMode | None = None
        self.ending_since: float | None = None
        """Monotonic time since which the run should be over soon; a draining run has none."""
        self.has_started = False
        self.is_abandoned = False
        self.outcome: Outcome | None = None
        self.calls = DaemonCalls(services, row, line, options, self._end_now)
        self._services = services
        self._kind = kind
        self._changed = changed
        self._owner = Owner()
        self._is_fenced = False
        self._plain_sleep: object = None
        context = copy_context()
        context.run(current_owner.set, self._owner)
        self._task = asyncio.get_running_loop().create_task(self._live(), name=f"daemon {row.name}", context=context)
        self._task.add_done_callback(self._note_end)

    @property
    def has_ended(self) -> bool:
        """Whether no task of this run is left."""
        return self._task.done()

    @property
    def is_stopping(self) -> bool:
        return self.stop_mode is not None

    @property
    def has_lost_lease(self) -> bool:
        """Whether a write of this run was refused because another manager has the daemon."""
        return self._is_fenced or self.calls.has_lost_lease or self.line.has_lost_lease

    @property
    def task(self) -> "asyncio.Task[None]":
        return self._task

    def owns(self, task: "asyncio.Future[Any] | None") -> bool:
        """Whether `task` was started by this run. May be asked from any thread."""
        return self._owner.owns(task)

    def stop(self, mode: StopMode) -> None:
        """Tell the run to end; a stronger mode replaces a weaker one, anything else does nothing."""
        if mode is StopMode.DRAIN:
            if self.stop_mode is None:
                self.stop_mode = mode
                self.calls.tell_to_end(drain=True)
            return
        if self.stop_mode in (None, StopMode.DRAIN):
            self.stop_mode = mode
            self.calls.tell_to_end(drain=False)
            self._cancel()
        elif mode is StopMode.CANCEL_JOBS:
            self.stop_mode = mode

    def configure(self, new: DaemonOptions) -> list[str]:
        """Use `new` options from now on, but for those that need a restart; return the names of these."""
        old = self.calls.options
        later = changed(old, new) & needing_restart(type(new))
        self.calls.options = new.model_copy(update={name: getattr(old, name) for name in later})
        self.calls.wake()
        return sorted(later)

    def fence(self) -> None:
        """End the run because another manager has the daemon; nothing it writes will be taken."""
        self._is_fenced = True
        self.calls.tell_to_end(drain=False)
        self._cancel()

    def abandon(self) -> None:
        """Give up waiting: ignore all it says, and cancel whatever it still does once more."""
        self.is_abandoned = True
        self.calls.end()
        for task in self._owner.tasks():
            task.cancel()

    # Looking at it.

    def stack(self) -> tuple[Frame, ...]:
        """Return where the run stands, outermost call first."""
        return tuple(frame for frame in stack_of_task(self._task) if frame.file != __file__)

    def place(self) -> Frame | None:
        """Return the innermost line of the author's own module at which the run stands, else of any."""
        stack = self.stack()
        home = inspect.getsourcefile(self._kind.cls)
        return next((frame for frame in reversed(stack) if frame.file == home), stack[-1] if stack else None)

    def is_idle(self) -> bool:
        """Whether the run sleeps or waits for a job, itself or in every task it started."""
        if _waits_on_purpose(self._task):
            return True
        others = [task for task in self._owner.tasks() if task is not self._task and isinstance(task, asyncio.Task)]
        return bool(others) and all(_waits_on_purpose(task) for task in others)

    def look_while_draining(self) -> None:
        """End a draining run that stands in one plain sleep of its own `run` since the last look, with no job in view.

        Shorter sleeps and those of its helpers may belong to the item in hand.
        """
        waiter = getattr(self._task, "_fut_waiter", None)
        if waiter is not None and waiter is self._plain_sleep and not self.calls.watches_job and self._sleeps_in_run():
            self._end_now()
        self._plain_sleep = waiter

    def _sleeps_in_run(self) -> bool:
        own = inspect.unwrap(self._kind.cls.run).__code__
        return codes_of_task(self._task)[-2:] == [own, SLEEP]

    # Living.

    async def _live(self) -> None:
        daemon: BaseDaemon | None = None
        try:
            daemon = self._kind.cls()
            daemon._calls = self.calls
            await daemon.on_start()
            self.has_started = True
            self._changed()
            await daemon.run()
            outcome: Outcome = Returned()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a daemon raises, sys.exit() too, ends only itself
            outcome = self._judge(error)
        self._begin_to_end()
        if daemon is not None and self.has_started:
            await self._call_on_stop(daemon)
        await self._sweep()
        self.calls.end()
        self.outcome = outcome

    def _judge(self, error: BaseException) -> Outcome:
        if self.has_lost_lease:
            return Fenced()
        if isinstance(error, asyncio.CancelledError) and (self.is_stopping or self.ending_since is not None):
            return Stopped()
        info = ErrorInfo.of(error)
        if not isinstance(error, asyncio.CancelledError) and self.is_stopping:
            self._log(LogLevel.ERROR, f"It raised while it was being stopped: {info.detail}")
            return Stopped()
        return Crashed(info)

    async def _call_on_stop(self, daemon: BaseDaemon) -> None:
        cleaning = asyncio.create_task(daemon.on_stop(), name=f"daemon {self.row.name} on_stop")
        if await self._services.clock.settle({cleaning}, ON_STOP_SECONDS):
            self._log(LogLevel.WARNING, f"on_stop took longer than {ON_STOP_SECONDS:g} s and was cancelled.")
        elif not cleaning.cancelled() and (error := cleaning.exception()):
            self._log(LogLevel.ERROR, f"on_stop failed: {ErrorInfo.of(error).detail}")

    async def _sweep(self) -> None:
        """Return once every task the run started is done, however often they must be told."""
        while left := self._owner.tasks() - {self._task}:
            for task in left:
                task.cancel()
            await self._services.clock.settle(left, SWEEP_SECONDS)
            for task in left:
                if task.done() and not task.cancelled() and (error := task.exception()):
                    self._log(LogLevel.WARNING, f"A task it left behind failed: {ErrorInfo.of(error).detail}")

    def _end_now(self) -> None:
        self.calls.tell_to_end(drain=False)
        self._cancel()

    def _cancel(self) -> None:
        # Once only: a second cancellation, or one after `run` is over, would cut cleaning up short.
        if self._begin_to_end():
            self._task.cancel()

    def _begin_to_end(self) -> bool:
        if self.ending_since is not None:
            return False
        self.ending_since = self._services.clock.monotonic()
        self._changed()
        return True

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self.calls.end()
        if self.outcome is None:
            self.outcome = Fenced() if self.has_lost_lease else Stopped()
        self._changed()

    def _log(self, level: LogLevel, message: str) -> None:
        self._services.journal.log(level, message, daemon=self.row, lease=self.line.lease)


def _waits_on_purpose(task: "asyncio.Task[Any]") -> bool:
    return not _ON_PURPOSE.isdisjoint(codes_of_task(task))
