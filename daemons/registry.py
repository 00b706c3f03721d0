"""What can be run: the types of daemons and jobs of the built-in workflows and of every plug-in.

A source (a workflow, a plug-in, an entry point) is taken whole or not at all; one that cannot be taken is kept in
`broken` with its error, and everything else works.
"""

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Protocol

from daemons import options
from daemons.base import BaseDaemon
from daemons.errors import Conflict, ErrorInfo, Invalid, UnknownName
from daemons.handlers import JobSpec, spec_of
from daemons.options import ConfiguredOptions, DaemonOptions
from daemons.roster import DeclaredType
from daemons.values import DaemonRow, JsonValue
from daemons.workflow import Workflow

ENTRY_POINTS = "daemondeck.daemons"
"""The group by which installed packages bring daemons and jobs."""
BUILT_IN = "daemons.workflows"
BROKEN_PREFIX = "plugin-"
"""Begins the name of the row that stands for a plug-in which could not be taken."""


class UnknownDaemonType(UnknownName):
    """No daemon type of that name is registered."""

    code = "ERR_UNKNOWN_DAEMON_TYPE"
    remedy = "GET /api/types lists them; a plug-in that did not load is listed by GET /api/health."


class PluginSettings(Protocol):
    """The part of the settings that names plug-ins."""

    @property
    def plugins(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class DaemonType:
    """A class that can be run as a daemon."""

    name: str
    title: str
    description: str
    options_model: type[DaemonOptions]
    cls: type[BaseDaemon]
    source: str


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A source that could not be taken, and why."""

    module: str
    error: ErrorInfo

    @property
    def row_name(self) -> str:
        """The name of the daemon row that makes it visible."""
        return (BROKEN_PREFIX + re.sub(r"[^a-z0-9_-]", "_", self.module.lower()))[:63]


@dataclass(slots=True)
class _Found:
    """What one source brings."""

    types: dict[str, DaemonType]
    jobs: dict[str, JobSpec]
    workflows: list[Workflow]


class Registry:
    """The types of daemons and jobs by name."""

    def __init__(self) -> None:
        self.types: dict[str, DaemonType] = {}
        self.jobs: dict[str, JobSpec] = {}
        self.workflows: list[Workflow] = []
        self.broken: list[BrokenPlugin] = []

    @classmethod
    def load(cls, settings: PluginSettings) -> "Registry":
        """Take the built-in workflows, the settings' plug-ins and the installed entry points. Raises nothing."""
        registry = cls()
        for name in _built_in_modules():
            registry.take(name, lambda name=name: import_module(name))  # type: ignore[misc]
        for name in dict.fromkeys(settings.plugins):
            registry.take(name, lambda name=name: import_module(name))  # type: ignore[misc]
        for entry in entry_points(group=ENTRY_POINTS):
            registry.take(entry.value, entry.load)
        return registry

    def take(self, source: str, load: Callable[[], object]) -> None:
        """Add all that `load` returns: a module, a workflow, a daemon class, a job, or a list of them."""
        try:
            found = self._look_through(source, load())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything while it is imported
            self.broken.append(BrokenPlugin(source, ErrorInfo.of(error)))
            return
        self.types |= found.types
        self.jobs |= found.jobs
        self.workflows += found.workflows

    def type_of(self, row: DaemonRow) -> DaemonType:
        """Return the type of a daemon. Raises UnknownDaemonType saying what may have become of it."""
        known = self.types.get(row.type)
        if known is not None:
            return known
        broken = next((plugin for plugin in self.broken if plugin.row_name == row.type), None)
        if broken is not None:
            raise UnknownDaemonType(
                f"The plug-in {broken.module} could not be taken: {broken.error.message}",
                remedy=broken.error.remedy or "Correct the plug-in and restart the service.",
                code=broken.error.code,
            )
        hint = "".join(f" The plug-in {plugin.module} did not load." for plugin in self.broken)
        raise UnknownDaemonType(
            f"There is no daemon type named {row.type} any more.{hint}",
            remedy="Install what brought it, or remove this daemon.",
        )

    def declared(self) -> list[DeclaredType]:
        """Return what the roster must know: every type, and a stand-in for every broken plug-in."""
        known = [
            DeclaredType(one.name, one.title, one.description, options.secret(one.options_model))
            for one in self.types.values()
        ]
        return known + [
            DeclaredType(plugin.row_name, f"Plug-in {plugin.module}", "A plug-in that could not be taken.")
            for plugin in self.broken
        ]

    def options_schema(self, type: str) -> dict[str, JsonValue]:
        """Return the JSON schema of a type's options. Raises UnknownDaemonType."""
        return self._model(type).model_json_schema()

    def validate_options(self, type: str, configuration: Mapping[str, Any]) -> DaemonOptions:
        """Return `configuration` as options. Raises UnknownDaemonType, or InvalidOption naming each key."""
        return options.validate(self._model(type), configuration)

    def effective(self, row: DaemonRow, settings: ConfiguredOptions) -> tuple[DaemonOptions, dict[str, str]]:
        """Return a daemon's options and where each came from: environment > row > file > default."""
        return options.effective(self.type_of(row).options_model, row.name, row.configuration, settings)

    def _model(self, type: str) -> type[DaemonOptions]:
        known = self.types.get(type)
        if known is None:
            raise UnknownDaemonType(f"There is no daemon type named {type[:100]}.")
        return known.options_model

    def _look_through(self, source: str, brought: object) -> _Found:
        found = _Found({}, {}, [])
        values = list(_parts(brought))
        for value in values:
            if isinstance(value, Workflow):
                found.workflows.append(value)
                parts: Iterable[object] = [*value.daemons, *value.jobs]
            else:
                parts = [value]
            for part in parts:
                self._sort_in(found, source, part)
        if not values:
            raise Invalid(
                f"{source} brings neither a daemon nor a job.",
                remedy='Decorate a class with @daemon("name"), or a function with @job("name").',
                code="ERR_EMPTY_PLUGIN",
            )
        return found

    def _sort_in(self, found: _Found, source: str, part: object) -> None:
        spec = spec_of(part)
        if spec is not None:
            taken = self.jobs.get(spec.type) or found.jobs.get(spec.type)
            if taken is None:
                found.jobs[spec.type] = spec
            elif taken is not spec:
                raise Conflict(f"There is a job type named {spec.type} already.", code="ERR_NAME_TAKEN")
        elif _is_daemon(part):
            made = _daemon_type(part, source)
            known = self.types.get(made.name) or found.types.get(made.name)
            if known is None:
                found.types[made.name] = made
            elif known.cls is not made.cls:
                raise Conflict(
                    f"There is a daemon type named {made.name} already, from {known.source}.",
                    remedy="Give the class another name in @daemon(…).",
                    code="ERR_NAME_TAKEN",
                )
        else:
            raise Invalid(f"{source} brings {part!r}, which is neither a daemon nor a job.", code="ERR_DAEMON_SHAPE")


def _built_in_modules() -> list[str]:
    package = import_module(BUILT_IN)
    return [f"{BUILT_IN}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]


def _parts(brought: object) -> Iterator[object]:
    if isinstance(brought, ModuleType):
        # A workflow's folder may make its Workflow on demand, so that its worker processes start without it.
        workflow = getattr(brought, "workflow", None)
        if isinstance(workflow, Workflow):
            yield workflow
            return
        yield from (value for value in vars(brought).values() if _is_part(value))
    elif isinstance(brought, (list, tuple)):
        yield from brought
    else:
        yield brought


def _is_part(value: object) -> bool:
    return isinstance(value, Workflow) or spec_of(value) is not None or _is_daemon(value)


def _is_daemon(value: object) -> bool:
    # Only what was decorated itself: a subclass without a name of its own is a base for others.
    return isinstance(value, type) and issubclass(value, BaseDaemon) and "daemon_type" in vars(value)


def _daemon_type(cls: Any, source: str) -> DaemonType:
    text = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    return DaemonType(cls.daemon_type, cls.daemon_title, text, cls.Options, cls, source)
