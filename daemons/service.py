"""The whole engine, opened in order and closed in reverse.

data lock ─▶ tables ─▶ database ─▶ record keepers ─▶ registry ─▶ executor ─▶ supervisor
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from uuid import uuid4

from daemons import schema
from daemons.access import Access, Role
from daemons.activity import Activity
from daemons.alone import Alone, slots_of
from daemons.base import NAME
from daemons.bus import Bus
from daemons.clients.registry import Clients
from daemons.clock import Clock, SystemClock
from daemons.database import Database
from daemons.database.ballast import Ballast
from daemons.diagnostics import Files, collect, packed
from daemons.dispatch.embedded import EmbeddedDispatcher
from daemons.errors import Conflict, Fatal, Invalid, Unavailable
from daemons.executor import Executor
from daemons.failure_marks import FailureMarks
from daemons.failures import Failures
from daemons.findings import Finding
from daemons.health import Health, Watched
from daemons.incidents import Incidents
from daemons.item_work import ItemWork
from daemons.jobs import Jobs
from daemons.jobs.retention import Retention
from daemons.journal import Journal
from daemons.keep_awake import KeepAwake
from daemons.killpoints import reach
from daemons.leases import Leases
from daemons.log_level import LogLevelSwitch
from daemons.notices import Notices
from daemons.notifier import Notifier
from daemons.operations import Operations
from daemons.orders import Orders
from daemons.questions import Questions
from daemons.readings import Readings
from daemons.registry import Registry
from daemons.roster import Roster
from daemons.scheduler import Scheduler
from daemons.schedules import Schedules
from daemons.schema import data_lock
from daemons.schema.data_lock import DataLock
from daemons.settings import Settings
from daemons.statistics import Statistics
from daemons.status import StatusBoard
from daemons.subprocess_work.pool import WorkerPool
from daemons.supervisor import Supervisor
from daemons.supervisor.calls import CallServices
from daemons.supervisor.lifecycle import Engine
from daemons.tallies import Tallies
from daemons.values import MASK, DaemonRow
from daemons.views import Views
from daemons.workflow import Keepers, KeeperTools

GRACE = 6.0
"""Seconds daemons and jobs get to end when the process stops."""
FLUSH_SECONDS = 2.0
"""Seconds after which what could not be written by then is left to the next start."""
HOUSEKEEPING_SECONDS = 3600.0


class Service:
    """Everything that runs, by name. Made by `open_service`, which also opens and closes it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        findings: list[Finding],
        lock: DataLock | None,
        alone: Alone | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.boot = str(uuid4())
        """Names this run of the process: revisions and sequence numbers begin anew with each."""
        self.version = _version()
        self.started_at = clock.now()
        self.bus = Bus()
        ballast = Ballast(settings.data_dir / "ballast", clock)
        self.database = Database(settings.database_url, clock, self.bus, ballast=ballast)
        self.journal = Journal(self.database, clock)
        self.readings = Readings(self.database, clock)
        self.leases = Leases(self.database, clock)
        self.roster = Roster(self.database)
        self.board = StatusBoard(self.database, clock, self.bus, self.journal, self.roster)
        self.access = Access(
            self.database,
            clock,
            auth=settings.auth,
            password=settings.password.get_secret_value() if settings.password else None,
            token=settings.token.get_secret_value() if settings.token else None,
            token_file=settings.data_dir / "token",
            proxy_default=Role(settings.proxy_default_role),
            proxy_roles={group: Role(role) for group, role in settings.proxy_roles.items()},
        )
        self.registry = Registry.load(settings)
        self.clients = Clients(settings, clock)
        self.keep_awake = KeepAwake(clock, is_allowed=settings.keep_awake)
        self.workers = WorkerPool(clock)
        cache_bytes = settings.thumbnails_megabytes * 1024**2
        tools = KeeperTools(self.database, clock, self.workers, self.bus, settings.data_dir, cache_bytes)
        self.keepers = Keepers(self.registry.workflows, tools)
        self.jobs = Jobs(self.database, clock)
        self.tallies = Tallies(self.database, clock, self.bus, self.board)
        self.questions = Questions(self.database, clock, self.bus)
        self.activity = Activity(self.database, clock, self.bus)
        self.statistics = Statistics(self.database, clock)
        dispatcher = EmbeddedDispatcher(self.bus)
        self.orders = Orders(self.registry, self.jobs, dispatcher, self.database, clock, self.bus)
        self.operations = Operations(self.database, clock, self.orders)
        marks = FailureMarks(self.database, clock)
        self.things = ItemWork(self.registry, settings, self.keepers, self.readings, marks)
        self.failures = Failures(self.database, self.things, self.orders, self.operations, marks)
        self.schedules = Schedules(self.database)
        self.scheduler = Scheduler(self.schedules, self.orders, self.roster, self.database, clock, self.bus)
        self.views = Views(self.database, clock)
        self.executor = Executor(
            self.registry,
            self.jobs,
            self.orders,
            dispatcher,
            self.journal,
            self.database,
            clock,
            self.bus,
            worker=self.leases.manager_id,
            slots=slots_of(settings, self.registry, alone),
            dead_workers=self.leases.dead_managers,
            keepers=self.keepers,
            questions=self.questions,
            workers=self.workers,
            keep_awake=self.keep_awake,
            clients=self.clients,
        )
        services = CallServices(
            clock, self.journal, self.readings, self.orders, self.questions, self.keepers, self.clients
        )
        engine = Engine(services, settings, self.leases, self.roster, self.board, self.registry)
        self.supervisor = Supervisor(engine, self.database, self.bus, only=alone.daemons if alone else None)
        parts = Watched(
            settings,
            self.database,
            self.bus,
            self.board,
            self.journal,
            self.leases,
            self.statistics,
            self.registry,
            self.supervisor,
            self.keep_awake,
            self.keepers,
            self.clients,
            self.things,
        )
        self.health = Health(parts, clock, findings)
        self.log_level = LogLevelSwitch(settings.log_level, clock)
        self._backing_up = asyncio.Lock()
        self.notices = Notices(self.database)
        self.incidents = Incidents(self.database, self.leases.manager_id)
        self.notifier = Notifier(
            self.notices,
            self.incidents,
            self.problems,
            self.questions,
            self.tallies,
            clock,
            after=settings.notify_after,
            living=self.leases.living_managers,
        )
        self._lock = lock
        self._alone = alone
        self._is_open = False
        self._stopping: asyncio.Task[None] | None = None

    # Questions.

    def is_ready(self) -> bool:
        """Whether work is taken now."""
        return self._is_open and self._stopping is None

    def problems(self) -> list[Finding]:
        """Return what a person should know of and mend."""
        found = self.health.findings()
        if self._stopping is not None:
            found.insert(0, Finding("ERR_STOPPING", "warning", "The deck is closing.", "Wait for it to come back."))
        elif not self._is_open:
            found.insert(0, Finding("ERR_STARTING", "warning", "The deck is still opening.", "Wait a moment."))
        return found

    # Commands that need the types of daemons.

    async def add_daemon(
        self,
        type: str,
        name: str,
        configuration: Mapping[str, Any],
        *,
        enabled: bool = True,
        auto_start: bool = False,
    ) -> DaemonRow:
        """Add an instance of a type. Raises Invalid naming the option, UnknownDaemonType or Conflict."""
        if not NAME.fullmatch(name):
            raise Invalid(
                "A daemon's name begins with a small letter and has at most 63 of a-z, 0-9, _ and -.",
                code="ERR_INVALID_NAME",
            )
        self.registry.validate_options(type, configuration)
        return await self.roster.add(type, name, configuration, enabled=enabled, auto_start=auto_start)

    async def edit_daemon(
        self,
        name: str,
        *,
        enabled: bool | None = None,
        auto_start: bool | None = None,
        vital: bool | None = None,
        configuration: Mapping[str, Any] | None = None,
        configuration_revision: int | None = None,
    ) -> DaemonRow:
        """Change what is given. Raises Invalid naming the option, or StaleConfiguration."""
        if configuration is not None:
            row = self.board.get(name).row
            configuration = _with_secrets(row, configuration)
            self.registry.validate_options(row.type, configuration)
        return await self.roster.edit(
            name,
            enabled=enabled,
            auto_start=auto_start,
            vital=vital,
            configuration=configuration,
            configuration_revision=configuration_revision,
        )

    # The data.

    async def back_up(self) -> Path:
        """Copy the database while it is in use, and return where to. Raises Conflict where a server keeps it."""
        async with self._backing_up:
            try:
                settings = self.settings
                copy = await asyncio.to_thread(
                    schema.back_up_database, settings.database_url, settings.data_dir, self.clock
                )
            except Fatal as error:
                # The deck goes on: only the copy could not be made.
                raise Unavailable(error.message, remedy=error.remedy, code=error.error_code) from error
        if copy is None:
            raise Conflict(
                "PostgreSQL makes its own backups.", remedy="Use pg_dump or your provider's.", code="ERR_NO_BACKUP"
            )
        await self.health.look_at_places()
        return copy

    async def diagnostics(self, figures: Mapping[str, Any]) -> Files:
        """Return what helps others to understand this deck, secrets masked, as texts by file name."""
        return await collect(
            self.settings,
            self.clock,
            self.database,
            findings=self.problems(),
            figures={**self.health.figures(), **figures},
            daemons=self.board.all(),
        )

    def packed(self, files: Files) -> bytes:
        """Return the files of `diagnostics` as a zip."""
        return packed(files, self.clock.now())

    def tell_address(self, url: str) -> None:
        """Let whoever finds the data in use know where this service answers."""
        if self._lock is not None:
            self._lock.tell(url)

    # Living.

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open every part in order; close them in reverse."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.database)
            reach("database opened")
            await self.leases.join()
            stack.push_async_callback(self._leave)
            await self.roster.declare(self.registry.declared())
            keepers = (self.journal, self.readings, self.board, self.access, self.tallies, self.questions)
            for part in (*keepers, self.activity):
                await stack.enter_async_context(part)
            reach("keepers opened")
            kept = timedelta(days=self.settings.retention_days)
            await stack.enter_async_context(Retention(self.database, self.clock, kept))
            await stack.enter_async_context(self.clients)
            await stack.enter_async_context(self.workers)
            await stack.enter_async_context(self.keep_awake)
            await stack.enter_async_context(self.keepers)
            await stack.enter_async_context(self.executor)
            await stack.enter_async_context(self.operations)
            reach("executor opened")
            await stack.enter_async_context(self.supervisor)
            if self._alone is None:
                await stack.enter_async_context(self.scheduler)
                await stack.enter_async_context(self.health)
                await stack.enter_async_context(self.notifier)
            stack.callback(self.log_level.back)
            stack.push_async_callback(self.stop)
            housekeeping = asyncio.create_task(self._keep_house(), name="housekeeping")
            stack.callback(housekeeping.cancel)
            self._is_open = True
            yield

    async def stop(self) -> None:
        """End daemons and jobs together and have everything written; bounded. Safe to call twice."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="service stop")
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        # Whatever goes wrong in one, the other is ended and everything is written before it is told.
        ends = await asyncio.gather(self.supervisor.stop(GRACE), self.executor.stop(GRACE), return_exceptions=True)
        reach("work ended")
        flushes = {
            asyncio.create_task(self._flushed(part.flush())) for part in (self.board, self.journal, self.readings)
        }
        await self.clock.settle(flushes, FLUSH_SECONDS)
        reach("flushed")
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    @staticmethod
    async def _flushed(flush: Any) -> None:
        with suppress(Unavailable):
            await flush

    async def _leave(self) -> None:
        # A database that is away learns of our end by our silence.
        with suppress(Unavailable):
            await self.leases.leave()
        reach("left")

    async def _keep_house(self) -> None:
        while True:
            with suppress(Unavailable):
                oldest = self.clock.now() - timedelta(days=self.settings.retention_days)
                await self.journal.prune(oldest, lines_kept=self.settings.log_lines_kept)
                await self.readings.prune(oldest)
                await self.operations.prune(oldest)
                await self.notices.prune(oldest)
                await self.incidents.prune(oldest)
                await self.access.sweep()
            await self.clock.sleep(HOUSEKEEPING_SECONDS)


@asynccontextmanager
async def open_service(
    settings: Settings, *, clock: Clock | None = None, alone: Alone | None = None
) -> AsyncIterator[Service]:
    """Open the engine on the data that `settings` name, for as long as the context lasts.

    `alone`: run nothing but this; other daemons, schedules and queued jobs wait for the next deck.

    Raises Fatal, with an exit code and a remedy, when that cannot be: the data is served already, cannot be
    written, or was written by a newer version.
    """
    clock = clock or SystemClock()
    file = schema.sqlite_path(settings.database_url)
    with data_lock.hold(file) if file else nullcontext() as lock:
        reach("data held")
        findings = await asyncio.to_thread(schema.prepare, settings.database_url, settings.data_dir, clock)
        service = Service(settings, clock, findings, lock, alone)
        async with service.running():
            yield service


def _with_secrets(row: DaemonRow, configuration: Mapping[str, Any]) -> dict[str, Any]:
    # Who sends back what was shown sends the mask; the secret behind it stays.
    kept = {name: value for name, value in row.configuration.items() if name in row.secret_options}
    return {name: kept.get(name, value) if value == MASK else value for name, value in configuration.items()}


def _version() -> str:
    try:
        return version("daemondeck")
    except PackageNotFoundError:
        return "0+unknown"
