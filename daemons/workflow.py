"""What a workflow's folder exports: everything the deck needs to know of it, in one value."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable

from daemons.errors import UnknownName
from daemons.findings import Finding
from daemons.items import FailedItem, ItemStatistics

# Worker processes import their workflow's folder, and must not carry the database and the rest of the deck with it.
if TYPE_CHECKING:
    from daemons.base import BaseDaemon
    from daemons.bus import Bus
    from daemons.clock import Clock
    from daemons.database import Database
    from daemons.subprocess_work.pool import WorkerPool

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Workflow:
    """Daemons, jobs, tables, keeper, settings and commands that belong together."""

    name: str
    daemons: "Sequence[type[BaseDaemon]]" = ()
    jobs: Sequence[Callable[..., Any]] = ()  #: functions decorated with @job
    tables: Sequence[type[Any]] = field(default=())  #: classes on models.Base
    keeper: type[Any] | None = None  #: made with KeeperTools when the service opens
    settings: type[Any] | None = None  #: a pydantic model, for an external system of its own
    commands: Any = None  #: a typer application, added to the command line under `name`


@dataclass(frozen=True, slots=True)
class KeeperTools:
    """What a record keeper is made with."""

    database: "Database"
    clock: "Clock"
    workers: "WorkerPool"
    bus: "Bus"
    data_dir: Path  #: where it may keep files, in a folder of its own
    cache_bytes: int = 2 * 1024**3  #: how much of them may be what could be made again


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A job to be made."""

    type: str
    args: Any


@runtime_checkable
class Items(Protocol):
    """What a keeper offers besides when one job of its daemons works on many things, each of which may fail alone."""

    async def failed_items(self, options: Any, *, limit: int) -> list[FailedItem]:
        """Return the newest failed things of a daemon with these options."""
        ...

    async def item_statistics(self, options: Any, since: datetime, step: timedelta) -> ItemStatistics | None:
        """Return what became of the things of a daemon with these options, None while it works on nothing.

        What was settled is told by stretches of `step`, which begin on round times.
        """
        ...

    async def item_failures(self, options: Any, since: datetime, excused: Mapping[str, datetime]) -> tuple[int, int]:
        """Return how many things failed since then and how many were settled.

        `excused`: codes, and until when failures with them need nobody's action; they count as settled only.
        """
        ...

    async def try_again(self, options: Any, ids: Sequence[str]) -> JobOrder:
        """Return the job that tries these things again, and no others. Raises NotFound for what is not the daemon's."""
        ...


@runtime_checkable
class Watchful(Protocol):
    """What a keeper offers besides when something of its own may go wrong that a person has to mend."""

    def findings(self) -> list[Finding]:
        """Return what is wrong now; reading it waits for nothing."""
        ...


class Keepers:
    """The record keepers of all workflows, by their class: how daemons, jobs, pages and calls get at them.

    A keeper that is an async context manager is open for as long as they are.
    """

    def __init__(self, workflows: Iterable[Workflow], tools: KeeperTools) -> None:
        self._open = AsyncExitStack()
        self._keepers: dict[type[Any], Any] = {}
        self._items: dict[str, Items] = {}
        for workflow in workflows:
            if workflow.keeper is None:
                continue
            keeper = self._keepers[workflow.keeper] = workflow.keeper(tools)
            if isinstance(keeper, Items):
                self._items |= dict.fromkeys((cls.daemon_type for cls in workflow.daemons), keeper)

    async def __aenter__(self) -> Self:
        for keeper in self._keepers.values():
            if isinstance(keeper, AbstractAsyncContextManager):
                await self._open.enter_async_context(keeper)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def get(self, kind: type[K]) -> K:
        """Return the one keeper of that class. Raises UnknownName when no workflow brought it."""
        keeper = self._keepers.get(kind)
        if not isinstance(keeper, kind):
            raise UnknownName(f"No workflow has a keeper {kind.__name__}.")
        return keeper

    def findings(self) -> list[Finding]:
        """Return what is wrong with what keepers keep."""
        watchful = [keeper for keeper in self._keepers.values() if isinstance(keeper, Watchful)]
        return [finding for keeper in watchful for finding in keeper.findings()]

    def items_of(self, daemon_type: str) -> Items | None:
        """Return the keeper that knows the single things daemons of that type work on, None if there is none."""
        return self._items.get(daemon_type)
