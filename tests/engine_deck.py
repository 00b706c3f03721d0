"""The engine with chosen daemons and jobs, open on a test's own database, clock and bus."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.clock import Clock
from daemons.database import Database
from daemons.dispatch.embedded import EmbeddedDispatcher
from daemons.events import DaemonChanged
from daemons.executor import Executor
from daemons.jobs import Jobs
from daemons.journal import Journal
from daemons.keep_awake import KeepAwake
from daemons.leases import Leases
from daemons.orders import Orders
from daemons.questions import Questions
from daemons.readings import Readings
from daemons.registry import Registry
from daemons.roster import Roster
from daemons.states import DaemonState
from daemons.status import StatusBoard
from daemons.subprocess_work.pool import WorkerPool
from daemons.supervisor import Supervisor
from daemons.supervisor.calls import CallServices
from daemons.supervisor.lifecycle import Engine
from daemons.values import Daemon
from daemons.workflow import Keepers, KeeperTools
from tests.fake_clock import FakeClock
from tests.recorder import Recorder


class DeckSettings:
    """What environment and file say of daemons, for the tests that need them to say something."""

    def __init__(
        self, overrides: Mapping[str, Mapping[str, Any]] | None = None, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self.overrides = overrides or {}
        self.defaults = defaults or {}
        self.plugins: list[str] = []

    def daemon_overrides(self, name: str) -> Mapping[str, Any]:
        return self.overrides.get(name, {})

    def daemon_defaults(self, name: str) -> Mapping[str, Any]:
        return self.defaults.get(name, {})


def keeper_tools(
    database: Database,
    clock: Clock,
    workers: WorkerPool | None = None,
    bus: Bus | None = None,
    data_dir: Path = Path("/nonexistent"),
) -> KeeperTools:
    """Return what keepers are made with; without a `data_dir`, those that keep no files."""
    return KeeperTools(database, clock, workers or WorkerPool(clock), bus or Bus(), data_dir)


class Deck:
    """Everything that runs, by name, and the few questions tests ask of it."""

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        bus: Bus,
        registry: Registry,
        settings: DeckSettings,
        clients: Clients | None = None,
        data_dir: Path = Path("/nonexistent"),
    ):
        self.database, self.clock, self.bus, self.registry = database, clock, bus, registry
        self.journal = Journal(database, clock)
        self.readings = Readings(database, clock)
        self.roster = Roster(database)
        self.leases = Leases(database, clock)
        self.board = StatusBoard(database, clock, bus, self.journal, self.roster)
        self.workers = WorkerPool(clock)
        self.keep_awake = KeepAwake(clock)
        self.keepers = Keepers(registry.workflows, keeper_tools(database, clock, self.workers, bus, data_dir))
        self.jobs = Jobs(database, clock)
        self.questions = Questions(database, clock, bus)
        dispatcher = EmbeddedDispatcher(bus)
        self.orders = Orders(registry, self.jobs, dispatcher, database, clock, bus)
        self.executor = Executor(
            registry,
            self.jobs,
            self.orders,
            dispatcher,
            self.journal,
            database,
            clock,
            bus,
            worker=self.leases.manager_id,
            slots={"default": 10},
            dead_workers=self.leases.dead_managers,
            keepers=self.keepers,
            workers=self.workers,
            questions=self.questions,
            keep_awake=self.keep_awake,
            clients=clients,
        )
        services = CallServices(clock, self.journal, self.readings, self.orders, self.questions, self.keepers, clients)
        engine = Engine(services, settings, self.leases, self.roster, self.board, registry)
        self.supervisor = Supervisor(engine, database, bus)
        self.events = Recorder()

    async def open(self, stack: AsyncExitStack) -> None:
        """Open everything in order on `stack`, as the service does."""
        await self.roster.declare(self.registry.declared())
        await self.leases.join()
        stack.push_async_callback(self.leases.leave)
        for part in (
            self.journal,
            self.readings,
            self.board,
            self.questions,
            self.workers,
            self.keepers,
            self.executor,
        ):
            await stack.enter_async_context(part)
        stack.enter_context(self.bus.listen(self.events.record))
        await stack.enter_async_context(self.supervisor)
        await self.supervisor.settled()

    def daemon(self, name: str) -> Daemon:
        """Return a daemon as it is shown now."""
        return self.board.get(name)

    async def until(self, name: str, *states: DaemonState) -> Daemon:
        """Return the daemon once it is shown in one of `states`."""
        shown = self.board.get(name)
        if shown.state in states:
            return shown
        event = await self.events.next(DaemonChanged, lambda e: e.daemon.name == name and e.daemon.state in states)
        return event.daemon

    async def log_of(self, name: str) -> list[str]:
        """Return the messages of a daemon's log."""
        await self.journal.flush()
        return [line.message for line in await self.journal.lines(daemon_id=self.board.get(name).id, limit=500)]


@asynccontextmanager
async def open_deck(
    database: Database,
    clock: FakeClock,
    bus: Bus,
    *parts: object,
    settings: DeckSettings | None = None,
    clients: Clients | None = None,
    data_dir: Path = Path("/nonexistent"),
) -> AsyncIterator[Deck]:
    """Open a deck that knows the daemons and jobs among `parts`; it stops as the service does."""
    registry = Registry()
    registry.take("tests", lambda: list(parts))
    assert not registry.broken, registry.broken
    deck = Deck(database, clock, bus, registry, settings or DeckSettings(), clients, data_dir)
    async with AsyncExitStack() as stack:
        await deck.open(stack)
        yield deck
