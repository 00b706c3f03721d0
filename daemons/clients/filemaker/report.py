"""Whether a FileMaker database can be worked with, found out by signing in and looking at its layouts."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Protocol

from daemons.clients.filemaker.connection import NAME, Connection
from daemons.clients.filemaker.errors import FieldMissing, LayoutMissing
from daemons.clients.server_report import Problem
from daemons.clock import Clock
from daemons.errors import DaemonError
from daemons.findings import Finding
from daemons.settings.filemaker import FileMakerSettings, LayoutSettings
from daemons.text import clean

NAME_CHARACTERS = 100
NEAR_MOST, LISTED_MOST = 3, 8
LIKENESS = 0.8
"""Of 1, how much two names have to be alike."""
COMPARED_MOST = 300
"""Names that are compared with one that is missing: a server may have any number."""


@dataclass(frozen=True, slots=True)
class MissingField:
    """A field that the settings name and the layout does not have; without it records climb all the same."""

    name: str
    setting: str  #: as `filemaker.stills.fields.caption`
    remedy: str


@dataclass(frozen=True, slots=True)
class LayoutReport:
    """How one layout is. A `problem` keeps its records from climbing; what else is `missing` is left alone."""

    ladder: str
    layout: str
    fields: int = 0
    missing: tuple[MissingField, ...] = ()
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
    """What keeps everything from working, else the first that keeps a layout's records from climbing."""
    layouts: tuple[LayoutReport, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the report of the HTTP API."""
        return asdict(self)

    def findings(self, link: str) -> Iterator[Finding]:
        """Yield what is wrong with single layouts."""
        for one in self.layouts:
            subject = f"{NAME}, {one.ladder}"
            if one.problem is not None:
                problem = one.problem
                yield Finding(problem.code, "warning", problem.message, problem.remedy, subject, link=link)
            elif one.missing:
                names = ", ".join(field.name for field in one.missing[:LISTED_MOST])
                said = f"FileMaker's layout {one.layout} lacks fields that the settings name; they are left alone: "
                said += f"{names}."
                remedy = "Put them on the layout, or correct their names: `daemondeck filemaker test` says which."
                yield Finding("NOTE_FILEMAKER_FIELDS", "info", said, remedy, subject, link=link)


class Server(Protocol):
    """What of a client a test needs."""

    @property
    def settings(self) -> FileMakerSettings: ...
    @property
    def connection(self) -> Connection: ...
    async def fields(self, layout: str) -> dict[str, str]: ...
    async def layouts(self) -> list[str]: ...


async def examine(server: Server, clock: Clock) -> FileMakerReport:
    """Return what the server does now. Never raises for anything that is wrong with it."""
    began = clock.monotonic()
    report = FileMakerReport(clock.now(), server.settings.url, server.settings.database)
    try:
        report = replace(report, version=_version(await server.connection.product()))
        await server.connection.log_in()
    except DaemonError as error:
        return replace(report, problem=Problem.of(error))
    given = server.settings.layouts()
    if not given:
        remedy = "Name a layout in filemaker.stills.layout, filemaker.footage.layout or filemaker.frames.layout."
        nothing = Problem("ERR_NOT_CONFIGURED", "No layout is named, so no records of FileMaker climb.", remedy)
        return replace(report, problem=nothing)
    layouts = [await _look_at(server, ladder, one) for ladder, one in given.items()]
    layouts = await _with_choice(server, layouts)
    problem = next((one.problem for one in layouts if one.problem is not None), None)
    seconds = clock.monotonic() - began
    return replace(report, works=problem is None, seconds=seconds, problem=problem, layouts=tuple(layouts))


def late(server: Server, clock: Clock, seconds: float, known: Problem | None) -> FileMakerReport:
    """Return the report of a test that did not end within `seconds`: what is `known` to be wrong, or just that."""
    said = f"The test did not end within {seconds:g} s."
    remedy = "Look whether the server is busy, and test again; the work itself waits longer."
    problem = known or Problem("ERR_ANSWER_LATE", said, remedy)
    return FileMakerReport(clock.now(), server.settings.url, server.settings.database, problem=problem)


async def _look_at(server: Server, ladder: str, given: LayoutSettings) -> LayoutReport:
    try:
        there = await server.fields(given.layout)
    except DaemonError as error:
        return LayoutReport(ladder, given.layout, problem=Problem.of(error))
    missing = tuple(
        MissingField(name, setting := f"filemaker.{ladder}.{place}", _remedy(name, setting, there))
        for name, place in given.places().items()
        if name not in there and name != given.status
    )
    problem = None
    if not given.status:
        what = f"No field is named for the status on the layout {given.layout}, without which none climbs."
        problem = Problem(FieldMissing.code, what, f"Name it in filemaker.{ladder}.status.")
    elif given.status not in there:
        what = f"The layout {given.layout} has no field {given.status} for the status, without which none climbs."
        problem = Problem(FieldMissing.code, what, _remedy(given.status, f"filemaker.{ladder}.status", there))
    return LayoutReport(ladder, given.layout, len(there), missing, problem)


async def _with_choice(server: Server, layouts: Sequence[LayoutReport]) -> list[LayoutReport]:
    """Return the reports; where a layout is missing, with those that there are."""
    if not any(one.problem is not None and one.problem.code == LayoutMissing.code for one in layouts):
        return list(layouts)
    there = list[str]()
    with suppress(DaemonError):
        there = await server.layouts()
    return [_named(one, there) for one in layouts]


def _named(report: LayoutReport, there: Sequence[str]) -> LayoutReport:
    if report.problem is None or report.problem.code != LayoutMissing.code:
        return report
    said = f"FileMaker has no layout {report.layout}, or does not show it to the account."
    remedy = f"Correct filemaker.{report.ladder}.layout, or empty it: then such records are left alone."
    if near := _near(report.layout, there) or [clean(name, NAME_CHARACTERS) for name in there[:LISTED_MOST]]:
        remedy += f" There are: {', '.join(near)}{' …' if len(there) > len(near) else ''}."
    return replace(report, problem=Problem(report.problem.code, said, remedy))


def _remedy(name: str, setting: str, there: Iterable[str]) -> str:
    near = _near(name, there)
    return f"Put it on the layout in FileMaker, or correct {setting}." + (
        f" The layout has {', '.join(near)}." if near else ""
    )


def _near(name: str, there: Iterable[str]) -> list[str]:
    """Return those names that are most like one that is missing."""
    known = {one[:NAME_CHARACTERS].casefold(): one for one in list(there)[:COMPARED_MOST]}
    found = get_close_matches(name[:NAME_CHARACTERS].casefold(), known, NEAR_MOST, LIKENESS)
    return [clean(known[one], NAME_CHARACTERS) for one in found]


def _version(response: dict[str, Any]) -> str | None:
    product = response.get("productInfo", response)
    version = product.get("version") if isinstance(product, dict) else None
    return clean(version, 50) if isinstance(version, str) else None
