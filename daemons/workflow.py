"""What a workflow's folder exports: everything the deck needs to know of it, in one value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemons.base import BaseDaemon


@dataclass(frozen=True, slots=True)
class Workflow:
    """Daemons, jobs, tables, keeper, settings and commands that belong together."""

    name: str
    daemons: Sequence[type[BaseDaemon]] = ()
    jobs: Sequence[Callable[..., Any]] = ()  #: functions decorated with @job
    tables: Sequence[type[Any]] = field(default=())  #: classes on models.Base
    keeper: type[Any] | None = None  #: made with (database, clock) when the service opens
    settings: type[Any] | None = None  #: a pydantic model, for an external system of its own
    commands: Any = None  #: a typer application, added to the command line under `name`
