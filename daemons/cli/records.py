"""What is known of daemons and jobs: from the running deck, or from the data alone when none runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from daemons.cli.deck import Deck
from daemons.cli.exits import CommandError, Exit
from daemons.cli.options import Options
from daemons.cli.switching import segment
from daemons.cli.verdicts import UNFINISHED
from daemons.clock import SystemClock

if TYPE_CHECKING:
    from daemons.database import Database
    from daemons.settings import Settings

JOBS_LOOKED_AT = 100

T = TypeVar("T")
Item = dict[str, Any]


class Records(Protocol):
    """Answers the same, whoever answers."""

    is_live: bool

    def daemons(self) -> list[Item]:
        """Return every daemon, by name."""
        ...

    def daemon(self, name: str) -> Item:
        """Return one daemon by name or id. Raises an error with the exit code of unknown names."""
        ...

    def job(self, job_id: str) -> Item | None:
        """Return one job, None if there is none of that id."""
        ...

    def jobs_by_hand(self) -> list[Item]:
        """Return the newest unfinished jobs that no daemon made."""
        ...

    def statistics(self, name: str | None, since: str) -> Item:
        """Return how the work of a daemon went since then, or that of all."""
        ...


class LiveRecords:
    """What the running deck says."""

    is_live = True

    def __init__(self, deck: Deck) -> None:
        self._deck = deck

    def daemons(self) -> list[Item]:
        return self._deck.pages("/daemons", 10_000)

    def daemon(self, name: str) -> Item:
        found: Item = self._deck.get(f"/daemons/{segment(name)}")
        return found

    def job(self, job_id: str) -> Item | None:
        try:
            found: Item = self._deck.get(f"/jobs/{segment(job_id)}")
        except CommandError as error:
            if error.exit_code is not Exit.UNKNOWN:
                raise
            return None
        return found

    def jobs_by_hand(self) -> list[Item]:
        return _by_hand(self._deck.pages("/jobs", JOBS_LOOKED_AT, state=",".join(UNFINISHED)))

    def statistics(self, name: str | None, since: str) -> Item:
        place = f"/daemons/{segment(name)}/statistics" if name is not None else "/statistics"
        found: Item = self._deck.get(place, since=since)
        return found


class StoredRecords:
    """What the data says, as it was left."""

    def __init__(self, options: Options) -> None:
        self._options = options
        # A folder that is described without a deck: nobody answers, but what is stored is as it is now.
        self.is_live = options.is_running_here

    def daemons(self) -> list[Item]:
        return asyncio.run(self._read(_daemons))

    def daemon(self, name: str) -> Item:
        from daemons.roster import UnknownDaemon

        found = next((one for one in self.daemons() if name in (one["name"], one["id"])), None)
        if found is None:
            raise UnknownDaemon(f"There is no daemon named {name}.")
        return found

    def job(self, job_id: str) -> Item | None:
        return asyncio.run(self._read(lambda database: _job(database, job_id)))

    def jobs_by_hand(self) -> list[Item]:
        return _by_hand(asyncio.run(self._read(_unfinished)))

    def statistics(self, name: str | None, since: str) -> Item:
        settings, begin = self._options.settings, datetime.fromisoformat(since)
        return asyncio.run(self._read(lambda database: _statistics(database, settings, begin, name)))

    async def _read(self, ask: "Callable[[Database], Awaitable[T]]") -> T:
        async with stored(self._options) as database:
            return await ask(database)


@contextmanager
def records(options: Options) -> Iterator[Records]:
    """Open the running deck; without one, and unless another was named by --server, the data of this machine."""
    with options.deck() as deck:
        try:
            deck.get("/daemons", limit=1)
        except CommandError as error:
            if error.exit_code is not Exit.UNREACHABLE or options.server is not None:
                raise
        else:
            yield LiveRecords(deck)
            return
    yield StoredRecords(options)


@asynccontextmanager
async def stored(options: Options) -> "AsyncIterator[Database]":
    """Open the data to be read, never written. Raises CommandError when there is none, or of another version."""
    from daemons import schema
    from daemons.database.reading import ReadOnlyDatabase

    url = options.settings.database_url
    path = schema.sqlite_path(url)
    if path is not None and not path.exists():
        raise CommandError(
            Exit.UNREACHABLE,
            f"No deck runs, and there is no data in {path.parent}.",
            remedy="Start one with `daemondeck serve`, or name another with --server or --data-dir.",
            code="ERR_UNREACHABLE",
        )
    async with ReadOnlyDatabase(url, SystemClock()) as database:
        found = await _revision(database)
        if found != schema.HEAD:
            raise CommandError(
                Exit.SETTINGS,
                f"The data is at revision {found or 'none'}, this program reads {schema.HEAD}.",
                remedy="`daemondeck db upgrade` brings it up to date.",
                code="ERR_DATABASE_REVISION",
            )
        yield database


async def _revision(database: "Database") -> str | None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    try:
        row = await database.fetch_one(text("SELECT version_num FROM alembic_version"))
    except DBAPIError:
        return None
    return str(row[0]) if row else None


async def _daemons(database: "Database") -> list[Item]:
    from daemons.bus import Bus
    from daemons.journal import Journal
    from daemons.roster import Roster
    from daemons.status import StatusBoard

    clock = SystemClock()
    board = StatusBoard(database, clock, Bus(), Journal(database, clock), Roster(database))
    await board.refresh()
    return [plain(daemon.as_dict()) for daemon in board.all()]


async def _job(database: "Database", job_id: str) -> Item | None:
    from daemons.errors import NotFound
    from daemons.jobs import Jobs

    try:
        return plain((await Jobs(database, SystemClock()).get(job_id)).as_dict())
    except NotFound:
        return None


async def _unfinished(database: "Database") -> list[Item]:
    from daemons.jobs import Jobs
    from daemons.jobs.lists import JobFilter
    from daemons.states import UNFINISHED_JOB_STATES

    page = await Jobs(database, SystemClock()).list(JobFilter(tuple(UNFINISHED_JOB_STATES)), limit=JOBS_LOOKED_AT)
    return [plain(job.as_dict()) for job in page.items]


def _by_hand(jobs: list[Item]) -> list[Item]:
    return [job for job in jobs if job["daemon_id"] is None and job["parent_id"] is None]


async def _statistics(database: "Database", settings: "Settings", since: datetime, name: str | None) -> Item:
    from daemons.bus import Bus
    from daemons.failure_marks import FailureMarks
    from daemons.item_work import ItemWork
    from daemons.readings import Readings
    from daemons.registry import Registry
    from daemons.roster import Roster
    from daemons.statistics import Statistics
    from daemons.subprocess_work.pool import WorkerPool
    from daemons.workflow import Keepers, KeeperTools

    clock = SystemClock()
    row = await Roster(database).row(name) if name is not None else None
    summary = await Statistics(database, clock).summary(since, row.id if row else None)
    registry = Registry.load(settings)
    tools = KeeperTools(database, clock, WorkerPool(clock), Bus(), settings.data_dir)
    marks = FailureMarks(database, clock)
    things = ItemWork(registry, settings, Keepers(registry.workflows, tools), Readings(database, clock), marks)
    items = await things.statistics(row, since) if row else None
    return plain({**summary.as_dict(), "items": items.as_dict() if items else None})


def plain(value: dict[str, Any]) -> Item:
    """Return what the API would answer: times as text."""
    spelled: Item = json.loads(json.dumps(value, default=_spelled))
    return spelled


def _spelled(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return str(value)
