"""A FileMaker Server's Data API that keeps to the protocol, or fails in every way that such servers do."""

import asyncio
import json
import re
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from daemons.clock import Clock
from tests.fakes.filemaker_find import in_order, is_found
from tests.fakes.filemaker_wire import Failed, Request, fails, messages, read, uploaded
from tests.fakes.openai_server import Step, answers, breaks_off, closes, falls_silent, hangs

IDLE_SECONDS = 15 * 60
"""So long a session lives after the last call that used it."""
DATABASE, USER, PASSWORD = "Archive", "autolog", "s3cr3t-of-the-archive"
CERTIFICATE = Path(__file__).with_name("self_signed.pem")
TYPES = {"Text", "Number", "Date", "Container"}
_PATH = re.compile(r"/fmi/data/(?:v1|v2|vLatest)/(?P<rest>.*)")
_LAST = (closes, breaks_off, hangs, falls_silent)

Script = Callable[[str], tuple[str, int]]
"""Takes the parameter, returns the result and the error."""


@dataclass
class Record:
    """A record of a table."""

    record_id: int
    fields: dict[str, Any]
    mod_id: int = 0


@dataclass
class Table:
    """Records in the order of their creation; ids are never used twice."""

    fields: dict[str, str]  #: each with its type
    records: dict[int, Record] = field(default_factory=dict)
    last_id: int = 0

    def add(self, **fields: Any) -> Record:
        """Make a record, as somebody at a screen does."""
        self.last_id += 1
        made = Record(self.last_id, {**dict.fromkeys(self.fields, ""), **fields})
        self.records[self.last_id] = made
        return made

    def write(self, record_id: int, **fields: Any) -> None:
        """Change a record, as somebody at a screen does."""
        self.records[record_id].fields |= fields
        self.records[record_id].mod_id += 1


@dataclass(frozen=True)
class Layout:
    """A view of a table: only the fields on it exist for who asks by it."""

    table: Table
    fields: tuple[str, ...]


class FileMakerServer:
    """One hosted database, its sessions, and what is done to whoever asks."""

    def __init__(self, clock: Clock) -> None:
        self.layouts: dict[str, Layout] = {}
        self.scripts: dict[str, Script] = {}
        self.requests: list[Request] = []
        self.sessions: dict[str, float] = {}
        """The tokens, and when each was last used."""
        self.in_use: set[int] = set()
        """Ids of records that somebody at a screen has open."""
        self.none_found_status = 500
        """Or 404, as newer servers answer where nothing is found."""
        self.capacity = 100
        self.quota: int | None = None
        """Bytes that may still go out this year; None: any number."""
        self.is_away = False
        """Whether it hangs up on everybody."""
        self.loses: list[str] = []
        """Methods of the next calls that are done, but not answered."""
        self.password = PASSWORD
        self.logins = self.at_work = self.most_at_work = 0
        self.port = 0
        self.scheme = "http"
        self._clock = clock
        self._steps: list[Step] = []
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def table(self, name: str, *fields: str, **typed: str) -> Table:
        """Make a table with a layout of its name that shows all of it."""
        table = Table({**dict.fromkeys(fields, "Text"), **typed})
        self.layouts[name] = Layout(table, tuple(table.fields))
        return table

    def then(self, *steps: Step) -> None:
        """Answer the next requests so, whatever they are; those after as usual."""
        self._steps += steps

    def no_more(self) -> None:
        """Answer everything as usual again."""
        self._steps.clear()
        self.loses.clear()
        self.is_away = False

    def calls(self, method: str, ending: str = "") -> list[Request]:
        """Return the requests of that method whose path ends so."""
        return [asked for asked in self.requests if asked.method == method and asked.path.endswith(ending)]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        serving = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(serving)
        serving.add_done_callback(self._connections.discard)

    async def end(self) -> None:
        """Serve nobody any more."""
        for serving in self._connections:
            serving.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while await self._answer(await read(reader), reader, writer):
                    pass
                writer.close()
                await writer.wait_closed()
        finally:
            # With TLS, who only closes waits for the other side.
            writer.transport.abort()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, and return whether there may be another one."""
        self.requests.append(request)
        step = closes if self.is_away else self._steps.pop(0) if self._steps else self._step(request)
        if request.method in self.loses:
            self.loses.remove(request.method)
            step = closes
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await step(request, reader, writer)
        finally:
            self.at_work -= 1
        return step not in _LAST and request.headers.get("connection", "").lower() != "close"

    def _step(self, request: Request) -> Step:
        path = _PATH.fullmatch(request.path)
        if path is None:
            return answers(404, b"<html><title>404 Not Found</title></html>", "")
        try:
            response = self._respond(request, [unquote(part) for part in path["rest"].strip("/").split("/")])
        except Failed as failed:
            return fails(failed.code, failed.status)
        if self.quota is not None:
            self.quota -= len(json.dumps(response))
            if self.quota < 0:
                return fails("953")
        token = f"X-FM-Data-Access-Token: {response['token']}\r\n" if "token" in response else ""
        return answers(200, messages("0", response), token)

    # What is called.

    def _respond(self, request: Request, parts: list[str]) -> dict[str, Any]:
        _check_type(request)
        if parts == ["productInfo"]:
            return {"productInfo": {"name": "FileMaker Data API Engine", "version": "21.0.1.51"}}
        if parts[:1] != ["databases"] or len(parts) < 3:
            raise Failed("1708", 404)
        if parts[1] != DATABASE:
            raise Failed("802")
        match [request.method, *parts[2:]]:
            case ["POST", "sessions"]:
                return self._log_in(request)
            case ["DELETE", "sessions", token]:
                self._check_session(token)
                del self.sessions[token]
                return {}
        self._check_session(request.token)
        match [request.method, *parts[2:]]:
            case ["GET", "layouts"]:
                return {"layouts": [{"name": name, "table": ""} for name in self.layouts]}
            case ["GET", "scripts"]:
                return {"scripts": [{"name": name, "isFolder": False} for name in self.scripts]}
            case ["GET", "layouts", layout]:
                return self._describe(self._layout(layout))
            case ["GET", "layouts", layout, "script", name]:
                self._layout(layout)
                return self._run({"script": name, "script.param": request.query.get("script.param", "")})
            case [_, "layouts", layout, *rest]:
                return self._on_layout(request, self._layout(layout), rest)
        raise Failed("1708", 404)

    def _on_layout(self, request: Request, layout: Layout, rest: list[str]) -> dict[str, Any]:
        match [request.method, *rest]:
            case ["GET", "records"]:
                given = {name.removeprefix("_"): value for name, value in request.query.items()}
                given["sort"] = json.loads(given.get("sort") or "[]")
                return self._page(layout, [*layout.table.records.values()], given)
            case ["POST", "_find"]:
                return self._find(layout, request.body)
            case ["POST", "records"]:
                return self._create(layout, request.body)
            case ["GET", "records", given]:
                return self._rows(layout, [_record(layout, given)], 1) | self._run(request.query)
            case ["PATCH", "records", given]:
                return self._edit(layout, _record(layout, given), request.body)
            case ["DELETE", "records", given]:
                record = self._free(_record(layout, given))
                del layout.table.records[record.record_id]
                return self._run(request.query)
            case ["POST", "records", given, "containers", name, _]:
                return self._upload(layout, _record(layout, given), name, request)
        raise Failed("1704")

    def _log_in(self, request: Request) -> dict[str, Any]:
        self.logins += 1
        if not isinstance(request.body, dict):
            raise Failed("958")
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind != "Basic" or b64decode(given).decode() != f"{USER}:{self.password}":
            raise Failed("212")
        now = self._clock.monotonic()
        self.sessions = {token: at for token, at in self.sessions.items() if now - at < IDLE_SECONDS}
        if len(self.sessions) >= self.capacity:
            raise Failed("812")
        token = f"{self.logins:04x}token-of-a-session"
        self.sessions[token] = now
        return {"token": token}

    def _check_session(self, token: str) -> None:
        now, used = self._clock.monotonic(), self.sessions.get(token)
        if used is None or now - used >= IDLE_SECONDS:
            self.sessions.pop(token, None)
            raise Failed("952")
        self.sessions[token] = now

    def _layout(self, name: str) -> Layout:
        if name not in self.layouts:
            raise Failed("105")
        return self.layouts[name]

    def _describe(self, layout: Layout) -> dict[str, Any]:
        kinds = {name: layout.table.fields[name].lower() for name in layout.fields}
        return {"fieldMetaData": [{"name": name, "type": "normal", "result": kind} for name, kind in kinds.items()]}

    def _find(self, layout: Layout, body: Any) -> dict[str, Any]:
        query = body.get("query") if isinstance(body, dict) else None
        if not query or not all(isinstance(request, dict) for request in query):
            raise Failed("958")
        for request in query:
            _check_fields(layout, {name: "" for name in request if name != "omit"})
            if not all(isinstance(criterion, str) for criterion in request.values()):
                raise Failed("960")
        found = [one for one in layout.table.records.values() if is_found(one.fields, query, self._clock.now())]
        return self._page(layout, found, body)

    def _page(self, layout: Layout, found: list[Record], given: Mapping[str, Any]) -> dict[str, Any]:
        sort = given.get("sort") or []
        _check_fields(layout, {key["fieldName"]: "" for key in sort})
        offset, limit = _number(given.get("offset", 1)), _number(given.get("limit", 100))
        before = self._run({name: given[name] for name in given if ".pre" in name})
        if not found:
            raise Failed("401", self.none_found_status)
        if offset > len(found):
            raise Failed("101")
        page = in_order(found, sort)[offset - 1 : offset - 1 + limit]
        return (
            self._rows(layout, page, len(found))
            | before
            | self._run({n: v for n, v in given.items() if ".pre" not in n})
        )

    def _rows(self, layout: Layout, page: list[Record], found: int) -> dict[str, Any]:
        return {
            "dataInfo": {
                "database": DATABASE,
                "foundCount": found,
                "returnedCount": len(page),
                "totalRecordCount": len(layout.table.records),
            },
            "data": [
                {
                    "fieldData": {name: one.fields[name] for name in layout.fields},
                    "portalData": {},
                    "recordId": str(one.record_id),
                    "modId": str(one.mod_id),
                }
                for one in page
            ],
        }

    def _create(self, layout: Layout, body: Any) -> dict[str, Any]:
        fields = _field_data(layout, body)
        made = layout.table.add(**fields)
        return {"recordId": str(made.record_id), "modId": str(made.mod_id), **self._run(body)}

    def _edit(self, layout: Layout, record: Record, body: Any) -> dict[str, Any]:
        fields = _field_data(layout, body)
        self._free(record)
        if "modId" in body and str(body["modId"]) != str(record.mod_id):
            raise Failed("306")
        record.fields |= fields
        record.mod_id += 1
        return {"modId": str(record.mod_id), **self._run(body)}

    def _upload(self, layout: Layout, record: Record, name: str, request: Request) -> dict[str, Any]:
        _check_fields(layout, {name: ""})
        if layout.table.fields[name] != "Container":
            raise Failed("960")
        file_name, content = uploaded(request)
        self._free(record).fields[name] = f"{self.url}/Streaming_SSL/MainDB/{file_name}?bytes={len(content)}"
        record.mod_id += 1
        return {"modId": str(record.mod_id)}

    def _free(self, record: Record) -> Record:
        if record.record_id in self.in_use:
            raise Failed("301")
        return record

    def _run(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Run the scripts that a call names. One that fails does not make the call fail."""
        told = {}
        for when in (".prerequest", ".presort", ""):
            if (name := given.get(f"script{when}")) is None:
                continue
            if name not in self.scripts:
                raise Failed("104")
            result, error = self.scripts[name](str(given.get(f"script{when}.param", "")))
            told |= {f"scriptResult{when}": result, f"scriptError{when}": str(error)}
        return told


def _check_type(request: Request) -> None:
    if request.method in ("POST", "PATCH") and "/containers/" not in request.path:
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise Failed("1708", 415)
        try:
            _ = request.body
        except ValueError:
            raise Failed("960") from None


def _record(layout: Layout, given: str) -> Record:
    if not given.isdecimal() or int(given) not in layout.table.records:
        raise Failed("101")
    return layout.table.records[int(given)]


def _field_data(layout: Layout, body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not isinstance(body.get("fieldData"), dict):
        raise Failed("958")
    fields: dict[str, Any] = body["fieldData"]
    _check_fields(layout, fields)
    if any(isinstance(value, bool) or not isinstance(value, str | int | float) for value in fields.values()):
        raise Failed("960")
    # FileMaker keeps ends of lines as carriage returns, and gives them back so.
    return {n: v.replace("\r\n", "\r").replace("\n", "\r") if isinstance(v, str) else v for n, v in fields.items()}


def _check_fields(layout: Layout, fields: Mapping[str, Any]) -> None:
    if not set(fields) <= set(layout.fields):
        raise Failed("102")


def _number(given: Any) -> int:
    if not str(given).isdecimal() or int(given) < 1:
        raise Failed("960")
    return int(given)


@asynccontextmanager
async def serving(clock: Clock, *, with_tls: bool = False) -> AsyncIterator[FileMakerServer]:
    """Serve on a free port of this machine; `with_tls`: by the certificate CERTIFICATE, which nobody else signed."""
    served, tls = FileMakerServer(clock), None
    if with_tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(served.accept, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    served.scheme = "https" if tls else "http"
    try:
        yield served
    finally:
        server.close()
        await served.end()
