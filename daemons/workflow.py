"""What a workflow's folder exports: everything the deck needs to know of it, in one value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from daemons.errors import UnknownName

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


class Keepers:
    """The record keepers of all workflows, by their class: how daemons, jobs, pages and calls get at them."""

    def __init__(self, workflows: Iterable[Workflow], database: "Database", clock: "Clock") -> None:
        kinds = [workflow.keeper for workflow in workflows if workflow.keeper is not None]
        self._keepers = {kind: kind(database, clock) for kind in kinds}

    def get(self, kind: type[K]) -> K:
        """Return the one keeper of that class. Raises UnknownName when no workflow brought it."""
        keeper = self._keepers.get(kind)
        if not isinstance(keeper, kind):
            raise UnknownName(f"No workflow has a keeper {kind.__name__}.")
        return keeper
