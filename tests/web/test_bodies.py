"""What is not exactly JSON, too long, or of another kind is refused, and the message names it."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

import web.security
from daemons.errors import StorageFull, Unavailable
from daemons.service import Service
from web.security import BODY_BYTES

JSON = {"Content-Type": "application/json"}
DEEP = b'{"type": "echo", "args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"type": "echo", "args": {"size": NaN}}',
        b'{"type": "echo", "args": {"size": Infinity}}',
        b'{"type": "echo", "args": {"size": 1e999}}',
        b'{"type": "echo", "type": "wait"}',
        b'{"type": "echo", "args": {"text": "a\\u0000b"}}',
        b'{"type": "echo", "args": {"text": "\\ud800"}}',
        b'{"type": "echo", "args": {"list": [["\\udfff"]]}}',
        b'{"type": "echo", "args": {"a\\u0000b": 1}}',
        b'{"type": "echo", "args": ' + b"9" * 5000 + b"}",
        b'{"type": "echo\xff"}',
        DEEP,
        b"[]",
        b'"echo"',
        b"\xef\xbb\xbf{}",
    ],
)
async def test_what_is_not_json_is_422(program: httpx2.AsyncClient, body: bytes) -> None:
    answer = await program.post("/api/jobs", content=body, headers=JSON)

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] in ("ERR_INVALID_JSON", "ERR_INVALID")


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/xml"]
)
async def test_forms_are_415(program: httpx2.AsyncClient, kind: str) -> None:
    for path in ("/api/jobs", "/api/daemons/talker/start", "/api/daemons/stop-all"):
        answer = await program.post(path, content=b"type=echo", headers={"Content-Type": kind})

        assert answer.status_code == 415, path


async def test_a_body_without_a_type_is_415(program: httpx2.AsyncClient) -> None:
    assert (await program.post("/api/jobs", content=b"{}")).status_code == 415


@pytest.mark.parametrize("path", ["/api/jobs", "/api/daemons/talker/start", "/signin"])
async def test_a_long_body_is_413_by_what_it_announces(program: httpx2.AsyncClient, path: str) -> None:
    answer = await program.post(path, content=b" " * (BODY_BYTES + 1), headers=JSON)

    assert answer.status_code == 413


async def test_a_long_body_is_413_by_what_arrives(program: httpx2.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    answer = await program.post("/api/jobs", content=endless(), headers=JSON)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "ERR_BODY_TOO_LARGE"


async def test_a_command_needs_no_body(program: httpx2.AsyncClient) -> None:
    assert (await program.post("/api/daemons/talker/start")).status_code == 202
    assert (await program.post("/api/daemons/talker/start", json={})).status_code == 202


async def test_an_unknown_field_is_refused_naming_it(program: httpx2.AsyncClient) -> None:
    answer = await program.post("/api/daemons/talker/start", json={"force": True})

    assert answer.status_code == 422
    assert "force" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/api/types", "/api/daemons/talker", "/api/daemons/talker/stack", "/healthz"])
async def test_an_unknown_parameter_is_refused_naming_it(program: httpx2.AsyncClient, path: str) -> None:
    answer = await program.get(f"{path}?colour=red")

    assert answer.status_code == 422
    assert "colour" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("error", "status"), [(StorageFull(), 507), (Unavailable(), 503)])
async def test_a_database_in_trouble_has_its_status(
    program: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    async def refuse(*args: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(service.database, "write", refuse)

    answer = await program.post("/api/jobs", json={"type": "wait"})

    assert answer.status_code == status
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["error"]["remedy"]


@pytest.mark.parametrize("path", ["/api/jobs", "/jobs"])
async def test_a_fault_of_ours_is_told_without_its_inside(
    program: httpx2.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def break_down(*args: object, **more: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(service.jobs, "list", break_down)

    answer = await program.get(path)

    assert answer.status_code == 500
    assert "ERR_INTERNAL" in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/api/daemons", "/daemons"])
async def test_a_method_that_is_not_there_is_405(program: httpx2.AsyncClient, path: str) -> None:
    answer = await program.request("PUT" if path == "/api/daemons" else "DELETE", path)

    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


async def test_a_body_that_never_ends_is_408(program: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.security, "BODY_SECONDS", 0.05)

    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await program.post("/api/jobs", content=endless(), headers=JSON)

    assert answer.status_code == 408
