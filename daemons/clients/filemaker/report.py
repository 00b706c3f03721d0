"""Whether a FileMaker database can be worked with, found out by signing in and looking at its layouts."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from daemons.clients.filemaker.connection import Connection
from daemons.clients.server_report import Problem
from daemons.clock import Clock
from daemons.errors import DaemonError
from daemons.settings.filemaker import FileMakerSettings, LayoutSettings


@dataclass(frozen=True, slots=True)
class LayoutReport:
    """How one layout is, and the fields that are named in the settings but not on it."""

    ladder: str
    layout: str
    fields: int = 0
    missing: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class FileMakerReport:
    """What came of a test."""

    at: datetime
    url: str
    database: str
    works: bool = False
    """Whether the account was taken, and every layout has the fields it needs most."""
    seconds: float | None = None
    version: str | None = None
    """The server's own, None where it does not say."""
    problem: Problem | None = None
    layouts: tuple[LayoutReport, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the report of the HTTP API."""
        return asdict(self)


class Server(Protocol):
    """What of a client a test needs."""

    @property
    def settings(self) -> FileMakerSettings: ...
    @property
    def connection(self) -> Connection: ...
    async def fields(self, layout: str) -> dict[str, str]: ...


async def examine(server: Server, clock: Clock) -> FileMakerReport:
    """Return what the server does now. Never raises for anything that is wrong with it."""
    began = clock.monotonic()
    report = FileMakerReport(clock.now(), server.settings.url, server.settings.database)
    try:
        report = replace(report, version=_version(await server.connection.product()))
        await server.connection.log_in()
    except DaemonError as error:
        return replace(report, problem=Problem.of(error))
    layouts = [await _look_at(server, ladder, given) for ladder, given in server.settings.layouts().items()]
    problem = next((one.problem for one in layouts if one.problem is not None), None)
    seconds = clock.monotonic() - began
    return replace(report, works=problem is None, seconds=seconds, problem=problem, layouts=tuple(layouts))


async def _look_at(server: Server, ladder: str, given: LayoutSettings) -> LayoutReport:
    try:
        there = await server.fields(given.layout)
    except DaemonError as error:
        return LayoutReport(ladder, given.layout, problem=Problem.of(error))
    missing = tuple(name for name in given.named() if name not in there)
    problem = None
    if given.status in missing or not given.status:
        what = f"The layout {given.layout} has no field {given.status or 'for the status'}, without which none climbs."
        remedy = f"Put it on the layout in FileMaker, or correct filemaker.{ladder}."
        problem = Problem("ERR_FILEMAKER_FIELD_MISSING", what, remedy)
    return LayoutReport(ladder, given.layout, len(there), missing, problem)


def _version(response: dict[str, Any]) -> str | None:
    product = response.get("productInfo", response)
    version = product.get("version") if isinstance(product, dict) else None
    return version[:50] if isinstance(version, str) else None
