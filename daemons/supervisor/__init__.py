"""Runs every daemon: one lifecycle each, woken by what is written and by what happens.

roster.start(…) ─▶ DaemonRowChanged ─▶ Supervisor._hear ─▶ Lifecycle ─▶ DaemonRun ─▶ the daemon's own code
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from daemons.bus import Bus
from daemons.database import Database
from daemons.errors import ErrorInfo, Unavailable
from daemons.events import DaemonRemoved, DaemonRowChanged, Event
from daemons.killpoints import reach
from daemons.leases import BEAT_SECONDS
from daemons.registry import BROKEN_PREFIX
from daemons.states import LogLevel
from daemons.supervisor.lifecycle import Engine, Lifecycle
from daemons.supervisor.ownership import on_own_account, tracked_tasks
from daemons.supervisor.stacks import StackReport
from daemons.supervisor.watchdog import Block, Watchdog
from daemons.values import DaemonRow

STOP_SECONDS = 6.0
"""How long runs may take to end when the service stops."""
FIRST_STEPS_SECONDS = 1.0
"""How long opening waits for each daemon to be shown as it is."""
_LOOK_SECONDS = 1.0


class Supervisor:
    """Makes true what is desired of the daemons, from enter to exit."""

    def __init__(self, engine: Engine, database: Database, bus: Bus, *, only: Collection[str] | None = None) -> None:
        """`only`: names of the daemons to run, looked at whenever one is to be added; None runs all."""
        self._engine = engine
        self._only = only
        self._database = database
        self._bus = bus
        self._clock = engine.services.clock
        self._journal = engine.services.journal
        self._lifecycles: dict[str, Lifecycle] = {}
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._complaints: set[str] = set()
        self._is_stopping = False
        self._has_ended = False
        self._watchdog = Watchdog(self._note_block)
        self.last_block: Block | None = None
        """The newest time the event loop stood still."""

    @property
    def blocks(self) -> int:
        """How often the event loop stood still."""
        return self._watchdog.blocks

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(tracked_tasks())
            await self._remove_mended_plugins()
            if self._only is None:
                await self._engine.roster.decide_auto_starts()
            # Subscribe before reading: a change between the two arrives twice, never zero times.
            stack.enter_context(self._bus.listen(self._hear))
            for row in await self._engine.roster.rows():
                self._add(row)
            stack.push_async_callback(self._end_loops)
            self._every(BEAT_SECONDS, self._beat)
            self._every(_LOOK_SECONDS, self._look)
            await stack.enter_async_context(self._watchdog)
            self._stack = stack.pop_all()
        # What a dead process said of its daemons is not true any more: nobody is shown it as if it were.
        first_steps = asyncio.create_task(self.settled(), name="first steps")
        await self._clock.settle({first_steps}, FIRST_STEPS_SECONDS)
        first_steps.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            await self._stack.aclose()

    async def stop(self, grace: float = STOP_SECONDS) -> None:
        """End all runs at once and return when they have ended, or after `grace` seconds. Safe to call twice.

        What is desired stays as it is, so that the next start of the service brings back what was on.
        """
        self._is_stopping = True
        for lifecycle in self._lifecycles.values():
            lifecycle.close()
        closing = {asyncio.create_task(each.closed.wait()) for each in self._lifecycles.values()}
        pending = await self._clock.settle(closing, grace)
        reach("daemons ended")
        for task in pending:
            task.cancel()
        stubborn = [each for each in self._lifecycles.values() if not each.closed.is_set()]
        for lifecycle in stubborn:
            lifecycle.let_go()
            if lifecycle.run is not None:
                await lifecycle.run.line.close()
        if stubborn:
            names = ", ".join(each.row.name for each in stubborn)
            self._journal.log(LogLevel.ERROR, f"Did not end within {grace:g} s and were left behind: {names}.")
        self._lifecycles.clear()

    def stack(self, name: str) -> StackReport:
        """Return where a daemon's run in this process stands now. Raises UnknownDaemon."""
        lifecycle = self._lifecycles.get(self._engine.board.get(name).id)
        run = lifecycle.run if lifecycle else None
        if run is None or run.has_ended:
            return StackReport(self._clock.now(), False, ())
        return StackReport(self._clock.now(), True, run.stack())

    def lines_held_back(self, name: str) -> int:
        """Return how many log lines of the present run came too fast. Raises UnknownDaemon."""
        lifecycle = self._lifecycles.get(self._engine.board.get(name).id)
        return lifecycle.run.calls.lines_held_back if lifecycle and lifecycle.run else 0

    async def settled(self) -> None:
        """Return once no daemon has a step to take before something happens or time passes."""
        while unsettled := [each for each in self._lifecycles.values() if not each.settled.is_set()]:
            await unsettled[0].settled.wait()

    # Hearing.

    def _hear(self, event: Event) -> None:
        if self._is_stopping and not isinstance(event, DaemonRowChanged):
            return
        if isinstance(event, DaemonRowChanged):
            lifecycle = self._lifecycles.get(event.row.id)
            if lifecycle is not None:
                lifecycle.hear(event.row)
            elif not self._is_stopping:
                self._add(event.row)
        elif isinstance(event, DaemonRemoved):
            gone = self._lifecycles.pop(event.id, None)
            if gone is not None:
                gone.remove()

    def _add(self, row: DaemonRow) -> None:
        if row.id not in self._lifecycles and (self._only is None or row.name in self._only):
            # A row that stands for a broken plug-in is started, so that it fails and says why.
            by_itself = row.type.startswith(BROKEN_PREFIX)
            # Whoever spoke on the bus, perhaps a daemon's own task, does not own the lifecycle.
            with on_own_account():
                self._lifecycles[row.id] = Lifecycle(self._engine, row, starts_by_itself=by_itself)

    async def _remove_mended_plugins(self) -> None:
        broken = {plugin.row_name for plugin in self._engine.registry.broken}
        for row in await self._engine.roster.rows():
            if row.type.startswith(BROKEN_PREFIX) and row.type not in broken:
                await self._engine.roster.remove(row.name)

    # Regularly.

    def _every(self, seconds: float, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def repeat() -> None:
            while not self._has_ended:
                await self._clock.sleep(seconds)
                try:
                    await act()
                    self._complaints.discard(act.__name__)
                except Unavailable as error:
                    self._complain(act.__name__, error.message)
                except Exception as error:  # noqa: BLE001 - leases must be kept whatever else goes wrong
                    self._complain(act.__name__, ErrorInfo.of(error).detail or str(error))

        self._tasks.append(asyncio.create_task(repeat(), name=f"supervisor {act.__name__.strip('_')}"))

    def _complain(self, what: str, message: str) -> None:
        # Once per trouble, not once per try.
        if what not in self._complaints:
            self._complaints.add(what)
            self._journal.log(LogLevel.ERROR, message)

    async def _beat(self) -> None:
        held = {each.lease: each for each in self._lifecycles.values() if each.lease is not None}
        lost = await self._engine.leases.beat(list(held))
        for lease, lifecycle in held.items():
            # A lease that was given back or taken anew meanwhile is not lost.
            if lease.daemon_id in lost and lifecycle.lease == lease:
                lifecycle.lose_lease()

    async def _look(self) -> None:
        for lifecycle in list(self._lifecycles.values()):
            lifecycle.look()
        if not self._database.is_sqlite:
            # Commands given to another manager reach this one through the rows.
            await self._engine.board.refresh()

    def _note_block(self, block: Block) -> None:
        self.last_block = block
        owner = next((each for each in self._lifecycles.values() if each.run and each.run.owns(block.task)), None)
        name = block.task.get_name() if block.task else "no task"
        who = f"by {owner.row.name}" if owner else f"in {name}"
        self._journal.log(LogLevel.ERROR, f"{block}, {who}.", daemon=owner.row if owner else None)

    async def _end_loops(self) -> None:
        self._has_ended = True
        for task in self._tasks:
            task.cancel()
        await self._clock.settle(self._tasks, 1.0)
