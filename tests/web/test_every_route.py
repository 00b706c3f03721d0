"""What holds for every path there is, found by asking the application for its routes."""

import re
from urllib.parse import unquote

import httpx2
import pytest
from sqlalchemy import inspect, text
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from daemons.service import Service
from tests.web.served import until
from web.app import create_app
from web.headers import HEADERS

WRITTEN_BY_TIME = {"leases", "managers"}
"""Tables in which the deck writes by itself while nobody asks anything."""
TRICKS = [
    "/../etc/passwd",
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/%2e%2e%2fapp.py",
    "/static/..%5capp.py",
    "/static/%252e%252e/app.py",
    "/static//etc/passwd",
    "/static/app.css%00.png",
    "/daemons/..%2f..%2fetc",
    "//evil.example/",
    "/daemons/./talker",
    "/daemons/talker\\start",
    "/daemons/%0d%0aSet-Cookie:x",
]


def paths(app: Starlette, method: str) -> list[str]:
    """Return every path that takes `method`, its parameters filled in."""
    found = [route for route in app.routes if isinstance(route, Route) and method in (route.methods or ())]
    return [re.sub(r"{name}", "talker", route.path).replace("{id}", "no-such-job") for route in found]


async def test_every_answer_has_the_security_headers(browser: httpx2.AsyncClient, app: Starlette) -> None:
    asked = [("GET", path) for path in paths(app, "GET")]
    asked += [(method, path) for method in ("POST", "PATCH", "DELETE") for path in paths(app, method)]
    asked += [
        ("GET", "/nothing"),
        ("GET", "/static/nothing"),
        ("PUT", "/"),
        ("TRACE", "/"),
        ("OPTIONS", "/"),
        ("GET", "//"),
    ]
    for method, path in asked:
        answer = await browser.request(method, path)

        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, (method, path, answer.status_code)
        assert answer.headers["cache-control"] == "no-store", (method, path)
        assert answer.status_code != 500, (method, path)


async def test_a_refusal_at_the_door_has_the_headers_too(guest: httpx2.AsyncClient) -> None:
    refused = [
        await guest.get("/", headers={"Host": "evil.example"}),
        await guest.post("/signin", headers={"Origin": "http://evil.example"}),
        await guest.post("/signin", content=b"x" * 2_000_000, headers={"Sec-Fetch-Site": "same-origin"}),
        await guest.get("/api/jobs"),
        await guest.get("/%2e%2e%2f"),
    ]

    assert [answer.status_code for answer in refused] == [421, 403, 413, 401, 404]
    for answer in refused:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


async def test_static_files_are_public_and_kept(guest: httpx2.AsyncClient) -> None:
    page = (await guest.get("/signin")).text
    style = re.search(r'href="(/static/app\.[0-9a-f]+\.css)"', page)
    assert style is not None

    answer = await guest.get(style[1])

    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_no_get_changes_anything(browser: httpx2.AsyncClient, app: Starlette, service: Service) -> None:
    await browser.post("/api/daemons/talker/start")
    await browser.post("/api/daemons/talker/pause")
    await until(service, "talker", "paused")
    await service.journal.flush()
    before = await whole_database(service)

    for path in paths(app, "GET"):
        for question in ("", "?start=1", "?code=x&next=/"):
            assert (await browser.get(path + question)).status_code < 500, path
            await browser.head(path + question)

    await service.journal.flush()
    assert await whole_database(service) == before


async def whole_database(service: Service) -> dict[str, list[object]]:
    """Return every row of every table but those in which time writes."""
    async with service.database.read() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        return {
            table: [tuple(row) for row in await connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))]
            for table in sorted(set(tables) - WRITTEN_BY_TIME - {"alembic_version"})
        }


@pytest.mark.parametrize("path", TRICKS)
async def test_path_tricks_lead_nowhere(browser: httpx2.AsyncClient, app: Starlette, path: str) -> None:
    assert await ask(app, path, browser) == 404


async def ask(app: Starlette, raw_path: str, browser: httpx2.AsyncClient) -> int:
    """Return the status of the answer to a path that clients would tidy up before they send it."""
    statuses: list[int] = []
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])  # type: ignore[arg-type]

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8420"), (b"cookie", cookies.encode())],
        "server": ("127.0.0.1", 8420),
        "client": ("127.0.0.1", 50_000),
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    return statuses[0]


async def test_every_reference_of_the_schema_leads_somewhere(program: httpx2.AsyncClient) -> None:
    schema = (await program.get("/api/openapi.json")).json()

    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', (await program.get("/api/openapi.json")).text)):
        part = schema
        for name in reference.split("/"):
            part = part[name]
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_nothing_is_mounted_but_static_files(app: Starlette) -> None:
    assert [route.path for route in app.routes if isinstance(route, Mount)] == ["/static"]


async def test_below_a_base_path_everything_works_stripped_or_not(service: Service) -> None:
    settings = service.settings.model_copy(update={"base_path": "/deck", "auth": "none"})
    service.settings = settings
    app = create_app(service)
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420") as client:
        for path in ("/jobs", "/deck/jobs", "/deck", "/", "/deck/api/health", "/api/health"):
            client.headers["Authorization"] = "Bearer " + (settings.data_dir / "token").read_text().strip()
            answer = await client.get(path)
            assert answer.status_code == 200, path
        pressed = await client.post("/deck/daemons/talker/start")

    assert pressed.headers["location"].startswith("/deck/daemons#d-")
