"""A FileMaker Server's Data API: records are found, read and written through layouts.

Everybody in this process shares one client, one session and what the server allows. FileMaker tells nobody of changes:
who wants to know finds, by status, again and again.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from daemons.clients.errors import BadAnswer, ServerAway
from daemons.clients.filemaker.answers import (
    FileMakerRecord,
    Page,
    ScriptOutcome,
    read_fields,
    read_layouts,
    read_number,
    read_page,
    read_script,
)
from daemons.clients.filemaker.connection import NAME, Connection
from daemons.clients.filemaker.errors import NoneFound, RecordChanged, RecordMissing
from daemons.clients.filemaker.finding import Query, as_fields, exact, reads_as
from daemons.clients.filemaker.report import FileMakerReport, examine, late
from daemons.clients.filemaker.uploads import form_of
from daemons.clients.server_report import Problem
from daemons.clock import Clock
from daemons.errors import Invalid
from daemons.findings import Finding
from daemons.settings.filemaker import FileMakerSettings
from daemons.values import JsonValue

__all__ = ["FileMakerClient", "FileMakerRecord", "ScriptOutcome"]

TRIES_OF_MERGE = 6
"""Times a record that somebody else writes too is read anew, before that is told."""
RESTARTS = 5
CHECK_SECONDS = 60.0
"""So long a person waits for the outcome of a test."""
PAGE = "/system#filemaker"
TROUBLE_SECONDS = 3600.0
"""What was wrong longer ago, without anybody asking since, is told no more: it may be over."""
PARAMETER_CHARACTERS = 1500
"""Longer ones do not go into an address, which FileMaker wants within 2,000 characters."""

Change = Callable[[FileMakerRecord], Mapping[str, JsonValue]]
"""Returns what to write into a record as it is now; asked again when somebody else was faster."""


class FileMakerClient:
    """One database; made by `Clients`.

    Every call raises ServerAway when the server cannot be asked now, whatever is asked: the caller waits and comes
    again. It raises BadAnswer where only this call makes no sense.
    """

    def __init__(
        self, settings: FileMakerSettings, clock: Clock, *, chance: Callable[[], float] = random.random
    ) -> None:
        self.settings = settings
        self.connection = Connection(settings, clock, chance)
        self.last_report: FileMakerReport | None = None
        self._clock = clock
        self._checked_at = 0.0
        self._trouble: tuple[float, Problem] | None = None
        """When the server was last found not to answer, and why; None once it answered."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()

    # Finding and reading.

    async def find(
        self, layout: str, query: Query | Sequence[Query], *, sort: str = ""
    ) -> AsyncIterator[FileMakerRecord]:
        """Yield every record that fits one of the queries, each once: by the field `sort`, or as they were made.

        Records that come into the found set or leave it meanwhile neither hide others nor bring any twice.
        """
        queries = [query] if isinstance(query, Mapping) else [*query]
        body: dict[str, Any] = {"query": [{**one} for one in queries]}
        if sort:
            body["sort"] = [{"fieldName": sort, "sortOrder": "ascend"}]
        async for record in self._pages(layout, body):
            yield record

    async def find_exact(
        self, layout: str, field: str, value: str, *, sort: str = ""
    ) -> AsyncIterator[FileMakerRecord]:
        """Yield every record whose field holds that text, letter for letter."""
        async for record in self.find(layout, {field: exact(value)}, sort=sort):
            # FileMaker does not tell upper case from lower.
            if record.text(field) == value:
                yield record

    async def get(self, layout: str, record_id: str) -> FileMakerRecord:
        """Return one record. Raises RecordMissing."""
        page = read_page(await self._call("GET", "layouts", layout, "records", _checked(record_id)))
        if not page.records:
            raise RecordMissing(f"FileMaker has no record {record_id}.")
        return page.records[0]

    async def fields(self, layout: str) -> dict[str, str]:
        """Return the fields of a layout by name, and what each holds, such as text. Raises LayoutMissing."""
        return read_fields(await self._call("GET", "layouts", layout))

    async def layouts(self) -> list[str]:
        """Return the names of the layouts that the account may see."""
        return read_layouts(await self._call("GET", "layouts"))

    # Writing.

    async def create(self, layout: str, fields: Mapping[str, JsonValue]) -> tuple[str, str]:
        """Make a record, and return its id and modId. When the answer is lost, it may have been made."""
        body = {"fieldData": as_fields(fields)}
        made = await self._call("POST", "layouts", layout, "records", body=body, repeatable=False)
        return read_number(made, "recordId"), read_number(made, "modId")

    async def edit(
        self, layout: str, record_id: str, fields: Mapping[str, JsonValue], *, mod_id: str | None = None
    ) -> str:
        """Write fields, and return the new modId. Raises RecordChanged when `mod_id` is not that of the record now."""
        body = {"fieldData": as_fields(fields)} | ({"modId": mod_id} if mod_id is not None else {})
        written = await self._call("PATCH", "layouts", layout, "records", _checked(record_id), body=body)
        return read_number(written, "modId")

    async def merge(
        self, layout: str, record_id: str, change: Change, *, known: FileMakerRecord | None = None
    ) -> FileMakerRecord:
        """Write what `change` wants of the record as it is now, and return it so; nothing of others is overwritten.

        `known` spares a read where it is still true. Raises RecordChanged when others are faster time and again.
        """
        record = known or await self.get(layout, record_id)
        for _ in range(TRIES_OF_MERGE):
            wanted = change(record)
            fields = {name: value for name, value in wanted.items() if record.fields.get(name) != reads_as(value)}
            if not fields:
                return record
            try:
                mod_id = await self.edit(layout, record_id, fields, mod_id=record.mod_id)
            except RecordChanged:
                record = await self.get(layout, record_id)
                continue
            kept = {name: reads_as(value) for name, value in fields.items()}
            return replace(record, mod_id=mod_id, fields={**record.fields, **kept})
        raise RecordChanged(f"Record {record_id} of {layout} was changed by others each time it was to be written.")

    async def delete(self, layout: str, record_id: str) -> None:
        """Delete a record. Raises RecordMissing, also when an answer was lost that had deleted it."""
        await self._call("DELETE", "layouts", layout, "records", _checked(record_id))

    async def upload(
        self, layout: str, record_id: str, field: str, name: str, content: bytes, media_type: str = ""
    ) -> str:
        """Put a file into a container field, and return the new modId."""
        body, headers = form_of(name, content, media_type)
        path = ("layouts", layout, "records", _checked(record_id), "containers", field, "1")
        return read_number(await self._call("POST", *path, body=body, headers=headers), "modId")

    async def run_script(self, layout: str, name: str, parameter: str = "") -> ScriptOutcome:
        """Run a script in a layout's context, and return how it ended: one that failed does not raise.

        Raises ScriptMissing, and Invalid for a parameter that is too long.
        """
        if len(parameter) > PARAMETER_CHARACTERS:
            raise Invalid(f"A script's parameter has at most {PARAMETER_CHARACTERS:,} characters.")
        query = {"script.param": parameter} if parameter else None
        return read_script(await self._call("GET", "layouts", layout, "script", name, query=query, repeatable=False))

    # How it is.

    async def check(self) -> FileMakerReport:
        """Return whether the server can be worked with and what to mend; never raises for that."""
        examining = asyncio.ensure_future(examine(self, self._clock))
        try:
            # What rests, as after the year's transfer is used up, would rest for an hour.
            if await self._clock.settle({examining}, CHECK_SECONDS):
                report = late(self, self._clock, CHECK_SECONDS, self._trouble[1] if self._trouble else None)
            else:
                report = examining.result()
        finally:
            examining.cancel()
            await asyncio.gather(examining, return_exceptions=True)
        self.last_report, self._checked_at = report, self._clock.monotonic()
        # What is wrong with layouts is told layout by layout.
        of_server = report.problem if not report.layouts else None
        self._trouble = (self._checked_at, of_server) if of_server is not None else None
        return report

    def findings(self) -> list[Finding]:
        """Return what a person should know of: a server that lately gave no answer, layouts that lack something."""
        now, found = self._clock.monotonic(), list[Finding]()
        if self._trouble is not None and now - self._trouble[0] < TROUBLE_SECONDS:
            what = self._trouble[1]
            found.append(Finding(what.code, "warning", what.message, what.remedy, NAME, link=PAGE))
        if self.last_report is not None and now - self._checked_at < TROUBLE_SECONDS:
            found += self.last_report.findings(PAGE)
        return found

    async def _call(self, method: str, *path: str, **given: Any) -> dict[str, Any]:
        try:
            response = await self.connection.call(method, *path, **given)
        except ServerAway as error:
            self._trouble = (self._clock.monotonic(), Problem.of(error))
            raise
        self._trouble = None
        return response

    async def _pages(self, layout: str, body: dict[str, Any]) -> AsyncIterator[FileMakerRecord]:
        seen: set[str] = set()
        size, offset, total, restarts = self.settings.page_size, 1, 0, 0
        while True:
            try:
                page = await self._page(layout, body, offset, size)
            except BadAnswer as error:
                if error.error_code != "ERR_ANSWER_TOO_LARGE" or size == 1:
                    raise
                size = max(1, size // 4)
                continue
            if page is None:
                # Nothing was found; or so many have left that this page is none any more, and those left have moved.
                if offset == 1 or restarts >= RESTARTS:
                    return
                offset, total, restarts = 1, 0, restarts + 1
                continue
            for record in page.records:
                if record.record_id not in seen:
                    seen.add(record.record_id)
                    yield record
            # As many as have left the found set, those behind them have moved forward, past what was read.
            gone = max(0, total - page.found) if offset > 1 else 0
            total = page.found
            offset = max(1, offset - gone) if gone else offset + max(1, len(page.records))
            if offset > total:
                return

    async def _page(self, layout: str, body: dict[str, Any], offset: int, size: int) -> Page | None:
        asked = {**body, "offset": str(offset), "limit": str(size)}
        try:
            return read_page(await self._call("POST", "layouts", layout, "_find", body=asked))
        except (NoneFound, RecordMissing):
            return None


def _checked(record_id: str) -> str:
    if not record_id.isdecimal():
        raise Invalid(f"FileMaker's records have numbers, not {record_id[:50]!r}.")
    return record_id
