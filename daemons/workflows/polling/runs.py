"""Steps that run, as many at a time as there are slots and places on their lanes.

A slot's task does one step after another: a new task for each would begin only when all that is ready has run. One
watcher minds how long they take. A step that goes on although it was cancelled is left alone after a while: its record
counts as timed out, and what the step still comes to is nobody's.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush

from daemons.clock import Clock
from daemons.errors import DaemonError, Superseded
from daemons.workflows.polling.keeper.adding import check_fields
from daemons.workflows.polling.ladder import Outcome, Step, StepContext
from daemons.workflows.polling.records import Record

GRACE = 0.1
"""How much longer a step may take to end once it was cancelled, as a share of its time."""


class StepTimedOut(DaemonError):
    """The step took longer than it may."""

    code = "ERR_STEP_TIMED_OUT"


@dataclass(eq=False, slots=True)
class Run:
    """One step of one record, and how long it has taken."""

    record: Record
    step: Step
    chained: int  #: steps that were taken before it in one go
    context: StepContext
    began_at: datetime = field(init=False)
    began: float = field(init=False)
    deadline: float = field(init=False)
    task: "asyncio.Task[None]" = field(init=False, repr=False)
    is_late: bool = False
    seconds: float = 0.0


_Line = list[tuple[bool, int, Run]]
"""A heap of what waits: whether it goes on with a climb, and its number in the order of coming."""

Over = Callable[[Run, Outcome | None, BaseException | None], None]
"""Hears what a step came to, or what it failed of: Superseded and CancelledError where it was broken off."""


class Runs:
    """Runs what is added as soon as there is room for it: first what begins a climb, then what waits longest."""

    def __init__(self, clock: Clock, slots: int, lanes: Mapping[str, int], over: Over) -> None:
        self._clock = clock
        self._over = over
        self._slots = slots
        self._places = dict(lanes)
        self._lines: dict[str, _Line] = {lane: [] for lane in lanes}
        self._waiting = 0
        self._running: set[Run] = set()
        self._added = 0
        self._looks_at = math.inf
        self._is_sooner = asyncio.Event()

    def add(self, run: Run) -> None:
        """Have `run` begin, at once if there is room."""
        self._added += 1
        heappush(self._lines[run.step.lane], (run.chained > 0, self._added, run))
        self._waiting += 1
        self._begin()

    @property
    def are_waiting(self) -> bool:
        """Whether there is something that waits for a slot."""
        return self._waiting > self.stuck

    @property
    def stuck(self) -> int:
        """How many wait for a place on their lane, whether a slot is free or not."""
        return sum(len(line) for lane, line in self._lines.items() if not self._places[lane])

    async def watch(self) -> None:
        """Cancel what takes longer than it may; never ends by itself."""
        while True:
            self._is_sooner.clear()
            now = self._clock.monotonic()
            for run in [run for run in self._running if run.deadline <= now]:
                self._mind(run, now)
            self._looks_at = min((run.deadline for run in self._running), default=math.inf)
            pause = None if self._looks_at == math.inf else max(0.001, self._looks_at - now)
            await self._clock.wait(self._is_sooner, pause)

    def forget(self) -> list[Run]:
        """Have what waits not begin any more, and return it."""
        waiting = [run for line in self._lines.values() for _, _, run in line]
        for line in self._lines.values():
            line.clear()
        self._waiting = 0
        return waiting

    async def break_off(self) -> None:
        """Cancel all that runs and forget what waits; what does not end within its grace is nobody's any more."""
        self.forget()
        running = {run.task: run for run in self._running}
        for task in running:
            task.cancel()
        await self._clock.settle(running, max((run.step.timeout * GRACE for run in running.values()), default=0))
        for run in running.values():
            self._free(run)

    def _begin(self) -> None:
        while (run := self._next()) is not None:
            run.task = asyncio.create_task(self._slot(run))

    def _next(self) -> Run | None:
        """Return the run that begins now, None where none may."""
        line = self._next_line() if self._slots and self._waiting else None
        if line is None:
            return None
        _, _, run = heappop(line)
        self._waiting -= 1
        self._slots -= 1
        self._places[run.step.lane] -= 1
        self._running.add(run)
        run.began_at, run.began = self._clock.now(), self._clock.monotonic()
        run.deadline = run.began + run.step.timeout
        if run.deadline < self._looks_at:
            self._is_sooner.set()
        return run

    def _next_line(self) -> _Line | None:
        """Return the line whose first has precedence, of those that have room on their lane."""
        first: _Line | None = None
        for lane, line in self._lines.items():
            if line and self._places[lane] and (first is None or line[0] < first[0]):
                first = line
        return first

    async def _slot(self, run: Run | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        while run is not None:
            run.task = task
            task.set_name(f"record {run.record.code}")
            await self._run(run)
            if task.cancelling():
                # It takes no other: asyncio counts that against what the task awaits later.
                self._begin()
                return
            run = self._next()

    async def _run(self, run: Run) -> None:
        try:
            outcome = await run.step.run(run.context, run.record)
            check_fields({**run.record.fields, **outcome.fields})
        except (asyncio.CancelledError, Superseded) as error:
            self._ended(run, None, error)
        except Exception as error:  # noqa: BLE001 - whatever a step raises is its record's, and ends nothing else
            self._ended(run, None, error)
        else:
            self._ended(run, outcome, None)

    def _mind(self, run: Run, now: float) -> None:
        if run.is_late:
            self._ended(run, None, None)
            self._begin()
            return
        run.is_late = True
        run.deadline = now + run.step.timeout * GRACE
        run.task.cancel()

    def _ended(self, run: Run, outcome: Outcome | None, error: BaseException | None) -> None:
        if run not in self._running:
            return
        self._free(run)
        run.seconds = self._clock.monotonic() - run.began
        if run.is_late:
            outcome, error = None, StepTimedOut(f"{run.step.name} took longer than {run.step.timeout:g} s.")
        self._over(run, outcome, error)

    def _free(self, run: Run) -> None:
        self._running.discard(run)
        self._slots += 1
        self._places[run.step.lane] += 1
