"""No page says a word of ours that a translator could not change: in a made-up language, everything else is data."""

import ast
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from gettext import NullTranslations
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest
from babel.messages.pofile import read_po
from starlette.routing import Route

from daemons.access import Role
from daemons.errors import ErrorInfo
from daemons.notices import Outcome
from daemons.service import Service
from daemons.states import DaemonState, Desired, JobState, LogLevel
from daemons.workflows.describe.keeper import FileStamp, Finding, Way, record
from web import words
from web.app import CALLS, PAGES
from web.wording import in_words

ROOT = Path(__file__).parents[2]
PARAMETERS = {
    "/daemons/{name}": ["talker", "grumbler", "ghost"],
    "/people/users/{name}": ["ana"],
    "/people/tokens/{name}": ["robot"],
    "/schedules/{name}": ["nightly"],
    "/notifications/{name}": ["hook"],
    "/types/{type}": ["talker"],
    "/jobs/{id}": ["{echo}", "{wait}", "{ask}", "{failed}", "{late}"],
    "/operations/{id}": ["{operation}"],
    "/inbox/{id}": ["{question}"],
    "/descriptions/{id}": ["{described}", "{broken}"],
    "/records/{id}": ["{toy}", "{asking}"],
}
VARIANTS = {
    "/daemons": ["", "/talker?at=2026-01-01T00:00:00"],
    "/jobs": ["", "?q=", "?q=nothing-is-called-this", "?q=state:failed+type:echo"],
    "/activity": ["", "?kind=refused"],
    "/descriptions": ["", "?q=nothing&colour=teal&edited=true&finish=length&gone=all"],
    "/records": ["?ladder=toys", "?ladder=toys&complete=true"],
    "/records/table": ["", "?q=nothing", "?ladder=toys&code=ERR_NONE"],
    "/records/figures": ["?ladder=toys"],
    "/welcome": ["", "?step=2", "?step=3"],
    "/signin": ["", "?code=abc"],
    "/system/audit": ["", "?who=nobody"],
}
FACTS = {
    "taken_at": "2021-05-03T14:03:22", "camera": "Canon EOS 80D", "lens": "EF 50mm", "exposure_seconds": 0.004,
    "aperture": 2.8, "iso": 200, "focal_length": 50,
    "coordinates": {"latitude": 1.5, "longitude": -2.5}, "format": "GIF",
    "width": 800, "height": 600, "frames": 3, "perceptual_hash": "0123456789abcdef",
    "palette": [{"name": "teal", "hex": "#008080", "share": 0.7}],
}  # fmt: skip
WAY = Way(b"/photos", "local", "tiny")
SEEN = Finding(FileStamp(b"a.gif", 1, 1), 2.5, "0" * 64, FACTS, "A hill.")
DAMAGED = ErrorInfo("ERR_IMAGE_DAMAGED", "It is damaged.", None, "Copy it.")
BROKEN = Finding(FileStamp(b"b.gif", 1, 1), 0.1, error=DAMAGED)
SPOKEN = ("aria-label", "alt", "title", "placeholder", "data-say", "data-one", "data-many", "data-none", "data-gone")
CODE = {"code", "pre", "kbd", "time", "script", "style", "textarea"}
CODE_CLASSES = {"code", "path"}
OURS = {*DaemonState, *JobState, *Desired, *(set(Outcome) - {Outcome.WAITING}), *Role, "done", "refused"}
"""Values of the API that pages show as words: they have to be translated there."""
EXAMPLES = (
    "text hello",
    "daemon stop",
    "~/Pictures",
    "state:failed since:24h",
    "state:failed type:echo",
    "nothing-is-called-this",
)
"""A result, and what may be typed."""
ENGLISH = ("There is no daemon type named vanished.", "The first instance of a type cannot be removed. Disable it.")
"""Messages of errors, which the API tells as well."""
CODES = re.compile(
    r"\b[0-9a-f]{8}\b|\b\w+\.(?:txt|jsonl?)\b|\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d UTC| CES?T \(Europe/Berlin\))"
)
"""Ids, names of files, times."""
OPEN, SHUT = "⟦", "⟧"
NO_WORDS = {
    *("Daemondeck", "UTC", "GB", "MB", "kB", "min", "ms", "mm", "MiB", "CSV", "JSON", "API", "SHA", "ISO"),
    *("SQLite", "PostgreSQL"),
}


class Pseudo(NullTranslations):
    """Puts every message between brackets, what it fills in included, and knows which were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def gettext(self, message: str) -> str:
        self.asked.add(message)
        return f"{OPEN}{message}{SHUT}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        self.asked |= {msgid1, msgid2}
        return f"{OPEN}{msgid1 if n == 1 else msgid2}{SHUT}"


class Reader(HTMLParser):
    """Reads what a page says, without what is written as code."""

    VOID = frozenset(["area", "br", "col", "hr", "img", "input", "link", "meta", "source", "polyline", "rect"])

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.scripts: dict[str, str] = {}
        self._depth = 0
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.said += [self._outside(given[name] or "") for name in SPOKEN if name in given]
        self.scripts |= json.loads(given.get("data-words") or "{}")
        is_code = tag in CODE or bool(CODE_CLASSES & set((given.get("class") or "").split()))
        if tag not in self.VOID:
            self._open.append((tag, is_code))

    def handle_endtag(self, tag: str) -> None:
        while tag not in self.VOID and self._open and self._open.pop()[0] != tag:
            continue

    def handle_data(self, data: str) -> None:
        left = self._outside(data)  # also of code: a message may hold some
        if not any(is_code for _, is_code in self._open):
            self.said.append(left)

    def _outside(self, text: str) -> str:
        left = []
        for one in text:
            self._depth += (one == OPEN) - (one == SHUT)
            left.append(" " if self._depth or one == SHUT else one)
        return "".join(left)


@pytest.fixture
def messages(tmp_path: Path) -> set[str]:
    """Return the messages that translators get, as CONTRIBUTING.md has them extracted."""
    file = tmp_path / "daemondeck.pot"
    extract = [sys.executable, "-m", "babel.messages.frontend", "extract", "-F", "babel.cfg", "-o", str(file), "."]
    subprocess.run(extract, cwd=ROOT, check=True, capture_output=True, timeout=50)
    with file.open("rb") as stream:
        ids = [message.id for message in read_po(stream)]
    return {one for found in ids for one in ((found,) if isinstance(found, str) else found)}


@pytest.fixture
def made_up() -> Iterator[None]:
    yield
    words.speak(words.ENGLISH, words.catalogue(words.ENGLISH))


async def stage(program: httpx2.AsyncClient, service: Service) -> dict[str, str]:
    """Have something of everything, and return the ids of it."""

    async def call(method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await program.request(method, f"/api{path}", json=body)
        assert answer.status_code < 300, (path, answer.text)
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    await service.roster.add("vanished", "ghost", {"colour": "red"})
    for name in ("talker", "grumbler"):
        await call("POST", f"/daemons/{name}/start")
    await call("POST", "/daemons/demo/start")
    await call("POST", "/daemons/demo/stop")
    await call("POST", "/daemons/talker/pause", {"for": 600, "reason": "Guests"})
    await call("POST", "/users", {"name": "ana", "role": "operator", "password": "a long walk in the rain"})
    await call("POST", "/tokens", {"name": "robot", "role": "viewer"})
    plan = {"name": "nightly", "expression": "30 2 * * *", "zone": "Europe/Berlin", "job_type": "echo"}
    await call("POST", "/schedules", plan)
    await call("POST", "/schedules/nightly/run")
    hook = {"name": "hook", "kind": "webhook", "url": "http://127.0.0.1:1/hook"}
    await call("POST", "/notifications/targets", hook)
    await call("POST", "/views", {"name": "Mine", "query": "state:failed"})
    jobs = {}
    for name, kind in (("echo", "echo"), ("wait", "wait"), ("ask", "ask"), ("late", "wait"), ("failed", "stumble")):
        jobs[name] = (await call("POST", "/jobs", {"type": kind}))["id"]
    await call("POST", f"/jobs/{jobs['late']}/cancel", {})
    async with asyncio.timeout(20):
        while not (questions := (await call("GET", "/questions"))["items"]):
            continue  # a call gives the job its turn
    await service.orders.wait(jobs["failed"])
    operation = await call("POST", "/jobs/bulk", {"action": "retry", "q": "state:cancelled"})
    for finding in (SEEN, BROKEN):
        await service.database.write(lambda tx, finding=finding: record(tx, WAY, finding, "a-job"))
    for name in ("toy", "asking", "told"):
        source = {"ladder": "toys", "source": f"/toys/{name}.jpg", "fields": {"place": "Kiel"}}
        jobs[name] = (await call("POST", "/records", source))["id"]
    await call("POST", f"/records/{jobs['asking']}/move", {"status": "Awaiting User Input", "note": "Too dark."})
    await call("POST", f"/records/{jobs['told']}/move", {"status": "2 - Told"})
    await call("POST", f"/records/{jobs['toy']}/lock")
    found = {one["state"]: one["id"] for one in (await call("GET", "/descriptions"))["items"]}
    jobs |= {"described": found["done"], "broken": found["failed"]}
    await call("PATCH", f"/descriptions/{jobs['described']}", {"description": "Snow."})
    return {**jobs, "question": questions[0]["id"], "operation": operation["id"]}


def addresses(ids: dict[str, str]) -> Iterator[str]:
    """Yield an address of each page, several where it shows different things."""
    for route in PAGES:
        assert isinstance(route, Route)
        if "GET" not in (route.methods or ()):
            continue
        above = [known for known in PARAMETERS if (route.path + "/").startswith(known + "/")]
        assert above or "{" not in route.path, f"Say in PARAMETERS what stands for the parameter of {route.path}."
        values = PARAMETERS[above[0]] if above else [""]
        for value in values if above and route.path in (*above, f"{above[0]}/settings") else values[:1]:
            yield from (re.sub(r"{\w+}", value.format_map(ids), route.path) + v for v in VARIANTS.get(route.path, [""]))


async def data_of(program: httpx2.AsyncClient, ids: dict[str, str]) -> set[str]:
    """Return every string that the API tells, without those that pages show in words of ours."""
    paths = [
        call.path for call in CALLS if call.method == "GET" and "{" not in call.path and "openapi" not in call.path
    ]
    paths += [f"/api/jobs/{ids[name]}" for name in ("echo", "wait", "ask", "late", "failed")]
    paths += [f"/api/descriptions/{ids[name]}" for name in ("described", "broken")]
    paths += [f"/api/records/{ids[name]}" for name in ("toy", "asking", "told")]
    paths += [f"/api/records/{ids['toy']}/similar"]
    paths += [
        f"/api/daemons/{name}/{part}" for name in ("talker", "grumbler") for part in ("logs", "history", "errors")
    ]
    found: set[str] = set()
    for path in paths:
        answer = await program.get(path)
        if answer.headers.get("content-type", "").startswith("application/json"):
            found |= set(strings_of(answer.json())) | set(map(in_words, properties_of(answer.json())))
    found |= {*(call.summary for call in CALLS), *EXAMPLES, *ENGLISH, *LogLevel}
    return found - OURS


def properties_of(value: object) -> Iterator[str]:
    """Return the names of the fields that schemas tell of: forms make their labels of them."""
    if isinstance(value, dict) and isinstance(value.get("properties"), dict):
        yield from value["properties"]
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from properties_of(one)


def strings_of(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from strings_of(one)
        case list():
            for one in value:
                yield from strings_of(one)


def untranslated(html: str, data: list[str]) -> list[str]:
    """Return what a page says that is neither translated nor data."""
    reader = Reader()
    reader.feed(html)
    found = [said for said in reader.scripts.values() if not said.startswith(OPEN)]
    for said in reader.said:
        left = CODES.sub(" ", said)
        for one in data:
            if len(one) > 1 and one in left:
                left = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", " ", left)
        if set(re.findall(r"[^\W\d_]{2,}", left)) - NO_WORDS:
            found.append(" ".join(said.split()))
    return found


async def test_every_page_is_translated_as_a_whole(
    browser: httpx2.AsyncClient, service: Service, token: str, made_up: None, messages: set[str]
) -> None:
    browser.headers["Authorization"] = f"Bearer {token}"
    ids = await stage(browser, service)
    pseudo = Pseudo()
    words.speak("xx", pseudo)

    before, pages = await data_of(browser, ids), {}
    for address in addresses(ids):
        page = await browser.get(address)
        assert page.status_code in (200, 303), address
        pages[address] = page.text
    # Daemons speak on meanwhile.
    data = sorted({*before, *await data_of(browser, ids)}, key=len, reverse=True)

    assert {address: left for address, html in pages.items() if (left := untranslated(html, data))} == {}
    assert pseudo.asked - messages == set(), "pybabel would not find these."


def test_no_message_is_put_together_from_parts() -> None:
    put_together = [
        f"{file.name}: {ast.unparse(node)}"
        for file in (ROOT / "web").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "N_", "ngettext")
        for message in node.args[: 2 if node.func.id == "ngettext" else 1]
        if isinstance(message, ast.JoinedStr | ast.BinOp | ast.Call)
    ]

    assert put_together == []
