"""What a workflow's folder exports: everything the deck needs to know of it, in one value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from daemons.errors import UnknownName
from daemons.items import FailedItem, ItemStatistics

# Worker processes import their workflow's folder, and must not carry the database and the rest of the deck with it.
if TYPE_CHECKING:
    from daemons.base import BaseDaemon
    from daemons.clock import Clock
    from daemons.database import Database

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Workflow:
    """Daemons, jobs, tables, keeper, settings and commands that belong together."""

    name: str
    daemons: "Sequence[type[BaseDaemon]]" = ()
    jobs: Sequence[Callable[..., Any]] = ()  #: functions decorated with @job
    tables: Sequence[type[Any]] = field(default=())  #: classes on models.Base
    keeper: type[Any] | None = None  #: made with (database, clock) when the service opens
    settings: type[Any] | None = None  #: a pydantic model, for an external system of its own
    commands: Any = None  #: a typer application, added to the command line under `name`


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

    async def try_again(self, options: Any, ids: Sequence[str]) -> JobOrder:
        """Return the job that tries these things again, and no others. Raises NotFound for what is not the daemon's."""
        ...


class Keepers:
    """The record keepers of all workflows, by their class: how daemons, jobs, pages and calls get at them."""

    def __init__(self, workflows: Iterable[Workflow], database: "Database", clock: "Clock") -> None:
        self._keepers: dict[type[Any], Any] = {}
        self._items: dict[str, Items] = {}
        for workflow in workflows:
            if workflow.keeper is None:
                continue
            keeper = self._keepers[workflow.keeper] = workflow.keeper(database, clock)
            if isinstance(keeper, Items):
                self._items |= dict.fromkeys((cls.daemon_type for cls in workflow.daemons), keeper)

    def get(self, kind: type[K]) -> K:
        """Return the one keeper of that class. Raises UnknownName when no workflow brought it."""
        keeper = self._keepers.get(kind)
        if not isinstance(keeper, kind):
            raise UnknownName(f"No workflow has a keeper {kind.__name__}.")
        return keeper

    def items_of(self, daemon_type: str) -> Items | None:
        """Return the keeper that knows the single things daemons of that type work on, None if there is none."""
        return self._items.get(daemon_type)
